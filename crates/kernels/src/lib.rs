//! CPU compute whose bits never depend on batch, threads or instruction set.
//!
//! Owns every loop over activations and weights. Keeps true: an output row depends only on its own input
//! row and the weights. Every sum along K runs in sixteen virtual lanes with fused multiply-add and one
//! fixed reduction tree (see `lanes.rs`), and every instruction set runs that same source, so AVX-512, AVX2 and
//! portable code give equal bits. Does not know models, experts' homes or requests.

mod aligned;
mod arena;
pub mod attention;
mod buffers;
mod convert;
pub mod ffn;
mod filemap;
mod isa;
mod lanes;
pub mod limits;
mod matmul;
mod matrix;
mod norm;
mod pool;
mod prefetch;
pub mod quant;
mod rope;
mod router;
mod vector;

/// The numerics class: kernels of one class give the same bits, on whatever instruction set. Changed with every
/// change of an order of summation.
pub const NUMERICS: &str = "lanes16-v1";

pub use arena::{Arena, Piece};
pub use buffers::{Buffer, Keeper, Recycled};
pub use convert::{
    add_weighted_bf16, add_weighted_f32, add_weighted_q8, all_finite_bf16, all_finite_f32, all_finite_q8,
    from_bf16, from_q8, q8_row_bytes, to_bf16, to_q8,
};
pub use filemap::{FRAME, FileMap, Part};
pub use isa::Isa;
pub use matmul::{matmul, matmul_on};
pub use matrix::{Matrix, Storage};
pub use norm::rms_norm;
pub use pool::{Pool, cores_allowed};
pub use rope::RopeTable;
pub use router::{softmax_in_place, top_k};
