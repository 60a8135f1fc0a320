//! Rows as little-endian bytes: rounding to bf16 or int8, widening, adding up, and the scan for NaN and infinity.
//!
//! Keeps true: loops are compiled for the machine's instruction set and give the bits of the plain ones. Bytes need no
//! alignment, because they come as they came off the wire.

use crate::Isa;
use crate::isa::Kernel;
use crate::isa::per_isa;
use crate::lanes::LANES;
use crate::vector::Vector;

/// Values that share a scale in int8.
const Q8_BLOCK: usize = 32;

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
fn finite_f32_body(from: &[u8]) -> bool {
    let values = from.as_chunks::<4>().0;
    values.iter().fold(0, |worst, value| worst.max(u32::from_le_bytes(*value) & 0x7fff_ffff)) < 0x7f80_0000
}

#[inline(always)]
fn finite_bf16_body(from: &[u8]) -> bool {
    let halves = from.as_chunks::<2>().0;
    halves.iter().fold(0, |worst, half| worst.max(u16::from_le_bytes(*half) & 0x7fff)) < 0x7f80
}

/// The scales of a row and its codes; `row` is as long as [`q8_row_bytes`] says.
#[inline(always)]
fn q8_parts(row: &[u8], width: usize) -> (&[[u8; 4]], &[u8]) {
    let (scales, codes) = row.split_at(4 * width.div_ceil(Q8_BLOCK));
    (scales.as_chunks().0, codes)
}

/// The scale of a block in int8, by which its largest magnitude becomes 127, and what to multiply its values with. A
/// block with NaN or infinity gets a NaN scale, so that whatever it touches is seen to be damaged.
#[inline(always)]
fn int8_scale(values: &[f32; Q8_BLOCK]) -> (f32, f32) {
    // Magnitudes compare like their bits, with infinity and NaN above all numbers; as integers the compiler may compare
    // them in any order, so in vectors.
    let peak = values.iter().fold(0, |peak, value| peak.max(value.to_bits() & 0x7fff_ffff));
    let peak = f32::from_bits(peak);
    // Below that the quotient could overflow; such a block is zeros.
    let inverse = if peak > 1e-30 { 127.0 / peak } else { 0.0 };
    (if peak.is_finite() { peak / 127.0 } else { f32::NAN }, inverse)
}

/// Writes the int8 codes of a block; returns its scale.
///
/// # Safety
/// The instruction set of `V` is enabled.
#[inline(always)]
pub(crate) unsafe fn int8_block<V: Vector>(values: &[f32; Q8_BLOCK], codes: &mut [i8; Q8_BLOCK]) -> f32 {
    let (scale, inverse) = int8_scale(values);
    for at in (0..Q8_BLOCK).step_by(LANES) {
        // SAFETY: the caller's promise; both have sixteen elements from there on. Codes are in range but for damaged
        // blocks, whose scale is NaN whatever the codes.
        unsafe {
            let scaled = V::load(values[at..].as_ptr()).mul(V::splat(inverse));
            scaled.store_i8(codes[at..].as_mut_ptr());
        }
    }
    scale
}

/// [`to_q8`]'s row and where it goes.
struct ToQ8<'a>(&'a [f32], &'a mut [u8]);

impl Kernel for ToQ8<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self(from, to) = self;
        let (scales, codes) = to.split_at_mut(4 * from.len().div_ceil(Q8_BLOCK));
        let blocks = from.chunks(Q8_BLOCK).zip(codes.chunks_mut(Q8_BLOCK));
        for ((values, codes), scale) in blocks.zip(scales.as_chunks_mut::<4>().0) {
            let (mut block, mut rounded) = ([0.0; Q8_BLOCK], [0; Q8_BLOCK]);
            block[..values.len()].copy_from_slice(values);
            // SAFETY: the trait's contract.
            *scale = unsafe { int8_block::<V>(&block, &mut rounded) }.to_le_bytes();
            codes.copy_from_slice(bytemuck::cast_slice(&rounded[..values.len()]));
        }
    }
}

#[inline(always)]
fn from_q8_body(from: &[u8], to: &mut [f32]) {
    let (scales, codes) = q8_parts(from, to.len());
    for ((to, codes), scale) in to.chunks_mut(Q8_BLOCK).zip(codes.chunks(Q8_BLOCK)).zip(scales) {
        let scale = f32::from_le_bytes(*scale);
        to.iter_mut().zip(codes).for_each(|(to, code)| *to = scale * f32::from(*code as i8));
    }
}

#[inline(always)]
fn add_q8_body(weight: f32, from: &[u8], to: &mut [f32]) {
    let (scales, codes) = q8_parts(from, to.len());
    for ((to, codes), scale) in to.chunks_mut(Q8_BLOCK).zip(codes.chunks(Q8_BLOCK)).zip(scales) {
        let scale = f32::from_le_bytes(*scale);
        to.iter_mut().zip(codes).for_each(|(to, code)| *to += weight * (scale * f32::from(*code as i8)));
    }
}

per_isa! { fn from_q8_on(from: &[u8], to: &mut [f32]) = from_q8_body }
per_isa! { fn add_q8_on(weight: f32, from: &[u8], to: &mut [f32]) = add_q8_body }
per_isa! { fn to_bf16_on(from: &[f32], to: &mut [u8]) = to_bf16_body }
per_isa! { fn from_bf16_on(from: &[u8], to: &mut [f32]) = from_bf16_body }
per_isa! { fn add_bf16_on(weight: f32, from: &[u8], to: &mut [f32]) = add_bf16_body }
per_isa! { fn add_f32_on(weight: f32, from: &[u8], to: &mut [f32]) = add_f32_body }
per_isa! { fn finite_f32_on(from: &[u8]) -> bool = finite_f32_body }
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

/// Bytes of a row of `width` values in int8: an f32 scale for each block of 32, then the codes.
pub fn q8_row_bytes(width: usize) -> usize {
    4 * width.div_ceil(Q8_BLOCK) + width
}

/// Rounds one row to int8: the largest magnitude of each block of 32 becomes 127, ties go to even.
pub fn to_q8(from: &[f32], to: &mut [u8]) {
    assert_eq!(q8_row_bytes(from.len()), to.len(), "to_q8");
    Isa::best().run(ToQ8(from, to));
}

/// What one row in int8 stands for: scale times code, rounded.
pub fn from_q8(from: &[u8], to: &mut [f32]) {
    assert_eq!(from.len(), q8_row_bytes(to.len()), "from_q8");
    from_q8_on(Isa::best(), from, to);
}

/// `to += weight * from`, with the row `from` in int8; every operation is rounded.
pub fn add_weighted_q8(weight: f32, from: &[u8], to: &mut [f32]) {
    assert_eq!(from.len(), q8_row_bytes(to.len()), "add_weighted_q8");
    add_q8_on(Isa::best(), weight, from, to);
}

/// Whether no value of a row of `width` values in int8 is NaN or infinite.
pub fn all_finite_q8(from: &[u8], width: usize) -> bool {
    assert_eq!(from.len(), q8_row_bytes(width), "all_finite_q8");
    let (scales, _) = q8_parts(from, width);
    scales.iter().all(|scale| f32::from_le_bytes(*scale).is_finite())
}

/// Whether no f32 value is NaN or infinite.
pub fn all_finite_f32(from: &[u8]) -> bool {
    finite_f32_on(Isa::best(), from)
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
                assert_eq!(
                    all_finite_f32(&[[0, 0, 0x80, 0x3f], value.to_le_bytes()].concat()),
                    value.is_finite()
                );
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

    #[test]
    fn int8_rows_keep_what_a_block_of_32_allows_and_show_damage() {
        for width in [1, 31, 32, 33, 96, 100] {
            let values: Vec<f32> = (0..width).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.37).collect();
            let mut bytes = vec![0; q8_row_bytes(width)];
            to_q8(&values, &mut bytes);
            let mut back = vec![0.0; width];
            from_q8(&bytes, &mut back);
            for (values, back) in values.chunks(32).zip(back.chunks(32)) {
                let peak = values.iter().fold(0.0_f32, |peak, value| peak.max(value.abs()));
                let worst = values
                    .iter()
                    .zip(back)
                    .fold(0.0_f32, |worst, (value, back)| worst.max((value - back).abs()));
                assert!(worst <= peak / 127.0 * 0.5001, "{worst} of {peak}");
            }
            let mut sums = vec![0.3; width];
            add_weighted_q8(0.7, &bytes, &mut sums);
            assert_eq!(sums, back.iter().map(|value| 0.3 + 0.7 * value).collect::<Vec<_>>());
            assert!(all_finite_q8(&bytes, width));
            for damage in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut values = values.clone();
                values[width / 2] = damage;
                to_q8(&values, &mut bytes);
                assert!(!all_finite_q8(&bytes, width), "{damage} at {}", width / 2);
            }
            to_q8(&vec![1e-38; width], &mut bytes);
            from_q8(&bytes, &mut back);
            assert!(back.iter().all(|value| *value == 0.0));
        }
    }
}
