//! AVX-512 with VNNI: one register of sixteen columns.
//!
//! `vpdpbusd` wants unsigned bytes on one side: codes of Q4 are, codes of Q8 get 128 added, which the products' start
//! takes back. Two panels at once: sixteen sums hide the instruction's latency, and a row's bytes, once broadcast, meet
//! both.

use super::{Columns, NoTiles, TileUnit};
use crate::quant::BLOCK;
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// One register of sixteen columns, and for whole tiles of rows the unit `Tiles`.
pub(crate) struct Avx512<Tiles = NoTiles>(PhantomData<Tiles>);

/// Where the products start.
///
/// # Safety
/// AVX-512 is enabled; `starts` has `R` values.
// Indices, because closures would not have the instruction set.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn begin<const R: usize, const P: usize>(starts: *const i32) -> [[__m512i; P]; R] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut ints = [[_mm512_setzero_si512(); P]; R];
        for r in 0..R {
            ints[r] = [_mm512_set1_epi32(*starts.add(r)); P];
        }
        ints
    }
}

/// Adds the products of four unsigned codes of each column with each row's at `group`.
///
/// # Safety
/// AVX-512 with VNNI is enabled; the rows have that group.
// Indices, because constant loops over them are what the compiler unrolls into registers.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn add<const R: usize, const P: usize>(
    ints: &mut [[__m512i; P]; R],
    group: usize,
    weights: [__m512i; P],
    rows: *const u8,
) {
    for r in 0..R {
        // SAFETY: the caller's promise.
        unsafe {
            let row = _mm512_set1_epi32(rows.add(r * BLOCK + group * 4).cast::<i32>().read_unaligned());
            for p in 0..P {
                ints[r][p] = _mm512_dpbusd_epi32(ints[r][p], weights[p], row);
            }
        }
    }
}

/// Keeps the compiler from moving loads across it.
#[inline(always)]
fn fence() {
    // SAFETY: no instruction.
    unsafe { std::arch::asm!("", options(nostack, preserves_flags)) };
}

/// Low and high halves of the bytes.
///
/// # Safety
/// AVX-512 is enabled.
#[inline(always)]
unsafe fn nibbles(bytes: __m512i) -> [__m512i; 2] {
    // SAFETY: the caller's promise.
    unsafe {
        let low = _mm512_set1_epi8(0xf);
        [_mm512_and_si512(bytes, low), _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), low)]
    }
}

/// Signed bytes plus 128.
///
/// # Safety
/// AVX-512 is enabled.
#[inline(always)]
unsafe fn unsign(bytes: __m512i) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe { _mm512_xor_si512(bytes, _mm512_set1_epi8(-128)) }
}

// SAFETY of every block below: the trait's contract.
impl<T: TileUnit> Columns for Avx512<T> {
    type Ints = __m512i;
    type Floats = __m512;
    const ROWS: usize = 8;
    const PANELS: usize = 2;
    type Tiles = T;

    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    unsafe fn q8<const R: usize, const P: usize>(
        _: usize,
        codes: [*const u8; P],
        rows: *const u8,
        starts: *const i32,
    ) -> [[Self::Ints; P]; R] {
        unsafe {
            let mut ints = begin::<R, P>(starts);
            for group in 0..8 {
                fence();
                let mut weights = [_mm512_setzero_si512(); P];
                for p in 0..P {
                    weights[p] = unsign(_mm512_loadu_si512(codes[p].add(group * 64).cast()));
                }
                add(&mut ints, group, weights, rows);
            }
            ints
        }
    }

    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    unsafe fn q4<const R: usize, const P: usize>(
        _: usize,
        codes: [*const u8; P],
        rows: *const u8,
        starts: *const i32,
    ) -> [[Self::Ints; P]; R] {
        unsafe {
            let mut ints = begin::<R, P>(starts);
            for group in 0..4 {
                fence();
                let (mut low, mut high) = ([_mm512_setzero_si512(); P], [_mm512_setzero_si512(); P]);
                for p in 0..P {
                    [low[p], high[p]] = nibbles(_mm512_loadu_si512(codes[p].add(group * 64).cast()));
                }
                add(&mut ints, group, low, rows);
                add(&mut ints, 4 + group, high, rows);
            }
            fence();
            ints
        }
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
