//! The matrix product `y = x wᵀ (+ bias)`.
//!
//! Keeps true: `y[m, n]` is formed by the sixteen-lane rule along K whatever the number of rows, so one row
//! alone and the same row among 512 give equal bits.

use crate::lanes::{LANES, Lanes, reduce};
use crate::matrix::Elements;
use crate::pool::Disjoint;
use crate::vector::{Element, Vector};
use crate::{Isa, Matrix, Pool};

/// Outputs of one task: 64 bf16 rows of 2,048 are 256 KiB and stay in L2 for all row tiles.
const TASK_OUTPUTS: usize = 64;
/// Rows and outputs of one register tile.
const TILE_ROWS: usize = 4;
const TILE_OUTPUTS: usize = 4;

/// `M` input rows against `N` weight rows of length `k`; `sums[m][n]`.
///
/// # Safety
/// The instruction set of `V` is enabled; `x` has `M * k` elements, `w` has `N * k`.
// Indices, because constant loops over them are what the compiler unrolls into registers.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn tile<V: Vector, T: Element, const M: usize, const N: usize>(
    x: &[f32],
    w: &[T],
    k: usize,
) -> [[f32; N]; M] {
    assert!(x.len() >= M * k && w.len() >= N * k, "tile [{M}, {N}] of {k}");
    let full = k - k % LANES;
    // SAFETY: `at + LANES <= full <= k` keeps every load within its row; the tail is copied first.
    unsafe {
        let mut acc = [[V::zero(); N]; M];
        let mut at = 0;
        while at < full {
            let mut weights = [V::zero(); N];
            for n in 0..N {
                weights[n] = T::load::<V>(w.as_ptr().add(n * k + at));
            }
            for m in 0..M {
                let row = V::load(x.as_ptr().add(m * k + at));
                for n in 0..N {
                    acc[m][n] = acc[m][n].fma(row, weights[n]);
                }
            }
            at += LANES;
        }
        if full < k {
            for m in 0..M {
                let mut row = [0.0; LANES];
                row[..k - full].copy_from_slice(&x[m * k + full..(m + 1) * k]);
                for n in 0..N {
                    let mut weights = [T::default(); LANES];
                    weights[..k - full].copy_from_slice(&w[n * k + full..(n + 1) * k]);
                    acc[m][n] = acc[m][n].fma(V::load(row.as_ptr()), T::load::<V>(weights.as_ptr()));
                }
            }
        }
        let mut sums = [[0.0; N]; M];
        for m in 0..M {
            for n in 0..N {
                sums[m][n] = reduce(&acc[m][n].lanes());
            }
        }
        sums
    }
}

/// All rows of `x` against the weight rows `first..first + count`, into the same columns of `y`.
///
/// # Safety
/// The instruction set of `V` is enabled.
#[inline(always)]
unsafe fn columns<V: Vector, T: Element>(
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
                    put(unsafe { tile::<V, T, TILE_ROWS, TILE_OUTPUTS>(x, w, k) }, m, n, y_width, y)
                }
                (TILE_ROWS, _) => put(unsafe { tile::<V, T, TILE_ROWS, 1>(x, w, k) }, m, n, y_width, y),
                (_, TILE_OUTPUTS) => put(unsafe { tile::<V, T, 1, TILE_OUTPUTS>(x, w, k) }, m, n, y_width, y),
                _ => put(unsafe { tile::<V, T, 1, 1>(x, w, k) }, m, n, y_width, y),
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

/// [`columns`] on a given instruction set.
#[allow(clippy::too_many_arguments)]
fn columns_on<T: Element>(
    isa: Isa,
    x: &[f32],
    w: &[T],
    k: usize,
    first: usize,
    count: usize,
    width: usize,
    y: &Disjoint<'_, f32>,
) {
    #[cfg(target_arch = "x86_64")]
    {
        use crate::vector::x86::{Avx2, Avx512};
        type Y<'a> = Disjoint<'a, f32>;
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
        fn avx512<T: Element>(
            x: &[f32],
            w: &[T],
            k: usize,
            first: usize,
            count: usize,
            width: usize,
            y: &Y<'_>,
        ) {
            // SAFETY: this function enables the set.
            unsafe { columns::<Avx512, T>(x, w, k, first, count, width, y) }
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2<T: Element>(
            x: &[f32],
            w: &[T],
            k: usize,
            first: usize,
            count: usize,
            width: usize,
            y: &Y<'_>,
        ) {
            // SAFETY: this function enables the set.
            unsafe { columns::<Avx2, T>(x, w, k, first, count, width, y) }
        }
        match isa {
            // SAFETY: `Isa` values above `Portable` come from run-time detection.
            Isa::Avx512 => return unsafe { avx512(x, w, k, first, count, width, y) },
            // SAFETY: as above.
            Isa::Avx2 => return unsafe { avx2(x, w, k, first, count, width, y) },
            Isa::Portable => {}
        }
    }
    let _ = isa;
    // SAFETY: arrays need no instruction set.
    unsafe { columns::<Lanes, T>(x, w, k, first, count, width, y) }
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
            Elements::F32(w) => columns_on(isa, x, w.elements(), k, first, count, n, &out),
            Elements::Bf16(w) => columns_on(isa, x, w.elements(), k, first, count, n, &out),
        }
    });
    if let Some(bias) = bias {
        assert_eq!(bias.len(), n, "matmul: bias is [{n}]");
        y.chunks_exact_mut(n).for_each(|row| row.iter_mut().zip(bias).for_each(|(y, b)| *y += b));
    }
}
