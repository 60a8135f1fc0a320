//! One expert's weights and its computation. Keeps true: a row's result depends on that row alone.

use crate::{Manifest, ModelError, ModelFolder};
use conclave_kernels::{Matrix, Pool, ffn};
use conclave_types::{Bytes, ExpertKey};

/// The gated feed-forward block of one expert.
pub struct ExpertFfn {
    gate: Matrix,
    up: Matrix,
    down: Matrix,
}

impl ExpertFfn {
    /// Loads the three tensors of `key` after checking them against `manifest`; touches no other tensor.
    pub fn load(folder: &ModelFolder, manifest: &Manifest, key: ExpertKey) -> Result<Self, ModelError> {
        let names = folder.spec.expert_tensors(key);
        let shapes = folder.spec.expert_shapes();
        for name in &names {
            manifest.verify(folder, name)?;
        }
        let load = |part: usize| folder.files.matrix(&names[part], shapes[part], folder.dtype);
        Ok(Self { gate: load(0)?, up: load(1)?, down: load(2)? })
    }

    /// Bytes of the weights in memory.
    pub fn bytes(&self) -> Bytes {
        Bytes((self.gate.bytes() + self.up.bytes() + self.down.bytes()) as u64)
    }

    /// `x` `[rows, hidden]` to `[rows, hidden]`.
    pub fn run(&self, x: &[f32], pool: &Pool) -> Vec<f32> {
        let mut out = vec![0.0; x.len()];
        ffn::swiglu(x, &self.gate, &self.up, &self.down, &mut out, pool);
        out
    }
}
