//! NEON with the dot-product extension: four registers of four columns.

use super::{Columns, NoTiles};
use crate::quant::BLOCK;
use std::arch::aarch64::*;
use std::arch::asm;

/// Four registers of four columns.
pub(crate) struct Neon;

/// `sum` plus, in each 32-bit lane, the products of four signed bytes of `a` and `b`.
///
/// # Safety
/// The dot-product extension is there. (Assembler, because the intrinsic is not stable yet.)
#[inline(always)]
unsafe fn sdot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: one instruction on registers.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// Four f16 as f32. (Assembler, because the f16 type is not stable yet.)
///
/// # Safety
/// `from` points to eight bytes.
#[inline(always)]
unsafe fn widen(from: *const u8) -> float32x4_t {
    // SAFETY: one instruction on registers.
    unsafe {
        let halves: uint8x8_t = vld1_u8(from);
        let floats: float32x4_t;
        asm!(
            "fcvtl {to:v}.4s, {from:v}.4h",
            to = lateout(vreg) floats, from = in(vreg) halves,
            options(pure, nomem, nostack, preserves_flags)
        );
        floats
    }
}

/// Adds the products of four codes of each column, all below 128, with each row's at `group`.
///
/// # Safety
/// As for the trait.
// Indices, because constant loops over them are what the compiler unrolls into registers.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn add<const R: usize>(
    ints: &mut [[int32x4_t; 4]; R],
    group: usize,
    weights: [int8x16_t; 4],
    rows: *const u8,
) {
    for r in 0..R {
        // SAFETY: the caller's promise.
        unsafe {
            let four = rows.add(r * BLOCK + group * 4).cast::<i32>().read_unaligned();
            let row = vreinterpretq_s8_s32(vdupq_n_s32(four));
            for part in 0..4 {
                ints[r][part] = sdot(ints[r][part], weights[part], row);
            }
        }
    }
}

/// Where the products of each row start.
///
/// # Safety
/// `starts` has `R` values.
#[inline(always)]
unsafe fn begin<const R: usize>(starts: *const i32) -> [[int32x4_t; 4]; R] {
    // SAFETY: the caller's promise.
    std::array::from_fn(|r| unsafe { [vdupq_n_s32(*starts.add(r)); 4] })
}

/// What was computed panel by panel, row by row.
#[inline(always)]
fn by_row<const R: usize, const P: usize>(panels: [[[int32x4_t; 4]; R]; P]) -> [[[int32x4_t; 4]; P]; R] {
    std::array::from_fn(|r| std::array::from_fn(|p| panels[p][r]))
}

/// Sixteen columns' four codes at `from`.
///
/// # Safety
/// `from` points to 64 bytes.
#[inline(always)]
unsafe fn load_codes(from: *const u8) -> [int8x16_t; 4] {
    // SAFETY: the caller's promise.
    [0, 16, 32, 48].map(|at| unsafe { vld1q_s8(from.add(at).cast()) })
}

// SAFETY of every block below: the trait's contract.
impl Columns for Neon {
    type Ints = [int32x4_t; 4];
    type Floats = [float32x4_t; 4];
    const ROWS: usize = 4;
    const PANELS: usize = 1;
    type Tiles = NoTiles;

    #[inline(always)]
    unsafe fn q8<const R: usize, const P: usize>(
        groups: usize,
        codes: [*const u8; P],
        rows: *const u8,
        starts: *const i32,
    ) -> [[Self::Ints; P]; R] {
        unsafe {
            let panel = |codes: *const u8| {
                let mut ints = begin::<R>(starts);
                for group in 0..groups {
                    add(&mut ints, group, load_codes(codes.add(group * 64)), rows);
                }
                ints
            };
            by_row(codes.map(panel))
        }
    }

    #[inline(always)]
    unsafe fn q4<const R: usize, const P: usize>(
        groups: usize,
        codes: [*const u8; P],
        rows: *const u8,
        starts: *const i32,
    ) -> [[Self::Ints; P]; R] {
        unsafe {
            let panel = |codes: *const u8| {
                let mut ints = begin::<R>(starts);
                for group in 0..groups / 2 {
                    let bytes = [0, 16, 32, 48].map(|at| vld1q_u8(codes.add(group * 64 + at)));
                    let low = bytes.map(|bytes| vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(0xf))));
                    let high = bytes.map(|bytes| vreinterpretq_s8_u8(vshrq_n_u8::<4>(bytes)));
                    add(&mut ints, group, low, rows);
                    add(&mut ints, 4 + group, high, rows);
                }
                ints
            };
            by_row(codes.map(panel))
        }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Floats {
        unsafe { [0, 4, 8, 12].map(|at| vld1q_f32(from.add(at))) }
    }

    #[inline(always)]
    unsafe fn store(values: Self::Floats, to: *mut f32) {
        unsafe { (0..4).for_each(|part| vst1q_f32(to.add(4 * part), values[part])) };
    }

    #[inline(always)]
    unsafe fn halves(from: *const u8) -> Self::Floats {
        unsafe { [0, 8, 16, 24].map(|at| widen(from.add(at))) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Floats {
        unsafe { [vdupq_n_f32(value); 4] }
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        unsafe { [0, 1, 2, 3].map(|part| vmulq_f32(a[part], b[part])) }
    }

    #[inline(always)]
    unsafe fn fma(sum: Self::Floats, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        unsafe { [0, 1, 2, 3].map(|part| vfmaq_f32(sum[part], a[part], b[part])) }
    }

    #[inline(always)]
    unsafe fn to_floats(ints: Self::Ints) -> Self::Floats {
        unsafe { ints.map(|part| vcvtq_f32_s32(part)) }
    }
}
