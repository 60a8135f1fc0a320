//! Rounding to and from bf16, and the scan for NaN and infinity.

use half::bf16;

/// Rounds to nearest even.
pub fn to_bf16(from: &[f32], to: &mut [bf16]) {
    assert_eq!(from.len(), to.len(), "to_bf16");
    to.iter_mut().zip(from).for_each(|(to, from)| *to = bf16::from_f32(*from));
}

/// Widens exactly.
pub fn from_bf16(from: &[bf16], to: &mut [f32]) {
    assert_eq!(from.len(), to.len(), "from_bf16");
    to.iter_mut().zip(from).for_each(|(to, from)| *to = f32::from_bits(u32::from(from.to_bits()) << 16));
}

/// Whether no value is NaN or infinite.
pub fn all_finite(values: &[f32]) -> bool {
    values.iter().fold(true, |finite, value| finite & value.is_finite())
}
