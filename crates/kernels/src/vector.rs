//! The sixteen virtual lanes as registers: one of AVX-512, two of AVX2, four of NEON, or an array.
//!
//! Keeps true: every operation gives the same bits in all of them; each fused multiply-add rounds once. Loops
//! over arrays are not reliably vectorised by the compiler (measured: a tenth of this speed), hence intrinsics.

use crate::lanes::{EXP_HIGH, EXP_LN2, EXP_LOW, EXP_ROUND, EXP_TERMS, LANES, Lanes};
use half::bf16;

/// Sixteen f32 lanes.
///
/// # Safety
/// Methods may be called only where the instruction set is enabled, with pointers to sixteen elements.
pub(crate) trait Vector: Copy {
    /// How many vectors the register file holds.
    const REGISTERS: usize;

    unsafe fn zero() -> Self;
    /// `value` in every lane.
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// Widens exactly.
    unsafe fn load_bf16(from: *const bf16) -> Self;
    /// Widens exactly.
    unsafe fn load_i8(from: *const i8) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Rounds to nearest, ties to even, and narrows to i8; a lane beyond -128..=127 stores any value.
    unsafe fn store_i8(self, to: *mut i8);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self` where it is greater, else `other`: a NaN on either side gives `other`.
    unsafe fn max(self, other: Self) -> Self;
    /// `self` where it is less, else `other`: a NaN on either side gives `other`.
    unsafe fn min(self, other: Self) -> Self;
    /// `a * b + self`, rounded once.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    /// `self * 2^n` in two steps, for whole `n` in -126..=128 (2^128 alone would overflow).
    unsafe fn times_power_of_two(self, n: Self) -> Self;
    /// `value` where `self < bound`, else `other`.
    unsafe fn if_less(self, bound: Self, value: Self, other: Self) -> Self;
    unsafe fn lanes(self) -> Lanes;

    /// [`crate::lanes::exp`] of every lane, bit for bit.
    #[inline(always)]
    unsafe fn exp(self) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let (low, high) = (Self::splat(EXP_LOW), Self::splat(EXP_HIGH));
            // In this order a NaN stays one.
            let bounded = high.min(low.max(self));
            let round = Self::splat(EXP_ROUND);
            let n = round.fma(bounded, Self::splat(std::f32::consts::LOG2_E)).sub(round);
            let r = bounded.fma(n, Self::splat(-EXP_LN2[0])).fma(n, Self::splat(-EXP_LN2[1]));
            let mut p = Self::splat(EXP_TERMS[0]);
            for term in &EXP_TERMS[1..] {
                p = Self::splat(*term).fma(p, r);
            }
            let y = p.times_power_of_two(n);
            let y = self.if_less(low, Self::zero(), y);
            high.if_less(self, Self::splat(f32::INFINITY), y)
        }
    }
}

/// A stored number that can be widened to lanes.
pub(crate) trait Element: Copy + Default {
    /// # Safety
    /// As for [`Vector`].
    unsafe fn load<V: Vector>(from: *const Self) -> V;

    /// The number, exactly.
    fn widen(self) -> f32;
}

impl Element for f32 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const f32) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load(from) }
    }
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
}

impl Element for bf16 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const bf16) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load_bf16(from) }
    }
    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
}

impl Element for i8 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const i8) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load_i8(from) }
    }
    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from(self)
    }
}

/// Lane by lane.
#[inline(always)]
fn zip(mut a: Lanes, b: &Lanes, f: impl Fn(f32, f32) -> f32) -> Lanes {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = f(*a, *b));
    a
}

impl Vector for Lanes {
    const REGISTERS: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Self {
        [0.0; LANES]
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [value; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<Lanes>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> Self {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<[bf16; LANES]>().read_unaligned() }.map(Element::widen)
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> Self {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<[i8; LANES]>().read_unaligned() }.map(Element::widen)
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<Lanes>().write_unaligned(self) };
    }
    #[inline(always)]
    unsafe fn store_i8(self, to: *mut i8) {
        let codes = self.map(|value| ((value + EXP_ROUND) - EXP_ROUND) as i8);
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[i8; LANES]>().write_unaligned(codes) };
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        zip(self, &other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        zip(self, &other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        zip(self, &other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        zip(self, &other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        zip(self, &other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn fma(mut self, a: Self, b: Self) -> Self {
        for lane in 0..LANES {
            self[lane] = a[lane].mul_add(b[lane], self[lane]);
        }
        self
    }
    #[inline(always)]
    unsafe fn times_power_of_two(self, n: Self) -> Self {
        zip(self, &n, crate::lanes::times_power_of_two)
    }
    #[inline(always)]
    unsafe fn if_less(self, bound: Self, value: Self, other: Self) -> Self {
        std::array::from_fn(|lane| if self[lane] < bound[lane] { value[lane] } else { other[lane] })
    }
    #[inline(always)]
    unsafe fn lanes(self) -> Lanes {
        self
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86 {
    use super::{Lanes, Vector, bf16};
    use std::arch::x86_64::*;

    /// One AVX-512 register.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(__m512);

    // SAFETY of every block below: the trait's contract.
    impl Vector for Avx512 {
        const REGISTERS: usize = 32;

        #[inline(always)]
        unsafe fn zero() -> Self {
            unsafe { Self(_mm512_setzero_ps()) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            unsafe { Self(_mm512_set1_ps(value)) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { Self(_mm512_loadu_ps(from)) }
        }
        #[inline(always)]
        unsafe fn load_bf16(from: *const bf16) -> Self {
            unsafe {
                let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
                Self(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide)))
            }
        }
        #[inline(always)]
        unsafe fn load_i8(from: *const i8) -> Self {
            unsafe { Self(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast())))) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn store_i8(self, to: *mut i8) {
            unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(self.0))) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { Self(_mm512_add_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            unsafe { Self(_mm512_max_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            unsafe { Self(_mm512_min_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            unsafe { Self(_mm512_fmadd_ps(a.0, b.0, self.0)) }
        }
        #[inline(always)]
        unsafe fn times_power_of_two(self, n: Self) -> Self {
            unsafe {
                let (n, bias) = (_mm512_cvttps_epi32(n.0), _mm512_set1_epi32(127));
                let half = _mm512_srai_epi32::<1>(n);
                let low = _mm512_slli_epi32::<23>(_mm512_add_epi32(half, bias));
                let high = _mm512_slli_epi32::<23>(_mm512_add_epi32(_mm512_sub_epi32(n, half), bias));
                let y = _mm512_mul_ps(self.0, _mm512_castsi512_ps(low));
                Self(_mm512_mul_ps(y, _mm512_castsi512_ps(high)))
            }
        }
        #[inline(always)]
        unsafe fn if_less(self, bound: Self, value: Self, other: Self) -> Self {
            unsafe {
                let less = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, bound.0);
                Self(_mm512_mask_blend_ps(less, other.0, value.0))
            }
        }
        #[inline(always)]
        unsafe fn lanes(self) -> Lanes {
            let mut lanes = [0.0; 16];
            unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), self.0) };
            lanes
        }
    }

    /// Two AVX2 registers.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256, __m256);

    impl Vector for Avx2 {
        const REGISTERS: usize = 8;

        #[inline(always)]
        unsafe fn zero() -> Self {
            unsafe { Self(_mm256_setzero_ps(), _mm256_setzero_ps()) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            unsafe { Self(_mm256_set1_ps(value), _mm256_set1_ps(value)) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
        }
        #[inline(always)]
        unsafe fn load_bf16(from: *const bf16) -> Self {
            unsafe {
                let widen = |from: *const bf16| {
                    let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
                    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
                };
                Self(widen(from), widen(from.add(8)))
            }
        }
        #[inline(always)]
        unsafe fn load_i8(from: *const i8) -> Self {
            unsafe {
                let low = _mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()));
                let high = _mm256_cvtepi8_epi32(_mm_loadl_epi64(from.add(8).cast()));
                Self(_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high))
            }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe {
                _mm256_storeu_ps(to, self.0);
                _mm256_storeu_ps(to.add(8), self.1);
            }
        }
        #[inline(always)]
        unsafe fn store_i8(self, to: *mut i8) {
            unsafe {
                let narrow = |eight: __m256| {
                    let ints = _mm256_cvtps_epi32(eight);
                    _mm_packs_epi32(_mm256_castsi256_si128(ints), _mm256_extracti128_si256::<1>(ints))
                };
                _mm_storeu_si128(to.cast(), _mm_packs_epi16(narrow(self.0), narrow(self.1)));
            }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            unsafe { Self(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            unsafe { Self(_mm256_min_ps(self.0, other.0), _mm256_min_ps(self.1, other.1)) }
        }
        #[inline(always)]
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            unsafe { Self(_mm256_fmadd_ps(a.0, b.0, self.0), _mm256_fmadd_ps(a.1, b.1, self.1)) }
        }
        #[inline(always)]
        unsafe fn times_power_of_two(self, n: Self) -> Self {
            unsafe {
                let times = |y: __m256, n: __m256| {
                    let (n, bias) = (_mm256_cvttps_epi32(n), _mm256_set1_epi32(127));
                    let half = _mm256_srai_epi32::<1>(n);
                    let low = _mm256_slli_epi32::<23>(_mm256_add_epi32(half, bias));
                    let high = _mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_sub_epi32(n, half), bias));
                    _mm256_mul_ps(_mm256_mul_ps(y, _mm256_castsi256_ps(low)), _mm256_castsi256_ps(high))
                };
                Self(times(self.0, n.0), times(self.1, n.1))
            }
        }
        #[inline(always)]
        unsafe fn if_less(self, bound: Self, value: Self, other: Self) -> Self {
            unsafe {
                let first = _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, bound.0);
                let second = _mm256_cmp_ps::<_CMP_LT_OQ>(self.1, bound.1);
                Self(_mm256_blendv_ps(other.0, value.0, first), _mm256_blendv_ps(other.1, value.1, second))
            }
        }
        #[inline(always)]
        unsafe fn lanes(self) -> Lanes {
            let mut lanes = [0.0; 16];
            unsafe { self.store(lanes.as_mut_ptr()) };
            lanes
        }
    }
}

#[cfg(target_arch = "aarch64")]
pub(crate) mod arm {
    use super::{Lanes, Vector, bf16};
    use std::arch::aarch64::*;

    /// Four NEON registers.
    #[derive(Clone, Copy)]
    pub(crate) struct Neon(float32x4_t, float32x4_t, float32x4_t, float32x4_t);

    /// `$op` on each register of the operands.
    macro_rules! each {
        ($op:ident($a:expr $(, $more:expr)*)) => {
            Neon(
                $op($a.0 $(, $more.0)*),
                $op($a.1 $(, $more.1)*),
                $op($a.2 $(, $more.2)*),
                $op($a.3 $(, $more.3)*),
            )
        };
    }

    /// # Safety
    /// NEON is enabled.
    #[inline(always)]
    unsafe fn greater(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // A comparison and a choice: FMAX and FMIN treat NaN and signed zeros otherwise than x86 does.
        // SAFETY: the caller's promise.
        unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
    }

    /// # Safety
    /// NEON is enabled.
    #[inline(always)]
    unsafe fn lesser(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's promise.
        unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
    }

    /// # Safety
    /// NEON is enabled.
    #[inline(always)]
    unsafe fn choose(
        a: float32x4_t,
        bound: float32x4_t,
        value: float32x4_t,
        other: float32x4_t,
    ) -> float32x4_t {
        // SAFETY: the caller's promise.
        unsafe { vbslq_f32(vcltq_f32(a, bound), value, other) }
    }

    /// # Safety
    /// NEON is enabled.
    #[inline(always)]
    unsafe fn times(y: float32x4_t, n: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's promise.
        unsafe {
            let (n, bias) = (vcvtq_s32_f32(n), vdupq_n_s32(127));
            let half = vshrq_n_s32::<1>(n);
            let low = vshlq_n_s32::<23>(vaddq_s32(half, bias));
            let high = vshlq_n_s32::<23>(vaddq_s32(vsubq_s32(n, half), bias));
            vmulq_f32(vmulq_f32(y, vreinterpretq_f32_s32(low)), vreinterpretq_f32_s32(high))
        }
    }

    // SAFETY of every block below: the trait's contract.
    impl Vector for Neon {
        const REGISTERS: usize = 8;

        #[inline(always)]
        unsafe fn zero() -> Self {
            unsafe { Self::splat(0.0) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            unsafe {
                let all = vdupq_n_f32(value);
                Self(all, all, all, all)
            }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe {
                Self(vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12)))
            }
        }
        #[inline(always)]
        unsafe fn load_bf16(from: *const bf16) -> Self {
            unsafe {
                let (a, b) = (vld1q_u16(from.cast()), vld1q_u16(from.add(8).cast()));
                Self(
                    vreinterpretq_f32_u32(vshlq_n_u32::<16>(vmovl_u16(vget_low_u16(a)))),
                    vreinterpretq_f32_u32(vshlq_n_u32::<16>(vmovl_u16(vget_high_u16(a)))),
                    vreinterpretq_f32_u32(vshlq_n_u32::<16>(vmovl_u16(vget_low_u16(b)))),
                    vreinterpretq_f32_u32(vshlq_n_u32::<16>(vmovl_u16(vget_high_u16(b)))),
                )
            }
        }
        #[inline(always)]
        unsafe fn load_i8(from: *const i8) -> Self {
            unsafe {
                let all = vld1q_s8(from);
                let (a, b) = (vmovl_s8(vget_low_s8(all)), vmovl_s8(vget_high_s8(all)));
                Self(
                    vcvtq_f32_s32(vmovl_s16(vget_low_s16(a))),
                    vcvtq_f32_s32(vmovl_s16(vget_high_s16(a))),
                    vcvtq_f32_s32(vmovl_s16(vget_low_s16(b))),
                    vcvtq_f32_s32(vmovl_s16(vget_high_s16(b))),
                )
            }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe {
                vst1q_f32(to, self.0);
                vst1q_f32(to.add(4), self.1);
                vst1q_f32(to.add(8), self.2);
                vst1q_f32(to.add(12), self.3);
            }
        }
        #[inline(always)]
        unsafe fn store_i8(self, to: *mut i8) {
            unsafe {
                let narrow = |four: float32x4_t| vqmovn_s32(vcvtnq_s32_f32(four));
                let low = vqmovn_s16(vcombine_s16(narrow(self.0), narrow(self.1)));
                let high = vqmovn_s16(vcombine_s16(narrow(self.2), narrow(self.3)));
                vst1q_s8(to, vcombine_s8(low, high));
            }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { each!(vaddq_f32(self, other)) }
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            unsafe { each!(vsubq_f32(self, other)) }
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            unsafe { each!(vmulq_f32(self, other)) }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            unsafe { each!(greater(self, other)) }
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            unsafe { each!(lesser(self, other)) }
        }
        #[inline(always)]
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            // VFMAQ adds its first operand to the product of the others.
            unsafe { each!(vfmaq_f32(self, a, b)) }
        }
        #[inline(always)]
        unsafe fn times_power_of_two(self, n: Self) -> Self {
            unsafe { each!(times(self, n)) }
        }
        #[inline(always)]
        unsafe fn if_less(self, bound: Self, value: Self, other: Self) -> Self {
            unsafe { each!(choose(self, bound, value, other)) }
        }
        #[inline(always)]
        unsafe fn lanes(self) -> Lanes {
            let mut lanes = [0.0; 16];
            unsafe { self.store(lanes.as_mut_ptr()) };
            lanes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use crate::isa::Kernel;

    struct Exp<'a>(&'a mut [f32]);

    impl Kernel for Exp<'_> {
        type Output = ();

        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            for chunk in self.0.chunks_exact_mut(LANES) {
                // SAFETY: the trait's contract; chunks have sixteen elements.
                unsafe { V::load(chunk.as_ptr()).exp().store(chunk.as_mut_ptr()) };
            }
        }
    }

    #[test]
    fn exp_of_lanes_is_exp_of_each_on_every_instruction_set() {
        let edges = [0.0, -0.0, 88.7, 88.71, 89.0, -87.3, -87.31, -88.0, 1e-30, f32::MIN, f32::MAX];
        let mut x: Vec<f32> = edges.to_vec();
        x.extend([f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
        x.extend((0..40_000).map(|i| (i - 20_000) as f32 * 0.005_001));
        x.truncate(x.len() / LANES * LANES);
        for isa in Isa::available() {
            let mut y = x.clone();
            isa.run(Exp(&mut y));
            for (x, y) in x.iter().zip(&y) {
                let truth = crate::lanes::exp(*x);
                assert!(truth.to_bits() == y.to_bits() || truth.is_nan() && y.is_nan(), "{isa:?}: exp({x})");
            }
        }
    }
}
