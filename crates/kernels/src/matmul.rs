//! The matrix product `y = x wᵀ (+ bias)`.
//!
//! Keeps true: `y[m, n]` is formed by the sixteen-lane rule along K whatever the number of rows, so one row
//! alone and the same row among 512 give equal bits.

use crate::isa::per_isa;
use crate::lanes::{LANES, Lanes, fma, load, reduce};
use crate::matrix::Elements;
use crate::pool::Disjoint;
use crate::{Isa, Matrix, Pool};
use half::bf16;

/// Outputs of one task: 64 bf16 rows of 2,048 are 256 KiB and stay in L2 for all row tiles.
const TASK_OUTPUTS: usize = 64;
/// Rows and outputs of one register tile.
const TILE_ROWS: usize = 4;
const TILE_OUTPUTS: usize = 4;

trait Element: Copy {
    fn load(row: &[Self], at: usize) -> Lanes;
}

impl Element for f32 {
    #[inline(always)]
    fn load(row: &[f32], at: usize) -> Lanes {
        load(row, at)
    }
}

impl Element for bf16 {
    #[inline(always)]
    fn load(row: &[bf16], at: usize) -> Lanes {
        let mut lanes = [0.0; LANES];
        if at + LANES <= row.len() {
            let from: &[bf16; LANES] = row[at..at + LANES].try_into().expect("sixteen elements");
            for lane in 0..LANES {
                lanes[lane] = f32::from_bits(u32::from(from[lane].to_bits()) << 16);
            }
        } else {
            for (lane, value) in lanes.iter_mut().zip(&row[at..]) {
                *lane = f32::from_bits(u32::from(value.to_bits()) << 16);
            }
        }
        lanes
    }
}

/// `M` input rows against `N` weight rows of length `k`; `sums[m][n]`.
#[inline(always)]
fn tile<T: Element, const M: usize, const N: usize>(x: &[f32], w: &[T], k: usize) -> [[f32; N]; M] {
    let mut acc = [[[0.0; LANES]; N]; M];
    let full = k - k % LANES;
    let mut at = 0;
    while at < k {
        // Loads with a constant length in the full part let the compiler drop the tail test.
        let end = if at < full { at + LANES } else { k };
        let mut weights = [[0.0; LANES]; N];
        for n in 0..N {
            weights[n] = T::load(&w[n * k..n * k + end], at);
        }
        for m in 0..M {
            let row = load(&x[m * k..m * k + end], at);
            for n in 0..N {
                fma(&mut acc[m][n], &row, &weights[n]);
            }
        }
        at += LANES;
    }
    let mut sums = [[0.0; N]; M];
    for m in 0..M {
        for n in 0..N {
            sums[m][n] = reduce(&acc[m][n]);
        }
    }
    sums
}

/// All rows of `x` against the weight rows `first..first + count`; `write` gets columns of y.
#[inline(always)]
fn columns<T: Element>(
    x: &[f32],
    w: &[T],
    k: usize,
    first: usize,
    count: usize,
    y_width: usize,
    y: &Disjoint<'_, f32>,
) {
    let rows = x.len() / k;
    let mut m = 0;
    while m < rows {
        let tile_rows = if rows - m >= TILE_ROWS { TILE_ROWS } else { 1 };
        let mut n = first;
        while n < first + count {
            let tile_outputs = if first + count - n >= TILE_OUTPUTS { TILE_OUTPUTS } else { 1 };
            let x = &x[m * k..(m + tile_rows) * k];
            let w = &w[n * k..(n + tile_outputs) * k];
            match (tile_rows, tile_outputs) {
                (TILE_ROWS, TILE_OUTPUTS) => {
                    put(tile::<T, TILE_ROWS, TILE_OUTPUTS>(x, w, k), m, n, y_width, y)
                }
                (TILE_ROWS, _) => put(tile::<T, TILE_ROWS, 1>(x, w, k), m, n, y_width, y),
                (_, TILE_OUTPUTS) => put(tile::<T, 1, TILE_OUTPUTS>(x, w, k), m, n, y_width, y),
                _ => put(tile::<T, 1, 1>(x, w, k), m, n, y_width, y),
            }
            n += tile_outputs;
        }
        m += tile_rows;
    }
}

#[inline(always)]
fn put<const M: usize, const N: usize>(
    sums: [[f32; N]; M],
    m: usize,
    n: usize,
    width: usize,
    y: &Disjoint<'_, f32>,
) {
    for (row, sums) in sums.iter().enumerate() {
        // SAFETY: each task writes its own columns only.
        unsafe { y.slice((m + row) * width + n, N) }.copy_from_slice(sums);
    }
}

per_isa! {
    fn columns_f32(x: &[f32], w: &[f32], k: usize, first: usize, count: usize, width: usize, y: &Disjoint<'_, f32>) = columns::<f32>
}
per_isa! {
    fn columns_bf16(x: &[f32], w: &[bf16], k: usize, first: usize, count: usize, width: usize, y: &Disjoint<'_, f32>) = columns::<bf16>
}

/// `y = x wᵀ + bias`: `x` is `[m, k]`, `w` is `[n, k]`, `bias` is `[n]`, `y` is `[m, n]`.
///
/// bf16 weights are widened exactly; sums are f32. Panics if the shapes do not fit.
pub fn matmul(x: &[f32], w: &Matrix, bias: Option<&[f32]>, y: &mut [f32], pool: &Pool) {
    matmul_on(Isa::best(), x, w, bias, y, pool);
}

/// [`matmul`] on a given instruction set; for tests and benches.
pub fn matmul_on(isa: Isa, x: &[f32], w: &Matrix, bias: Option<&[f32]>, y: &mut [f32], pool: &Pool) {
    let (n, k) = (w.rows(), w.cols());
    let m = x.len() / k;
    assert_eq!(x.len(), m * k, "matmul: x is [m, {k}]");
    assert_eq!(y.len(), m * n, "matmul: y is [{m}, {n}]");
    let out = Disjoint::new(y);
    pool.each(n.div_ceil(TASK_OUTPUTS), m * n * k, |task| {
        let first = task * TASK_OUTPUTS;
        let count = TASK_OUTPUTS.min(n - first);
        match &w.elements {
            Elements::F32(w) => columns_f32(isa, x, w.elements(), k, first, count, n, &out),
            Elements::Bf16(w) => columns_bf16(isa, x, w.elements(), k, first, count, n, &out),
        }
    });
    if let Some(bias) = bias {
        assert_eq!(bias.len(), n, "matmul: bias is [{n}]");
        y.chunks_exact_mut(n).for_each(|row| row.iter_mut().zip(bias).for_each(|(y, b)| *y += b));
    }
}
