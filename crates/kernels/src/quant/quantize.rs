//! From f32 weights to blocks: which scale, which codes.
//!
//! Keeps true: the same values give the same codes on every machine. Codes are chosen for the scale as it is
//! stored, in f16, so that its rounding costs nothing twice.

use super::{BLOCK, QuantBlocks, QuantKind};
use crate::Isa;
use crate::isa::per_isa;
use half::f16;

/// Scales tried for a block of `Q4`, as what the largest weight becomes, about 8. A finer search gains little.
const Q4_PEAKS: [f32; 7] = [6.8, 7.2, 7.6, 8.0, 8.3, 8.6, 9.0];

impl QuantBlocks {
    /// Quantises `values` `[rows, cols]`; missing columns up to the next multiple of 32 become zeros.
    ///
    /// - `Q8`: the largest weight of a block becomes ±127.
    /// - `Q4`: of a few scales the one with the smallest squared error.
    /// - Panics for `Q4Min`, which only files bring.
    pub fn quantize(kind: QuantKind, values: &[f32], rows: usize, cols: usize) -> Self {
        assert_eq!(values.len(), rows * cols, "quantize [{rows}, {cols}]");
        assert!(kind != QuantKind::Q4Min, "q4 with a minimum comes from files only");
        let blocks = cols.div_ceil(BLOCK);
        let mut codes = vec![0; rows * blocks * BLOCK];
        let mut scales = vec![f16::ZERO; rows * blocks];
        quantize_on(Isa::best(), kind, values, cols, &mut codes, &mut scales);
        Self { kind, rows, cols: blocks * BLOCK, codes, scales, mins: Vec::new() }
    }
}

per_isa! { fn quantize_on(kind: QuantKind, values: &[f32], cols: usize, codes: &mut [u8], scales: &mut [f16]) = body }

#[inline(always)]
fn body(kind: QuantKind, values: &[f32], cols: usize, codes: &mut [u8], scales: &mut [f16]) {
    let blocks = cols.div_ceil(BLOCK);
    let rows = values.chunks_exact(cols).zip(codes.chunks_exact_mut(blocks * BLOCK));
    for ((row, codes), scales) in rows.zip(scales.chunks_exact_mut(blocks)) {
        let parts = row.chunks(BLOCK).zip(codes.as_chunks_mut::<BLOCK>().0);
        for ((part, codes), scale) in parts.zip(scales) {
            let mut block = [0.0; BLOCK];
            block[..part.len()].copy_from_slice(part);
            *scale = match kind {
                QuantKind::Q8 => q8(&block, codes),
                _ => q4(&block, codes),
            };
        }
    }
}

#[inline(always)]
fn q8(block: &[f32; BLOCK], codes: &mut [u8; BLOCK]) -> f16 {
    let peak = block.iter().fold(0.0_f32, |peak, value| peak.max(value.abs()));
    let scale = f16::from_f32(peak / 127.0);
    let inverse = if scale.to_f32() > 0.0 { 1.0 / scale.to_f32() } else { 0.0 };
    for (code, value) in codes.iter_mut().zip(block) {
        *code = (value * inverse).round_ties_even().clamp(-127.0, 127.0) as i8 as u8;
    }
    scale
}

#[inline(always)]
fn q4(block: &[f32; BLOCK], codes: &mut [u8; BLOCK]) -> f16 {
    // The value of the largest magnitude, with its sign: -8 is a code, +8 is not, so it goes to -8.
    let peak = block.iter().fold(0.0_f32, |peak, value| if value.abs() > peak.abs() { *value } else { peak });
    let mut best = (0.0_f32, f16::ZERO);
    for step in Q4_PEAKS {
        let inverse = if peak == 0.0 { 0.0 } else { -step / peak };
        let (mut along, mut square) = (0.0_f32, 0.0_f32);
        for value in block {
            let q = (value * inverse).round_ties_even().clamp(-8.0, 7.0);
            along += q * value;
            square += q * q;
        }
        // The best scale for these codes is along / square, and it removes along² / square of the error.
        let gain = if square > 0.0 { along * along / square } else { 0.0 };
        if gain > best.0 {
            best = (gain, f16::from_f32(along / square));
        }
    }
    let scale = best.1.to_f32();
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    for (code, value) in codes.iter_mut().zip(block) {
        *code = ((value * inverse).round_ties_even().clamp(-8.0, 7.0) + 8.0) as u8;
    }
    best.1
}
