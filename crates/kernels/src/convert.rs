//! Rows as little-endian bytes: rounding to bf16, widening, adding up, and the scan for NaN and infinity.
//!
//! Keeps true: loops are compiled for the machine's instruction set and give the bits of the plain ones. Bytes need no
//! alignment, because they come as they came off the wire.

use crate::Isa;
use crate::isa::per_isa;

/// Rounds to nearest even; NaN stays NaN.
#[inline(always)]
pub(crate) fn narrow(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    (if bits & 0x7fff_ffff > 0x7f80_0000 { quiet } else { rounded }) as u16
}

#[inline(always)]
fn widen(bytes: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
}

#[inline(always)]
fn to_bf16_body(from: &[f32], to: &mut [u8]) {
    to.as_chunks_mut::<2>().0.iter_mut().zip(from).for_each(|(to, from)| *to = narrow(*from).to_le_bytes());
}

#[inline(always)]
fn from_bf16_body(from: &[u8], to: &mut [f32]) {
    to.iter_mut().zip(from.as_chunks::<2>().0).for_each(|(to, from)| *to = widen(*from));
}

#[inline(always)]
fn add_bf16_body(weight: f32, from: &[u8], to: &mut [f32]) {
    to.iter_mut().zip(from.as_chunks::<2>().0).for_each(|(to, from)| *to += weight * widen(*from));
}

#[inline(always)]
fn add_f32_body(weight: f32, from: &[u8], to: &mut [f32]) {
    let values = from.as_chunks::<4>().0;
    to.iter_mut().zip(values).for_each(|(to, from)| *to += weight * f32::from_le_bytes(*from));
}

// A magnitude of exponent bits alone, or more, is infinity or NaN; integers compare faster than floats branch.
#[inline(always)]
fn finite_body(values: &[f32]) -> bool {
    values.iter().fold(0, |worst, value| worst.max(value.to_bits() & 0x7fff_ffff)) < 0x7f80_0000
}

#[inline(always)]
fn finite_bf16_body(from: &[u8]) -> bool {
    let halves = from.as_chunks::<2>().0;
    halves.iter().fold(0, |worst, half| worst.max(u16::from_le_bytes(*half) & 0x7fff)) < 0x7f80
}

per_isa! { fn to_bf16_on(from: &[f32], to: &mut [u8]) = to_bf16_body }
per_isa! { fn from_bf16_on(from: &[u8], to: &mut [f32]) = from_bf16_body }
per_isa! { fn add_bf16_on(weight: f32, from: &[u8], to: &mut [f32]) = add_bf16_body }
per_isa! { fn add_f32_on(weight: f32, from: &[u8], to: &mut [f32]) = add_f32_body }
per_isa! { fn finite_on(values: &[f32]) -> bool = finite_body }
per_isa! { fn finite_bf16_on(from: &[u8]) -> bool = finite_bf16_body }

/// Rounds `from` to bf16, to nearest even, as little-endian bytes `to`, two for each value.
pub fn to_bf16(from: &[f32], to: &mut [u8]) {
    assert_eq!(2 * from.len(), to.len(), "to_bf16");
    to_bf16_on(Isa::best(), from, to);
}

/// Widens bf16 exactly.
pub fn from_bf16(from: &[u8], to: &mut [f32]) {
    assert_eq!(from.len(), 2 * to.len(), "from_bf16");
    from_bf16_on(Isa::best(), from, to);
}

/// `to += weight * from`, with `from` in bf16; product and sum are rounded each.
pub fn add_weighted_bf16(weight: f32, from: &[u8], to: &mut [f32]) {
    assert_eq!(from.len(), 2 * to.len(), "add_weighted_bf16");
    add_bf16_on(Isa::best(), weight, from, to);
}

/// `to += weight * from`, with `from` in f32; product and sum are rounded each.
pub fn add_weighted_f32(weight: f32, from: &[u8], to: &mut [f32]) {
    assert_eq!(from.len(), 4 * to.len(), "add_weighted_f32");
    add_f32_on(Isa::best(), weight, from, to);
}

/// Whether no value is NaN or infinite.
pub fn all_finite(values: &[f32]) -> bool {
    finite_on(Isa::best(), values)
}

/// Whether no bf16 value is NaN or infinite.
pub fn all_finite_bf16(from: &[u8]) -> bool {
    finite_bf16_on(Isa::best(), from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    #[test]
    fn rounding_equals_the_reference_for_every_upper_half_and_its_ties() {
        for high in 0..=u16::MAX {
            for low in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let value = f32::from_bits(u32::from(high) << 16 | low);
                let expected = bf16::from_f32(value);
                let mut bytes = [0; 2];
                to_bf16(&[value], &mut bytes);
                assert_eq!(bytes, expected.to_le_bytes(), "{value} {:x}", value.to_bits());
                assert_eq!(all_finite_bf16(&bytes), expected.to_f32().is_finite());
                assert_eq!(all_finite(&[1.0, value]), value.is_finite());
            }
        }
    }

    #[test]
    fn weighted_sums_round_product_and_sum() {
        let values = [1.5_f32, -0.1, 3e-3, 7.0, 1e5];
        let mut bytes = [0; 10];
        to_bf16(&values, &mut bytes);
        let mut wide = [0.0; 5];
        from_bf16(&bytes, &mut wide);
        let mut sums = [0.3; 5];
        add_weighted_bf16(0.7, &bytes, &mut sums);
        assert_eq!(sums, wide.map(|value| 0.3 + 0.7 * value));
        let mut sums = [0.3; 5];
        add_weighted_f32(0.7, &values.map(f32::to_le_bytes).concat(), &mut sums);
        assert_eq!(sums, values.map(|value| 0.3 + 0.7 * value));
    }
}
