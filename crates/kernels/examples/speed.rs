//! How fast the matrix product is: `cargo run --release -p conclave-kernels --example speed`.

use conclave_kernels::{Isa, Matrix, Pool, Storage, matmul_on};
use half::bf16;
use std::time::Instant;

fn main() {
    let (n, k, copies) = (1024, 2048, 32);
    let matrix =
        || Matrix::bf16(n, k, Storage::owned((0..n * k).map(|i| bf16::from_f32((i % 7) as f32)).collect()));
    // Together larger than the caches, so that weights come from memory.
    let weights: Vec<Matrix> = (0..copies).map(|_| matrix()).collect();
    for isa in Isa::available().into_iter().filter(|isa| *isa != Isa::Portable) {
        for (threads, m) in [(1, 1), (2, 1), (1, 8), (2, 8), (1, 64), (2, 64)] {
            let pool = Pool::new(threads);
            let x = vec![0.5; m * k];
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
            let time = times[times.len() / 2];
            println!(
                "{isa:?} threads {threads} rows {m}: {:.0} us, {:.1} GB/s of weights, {:.0} GFLOP/s",
                time * 1e6,
                (n * k * 2) as f64 / time / 1e9,
                (2 * m * n * k) as f64 / time / 1e9,
            );
        }
    }
}
