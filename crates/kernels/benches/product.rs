//! How fast products with weights are: `cargo bench -p conclave-kernels --bench product`.
//!
//! One matrix and one layer of experts, in every form of weights; the weights rotate over more than the caches hold.
//! Each case prints its time, the bytes of weights that it read and its operations, both beside the machine's limit
//! from the same run. `THREADS=2` changes the threads.

use conclave_kernels::ffn::{ExpertGroup, grouped_swiglu};
use conclave_kernels::limits::Limits;
use conclave_kernels::quant::{PackedMatrix, QuantBlocks, QuantKind};
use conclave_kernels::{Matrix, Pool, Storage, matmul};
use criterion::{Criterion, criterion_group, criterion_main};
use half::bf16;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The experts of OLMoE-1B-7B, half of a layer.
const HIDDEN: usize = 2048;
const WIDTH: usize = 1024;
const EXPERTS: usize = 32;

fn number(i: usize) -> f32 {
    (i * 7919 % 1013) as f32 / 1013.0 - 0.5
}

fn matrix(form: &str, rows: usize, cols: usize) -> Matrix {
    let values: Vec<f32> = (0..rows * cols).map(number).collect();
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

struct Figure {
    name: String,
    time: f64,
    bytes: usize,
    multiply_adds: usize,
    int8: bool,
}

/// Seconds of one call of `work`, the median of criterion's samples.
fn time(criterion: &mut Criterion, name: &str, mut work: impl FnMut()) -> f64 {
    let mut times = Vec::new();
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|rounds| {
            let start = Instant::now();
            (0..rounds).for_each(|_| work());
            let elapsed = start.elapsed();
            times.push(elapsed.as_secs_f64() / rounds as f64);
            elapsed
        });
    });
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn run(criterion: &mut Criterion) {
    let threads = std::env::var("THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let pool = Pool::new(threads);
    let mut figures = Vec::new();
    for form in ["bf16", "q8", "q4"] {
        let experts: Vec<[Matrix; 3]> = (0..EXPERTS)
            .map(|_| [matrix(form, WIDTH, HIDDEN), matrix(form, WIDTH, HIDDEN), matrix(form, HIDDEN, WIDTH)])
            .collect();
        let int8 = form != "bf16";
        for rows in [1, 4, 8, 64, 512] {
            let x: Vec<f32> = (0..rows * HIDDEN).map(number).collect();
            let mut y = vec![0.0; rows * WIDTH];
            let mut next = 0;
            let name = format!("{form} [{WIDTH}, {HIDDEN}], {rows} rows");
            let time = time(criterion, &name, || {
                next = (next + 1) % EXPERTS;
                matmul(&x, &experts[next][0], None, &mut y, &pool);
                black_box(&y);
            });
            let (bytes, multiply_adds) = (experts[0][0].bytes(), rows * WIDTH * HIDDEN);
            figures.push(Figure { name, time, bytes, multiply_adds, int8 });
        }
        for rows in [1, 4, 32] {
            let x: Vec<f32> = (0..rows * HIDDEN).map(number).collect();
            let picks: Vec<u32> = (0..rows as u32).collect();
            let groups: Vec<ExpertGroup<'_>> =
                experts.iter().map(|[gate, up, down]| ExpertGroup { gate, up, down, rows: &picks }).collect();
            let mut out = vec![0.0; EXPERTS * rows * HIDDEN];
            let name = format!("{form}, {EXPERTS} experts with {rows} rows each");
            let time = time(criterion, &name, || {
                grouped_swiglu(&x, HIDDEN, &groups, &mut out, &pool);
                black_box(&out);
            });
            let bytes = experts.iter().flatten().map(Matrix::bytes).sum();
            figures.push(Figure {
                name,
                time,
                bytes,
                multiply_adds: EXPERTS * rows * 3 * WIDTH * HIDDEN,
                int8,
            });
        }
    }
    let limits = Limits::measure(&pool, 256 << 20);
    println!("{threads} thread(s); limits of this run: {limits:?}");
    for Figure { name, time, bytes, multiply_adds, int8 } in figures {
        let operations = 2.0 * multiply_adds as f64 / time;
        let limit = if int8 { limits.int8_operations } else { None }.unwrap_or(limits.f32_operations);
        println!(
            "{name:36} {:9.1} us  {:5.1} GB/s, {:3.0} % of memory's  {:6.1} GOP/s, {:3.0} % of {}'s",
            time * 1e6,
            bytes as f64 / time / 1e9,
            100.0 * bytes as f64 / time / limits.memory_bytes,
            operations / 1e9,
            100.0 * operations / limit,
            if int8 { "int8" } else { "f32" },
        );
    }
}

fn quick() -> Criterion {
    let (warm_up, measurement) = (Duration::from_millis(100), Duration::from_millis(500));
    Criterion::default().sample_size(10).warm_up_time(warm_up).measurement_time(measurement)
}

criterion_group!(name = benches; config = quick(); targets = run);
criterion_main!(benches);
