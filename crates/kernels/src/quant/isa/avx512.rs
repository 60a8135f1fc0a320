//! AVX-512 with VNNI: one register of sixteen columns.
//!
//! `vpdpbusd` wants unsigned bytes on one side: codes of Q4 are, codes of Q8 get 128 added, which 128 times the
//! row's sum takes back.

use super::Columns;
use std::arch::x86_64::*;

/// One register of sixteen columns.
pub(crate) struct Avx512;

/// `starts[r]` plus the products of eight groups of four unsigned codes with the row's.
///
/// # Safety
/// As for the trait.
// Indices, because constant loops over them are what the compiler unrolls into registers.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn dot<const R: usize>(
    prepared: *const u8,
    rows: &[*const u8; R],
    sums: &[i32; R],
    offset: i32,
) -> [__m512i; R] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut ints = [_mm512_setzero_si512(); R];
        for r in 0..R {
            ints[r] = _mm512_set1_epi32(offset.wrapping_mul(sums[r]).wrapping_neg());
        }
        for group in 0..8 {
            let weights = _mm512_loadu_si512(prepared.add(group * 64).cast());
            for r in 0..R {
                let row = _mm512_set1_epi32(rows[r].add(group * 4).cast::<i32>().read_unaligned());
                ints[r] = _mm512_dpbusd_epi32(ints[r], weights, row);
            }
        }
        ints
    }
}

// SAFETY of every block below: the trait's contract.
impl Columns for Avx512 {
    type Ints = __m512i;
    type Floats = __m512;
    const PREPARED: [usize; 2] = [512, 512];

    #[inline(always)]
    unsafe fn prepare_q8(codes: *const u8, to: *mut u8) {
        unsafe {
            let offset = _mm512_set1_epi8(-128);
            for at in 0..8 {
                let bytes = _mm512_loadu_si512(codes.add(at * 64).cast());
                _mm512_storeu_si512(to.add(at * 64).cast(), _mm512_xor_si512(bytes, offset));
            }
        }
    }

    #[inline(always)]
    unsafe fn prepare_q4(codes: *const u8, to: *mut u8) {
        unsafe {
            let low = _mm512_set1_epi8(0xf);
            for at in 0..4 {
                let bytes = _mm512_loadu_si512(codes.add(at * 64).cast());
                let high = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), low);
                _mm512_storeu_si512(to.add(at * 64).cast(), _mm512_and_si512(bytes, low));
                _mm512_storeu_si512(to.add(256 + at * 64).cast(), high);
            }
        }
    }

    #[inline(always)]
    unsafe fn q8<const R: usize>(
        prepared: *const u8,
        rows: &[*const u8; R],
        sums: &[i32; R],
    ) -> [Self::Ints; R] {
        unsafe { dot(prepared, rows, sums, 128) }
    }

    #[inline(always)]
    unsafe fn q4<const R: usize>(
        prepared: *const u8,
        rows: &[*const u8; R],
        sums: &[i32; R],
        offset: i32,
    ) -> [Self::Ints; R] {
        unsafe { dot(prepared, rows, sums, offset) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Floats {
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(values: Self::Floats, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, values) };
    }

    #[inline(always)]
    unsafe fn halves(from: *const u8) -> Self::Floats {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Floats {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(sum: Self::Floats, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        unsafe { _mm512_fmadd_ps(a, b, sum) }
    }

    #[inline(always)]
    unsafe fn to_floats(ints: Self::Ints) -> Self::Floats {
        unsafe { _mm512_cvtepi32_ps(ints) }
    }
}
