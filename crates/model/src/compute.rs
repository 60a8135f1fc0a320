//! The seam between the trunk and what computes it: the dozen operations that a trunk needs. Routed experts have their own,
//! `ExpertFfn`.
//!
//! Two implementations: `CpuCompute` (our kernels) and `CandleCompute` (candle-core: readable, any device).

use crate::{ModelError, ModelFolder, StepSequence, WeightDtype};
use conclave_kernels::Buffer;

/// A failure of a compute backend, such as a device out of memory.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ComputeError(pub String);

/// The operations of a trunk. `Act` is a batch of activation rows `[rows, width]` in f32.
pub trait Compute: Send + Sync + Sized + 'static {
    /// A weight matrix `[rows, cols]`.
    type Matrix: Send + Sync;
    /// A weight vector.
    type Vector: Send + Sync;
    /// Activation rows.
    type Act: Send;
    /// Keys and values of all layers, paged.
    type Kv: Send;

    /// Loads `tensor` of shape `[rows, cols]` in the form `dtype`.
    fn matrix(
        &self,
        folder: &ModelFolder,
        tensor: &str,
        shape: [usize; 2],
        dtype: WeightDtype,
    ) -> Result<Self::Matrix, ModelError>;
    /// Loads `tensor` of shape `[len]`.
    fn vector(&self, folder: &ModelFolder, tensor: &str, len: usize) -> Result<Self::Vector, ModelError>;
    /// Room for `blocks` KV blocks of `block_size` positions in each of `layers` layers.
    fn kv(
        &self,
        layers: usize,
        blocks: usize,
        block_size: usize,
        kv_heads: usize,
        head_dim: usize,
    ) -> Result<Self::Kv, ComputeError>;

    /// Rows of `table` by token id.
    fn embed(&self, table: &Self::Matrix, ids: &[u32]) -> Result<Self::Act, ComputeError>;
    /// `x wᵀ + bias`.
    fn linear(
        &self,
        x: &Self::Act,
        w: &Self::Matrix,
        bias: Option<&Self::Vector>,
    ) -> Result<Self::Act, ComputeError>;
    /// RMS norm over groups of the weight's length within each row.
    fn rms_norm(&self, x: &Self::Act, weight: &Self::Vector, eps: f32) -> Result<Self::Act, ComputeError>;
    /// Clamps to `±limit`.
    fn clamp(&self, x: Self::Act, limit: f32) -> Result<Self::Act, ComputeError>;
    /// Rotary embedding of `[rows, heads * head_dim]` at one absolute position per row.
    fn rope(&self, x: Self::Act, head_dim: usize, positions: &[u32]) -> Result<Self::Act, ComputeError>;
    /// Stores `k` and `v`, the rows of `sequences` in order.
    fn store(
        &self,
        layer: usize,
        k: &Self::Act,
        v: &Self::Act,
        kv: &mut Self::Kv,
        sequences: &[StepSequence],
    ) -> Result<(), ComputeError>;
    /// Attends `q`, the rows of `sequences` in order, to what is stored. `window`: positions a row sees, itself included.
    fn attend(
        &self,
        layer: usize,
        q: &Self::Act,
        kv: &Self::Kv,
        sequences: &[StepSequence],
        window: Option<usize>,
    ) -> Result<Self::Act, ComputeError>;
    /// `x + y`.
    fn add(&self, x: Self::Act, y: &Self::Act) -> Result<Self::Act, ComputeError>;
    /// `down (silu(gate x) * (up x))`.
    fn swiglu(
        &self,
        x: &Self::Act,
        gate: &Self::Matrix,
        up: &Self::Matrix,
        down: &Self::Matrix,
    ) -> Result<Self::Act, ComputeError>;
    /// The named rows of `x`, in order.
    fn select(&self, x: &Self::Act, rows: &[usize]) -> Result<Self::Act, ComputeError>;
    /// The rows of all `parts`, of which there is at least one, one after the other.
    fn stack(&self, parts: Vec<Self::Act>) -> Result<Self::Act, ComputeError>;
    /// `x` as host memory, row after row.
    fn download(&self, x: Self::Act) -> Result<Buffer<f32>, ComputeError>;
    /// Rows of `width` from host memory.
    fn upload(&self, rows: Buffer<f32>, width: usize) -> Result<Self::Act, ComputeError>;
}
