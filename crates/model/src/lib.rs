//! Model descriptions, weight formats, the trunk and its `Compute` backends.
//!
//! Owns everything between a Hugging Face folder or a GGUF file and logits, but for the experts' homes. Keeps true: a
//! family is a description, not code; an unknown or unsupported config value is an error that names it;
//! what is computed for a row depends on that row alone. Knows no clock, socket or request.

mod backend;
mod candle;
mod choice;
mod compute;
mod config;
mod cpu;
mod error;
mod expert_ffn;
pub mod families;
mod folder;
mod footprint;
mod formats;
mod kv_dtype;
mod manifest;
mod pack;
mod progress;
mod residency;
mod room;
mod route;
mod sample;
mod spec;
mod supply;
mod trunk;
mod weights;

pub use backend::{Backend, BackendChoice};
pub use candle::CandleCompute;
pub use compute::{Compute, ComputeError};
pub use cpu::CpuCompute;
pub use error::ModelError;
pub use expert_ffn::ExpertFfn;
pub use folder::ModelFolder;
pub use footprint::Footprint;
pub use formats::{StoredDtype, WeightFiles, gguf};
pub use kv_dtype::KvDtypeChoice;
pub use manifest::Manifest;
pub use pack::{PackFile, pack_path, write_pack};
pub use progress::{Piece, Progress, Step, Unit};
pub use residency::Residency;
pub use route::{RouteError, Routing, combine, combine_with, route};
pub use sample::{Sampled, SamplingParams, TokenLogprob, argmax, log_softmax, sample};
pub use spec::{DtypeChoice, ExpertNames, ModelSpec, NumericDtype, QkNorm, RouterRule};
pub use supply::{FileRange, Supply};
pub use trunk::{FeedForward, StepSequence, Trunk, TrunkError};
pub use weights::{WeightDtype, WeightDtypes};
