//! The scalar twin: what every instruction set must give.

use super::{Columns, NoTiles};
use crate::quant::BLOCK;
use crate::quant::packed::PANEL;
use half::f16;

/// Plain arrays.
pub(crate) struct Portable;

/// The dot product of four codes with four activations.
///
/// # Safety
/// Both point to four bytes.
#[inline(always)]
unsafe fn dot4(weights: *const u8, row: *const u8, weight: impl Fn(u8) -> i32) -> i32 {
    // SAFETY: the caller's promise.
    (0..4).map(|k| unsafe { weight(*weights.add(k)) * i32::from(*row.add(k) as i8) }).sum()
}

// SAFETY of every block below: the trait's contract.
impl Columns for Portable {
    type Ints = [i32; PANEL];
    type Floats = [f32; PANEL];
    const ROWS: usize = 4;
    const PANELS: usize = 1;
    type Tiles = NoTiles;

    unsafe fn q8<const R: usize, const P: usize>(
        groups: usize,
        codes: [*const u8; P],
        rows: *const u8,
        starts: *const i32,
    ) -> [[Self::Ints; P]; R] {
        let int = |r: usize, p: usize, lane: usize| {
            let product = |group: usize| unsafe {
                let four = rows.add(r * BLOCK + group * 4);
                dot4(codes[p].add(group * 64 + lane * 4), four, |code| i32::from(code as i8))
            };
            (0..groups).map(product).fold(unsafe { *starts.add(r) }, i32::wrapping_add)
        };
        std::array::from_fn(|r| std::array::from_fn(|p| std::array::from_fn(|lane| int(r, p, lane))))
    }

    unsafe fn q4<const R: usize, const P: usize>(
        groups: usize,
        codes: [*const u8; P],
        rows: *const u8,
        starts: *const i32,
    ) -> [[Self::Ints; P]; R] {
        let int = |r: usize, p: usize, lane: usize| {
            let product = |group: usize| unsafe {
                let four = rows.add(r * BLOCK + group * 4);
                if group < 4 {
                    dot4(codes[p].add(group * 64 + lane * 4), four, |code| i32::from(code & 0xf))
                } else {
                    dot4(codes[p].add((group - 4) * 64 + lane * 4), four, |code| i32::from(code >> 4))
                }
            };
            (0..groups).map(product).fold(unsafe { *starts.add(r) }, i32::wrapping_add)
        };
        std::array::from_fn(|r| std::array::from_fn(|p| std::array::from_fn(|lane| int(r, p, lane))))
    }

    unsafe fn load(from: *const f32) -> Self::Floats {
        unsafe { from.cast::<Self::Floats>().read_unaligned() }
    }

    unsafe fn store(values: Self::Floats, to: *mut f32) {
        unsafe { to.cast::<Self::Floats>().write_unaligned(values) };
    }

    unsafe fn halves(from: *const u8) -> Self::Floats {
        let bits = unsafe { from.cast::<[u16; PANEL]>().read_unaligned() };
        bits.map(|bits| f16::from_bits(bits).to_f32())
    }

    unsafe fn splat(value: f32) -> Self::Floats {
        [value; PANEL]
    }

    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        std::array::from_fn(|lane| a[lane] * b[lane])
    }

    unsafe fn fma(sum: Self::Floats, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        std::array::from_fn(|lane| a[lane].mul_add(b[lane], sum[lane]))
    }

    unsafe fn to_floats(ints: Self::Ints) -> Self::Floats {
        ints.map(|int| int as f32)
    }
}
