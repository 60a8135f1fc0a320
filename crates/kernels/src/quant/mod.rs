//! Weights in blocks of 32 small integers with a scale, and everything that computes with them.
//!
//! Keeps true: a block's product with a block of activations is an exact integer, whatever the instruction set;
//! blocks are added in ascending order with one fused multiply-add each. So every bit of a result depends on its
//! own row and its own column of weights alone.

mod blocks;

pub use blocks::{BLOCK, QuantBlocks, QuantKind};
