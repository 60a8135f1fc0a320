//! Stored blocks to numbers: every [`StoredDtype`] to f32, and those that fit to [`QuantBlocks`].
//!
//! Keeps true: a weight's f32 value is its block's formula in f32, left to right, as GGUF's own tools compute it.
//! Source of the layouts: the block structures of ggml. Knows no tensor and no file.

use super::StoredDtype;
use conclave_kernels::quant::{QuantBlocks, QuantKind};
use half::{bf16, f16};

/// Widens whole blocks `bytes` into `out`; their lengths fit each other.
pub(super) fn widen(dtype: StoredDtype, bytes: &[u8], out: &mut [f32]) {
    debug_assert_eq!(bytes.len() / dtype.block_bytes(), out.len() / dtype.block_weights());
    let blocks = bytes.chunks_exact(dtype.block_bytes()).zip(out.chunks_exact_mut(dtype.block_weights()));
    match dtype {
        StoredDtype::F32 => blocks.for_each(|(b, out)| out[0] = f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
        StoredDtype::F16 => blocks.for_each(|(b, out)| out[0] = half_at(b, 0)),
        StoredDtype::Bf16 => blocks.for_each(|(b, out)| out[0] = bf16::from_le_bytes([b[0], b[1]]).to_f32()),
        StoredDtype::Q4_0 => blocks.for_each(|(b, out)| {
            let d = half_at(b, 0);
            nibbles(&b[2..], |at, code| out[at] = (f32::from(code) - 8.0) * d);
        }),
        StoredDtype::Q4_1 => blocks.for_each(|(b, out)| {
            let (d, m) = (half_at(b, 0), half_at(b, 2));
            nibbles(&b[4..], |at, code| out[at] = f32::from(code) * d + m);
        }),
        StoredDtype::Q5_0 => blocks.for_each(|(b, out)| {
            let (d, fifth) = (half_at(b, 0), u32::from_le_bytes([b[2], b[3], b[4], b[5]]));
            nibbles(&b[6..], |at, code| out[at] = (f32::from(code | fifth_bit(fifth, at)) - 16.0) * d);
        }),
        StoredDtype::Q5_1 => blocks.for_each(|(b, out)| {
            let (d, m, fifth) = (half_at(b, 0), half_at(b, 2), u32::from_le_bytes([b[4], b[5], b[6], b[7]]));
            nibbles(&b[8..], |at, code| out[at] = f32::from(code | fifth_bit(fifth, at)) * d + m);
        }),
        StoredDtype::Q8_0 => blocks.for_each(|(b, out)| {
            let d = half_at(b, 0);
            b[2..].iter().zip(out).for_each(|(code, out)| *out = f32::from(*code as i8) * d);
        }),
        StoredDtype::Q2K => blocks.for_each(|(b, out)| widen_q2k(b, out)),
        StoredDtype::Q3K => blocks.for_each(|(b, out)| widen_q3k(b, out)),
        StoredDtype::Q4K => blocks.for_each(|(b, out)| {
            let (d, min) = (half_at(b, 0), half_at(b, 2));
            for (group, out) in out.chunks_exact_mut(32).enumerate() {
                let (scale, minimum) = scale_and_min(&b[4..16], group);
                let (scale, minimum) = (d * f32::from(scale), min * f32::from(minimum));
                let codes = &b[16 + group / 2 * 32..][..32];
                let nibble = |code: &u8| f32::from(code >> (group % 2 * 4) & 15);
                codes.iter().zip(out).for_each(|(code, out)| *out = scale * nibble(code) - minimum);
            }
        }),
        StoredDtype::Q5K => blocks.for_each(|(b, out)| {
            let (d, min) = (half_at(b, 0), half_at(b, 2));
            for (group, out) in out.chunks_exact_mut(32).enumerate() {
                let (scale, minimum) = scale_and_min(&b[4..16], group);
                let (scale, minimum) = (d * f32::from(scale), min * f32::from(minimum));
                let codes = b[48 + group / 2 * 32..][..32].iter().zip(&b[16..48]);
                for ((code, fifth), out) in codes.zip(out) {
                    let code = code >> (group % 2 * 4) & 15 | (fifth >> group & 1) << 4;
                    *out = scale * f32::from(code) - minimum;
                }
            }
        }),
        StoredDtype::Q6K => blocks.for_each(|(b, out)| widen_q6k(b, out)),
    }
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The 32 codes of 16 bytes: the low halves are the first 16 weights, the high halves the others.
fn nibbles(bytes: &[u8], mut put: impl FnMut(usize, u8)) {
    for (at, byte) in bytes[..16].iter().enumerate() {
        put(at, byte & 15);
        put(at + 16, byte >> 4);
    }
}

fn fifth_bit(bits: u32, at: usize) -> u8 {
    ((bits >> at & 1) << 4) as u8
}

/// The 6-bit scale and minimum of 32 weights, `group` of 8, which share 12 bytes.
fn scale_and_min(packed: &[u8], group: usize) -> (u8, u8) {
    if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let (low, scale_high, min_high) = (packed[group + 4], packed[group - 4] >> 6, packed[group] >> 6);
        (low & 15 | scale_high << 4, low >> 4 | min_high << 4)
    }
}

fn widen_q2k(b: &[u8], out: &mut [f32]) {
    let (d, min) = (half_at(b, 80), half_at(b, 82));
    for (group, out) in out.chunks_exact_mut(16).enumerate() {
        let (scale, minimum) = (d * f32::from(b[group] & 15), min * f32::from(b[group] >> 4));
        let (half, pair, side) = (group / 8, group / 2 % 4, group % 2);
        let codes = &b[16 + half * 32 + side * 16..][..16];
        codes
            .iter()
            .zip(out)
            .for_each(|(code, out)| *out = scale * f32::from(code >> (pair * 2) & 3) - minimum);
    }
}

fn widen_q3k(b: &[u8], out: &mut [f32]) {
    let (high_bits, packed, d) = (&b[..32], &b[96..108], half_at(b, 108));
    for (group, out) in out.chunks_exact_mut(16).enumerate() {
        let low = if group < 8 { packed[group] & 15 } else { packed[group - 8] >> 4 };
        let scale = low | (packed[8 + group % 4] >> (group / 4 * 2) & 3) << 4;
        let scale = d * (f32::from(scale) - 32.0);
        let (half, pair, side) = (group / 8, group / 2 % 4, group % 2);
        let codes = b[32 + half * 32 + side * 16..][..16].iter().zip(&high_bits[side * 16..]);
        for ((code, high), out) in codes.zip(out) {
            let code = code >> (pair * 2) & 3 | (high >> (half * 4 + pair) & 1) << 2;
            *out = scale * (f32::from(code) - 4.0);
        }
    }
}

fn widen_q6k(b: &[u8], out: &mut [f32]) {
    let (low, high, scales, d) = (&b[..128], &b[128..192], &b[192..208], half_at(b, 208));
    for (group, out) in out.chunks_exact_mut(16).enumerate() {
        // 128 weights in four runs of 32: the low halves of 64 bytes, then their high halves.
        let (half, run, side) = (group / 8, group / 2 % 4, group % 2);
        let scale = d * f32::from(scales[group] as i8);
        let low = &low[half * 64 + run % 2 * 32 + side * 16..][..16];
        let high = &high[half * 32 + side * 16..][..16];
        for ((low, high), out) in low.iter().zip(high).zip(out) {
            let code = low >> (run / 2 * 4) & 15 | (high >> (run * 2) & 3) << 4;
            *out = scale * (f32::from(code) - 32.0);
        }
    }
}

/// The [`QuantKind`] that holds `dtype` without loss, but for the rounding of a scale to f16 in `Q4_K`.
pub(super) fn quant_kind(dtype: StoredDtype) -> Option<QuantKind> {
    match dtype {
        StoredDtype::Q8_0 => Some(QuantKind::Q8),
        StoredDtype::Q4_0 => Some(QuantKind::Q4),
        StoredDtype::Q4_1 | StoredDtype::Q4K => Some(QuantKind::Q4Min),
        _ => None,
    }
}

/// Appends the blocks of one stored row to `to`, whose kind is that of `dtype`.
///
/// - Returns false if a block does not fit: a code of -128 in `Q8_0`, a scale that is not finite in f16.
pub(super) fn append_row(dtype: StoredDtype, row: &[u8], to: &mut QuantBlocks) -> bool {
    let half = |b: &[u8], at: usize| f16::from_le_bytes([b[at], b[at + 1]]);
    let (scales, mins) = (to.scales.len(), to.mins.len());
    for b in row.chunks_exact(dtype.block_bytes()) {
        match dtype {
            StoredDtype::Q8_0 => {
                to.scales.push(half(b, 0));
                to.codes.extend_from_slice(&b[2..]);
                if b[2..].contains(&0x80) {
                    return false;
                }
            }
            StoredDtype::Q4_0 => {
                to.scales.push(half(b, 0));
                append_nibbles(&b[2..], &mut to.codes);
            }
            StoredDtype::Q4_1 => {
                to.scales.push(half(b, 0));
                to.mins.push(-half(b, 2));
                append_nibbles(&b[4..], &mut to.codes);
            }
            StoredDtype::Q4K => {
                let (d, min) = (half_at(b, 0), half_at(b, 2));
                for group in 0..8 {
                    let (scale, minimum) = scale_and_min(&b[4..16], group);
                    to.scales.push(f16::from_f32(d * f32::from(scale)));
                    to.mins.push(f16::from_f32(min * f32::from(minimum)));
                    let codes = &b[16 + group / 2 * 32..][..32];
                    to.codes.extend(codes.iter().map(|code| code >> (group % 2 * 4) & 15));
                }
            }
            other => panic!("{} has no plain blocks; `quant_kind` says so", other.name()),
        }
    }
    to.scales[scales..].iter().chain(&to.mins[mins..]).all(|scale| scale.is_finite())
}

fn append_nibbles(bytes: &[u8], codes: &mut Vec<u8>) {
    codes.extend(bytes[..16].iter().map(|byte| byte & 15));
    codes.extend(bytes[..16].iter().map(|byte| byte >> 4));
}

#[cfg(test)]
mod tests;
