//! How fast attention is: `cargo bench -p conclave-kernels --bench attention`.
//!
//! After criterion's lines each case prints its median beside what the machine can do, measured in this same run,
//! because machines differ and move. `THREADS=2` and `KV=bf16` or `KV=q8` change what is measured.

use conclave_kernels::attention::{KvDtype, KvLayer, SequenceRows, attend};
use conclave_kernels::{Pool, limits::Limits};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};

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
    let mut group = criterion.benchmark_group("attention");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
    let threads = std::env::var("THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let pool = Pool::new(threads);
    let dtype = match std::env::var("KV").as_deref() {
        Ok("bf16") => KvDtype::Bf16,
        Ok("q8") => KvDtype::Q8,
        _ => KvDtype::F32,
    };
    let mut report = Vec::new();
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
        kv.write(&all, &all, &rows(0, case.context), &pool);
        let sequences = rows(case.context - case.rows, case.rows);
        let width = case.heads * case.head_dim;
        let queries: Vec<f32> = (0..case.sequences * case.rows * width).map(|i| number(i * 7)).collect();
        let mut out = vec![0.0; queries.len()];
        let mut times = Vec::new();
        group.bench_function(case.name, |bencher| {
            bencher.iter_custom(|rounds| {
                let start = Instant::now();
                for _ in 0..rounds {
                    attend(&queries, case.heads, &kv, &sequences, None, 0.088, &mut out, &pool);
                    black_box(&out);
                }
                let elapsed = start.elapsed();
                times.push(elapsed.as_secs_f64() / rounds as f64);
                elapsed
            });
        });
        times.sort_by(f64::total_cmp);
        let seen: usize = sequences.iter().flat_map(|s| s.start + 1..s.start + s.len + 1).sum();
        report.push((case, times.get(times.len() / 2).copied().unwrap_or(f64::NAN), seen));
    }
    let limits = Limits::measure(&pool, 256 << 20);
    let peak = limits.f32_operations / 2.0;
    println!(
        "{threads} thread(s), {}: at most {:.1} G multiply-adds/s, {:.1} GB/s from memory",
        dtype.name(),
        peak / 1e9,
        limits.memory_bytes / 1e9
    );
    for (case, time, seen) in report {
        let multiply_adds = (seen * case.heads * case.head_dim * 2) as f64;
        let bytes = dtype.layer_bytes(case.sequences, case.context, case.kv_heads, case.head_dim) as f64;
        println!(
            "{:38} {:9.1} us  {:5.1} % of peak  {:6.1} GB/s of keys and values",
            case.name,
            time * 1e6,
            100.0 * multiply_adds / time / peak,
            bytes / time / 1e9,
        );
    }
}

criterion_group!(benches, run);
criterion_main!(benches);
