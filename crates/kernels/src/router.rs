//! Softmax and the choice of the k best, as a router and a sampler need them.

use crate::Isa;
use crate::isa::Kernel;
use crate::lanes::{LANES, reduce, reduce_max};
use crate::vector::Vector;

/// One row, in place.
struct Softmax<'a>(&'a mut [f32]);

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (full, rest) = self.0.as_chunks_mut::<LANES>();
        // Beyond the end nothing has weight.
        let mut tail = [f32::NEG_INFINITY; LANES];
        tail[..rest.len()].copy_from_slice(rest);
        // SAFETY: this function's contract; chunks and tail have sixteen elements.
        unsafe {
            let mut most = V::splat(f32::NEG_INFINITY);
            for chunk in full.iter().chain([&tail]) {
                // A NaN is passed over here and shows in its own weight.
                most = V::load(chunk.as_ptr()).max(most);
            }
            let most = V::splat(reduce_max(&most.lanes()));
            let mut sums = V::zero();
            for chunk in full.iter_mut().chain([&mut tail]) {
                let weights = V::load(chunk.as_ptr()).sub(most).exp();
                sums = sums.add(weights);
                weights.store(chunk.as_mut_ptr());
            }
            let scale = V::splat(1.0 / reduce(&sums.lanes()));
            for chunk in full.iter_mut().chain([&mut tail]) {
                V::load(chunk.as_ptr()).mul(scale).store(chunk.as_mut_ptr());
            }
        }
        rest.copy_from_slice(&tail[..rest.len()]);
    }
}

/// Softmax of one row in place; the sum runs in sixteen lanes.
pub fn softmax_in_place(row: &mut [f32]) {
    Isa::best().run(Softmax(row));
}

/// The `k` largest scores with their indices, best first, ties to the lowest index; `None` if a score is NaN.
pub fn top_k(scores: &[f32], k: usize) -> Option<Vec<(u32, f32)>> {
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let mut best: Vec<(u32, f32)> = Vec::with_capacity(k + 1);
    for (index, &score) in scores.iter().enumerate() {
        if best.len() == k && best.last().is_some_and(|(_, worst)| score <= *worst) {
            continue;
        }
        // Strictly greater keeps the earlier index in front on a tie.
        let at = best.partition_point(|(_, kept)| *kept >= score);
        best.insert(at, (index as u32, score));
        best.truncate(k);
    }
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_is_equal_on_every_instruction_set() {
        for len in [1, 5, 16, 60, 128] {
            let row: Vec<f32> = (0..len).map(|i| (i * 13 % 37) as f32 / 7.0 - 2.0).collect();
            let on = |isa: Isa| {
                let mut row = row.clone();
                isa.run(Softmax(&mut row));
                row
            };
            let portable = on(Isa::Portable);
            assert!((portable.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            for isa in Isa::available() {
                assert!(on(isa) == portable, "{isa:?} of {len}");
            }
        }
    }

    #[test]
    fn damage_stays_visible() {
        for at in [0, 20] {
            let mut row = [1.0; 21];
            row[at] = f32::NAN;
            softmax_in_place(&mut row);
            assert!(row[at].is_nan() && top_k(&row, 2).is_none());
        }
    }
}
