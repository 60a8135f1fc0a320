//! The experts' weights and their computation, one or many at once, on the folder's backend. Keeps true: on our kernels a
//! row's result depends on that row and its expert alone.

use crate::{Backend, ComputeError, Manifest, ModelError, ModelFolder, Unit, candle};
use conclave_kernels::ffn::{ExpertGroup, grouped_swiglu};
use conclave_kernels::{Buffer, Matrix, Pool};
use conclave_types::{Bytes, ExpertKey};
use rayon::prelude::*;

/// The gated feed-forward block of one expert.
pub struct ExpertFfn {
    hidden: usize,
    weights: Weights,
}

/// Gate, up and down.
enum Weights {
    Cpu([Matrix; 3]),
    Candle(candle::Expert),
}

impl ExpertFfn {
    /// Loads the three tensors of `key` after checking them against `manifest`; touches no other tensor.
    pub fn load(folder: &ModelFolder, manifest: &Manifest, key: ExpertKey) -> Result<Self, ModelError> {
        let names = folder.spec.expert_tensors(key);
        let shapes = folder.spec.expert_shapes();
        let dtype = folder.weights.experts;
        let load = |part: usize| folder.verified_matrix(manifest, &names[part], shapes[part], dtype);
        let parts = [load(0)?, load(1)?, load(2)?];
        let weights = match &folder.backend {
            Backend::Cpu => Weights::Cpu(parts),
            Backend::Candle(device) => Weights::Candle(candle::Expert::new(&parts, device)?),
        };
        Ok(Self { hidden: folder.spec.hidden, weights })
    }

    /// Loads several experts with all cores, in the order of `keys`.
    pub fn load_all(
        folder: &ModelFolder,
        manifest: &Manifest,
        keys: &[ExpertKey],
    ) -> Result<Vec<Self>, ModelError> {
        folder.bring_experts(keys)?;
        let _piece = folder.progress.begin("loading the experts", folder.expert_bytes(keys), Unit::Bytes);
        keys.par_iter().map(|key| Self::load(folder, manifest, *key)).collect()
    }

    /// Width of the rows that it takes and gives.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// Bytes of the weights in memory.
    pub fn bytes(&self) -> Bytes {
        let bytes = match &self.weights {
            Weights::Cpu(parts) => parts.iter().map(Matrix::bytes).sum(),
            Weights::Candle(expert) => expert.bytes(),
        };
        Bytes(bytes as u64)
    }

    /// `x` `[rows, hidden]` to `[rows, hidden]`.
    ///
    /// Errors: as of [`Self::run_grouped`].
    pub fn run(&self, x: &[f32], pool: &Pool) -> Result<Buffer<f32>, ComputeError> {
        let rows: Vec<u32> = (0..(x.len() / self.hidden) as u32).collect();
        Self::run_grouped(&[(self, &rows)], x, self.hidden, pool)
    }

    /// For each expert in order, for each of its rows in order, its answer: `[sum of rows, hidden]`. `x` is
    /// `[any, hidden]`. Every expert's weights are read once. `pool` is what our kernels run on.
    ///
    /// Errors: candle's device fails; our kernels do not. Panics if the experts are on different backends.
    pub fn run_grouped(
        groups: &[(&Self, &[u32])],
        x: &[f32],
        hidden: usize,
        pool: &Pool,
    ) -> Result<Buffer<f32>, ComputeError> {
        let (mut ours, mut candles) = (Vec::new(), Vec::new());
        for (expert, rows) in groups {
            match &expert.weights {
                Weights::Cpu([gate, up, down]) => ours.push(ExpertGroup { gate, up, down, rows }),
                Weights::Candle(expert) => candles.push((expert, *rows)),
            }
        }
        assert!(ours.is_empty() || candles.is_empty(), "the experts of a call come from one folder");
        if !candles.is_empty() {
            return candle::run_grouped(&candles, x, hidden).map(Buffer::from);
        }
        let total: usize = ours.iter().map(|group| group.rows.len()).sum();
        let mut out = pool.buffer(total * hidden);
        grouped_swiglu(x, hidden, &ours, &mut out, pool);
        Ok(out)
    }
}
