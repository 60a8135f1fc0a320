//! RMS normalisation.

use crate::Isa;
use crate::isa::per_isa;
use crate::lanes::dot;

#[inline(always)]
fn body(x: &mut [f32], weight: &[f32], eps: f32) {
    let width = weight.len();
    for row in x.chunks_exact_mut(width) {
        let mean = dot(row, row) / width as f32;
        let scale = 1.0 / (mean + eps).sqrt();
        for (value, weight) in row.iter_mut().zip(weight) {
            *value = *value * scale * weight;
        }
    }
}

per_isa! { fn on(x: &mut [f32], weight: &[f32], eps: f32) = body }

/// `x = x / sqrt(mean(x²) + eps) * weight` for each row of `weight.len()` elements, in place.
///
/// With a weight of one head's width and `x` of `[rows, heads * head_dim]` it normalises head by head.
pub fn rms_norm(x: &mut [f32], weight: &[f32], eps: f32) {
    assert_eq!(x.len() % weight.len(), 0, "rms_norm: rows of {}", weight.len());
    on(Isa::best(), x, weight, eps);
}
