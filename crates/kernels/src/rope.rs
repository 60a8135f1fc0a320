//! Rotary position embedding, half-split as in Hugging Face `transformers` (`rotate_half`).

use crate::isa::Kernel;
use crate::lanes::LANES;
use crate::pool::Disjoint;
use crate::vector::Vector;
use crate::{Isa, Pool};

/// Elements of one task.
const TASK_ELEMENTS: usize = 16_384;

/// Cosines and sines of every position.
pub struct RopeTable {
    half: usize,
    /// `[positions, half]`.
    cos: Vec<f32>,
    /// `[positions, half]`.
    sin: Vec<f32>,
}

/// Rows of whole heads and their positions.
struct Rotate<'a> {
    table: &'a RopeTable,
    x: &'a mut [f32],
    positions: &'a [u32],
}

impl Kernel for Rotate<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let half = self.table.half;
        let full = half - half % LANES;
        let row_width = self.x.len() / self.positions.len();
        for (row, position) in self.x.chunks_exact_mut(row_width).zip(self.positions) {
            let turn = *position as usize * half..(*position as usize + 1) * half;
            let (cos, sin) = (&self.table.cos[turn.clone()], &self.table.sin[turn]);
            for head in row.chunks_exact_mut(2 * half) {
                let (low, high) = head.split_at_mut(half);
                for at in (0..full).step_by(LANES) {
                    // SAFETY: this function's contract; `at + LANES <= half`, the length of all four.
                    unsafe {
                        let (cos, sin) = (V::load(cos.as_ptr().add(at)), V::load(sin.as_ptr().add(at)));
                        let (x, y) = (V::load(low.as_ptr().add(at)), V::load(high.as_ptr().add(at)));
                        x.mul(cos).sub(y.mul(sin)).store(low.as_mut_ptr().add(at));
                        y.mul(cos).add(x.mul(sin)).store(high.as_mut_ptr().add(at));
                    }
                }
                for at in full..half {
                    let (x, y) = (low[at], high[at]);
                    low[at] = x * cos[at] - y * sin[at];
                    high[at] = y * cos[at] + x * sin[at];
                }
            }
        }
    }
}

impl RopeTable {
    /// Angles `p * theta^(-2i / head_dim)` for `p < positions`, `i < head_dim / 2`.
    ///
    /// The frequency is rounded to f32 and multiplied in f32, as the reference does; only cos and sin go
    /// through f64.
    pub fn new(head_dim: usize, theta: f64, positions: usize) -> Self {
        assert!(head_dim.is_multiple_of(2), "rope: head_dim is even");
        let half = head_dim / 2;
        let frequencies: Vec<f32> =
            (0..half).map(|i| (1.0 / theta.powf(2.0 * i as f64 / head_dim as f64)) as f32).collect();
        let angles = || (0..positions).flat_map(|p| frequencies.iter().map(move |f| f64::from(p as f32 * f)));
        let cos = angles().map(|angle| angle.cos() as f32).collect();
        let sin = angles().map(|angle| angle.sin() as f32).collect();
        Self { half, cos, sin }
    }

    /// Rotates `x` `[rows, heads, head_dim]` in place; `positions` has one absolute position per row.
    pub fn apply(&self, x: &mut [f32], positions: &[u32], pool: &Pool) {
        if positions.is_empty() {
            return;
        }
        let row_width = x.len() / positions.len();
        assert!(row_width.is_multiple_of(2 * self.half), "rope: rows are whole heads");
        let task_rows = (TASK_ELEMENTS / row_width).max(1);
        let isa = Isa::best();
        let elements = x.len();
        let x = Disjoint::new(x);
        pool.each(positions.len().div_ceil(task_rows), elements * 2, |task| {
            let first = task * task_rows;
            let positions = &positions[first..positions.len().min(first + task_rows)];
            // SAFETY: each task has its own rows.
            let x = unsafe { x.slice(first * row_width, positions.len() * row_width) };
            isa.run(Rotate { table: self, x, positions });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_equal_on_every_instruction_set_and_any_number_of_threads() {
        for head_dim in [6, 38, 64, 128] {
            let table = RopeTable::new(head_dim, 10_000.0, 300);
            let positions: Vec<u32> = (0..200).map(|row| row * 7 % 300).collect();
            let x: Vec<f32> =
                (0..positions.len() * 3 * head_dim).map(|i| (i % 37) as f32 / 7.0 - 2.0).collect();
            let on = |isa: Isa| {
                let mut x = x.clone();
                isa.run(Rotate { table: &table, x: &mut x, positions: &positions });
                x
            };
            let portable = on(Isa::Portable);
            for isa in Isa::available() {
                assert!(on(isa) == portable, "{isa:?} of {head_dim}");
            }
            let mut threaded = x.clone();
            table.apply(&mut threaded, &positions, &Pool::new(3));
            assert!(threaded == portable, "threads of {head_dim}");
        }
    }
}
