//! How fast the small kernels are: `cargo bench -p conclave-kernels --bench small`.
//!
//! Eight rows as in decoding, which lie in the caches, and 4096, which do not: there more than 100 % of memory's speed means that
//! caches answered, here memory is the limit. Routing as a whole and sampling are in `conclave-model`'s bench `choose`.

mod support;

use conclave_kernels::quant::{QuantKind, quantize_rows};
use conclave_kernels::{
    RopeTable, add_weighted_bf16, add_weighted_f32, add_weighted_q8, from_bf16, from_q8, q8_row_bytes,
    rms_norm, softmax_in_place, to_bf16, to_q8, top_k,
};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use support::{Against, Bench, Case, number, numbers, quick};

/// A residual stream, and heads, as of OLMoE-1B-7B.
const HIDDEN: usize = 2048;
const HEAD_DIM: usize = 128;
/// Experts of which a router chooses, as of Qwen3-30B-A3B.
const EXPERTS: usize = 128;
const TOP_K: usize = 8;
/// Additions, multiplications and comparisons of one exponential: its range, its polynomial and its power of two.
const EXP_OPERATIONS: usize = 24;
const F32: usize = size_of::<f32>();
const BF16: usize = 2;

fn case(name: String, bytes: usize, operations: usize) -> Case {
    Case { name, bytes, operations, against: Against::F32 }
}

fn norm_and_rope(bench: &mut Bench<'_>, rows: usize) {
    let values = rows * HIDDEN;
    let (x, weight, mut out) = (numbers(values), numbers(HIDDEN), vec![0.0; values]);
    let name = format!("rms_norm, {rows} rows of {HIDDEN}");
    // Square and add, scale, weigh.
    bench.case(case(name, (2 * values + HIDDEN) * F32, 4 * values), |pool| {
        rms_norm(&x, &weight, 1e-6, &mut out, pool);
        black_box(&out);
    });
    let table = RopeTable::new(HEAD_DIM, 10_000.0, 4096);
    let positions: Vec<u32> = (0..rows as u32).map(|row| row % 4096).collect();
    let mut x = x;
    let name = format!("rope, {rows} rows of {} heads of {HEAD_DIM}", HIDDEN / HEAD_DIM);
    let turns = rows * HEAD_DIM;
    bench.case(case(name, (2 * values + turns) * F32, 3 * values), |pool| {
        table.apply(&mut x, &positions, pool);
        black_box(&x);
    });
}

fn router(bench: &mut Bench<'_>, rows: usize) {
    let values = rows * EXPERTS;
    let (logits, mut scores) = (numbers(values), vec![0.0; values]);
    let name = format!("softmax, {rows} rows of {EXPERTS}");
    // The largest, the difference to it, its exponential, the sum, the scale; and the copy that puts the row back.
    bench.case(case(name, 4 * values * F32, (EXP_OPERATIONS + 4) * values), |_| {
        scores.copy_from_slice(&logits);
        scores.chunks_exact_mut(EXPERTS).for_each(softmax_in_place);
        black_box(&scores);
    });
    let name = format!("top {TOP_K}, {rows} rows of {EXPERTS}");
    // Once for NaN, once against the worst that is kept.
    bench.case(case(name, values * F32, 2 * values), |_| {
        for row in logits.chunks_exact(EXPERTS) {
            black_box(top_k(row, TOP_K));
        }
    });
}

fn activations(bench: &mut Bench<'_>, rows: usize) {
    let values = rows * HIDDEN;
    let x = numbers(values);
    for kind in [QuantKind::Q8, QuantKind::Q4] {
        let written = quantize_rows(kind, &x, HIDDEN, &bench.pool);
        let name = format!("quantise activations for {}, {rows} rows of {HIDDEN}", kind.name());
        // The largest, the product, the rounding, the sum of the codes.
        bench.case(case(name, values * F32 + written, 5 * values), |pool| {
            black_box(quantize_rows(kind, &x, HIDDEN, pool));
        });
    }
}

fn conversions(bench: &mut Bench<'_>, rows: usize) {
    let values = rows * HIDDEN;
    let (x, mut wide) = (numbers(values), vec![0.0; values]);
    let mut half = vec![0; values * BF16];
    let row_bytes = q8_row_bytes(HIDDEN);
    let mut q8 = vec![0; rows * row_bytes];
    let add = |bench: &mut Bench<'_>, name: &str, narrow: usize, each: usize, work: &mut dyn FnMut()| {
        let name = format!("{name}, {rows} rows of {HIDDEN}");
        bench.case(case(name, values * F32 + narrow, each * values), |_| work());
    };
    // Whether the last bit is odd, the sum, the shift; the check for NaN.
    add(bench, "f32 to bf16", values * BF16, 4, &mut || {
        to_bf16(&x, &mut half);
        black_box(&half);
    });
    add(bench, "bf16 to f32", values * BF16, 1, &mut || {
        from_bf16(&half, &mut wide);
        black_box(&wide);
    });
    add(bench, "f32 to q8 rows", rows * row_bytes, 4, &mut || {
        for (x, q8) in x.chunks_exact(HIDDEN).zip(q8.chunks_exact_mut(row_bytes)) {
            to_q8(x, q8);
        }
        black_box(&q8);
    });
    add(bench, "q8 rows to f32", rows * row_bytes, 2, &mut || {
        for (q8, wide) in q8.chunks_exact(row_bytes).zip(wide.chunks_exact_mut(HIDDEN)) {
            from_q8(q8, wide);
        }
        black_box(&wide);
    });
}

/// The answers of eight experts to each row, weighed and added up.
fn combine(bench: &mut Bench<'_>, rows: usize) {
    type Write = fn(&[f32], &mut [u8]);
    type Add = fn(f32, &[u8], &mut [f32]);
    let f32s: Write = |from, to| {
        to.as_chunks_mut().0.iter_mut().zip(from).for_each(|(to, from)| *to = from.to_le_bytes());
    };
    let forms: [(&str, usize, Write, Add); 3] = [
        ("f32", HIDDEN * F32, f32s, add_weighted_f32),
        ("bf16", HIDDEN * BF16, to_bf16, add_weighted_bf16),
        ("q8", q8_row_bytes(HIDDEN), to_q8, add_weighted_q8),
    ];
    let answer = numbers(HIDDEN);
    for (form, row_bytes, write, add) in forms {
        let mut answers = vec![0; rows * TOP_K * row_bytes];
        answers.chunks_exact_mut(row_bytes).for_each(|to| write(&answer, to));
        let mut out = vec![0.0; rows * HIDDEN];
        let name = format!("combine {TOP_K} {form} answers, {rows} rows of {HIDDEN}");
        let bytes = answers.len() + (1 + 2 * TOP_K) * out.len() * F32;
        bench.case(case(name, bytes, 2 * TOP_K * out.len()), |_| {
            for (out, answers) in out.chunks_exact_mut(HIDDEN).zip(answers.chunks_exact(TOP_K * row_bytes)) {
                out.fill(0.0);
                for (k, answer) in answers.chunks_exact(row_bytes).enumerate() {
                    add(0.1 + number(k) * 0.01, answer, out);
                }
            }
            black_box(&out);
        });
    }
}

fn run(criterion: &mut Criterion) {
    let mut bench = Bench::new(criterion);
    for rows in [8, 4096] {
        norm_and_rope(&mut bench, rows);
        router(&mut bench, rows);
        activations(&mut bench, rows);
        conversions(&mut bench, rows);
    }
    // Eight answers a row: 4096 rows would be 270 MB.
    combine(&mut bench, 8);
    combine(&mut bench, 512);
    bench.print();
}

criterion_group!(name = benches; config = quick(); targets = run);
criterion_main!(benches);
