//! The experts of this process. Keeps true: a call is computed from the rows as they travelled, in their wire
//! dtype, so that where an expert runs changes no bit; merged calls give each caller what it would get alone.

use crate::{ExpertBackend, ExpertBatch, ExpertError, ExpertFuture, ExpertOutput, Rows};
use conclave_kernels::{Pool, all_finite};
use conclave_model::{ExpertFfn, Manifest, ModelError, ModelFolder};
use conclave_types::{Bytes, ExpertIdx, ExpertKey, ModelDigest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};
use std::time::Instant;

type Experts = BTreeMap<ExpertKey, Arc<ExpertFfn>>;

/// Loaded experts of one model.
pub struct LocalExperts {
    model: ModelDigest,
    /// Swapped as a whole: a running call keeps the experts that it began with.
    experts: RwLock<Arc<Experts>>,
    pool: Arc<Pool>,
}

impl LocalExperts {
    /// Loads `keys` from the folder, each tensor verified against the manifest; touches no other tensor.
    pub fn load(
        folder: &ModelFolder,
        manifest: &Manifest,
        keys: impl IntoIterator<Item = ExpertKey>,
        pool: Arc<Pool>,
    ) -> Result<Self, ModelError> {
        let empty = RwLock::new(Arc::new(Experts::new()));
        let local = Self { model: manifest.model_digest(folder), experts: empty, pool };
        keys.into_iter().try_for_each(|key| local.add(folder, manifest, key))?;
        Ok(local)
    }

    /// Loads one more expert of the same folder, verified like the others; held ones are not loaded again.
    pub fn add(&self, folder: &ModelFolder, manifest: &Manifest, key: ExpertKey) -> Result<(), ModelError> {
        if self.experts().contains_key(&key) {
            return Ok(());
        }
        let expert = Arc::new(ExpertFfn::load(folder, manifest, key)?);
        self.swap(|experts| drop(experts.insert(key, expert)));
        Ok(())
    }

    /// Lets go of `keys`. Calls that run end with them.
    pub fn release(&self, keys: &BTreeSet<ExpertKey>) {
        self.swap(|experts| experts.retain(|key, _| !keys.contains(key)));
    }

    fn swap(&self, change: impl FnOnce(&mut Experts)) {
        let mut experts = self.experts.write().expect("no panic holds this lock");
        let mut next = Experts::clone(&experts);
        change(&mut next);
        *experts = Arc::new(next);
    }

    fn experts(&self) -> Arc<Experts> {
        self.experts.read().expect("no panic holds this lock").clone()
    }

    /// What is loaded.
    pub fn held(&self) -> BTreeSet<ExpertKey> {
        self.experts().keys().copied().collect()
    }

    /// Bytes of the loaded weights.
    pub fn bytes(&self) -> Bytes {
        self.experts().values().map(|expert| expert.bytes()).sum()
    }

    fn check(&self, experts: &Experts, batch: &ExpertBatch) -> Result<(), ExpertError> {
        if batch.model != self.model {
            return Err(ExpertError::WrongModel { have: self.model, want: batch.model });
        }
        batch.check()?;
        let held =
            |expert: &ExpertIdx| experts.contains_key(&ExpertKey { layer: batch.layer, expert: *expert });
        let missing: Vec<ExpertIdx> = batch.experts.iter().map(|e| e.expert).filter(|e| !held(e)).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(ExpertError::NotHeld { layer: batch.layer, experts: missing })
        }
    }

    /// Computes several calls of one layer as one grouped product per expert; results in the order of calls.
    ///
    /// A call that cannot be answered gets its own error and does not disturb the others. `queue_us` of the
    /// answers is 0: the caller knows how long they waited.
    pub fn run_merged(&self, batches: &[&ExpertBatch]) -> Vec<Result<ExpertOutput, ExpertError>> {
        let started = Instant::now();
        let experts = self.experts();
        let checks: Vec<Result<(), ExpertError>> =
            batches.iter().map(|batch| self.check(&experts, batch)).collect();
        // expert -> (call, position of the expert in the call) in order of calls.
        let mut groups: BTreeMap<ExpertKey, Vec<(usize, usize)>> = BTreeMap::new();
        let mut inputs = Vec::with_capacity(batches.len());
        let mut outputs: Vec<Vec<f32>> = Vec::with_capacity(batches.len());
        for (call, batch) in batches.iter().enumerate() {
            if checks[call].is_err() {
                inputs.push(Vec::new());
                outputs.push(Vec::new());
                continue;
            }
            inputs.push(batch.rows.to_f32());
            outputs.push(vec![0.0; batch.output_rows() * batch.rows.width]);
            for (at, expert) in batch.experts.iter().enumerate() {
                groups
                    .entry(ExpertKey { layer: batch.layer, expert: expert.expert })
                    .or_default()
                    .push((call, at));
            }
        }
        for (key, members) in groups {
            let mut rows = Vec::new();
            for (call, at) in &members {
                let width = batches[*call].rows.width;
                for row in &batches[*call].experts[*at].rows {
                    rows.extend_from_slice(
                        &inputs[*call][*row as usize * width..(*row as usize + 1) * width],
                    );
                }
            }
            let answers = experts[&key].run(&rows, &self.pool);
            let mut taken = 0;
            for (call, at) in members {
                let batch = batches[call];
                let before: usize = batch.experts[..at].iter().map(|expert| expert.rows.len()).sum();
                let len = batch.experts[at].rows.len() * batch.rows.width;
                let to = before * batch.rows.width;
                outputs[call][to..to + len].copy_from_slice(&answers[taken..taken + len]);
                taken += len;
            }
        }
        let compute_us = started.elapsed().as_micros().min(u128::from(u32::MAX)) as u32;
        let finish = |((batch, check), output): ((&&ExpertBatch, Result<(), ExpertError>), Vec<f32>)| {
            check?;
            if !all_finite(&output) {
                return Err(ExpertError::Failed(format!("layer {} gave NaN or infinity", batch.layer)));
            }
            let rows = Rows::from_f32(batch.rows.dtype, batch.rows.width, &output);
            Ok(ExpertOutput { rows, queue_us: 0, compute_us })
        };
        batches.iter().zip(checks).zip(outputs).map(finish).collect()
    }
}

impl ExpertBackend for LocalExperts {
    fn run(&self, batch: ExpertBatch) -> ExpertFuture<'_> {
        // Computes when polled: the caller is the engine's own thread, which has nothing else to do.
        Box::pin(async move { self.run_merged(&[&batch]).pop().expect("one result per call") })
    }
}
