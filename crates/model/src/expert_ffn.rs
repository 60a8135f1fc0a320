//! The experts' weights and their computation, one or many at once. Keeps true: a row's result depends on that row
//! and its expert alone.

use crate::{Manifest, ModelError, ModelFolder};
use conclave_kernels::ffn::{ExpertGroup, grouped_swiglu};
use conclave_kernels::{Buffer, Matrix, Pool};
use conclave_types::{Bytes, ExpertKey};
use rayon::prelude::*;

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
        let dtype = folder.weights.experts;
        let load = |part: usize| folder.verified_matrix(manifest, &names[part], shapes[part], dtype);
        Ok(Self { gate: load(0)?, up: load(1)?, down: load(2)? })
    }

    /// Loads several experts with all cores, in the order of `keys`.
    pub fn load_all(
        folder: &ModelFolder,
        manifest: &Manifest,
        keys: &[ExpertKey],
    ) -> Result<Vec<Self>, ModelError> {
        keys.par_iter().map(|key| Self::load(folder, manifest, *key)).collect()
    }

    /// Width of the rows that it takes and gives.
    pub fn hidden(&self) -> usize {
        self.gate.cols()
    }

    /// Bytes of the weights in memory.
    pub fn bytes(&self) -> Bytes {
        Bytes((self.gate.bytes() + self.up.bytes() + self.down.bytes()) as u64)
    }

    /// `x` `[rows, hidden]` to `[rows, hidden]`.
    pub fn run(&self, x: &[f32], pool: &Pool) -> Buffer<f32> {
        let rows: Vec<u32> = (0..(x.len() / self.gate.cols()) as u32).collect();
        Self::run_grouped(&[(self, &rows)], x, self.gate.cols(), pool)
    }

    /// For each expert in order, for each of its rows in order, its answer: `[sum of rows, hidden]`. `x` is
    /// `[any, hidden]`. Every expert's weights are read once.
    pub fn run_grouped(groups: &[(&Self, &[u32])], x: &[f32], hidden: usize, pool: &Pool) -> Buffer<f32> {
        let groups: Vec<ExpertGroup<'_>> = groups
            .iter()
            .map(|(expert, rows)| ExpertGroup {
                gate: &expert.gate,
                up: &expert.up,
                down: &expert.down,
                rows,
            })
            .collect();
        let total: usize = groups.iter().map(|group| group.rows.len()).sum();
        let mut out = pool.buffer(total * hidden);
        grouped_swiglu(x, hidden, &groups, &mut out, pool);
        out
    }
}
