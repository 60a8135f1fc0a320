//! Numbers and products for the kernels' tests.
#![allow(dead_code)]

use conclave_kernels::{Isa, Matrix, Pool, Storage, matmul_on};
use half::bf16;

/// Numbers in -1..1 that look random and are always the same.
pub(crate) fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

pub(crate) fn bf16_matrix(seed: u64, rows: usize, cols: usize) -> Matrix {
    let values = numbers(seed, rows * cols).into_iter().map(bf16::from_f32).collect();
    Matrix::bf16(rows, cols, Storage::owned(values))
}

pub(crate) fn product(isa: Isa, x: &[f32], w: &Matrix, pool: &Pool) -> Vec<f32> {
    let mut y = vec![0.0; x.len() / w.cols() * w.rows()];
    matmul_on(isa, x, w, None, &mut y, pool);
    y
}
