//! Weights in blocks of 32 small integers with a scale, and everything that computes with them.
//!
//! Keeps true: a block's product with a block of int8 activations is an exact integer, whatever the instruction
//! set; blocks are added in ascending order with one fused multiply-add each. So every bit of a result depends on
//! its own row and its own column of weights alone.

use crate::{Isa, Pool};

mod activations;
mod blocks;
mod isa;
mod packed;
mod product;
mod quantize;

pub use blocks::{BLOCK, QuantBlocks, QuantKind};
pub use packed::{Line, PackedMatrix};

pub(crate) use activations::{Form, QuantRows, RowSink, Span, first_rows};
pub(crate) use isa::Level;
#[cfg(target_arch = "x86_64")]
pub(crate) use isa::{TILE_MACS, multiply_tiles, tiles_granted};
pub(crate) use packed::PANEL;
pub(crate) use product::{PANELS, panel_product};

/// Rounds `x` `[rows, cols]` to int8 as a product with weights of `kind` does first of all, throws it away, and returns
/// how many bytes it took. For benches.
pub fn quantize_rows(kind: QuantKind, x: &[f32], cols: usize, pool: &Pool) -> usize {
    let isa = Isa::best();
    let rows = QuantRows::quantize(isa, Form::of(Level::of(isa), kind), x, cols, pool);
    let QuantRows { codes, scales, sums, starts, .. } = std::hint::black_box(&rows);
    codes.len() + size_of_val(&scales[..]) + size_of_val(&sums[..]) + size_of_val(&starts[..])
}
