//! The matrix product `y = x wᵀ (+ bias)`.
//!
//! Keeps true: `y[m, n]` depends on row `m` of `x` and row `n` of `w` alone, whatever the other rows, the threads and
//! the instruction set. With float weights it is formed by the sixteen-lane rule along K; with quantised ones the row
//! becomes int8 first and blocks are added in order (see `quant`).

use crate::isa::Kernel;
use crate::lanes::{LANES, reduce};
use crate::matrix::Elements;
use crate::pool::Disjoint;
use crate::quant::{Form, Level, PANEL, PANELS, QuantRows, Span, panel_product};
use crate::vector::{Element, Vector};
use crate::{Isa, Matrix, Pool};
use std::mem::MaybeUninit;

/// Outputs of one task: 64 rows of 2,048 bf16 weights are 256 KiB and stay in L2 for all row tiles.
const TASK_OUTPUTS: usize = 64;
/// Rows that meet a panel of quantised weights at once: with 2,048 inputs at most 256 KiB.
pub(crate) const QUANT_ROWS: usize = 64;

/// `M` input rows against `N` weight rows of length `k`; `sums[m][n]`.
///
/// # Safety
/// The instruction set of `V` is enabled.
// Indices, because constant loops over them are what the compiler unrolls into registers.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn tile<V: Vector, T: Element, const M: usize, const N: usize>(
    x: &[&[f32]; M],
    w: &[T],
    k: usize,
) -> [[f32; N]; M] {
    assert!(x.iter().all(|x| x.len() == k) && w.len() >= N * k, "tile [{M}, {N}] of {k}");
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
                let row = V::load(x[m].as_ptr().add(at));
                for n in 0..N {
                    acc[m][n] = acc[m][n].fma(row, weights[n]);
                }
            }
            at += LANES;
        }
        if full < k {
            for m in 0..M {
                let mut row = [0.0; LANES];
                row[..k - full].copy_from_slice(&x[m][full..]);
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

/// Where products go: output `n` of the i-th row at `at + i * stride + n`.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) out: &'a Disjoint<'a, f32>,
    pub(crate) at: usize,
    pub(crate) stride: usize,
}

impl Target<'_> {
    /// # Safety
    /// No other thread writes these outputs.
    #[inline(always)]
    unsafe fn put(&self, row: usize, n: usize, values: &[f32]) {
        // SAFETY: the caller's promise.
        unsafe { self.out.slice(self.at + row * self.stride + n, values.len()) }.copy_from_slice(values);
    }
}

/// What to multiply: all rows, and which of them, in which order.
#[derive(Clone, Copy)]
struct FloatRows<'a> {
    x: &'a [f32],
    rows: &'a [u32],
}

/// The rows against the `count` weight rows from `w`'s first, in register tiles of `ROWS` by `OUTPUTS`.
///
/// # Safety
/// The instruction set of `V` is enabled; no other thread writes these outputs.
#[inline(always)]
unsafe fn columns<V: Vector, T: Element, const ROWS: usize, const OUTPUTS: usize>(
    x: FloatRows<'_>,
    w: &[T],
    k: usize,
    count: usize,
    to: &Target<'_>,
) {
    let row = |at: usize| {
        let row = x.rows[at] as usize;
        &x.x[row * k..(row + 1) * k]
    };
    let mut m = 0;
    while m < x.rows.len() {
        let tile_rows = if x.rows.len() - m >= ROWS { ROWS } else { 1 };
        let mut n = 0;
        while n < count {
            let tile_outputs = if count - n >= OUTPUTS { OUTPUTS } else { 1 };
            let w = &w[n * k..(n + tile_outputs) * k];
            macro_rules! tile {
                ($rows:ident, $outputs:ident) => {{
                    let rows: [&[f32]; $rows] = std::array::from_fn(|r| row(m + r));
                    // SAFETY: the caller's promise.
                    let sums = unsafe { tile::<V, T, $rows, $outputs>(&rows, w, k) };
                    for (r, sums) in sums.iter().enumerate() {
                        // SAFETY: the caller's promise.
                        unsafe { to.put(m + r, n, sums) };
                    }
                }};
            }
            const ONE: usize = 1;
            match (tile_rows == ROWS, tile_outputs == OUTPUTS) {
                (true, true) => tile!(ROWS, OUTPUTS),
                (true, false) => tile!(ROWS, ONE),
                (false, true) => tile!(ONE, OUTPUTS),
                (false, false) => tile!(ONE, ONE),
            }
            n += tile_outputs;
        }
        m += tile_rows;
    }
}

/// [`columns`] as a loop for every instruction set.
struct Columns<'a, T> {
    x: FloatRows<'a>,
    w: &'a [T],
    k: usize,
    count: usize,
    to: &'a Target<'a>,
}

impl<T: Element> Kernel for Columns<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { x, w, k, count, to } = self;
        // A tile's sums and weights stay in registers.
        // SAFETY: the trait's contract; who runs it owns the outputs.
        unsafe {
            match V::REGISTERS {
                32.. => columns::<V, T, 4, 4>(x, w, k, count, to),
                _ => columns::<V, T, 2, 2>(x, w, k, count, to),
            }
        }
    }
}

/// Where panels are multiplied before their outputs go to rows that lie far apart. Only what is used gets written:
/// for a few rows, clearing all of it would cost as much as their product.
pub(crate) struct Buffer([MaybeUninit<[f32; PANELS * PANEL]>; QUANT_ROWS]);

impl Buffer {
    pub(crate) fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; QUANT_ROWS])
    }

    /// The first `count` rows, with zeros.
    pub(crate) fn rows(&mut self, count: usize) -> &mut [[f32; PANELS * PANEL]] {
        let rows = &mut self.0[..count];
        for row in rows.iter_mut() {
            row.write([0.0; PANELS * PANEL]);
        }
        // SAFETY: every one of them was written.
        unsafe { &mut *(std::ptr::from_mut(rows) as *mut [[f32; PANELS * PANEL]]) }
    }
}

/// Activation rows in every form that the matrices they meet ask for.
pub(crate) struct Inputs<'a> {
    isa: Isa,
    level: Level,
    x: &'a [f32],
    cols: usize,
    quantized: Vec<QuantRows>,
}

impl<'a> Inputs<'a> {
    /// Rows `x` `[rows, cols]` that will meet `matrices`.
    pub(crate) fn new<'m>(
        isa: Isa,
        x: &'a [f32],
        cols: usize,
        matrices: impl IntoIterator<Item = &'m Matrix>,
        pool: &Pool,
    ) -> Self {
        let mut inputs = Self::computed(isa, x, cols, Vec::new());
        for matrix in matrices {
            assert_eq!(matrix.cols(), cols, "matmul: the matrix takes rows of {}", matrix.cols());
            let Some(form) = Self::form_for(isa, matrix) else { continue };
            if !inputs.quantized.iter().any(|rows| rows.form == form) {
                inputs.quantized.push(QuantRows::quantize(isa, form, x, cols, pool));
            }
        }
        inputs
    }

    /// The same rows as `groups` name them, so that each group can be a span of its own.
    pub(crate) fn gathered(mut self, groups: &[&[u32]], pool: &Pool) -> Self {
        self.quantized = self.quantized.iter().map(|rows| rows.gather(groups, pool)).collect();
        self
    }

    /// Rows of `cols` that are there already in every form that will be asked for: floats `x`, and `quantized`.
    pub(crate) fn computed(isa: Isa, x: &'a [f32], cols: usize, quantized: Vec<QuantRows>) -> Self {
        Self { isa, level: Level::of(isa), x, cols, quantized }
    }

    /// Rows times the outputs `first..first + count` of `w`, one of the matrices of `new`; `first` is a multiple of 16.
    /// The rows are `rows` among the float rows, and from `row` on in `span` among the quantised ones.
    ///
    /// # Safety
    /// No other thread writes these outputs.
    pub(crate) unsafe fn product(
        &self,
        (rows, span, row): (&[u32], Span, usize),
        w: &Matrix,
        first: usize,
        count: usize,
        to: &Target<'_>,
    ) {
        let k = self.cols;
        let x = FloatRows { x: self.x, rows };
        // SAFETY: the caller's promise.
        unsafe {
            match &w.elements {
                Elements::F32(w) => self.isa.run(Columns { x, w: &w.elements()[first * k..], k, count, to }),
                Elements::Bf16(w) => self.isa.run(Columns { x, w: &w.elements()[first * k..], k, count, to }),
                Elements::Quant(w) => {
                    let form = Form::of(self.level, w.kind());
                    let x = self.quantized.iter().find(|rows| rows.form == form);
                    let x = x.expect("rows are there in the form of every matrix");
                    let panels =
                        |n: usize| ((first + n) / PANEL, (PANELS * PANEL).min(count - n).div_ceil(PANEL));
                    if to.stride == PANELS * PANEL && count == to.stride {
                        // The caller's buffer is what the kernel wants.
                        let out = to.out.slice(to.at, rows.len() * to.stride).as_chunks_mut().0;
                        panel_product(self.level, x, (span, row), w, panels(0), out);
                        return;
                    }
                    let mut buffer = Buffer::new();
                    for chunk in (0..rows.len()).step_by(QUANT_ROWS) {
                        let out = buffer.rows(QUANT_ROWS.min(rows.len() - chunk));
                        for n in (0..count).step_by(PANELS * PANEL) {
                            panel_product(self.level, x, (span, row + chunk), w, panels(n), out);
                            let width = (PANELS * PANEL).min(count - n);
                            for (row, out) in out.iter().enumerate() {
                                to.put(chunk + row, n, &out[..width]);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Where to put rows that will meet `w`: `None` if as floats.
    pub(crate) fn form_for(isa: Isa, w: &Matrix) -> Option<Form> {
        w.packed().map(|packed| Form::of(Level::of(isa), packed.kind()))
    }
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
    let inputs = Inputs::new(isa, x, k, [w], pool);
    let rows: Vec<u32> = (0..m as u32).collect();
    let span = Span { first: 0, rows: m };
    let out = Disjoint::new(y);
    pool.each(n.div_ceil(TASK_OUTPUTS), m * n * k, |task| {
        let first = task * TASK_OUTPUTS;
        let to = Target { out: &out, at: first, stride: n };
        // SAFETY: each task has its own outputs.
        unsafe { inputs.product((&rows, span, 0), w, first, TASK_OUTPUTS.min(n - first), &to) };
    });
    if let Some(bias) = bias {
        assert_eq!(bias.len(), n, "matmul: bias is [{n}]");
        y.chunks_exact_mut(n).for_each(|row| row.iter_mut().zip(bias).for_each(|(y, b)| *y += b));
    }
}
