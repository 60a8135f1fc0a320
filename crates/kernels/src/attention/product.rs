//! Small products in registers: a few rows of `a` against vectors of `b`.
//!
//! Keeps true: each element of `c` is one chain of fused multiply-adds over the steps in ascending order, whatever
//! else is computed beside it.

use crate::lanes::LANES;
use crate::prefetch::prefetch;
use crate::vector::{Element, Vector};
use std::ops::Range;

/// Most rows of one product.
pub(super) const ROWS_MAX: usize = 6;

/// The right side of a product: for every step a row of vectors.
pub(super) trait Operand<T> {
    /// Whether the product is added to what `c` holds.
    const ADDS: bool;

    /// # Safety
    /// `step` and `vector` are within the operand.
    unsafe fn at(&self, step: usize, vector: usize) -> *const T;

    /// What will be read after this product at the same place.
    fn later(&self, step: usize, vector: usize) -> *const T;
}

/// Rows in memory with a distance.
#[derive(Clone, Copy)]
pub(super) struct Strided<P> {
    pub(super) start: P,
    pub(super) stride: usize,
}

/// `M` rows against `N` vectors from `vector` on.
///
/// # Safety
/// As for [`product`].
// Indices, because constant loops over them are what the compiler unrolls into registers.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn block<V: Vector, T: Element, B: Operand<T>, const M: usize, const N: usize>(
    a: Strided<*const f32>,
    steps: Range<usize>,
    b: &B,
    vector: usize,
    c: Strided<*mut f32>,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let c_first = c.start.add(vector * LANES);
        let mut acc = [[V::zero(); N]; M];
        if B::ADDS {
            for m in 0..M {
                for n in 0..N {
                    acc[m][n] = V::load(c_first.add(m * c.stride + n * LANES));
                }
            }
        }
        for step in steps {
            let mut vectors = [V::zero(); N];
            for n in 0..N {
                vectors[n] = T::load::<V>(b.at(step, vector + n));
                prefetch(b.later(step, vector + n));
            }
            for m in 0..M {
                let row = V::splat(*a.start.add(m * a.stride + step));
                for n in 0..N {
                    acc[m][n] = acc[m][n].fma(row, vectors[n]);
                }
            }
        }
        for m in 0..M {
            for n in 0..N {
                acc[m][n].store(c_first.add(m * c.stride + n * LANES));
            }
        }
    }
}

/// `M` rows against all `vectors`, as many at once as registers hold.
///
/// # Safety
/// As for [`product`].
#[inline(always)]
unsafe fn rows<V: Vector, T: Element, B: Operand<T>, const M: usize>(
    a: Strided<*const f32>,
    steps: Range<usize>,
    b: &B,
    vectors: Range<usize>,
    c: Strided<*mut f32>,
) {
    // A quarter is for `b` and the broadcast of `a`.
    let accumulators = V::REGISTERS * 3 / 4;
    let mut at = vectors.start;
    while at < vectors.end {
        let left = vectors.end - at;
        // SAFETY: the caller's promise.
        unsafe {
            if M * 4 <= accumulators && left >= 4 {
                block::<V, T, B, M, 4>(a, steps.clone(), b, at, c);
                at += 4;
            } else if M * 2 <= accumulators && left >= 2 {
                block::<V, T, B, M, 2>(a, steps.clone(), b, at, c);
                at += 2;
            } else {
                block::<V, T, B, M, 1>(a, steps.clone(), b, at, c);
                at += 1;
            }
        }
    }
}

/// `c[m][vector] (+)= Σ a[m][step] * b[step][vector]` over `steps`, for `count` rows and the vectors `vectors`.
///
/// # Safety
/// The instruction set of `V` is enabled; `a` has `count` rows that hold `steps`, `b` has `steps` and
/// `vectors`, and `c` has `count` rows that hold `vectors` and overlap neither.
#[inline(always)]
pub(super) unsafe fn product<V: Vector, T: Element, B: Operand<T>>(
    count: usize,
    a: Strided<*const f32>,
    steps: Range<usize>,
    b: &B,
    vectors: Range<usize>,
    c: Strided<*mut f32>,
) {
    let mut m = 0;
    while m < count {
        // SAFETY: the caller's promise; `m + M <= count`.
        unsafe {
            let a = Strided { start: a.start.add(m * a.stride), ..a };
            let c = Strided { start: c.start.add(m * c.stride), ..c };
            let (steps, vectors) = (steps.clone(), vectors.clone());
            match count - m {
                ROWS_MAX.. => {
                    rows::<V, T, B, ROWS_MAX>(a, steps, b, vectors, c);
                    m += ROWS_MAX;
                }
                4.. => {
                    rows::<V, T, B, 4>(a, steps, b, vectors, c);
                    m += 4;
                }
                2.. => {
                    rows::<V, T, B, 2>(a, steps, b, vectors, c);
                    m += 2;
                }
                _ => {
                    rows::<V, T, B, 1>(a, steps, b, vectors, c);
                    m += 1;
                }
            }
        }
    }
}
