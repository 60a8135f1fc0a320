//! How fast attention is: `cargo bench -p conclave-kernels --bench attention`.
//!
//! After criterion's lines each case prints its median beside what the machine can do, measured in this same run,
//! because machines differ and move. `THREADS=2` and `KV=bf16` or `KV=q8` change what is measured.

mod support;

use conclave_kernels::attention::{KvDtype, KvLayer, SequenceRows, attend};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use support::{Against, Bench, quick};

const BLOCK_SIZE: usize = 16;

/// Rows at the end of a context, for one sequence or many.
struct Case {
    name: &'static str,
    sequences: usize,
    context: usize,
    rows: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
}

const CASES: [Case; 9] = [
    case("prefill 512, 16 heads", 1, 512, 512, 16, 16),
    case("prefill 512, 32 heads / 4", 1, 512, 512, 32, 4),
    case("prefill 256 after 2048, 32 heads / 4", 1, 2304, 256, 32, 4),
    case("decode 1 at 192, 32 heads / 4", 1, 192, 1, 32, 4),
    case("decode 8 at 192, 32 heads / 4", 8, 192, 1, 32, 4),
    case("decode 32 at 192, 32 heads / 4", 32, 192, 1, 32, 4),
    case("decode 1 at 2048, 32 heads / 4", 1, 2048, 1, 32, 4),
    case("decode 8 at 2048, 16 heads", 8, 2048, 1, 16, 16),
    case("decode 32 at 2048, 32 heads / 4", 32, 2048, 1, 32, 4),
];

const fn case(
    name: &'static str,
    sequences: usize,
    context: usize,
    rows: usize,
    heads: usize,
    kv_heads: usize,
) -> Case {
    Case { name, sequences, context, rows, heads, kv_heads, head_dim: 128 }
}

fn run(criterion: &mut Criterion) {
    let mut bench = Bench::new(criterion);
    let dtype = match std::env::var("KV").as_deref() {
        Ok("bf16") => KvDtype::Bf16,
        Ok("q8") => KvDtype::Q8,
        _ => KvDtype::F32,
    };
    for case in &CASES {
        let blocks_each = case.context.div_ceil(BLOCK_SIZE);
        let kv_width = case.kv_heads * case.head_dim;
        let number = |i: usize| (i % 251) as f32 / 125.0 - 1.0;
        let mut kv =
            KvLayer::new(case.sequences * blocks_each, BLOCK_SIZE, case.kv_heads, case.head_dim, dtype);
        let tables: Vec<Vec<u32>> = (0..case.sequences)
            .map(|s| (0..blocks_each).map(|b| (b * case.sequences + s) as u32).collect())
            .collect();
        let rows = |start: usize, len: usize| -> Vec<SequenceRows<'_>> {
            tables.iter().map(|table| SequenceRows { start, len, block_table: table }).collect()
        };
        let all: Vec<f32> = (0..case.sequences * case.context * kv_width).map(number).collect();
        kv.write(&all, &all, &rows(0, case.context), &bench.pool);
        let sequences = rows(case.context - case.rows, case.rows);
        let width = case.heads * case.head_dim;
        let queries: Vec<f32> = (0..case.sequences * case.rows * width).map(|i| number(i * 7)).collect();
        let mut out = vec![0.0; queries.len()];
        let seen: usize = sequences.iter().flat_map(|s| s.start + 1..s.start + s.len + 1).sum();
        // Of keys and values alone; scores and sums are two multiply-adds for each number of a head.
        let bytes = dtype.layer_bytes(case.sequences, case.context, case.kv_heads, case.head_dim);
        let operations = 4 * seen * case.heads * case.head_dim;
        let name = format!("attention, {}: {}", dtype.name(), case.name);
        bench.case(support::Case { name, bytes, operations, against: Against::F32 }, |pool| {
            attend(&queries, case.heads, &kv, &sequences, None, 0.088, &mut out, pool);
            black_box(&out);
        });
    }
    bench.print();
}

criterion_group!(name = benches; config = quick(); targets = run);
criterion_main!(benches);
