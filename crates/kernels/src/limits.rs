//! What this machine can do at most, measured: memory read, f32 and int8 multiply-adds, all threads of a pool.
//!
//! Keeps true: the loops do nothing but what they count, in the cheapest way that the machine has. For benches: a
//! figure without its limit says little. Knows no model.

use crate::isa::Kernel;
use crate::lanes::LANES;
use crate::vector::Vector;
use crate::{Isa, Pool};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Bytes of one task of the memory loop: large against the cost of handing it out.
const TASK_BYTES: usize = 1 << 20;
/// Tasks of an arithmetic loop: enough to even out threads that start late.
const TASKS: usize = 64;
/// Steps of one task of an arithmetic loop: about 100 us.
const STEPS: usize = 48_000;
/// Sums that run beside one another, so that no addition waits for the one before.
const SUMS: usize = 6;

/// What was measured: the best of several rounds, since a disturbance only slows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Bytes a second, read once from memory in order.
    pub memory_bytes: f64,
    /// f32 operations a second; a fused multiply-add is two.
    pub f32_operations: f64,
    /// int8 operations a second into int32 sums; a multiply-add is two. With AMX those of its tiles, each as wide as it
    /// can be. `None`: no loop for this machine.
    pub int8_operations: Option<f64>,
}

impl Limits {
    /// Measures on `pool` for about a second; `bytes` are read from memory and should be many times the caches.
    pub fn measure(pool: &Pool, bytes: usize) -> Self {
        let isa = Isa::best();
        let words = vec![1_u64; bytes.div_ceil(TASK_BYTES) * (TASK_BYTES / 8)];
        let memory = best(|| {
            pool.each(words.len() * 8 / TASK_BYTES, usize::MAX, |task| {
                let at = task * (TASK_BYTES / 8);
                black_box(sum(isa, &words[at..at + TASK_BYTES / 8]));
            });
        });
        let f32s = best(|| pool.each(TASKS, usize::MAX, |_| isa.run(Fmas)));
        let int8 = int8::macs_a_step().map(|macs| {
            let time = best(|| pool.each(TASKS, usize::MAX, |_| int8::run(STEPS)));
            (2 * macs * STEPS * TASKS) as f64 / time
        });
        Self {
            memory_bytes: (words.len() * 8) as f64 / memory,
            f32_operations: (2 * LANES * SUMS * STEPS * TASKS) as f64 / f32s,
            int8_operations: int8,
        }
    }
}

/// Seconds of the fastest of many calls within a third of a second, three at least.
fn best(mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || begun.elapsed() < Duration::from_millis(300) {
        let started = Instant::now();
        work();
        times.push(started.elapsed().as_secs_f64());
    }
    times.into_iter().fold(f64::INFINITY, f64::min)
}

crate::isa::per_isa! {
    fn sum(words: &[u64]) -> u64 = sum_of
}

#[inline(always)]
fn sum_of(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

/// Multiply-adds into sums that stay in registers.
struct Fmas;

impl Kernel for Fmas {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the trait's contract.
        unsafe {
            let (a, b) = (V::splat(black_box(0.5)), V::splat(black_box(0.25)));
            let mut sums = [V::zero(); SUMS];
            for _ in 0..STEPS {
                for sum in &mut sums {
                    *sum = sum.fma(a, b);
                }
            }
            for sum in sums {
                black_box(sum.lanes());
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod int8 {
    use super::{SUMS, black_box};
    use crate::Isa;
    use crate::quant::{TILE_MACS, multiply_tiles};
    use std::arch::x86_64::*;

    /// Steps between two looks at the weights.
    const ROUND: usize = 8;

    fn has_vnni() -> bool {
        is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512f")
    }

    /// Multiply-adds of one step.
    pub(super) fn macs_a_step() -> Option<usize> {
        if Isa::best() == Isa::Amx {
            Some(TILE_MACS)
        } else if has_vnni() {
            Some(64 * 2 * SUMS)
        } else if is_x86_feature_detected!("avx2") {
            Some(32 * SUMS)
        } else {
            None
        }
    }

    pub(super) fn run(steps: usize) {
        if Isa::best() == Isa::Amx {
            // SAFETY: detected.
            unsafe { multiply_tiles(steps) }
        } else if has_vnni() {
            // SAFETY: detected.
            unsafe { vnni(steps) }
        } else {
            // SAFETY: `macs_a_step` found it.
            unsafe { avx2(steps) }
        }
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    fn vnni(steps: usize) {
        let (a, b) = (_mm512_set1_epi8(black_box(1)), _mm512_set1_epi8(black_box(2)));
        let mut sums = [_mm512_setzero_si512(); 2 * SUMS];
        for _ in 0..steps {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, a, b);
            }
        }
        black_box(sums);
    }

    /// Products of bytes in pairs to int16, which hold the sum of a round before they are widened to int32: the cheapest
    /// that AVX2 has, and exact for codes of four bits. Codes of eight bits must be widened after each product.
    #[target_feature(enable = "avx2")]
    fn avx2(steps: usize) {
        let (a, ones) = (_mm256_set1_epi8(black_box(1)), _mm256_set1_epi16(1));
        let mut sums = [_mm256_setzero_si256(); SUMS];
        let weights = [[_mm256_set1_epi8(2); SUMS]; ROUND];
        for _ in 0..steps / ROUND {
            let mut pairs = [_mm256_setzero_si256(); SUMS];
            // As if they had changed: products that are the same each time would move out of the loop.
            for weights in black_box(&weights) {
                for (pair, weight) in pairs.iter_mut().zip(weights) {
                    *pair = _mm256_add_epi16(*pair, _mm256_maddubs_epi16(a, *weight));
                }
            }
            for (sum, pair) in sums.iter_mut().zip(pairs) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pair, ones));
            }
        }
        black_box(sums);
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod int8 {
    pub(super) fn macs_a_step() -> Option<usize> {
        None
    }

    pub(super) fn run(_steps: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_a_positive_number() {
        let limits = Limits::measure(&Pool::new(2), 4 << 20);
        assert!(limits.memory_bytes > 0.0 && limits.memory_bytes.is_finite(), "{limits:?}");
        assert!(limits.f32_operations > 0.0 && limits.f32_operations.is_finite(), "{limits:?}");
        assert!(limits.int8_operations.is_none_or(|int8| int8 > 0.0 && int8.is_finite()), "{limits:?}");
    }
}
