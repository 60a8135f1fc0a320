//! AVX2, FMA and F16C: two registers of eight columns.
//!
//! `vpmaddubsw` adds two products in 16 bits with saturation, which unsigned codes up to 15 never reach: a block
//! of Q4 stays in 16 bits until its end (32 * 15 * 127 / 2 < 2^15). Codes of Q8 would saturate, so they are widened
//! to 16 bits first, bytes of even and of odd places apart, and `vpmaddwd` multiplies pairs into 32 bits.

use super::{Columns, NoTiles};
use crate::quant::BLOCK;
use std::arch::x86_64::*;

/// Two registers of eight columns.
pub(crate) struct Avx2;

/// Signed bytes of even and of odd places, as 16 bits each.
///
/// # Safety
/// AVX2 is enabled.
#[inline(always)]
unsafe fn widen(bytes: __m256i) -> [__m256i; 2] {
    // SAFETY: the caller's promise.
    unsafe { [_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(bytes)), _mm256_srai_epi16::<8>(bytes)] }
}

/// Low and high halves of the bytes.
///
/// # Safety
/// AVX2 is enabled.
#[inline(always)]
unsafe fn nibbles(bytes: __m256i) -> [__m256i; 2] {
    // SAFETY: the caller's promise.
    unsafe {
        let low = _mm256_set1_epi8(0xf);
        [_mm256_and_si256(bytes, low), _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low)]
    }
}

/// Adds the products of four unsigned codes of each column, up to 15, with each row's at `group`, in 16 bits by twos.
///
/// # Safety
/// AVX2 is enabled; the rows have that group. (A function, because a closure would not have the instruction set.)
// Indices, because constant loops over them are what the compiler unrolls into registers.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn add<const R: usize>(
    short: &mut [[__m256i; 2]; R],
    group: usize,
    weights: [__m256i; 2],
    rows: *const u8,
) {
    // SAFETY: the caller's promise.
    unsafe {
        for r in 0..R {
            let row = _mm256_set1_epi32(rows.add(r * BLOCK + group * 4).cast::<i32>().read_unaligned());
            for half in 0..2 {
                let product = _mm256_maddubs_epi16(weights[half], row);
                short[r][half] = _mm256_add_epi16(short[r][half], product);
            }
        }
    }
}

// SAFETY of every block below: the trait's contract.
impl Columns for Avx2 {
    type Ints = [__m256i; 2];
    type Floats = [__m256; 2];
    const ROWS: usize = 4;
    const PANELS: usize = 1;
    type Tiles = NoTiles;

    // Indices, because constant loops over them are what the compiler unrolls into registers.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    unsafe fn q8<const R: usize, const P: usize>(
        groups: usize,
        codes: [*const u8; P],
        rows: *const u8,
        _: *const i32,
    ) -> [[Self::Ints; P]; R] {
        unsafe {
            let mut ints = [[[_mm256_setzero_si256(); 2]; P]; R];
            for group in 0..groups {
                for p in 0..P {
                    let from = codes[p].add(group * 64).cast::<__m256i>();
                    let weights = [widen(_mm256_loadu_si256(from)), widen(_mm256_loadu_si256(from.add(1)))];
                    for r in 0..R {
                        let pairs = rows.add(r * 2 * BLOCK + group * 8).cast::<i32>();
                        let even = _mm256_set1_epi32(pairs.read_unaligned());
                        let odd = _mm256_set1_epi32(pairs.add(1).read_unaligned());
                        for half in 0..2 {
                            let first = _mm256_madd_epi16(weights[half][0], even);
                            let second = _mm256_madd_epi16(weights[half][1], odd);
                            let sum = _mm256_add_epi32(ints[r][p][half], first);
                            ints[r][p][half] = _mm256_add_epi32(sum, second);
                        }
                    }
                }
            }
            ints
        }
    }

    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    unsafe fn q4<const R: usize, const P: usize>(
        groups: usize,
        codes: [*const u8; P],
        rows: *const u8,
        starts: *const i32,
    ) -> [[Self::Ints; P]; R] {
        unsafe {
            let mut ints = [[[_mm256_setzero_si256(); 2]; P]; R];
            for p in 0..P {
                let mut short = [[_mm256_setzero_si256(); 2]; R];
                for group in 0..groups / 2 {
                    let from = codes[p].add(group * 64).cast::<__m256i>();
                    let [low_a, high_a] = nibbles(_mm256_loadu_si256(from));
                    let [low_b, high_b] = nibbles(_mm256_loadu_si256(from.add(1)));
                    add(&mut short, group, [low_a, low_b], rows);
                    add(&mut short, 4 + group, [high_a, high_b], rows);
                }
                let ones = _mm256_set1_epi16(1);
                for r in 0..R {
                    let start = _mm256_set1_epi32(*starts.add(r));
                    for half in 0..2 {
                        let long = _mm256_madd_epi16(short[r][half], ones);
                        ints[r][p][half] = _mm256_add_epi32(long, start);
                    }
                }
            }
            ints
        }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Floats {
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }

    #[inline(always)]
    unsafe fn store(values: Self::Floats, to: *mut f32) {
        unsafe {
            _mm256_storeu_ps(to, values[0]);
            _mm256_storeu_ps(to.add(8), values[1]);
        }
    }

    #[inline(always)]
    unsafe fn halves(from: *const u8) -> Self::Floats {
        unsafe { [0, 16].map(|at| _mm256_cvtph_ps(_mm_loadu_si128(from.add(at).cast()))) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Floats {
        unsafe { [_mm256_set1_ps(value); 2] }
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn fma(sum: Self::Floats, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        unsafe { [_mm256_fmadd_ps(a[0], b[0], sum[0]), _mm256_fmadd_ps(a[1], b[1], sum[1])] }
    }

    #[inline(always)]
    unsafe fn to_floats(ints: Self::Ints) -> Self::Floats {
        unsafe { [_mm256_cvtepi32_ps(ints[0]), _mm256_cvtepi32_ps(ints[1])] }
    }
}
