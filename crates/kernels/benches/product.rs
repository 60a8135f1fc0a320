//! How fast products with weights are: `cargo bench -p conclave-kernels --bench product`.
//!
//! One matrix and one layer of experts, in every form of weights; the weights rotate over more than the caches hold.
//! Each case prints its time, the bytes of weights that it read and its operations, both beside the machine's limit
//! from the same run. `THREADS=2` changes the threads.

mod support;

use conclave_kernels::ffn::{ExpertGroup, grouped_swiglu};
use conclave_kernels::quant::{PackedMatrix, QuantBlocks, QuantKind};
use conclave_kernels::{Matrix, Storage, matmul};
use criterion::{Criterion, criterion_group, criterion_main};
use half::bf16;
use std::hint::black_box;
use support::{Against, Bench, Case, numbers, quick};

/// The experts of OLMoE-1B-7B, half of a layer.
const HIDDEN: usize = 2048;
const WIDTH: usize = 1024;
const EXPERTS: usize = 32;

fn matrix(form: &str, rows: usize, cols: usize) -> Matrix {
    let values = numbers(rows * cols);
    let quantized =
        |kind| Matrix::quantized(PackedMatrix::pack(&QuantBlocks::quantize(kind, &values, rows, cols), cols));
    match form {
        "bf16" => {
            let values = values.iter().map(|value| bf16::from_f32(*value)).collect();
            Matrix::bf16(rows, cols, Storage::owned(values))
        }
        "q8" => quantized(QuantKind::Q8),
        _ => quantized(QuantKind::Q4),
    }
}

fn run(criterion: &mut Criterion) {
    let mut bench = Bench::new(criterion);
    for form in ["bf16", "q8", "q4"] {
        let experts: Vec<[Matrix; 3]> = (0..EXPERTS)
            .map(|_| [matrix(form, WIDTH, HIDDEN), matrix(form, WIDTH, HIDDEN), matrix(form, HIDDEN, WIDTH)])
            .collect();
        let against = if form == "bf16" { Against::F32 } else { Against::Int8 };
        for rows in [1, 4, 8, 64, 512] {
            let x = numbers(rows * HIDDEN);
            let mut y = vec![0.0; rows * WIDTH];
            let mut next = 0;
            let name = format!("{form} [{WIDTH}, {HIDDEN}], {rows} rows");
            let (bytes, operations) = (experts[0][0].bytes(), 2 * rows * WIDTH * HIDDEN);
            bench.case(Case { name, bytes, operations, against }, |pool| {
                next = (next + 1) % EXPERTS;
                matmul(&x, &experts[next][0], None, &mut y, pool);
                black_box(&y);
            });
        }
        for rows in [1, 4, 32] {
            let x = numbers(rows * HIDDEN);
            let picks: Vec<u32> = (0..rows as u32).collect();
            let groups: Vec<ExpertGroup<'_>> =
                experts.iter().map(|[gate, up, down]| ExpertGroup { gate, up, down, rows: &picks }).collect();
            let mut out = vec![0.0; EXPERTS * rows * HIDDEN];
            let name = format!("{form}, {EXPERTS} experts with {rows} rows each");
            let bytes = experts.iter().flatten().map(Matrix::bytes).sum();
            let operations = 2 * EXPERTS * rows * 3 * WIDTH * HIDDEN;
            bench.case(Case { name, bytes, operations, against }, |pool| {
                grouped_swiglu(&x, HIDDEN, &groups, &mut out, pool);
                black_box(&out);
            });
        }
    }
    bench.print();
}

criterion_group!(name = benches; config = quick(); targets = run);
criterion_main!(benches);
