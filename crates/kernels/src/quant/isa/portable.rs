//! The scalar twin: what every instruction set must give.

use super::Columns;
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
    const PREPARED: [usize; 2] = [512, 512];

    unsafe fn prepare_q8(codes: *const u8, to: *mut u8) {
        unsafe { std::ptr::copy_nonoverlapping(codes, to, 512) };
    }

    unsafe fn prepare_q4(codes: *const u8, to: *mut u8) {
        for at in 0..256 {
            unsafe {
                *to.add(at) = *codes.add(at) & 0xf;
                *to.add(256 + at) = *codes.add(at) >> 4;
            }
        }
    }

    unsafe fn q8<const R: usize>(
        prepared: *const u8,
        rows: &[*const u8; R],
        _: &[i32; R],
    ) -> [Self::Ints; R] {
        let mut ints = [[0; PANEL]; R];
        for (row, ints) in rows.iter().zip(&mut ints) {
            for group in 0..8 {
                for (lane, int) in ints.iter_mut().enumerate() {
                    *int += unsafe {
                        dot4(prepared.add(group * 64 + lane * 4), row.add(group * 4), |code| {
                            i32::from(code as i8)
                        })
                    };
                }
            }
        }
        ints
    }

    unsafe fn q4<const R: usize>(
        prepared: *const u8,
        rows: &[*const u8; R],
        sums: &[i32; R],
        offset: i32,
    ) -> [Self::Ints; R] {
        let mut ints = [[0; PANEL]; R];
        for ((row, ints), sum) in rows.iter().zip(&mut ints).zip(sums) {
            *ints = [offset.wrapping_mul(*sum).wrapping_neg(); PANEL];
            for group in 0..8 {
                for (lane, int) in ints.iter_mut().enumerate() {
                    let product =
                        unsafe { dot4(prepared.add(group * 64 + lane * 4), row.add(group * 4), i32::from) };
                    *int = int.wrapping_add(product);
                }
            }
        }
        ints
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
