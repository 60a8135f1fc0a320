//! How fast the matrix product is: `cargo run --release -p conclave-kernels --example speed`.

use conclave_kernels::quant::{PackedMatrix, QuantBlocks, QuantKind};
use conclave_kernels::{Isa, Matrix, Pool, Storage, matmul_on};
use half::bf16;
use std::time::Instant;

fn main() {
    let (n, k, copies) = (1024, 2048, 32);
    let values: Vec<f32> = (0..n * k).map(|i| (i * 7919 % 1013) as f32 / 1013.0 - 0.5).collect();
    let narrow: Vec<bf16> = values.iter().map(|v| bf16::from_f32(*v)).collect();
    let bf16 = move || Matrix::bf16(n, k, Storage::owned(narrow.clone()));
    let quant = |kind| {
        let blocks = QuantBlocks::quantize(kind, &values, n, k);
        move || Matrix::quantized(PackedMatrix::pack(&blocks, k))
    };
    let (q8, q4) = (quant(QuantKind::Q8), quant(QuantKind::Q4));
    let kinds: [(&str, Box<dyn Fn() -> Matrix>); 3] =
        [("bf16", Box::new(move || bf16())), ("q8", Box::new(q8)), ("q4", Box::new(q4))];
    for (name, matrix) in kinds {
        // Together larger than the caches, so that weights come from memory.
        let weights: Vec<Matrix> = (0..copies).map(|_| matrix()).collect();
        for isa in Isa::available().into_iter().filter(|isa| *isa != Isa::Portable) {
            for (threads, m) in [(1, 1), (2, 1), (1, 4), (2, 4), (1, 8), (1, 64), (2, 64), (1, 512)] {
                let pool = Pool::new(threads);
                let x: Vec<f32> = (0..m * k).map(|i| (i * 31 % 101) as f32 / 101.0 - 0.5).collect();
                let mut y = vec![0.0; m * n];
                let mut times: Vec<f64> = weights
                    .iter()
                    .map(|w| {
                        let start = Instant::now();
                        matmul_on(isa, &x, w, None, &mut y, &pool);
                        start.elapsed().as_secs_f64()
                    })
                    .collect();
                times.sort_by(f64::total_cmp);
                let time = times[0];
                println!(
                    "{name} {isa:?} threads {threads} rows {m}: {:.0} us, {:.1} GB/s of weights, {:.0} GFLOP/s",
                    time * 1e6,
                    weights[0].bytes() as f64 / time / 1e9,
                    (2 * m * n * k) as f64 / time / 1e9,
                );
            }
        }
    }
}
