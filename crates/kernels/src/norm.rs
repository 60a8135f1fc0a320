//! RMS normalisation.

use crate::isa::Kernel;
use crate::lanes::{LANES, reduce};
use crate::pool::Disjoint;
use crate::vector::Vector;
use crate::{Isa, Pool};

/// Elements of one task.
const TASK_ELEMENTS: usize = 16_384;

/// Rows of the weight's length.
struct RmsNorm<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for RmsNorm<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let width = self.weight.len();
        let full = width - width % LANES;
        for (x, out) in self.x.chunks_exact(width).zip(self.out.chunks_exact_mut(width)) {
            // SAFETY: this function's contract; `at + LANES <= full <= width` keeps every access within the rows,
            // and the tail is copied first.
            unsafe {
                let mut squares = V::zero();
                for at in (0..full).step_by(LANES) {
                    let values = V::load(x.as_ptr().add(at));
                    squares = squares.fma(values, values);
                }
                if full < width {
                    let mut tail = [0.0; LANES];
                    tail[..width - full].copy_from_slice(&x[full..]);
                    let values = V::load(tail.as_ptr());
                    squares = squares.fma(values, values);
                }
                let scale = 1.0 / (reduce(&squares.lanes()) / width as f32 + self.eps).sqrt();
                for at in (0..full).step_by(LANES) {
                    let scaled = V::load(x.as_ptr().add(at)).mul(V::splat(scale));
                    scaled.mul(V::load(self.weight.as_ptr().add(at))).store(out.as_mut_ptr().add(at));
                }
                for at in full..width {
                    out[at] = x[at] * scale * self.weight[at];
                }
            }
        }
    }
}

/// `out = x / sqrt(mean(x²) + eps) * weight` for each row of `weight.len()` elements.
///
/// With a weight of one head's width and `x` of `[rows, heads * head_dim]` it normalises head by head.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32], pool: &Pool) {
    let width = weight.len();
    assert!(x.len().is_multiple_of(width), "rms_norm: rows of {width}");
    assert_eq!(out.len(), x.len(), "rms_norm: out is as large as x");
    let task_len = (TASK_ELEMENTS / width).max(1) * width;
    let isa = Isa::best();
    let out = Disjoint::new(out);
    pool.each(x.len().div_ceil(task_len), x.len() * 2, |task| {
        let at = task * task_len;
        let x = &x[at..x.len().min(at + task_len)];
        // SAFETY: each task has its own rows.
        isa.run(RmsNorm { x, weight, eps, out: unsafe { out.slice(at, x.len()) } });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_equal_on_every_instruction_set_and_any_number_of_threads() {
        for width in [5, 16, 38, 128, 2048] {
            let x: Vec<f32> = (0..40 * width).map(|i| (i % 37) as f32 / 7.0 - 2.0).collect();
            let weight: Vec<f32> = (0..width).map(|i| (i % 11) as f32 / 5.0).collect();
            let on = |isa: Isa| {
                let mut out = vec![0.0; x.len()];
                isa.run(RmsNorm { x: &x, weight: &weight, eps: 1e-6, out: &mut out });
                out
            };
            let portable = on(Isa::Portable);
            for isa in Isa::available() {
                assert!(on(isa) == portable, "{isa:?} of {width}");
            }
            let mut out = vec![0.0; x.len()];
            rms_norm(&x, &weight, 1e-6, &mut out, &Pool::new(3));
            assert!(out == portable, "threads of {width}");
        }
    }
}
