//! The experts of this process. Keeps true: a call is computed from the rows as they travelled, in their wire
//! dtype, so that where an expert runs changes no bit; merged calls give each caller what it would get alone.

use crate::{ExpertBackend, ExpertBatch, ExpertError, ExpertFuture, ExpertOutput, ExpertRows, Rows};
use conclave_kernels::{Buffer, Pool};
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
        let keys: Vec<ExpertKey> = keys.into_iter().collect();
        let loaded = ExpertFfn::load_all(folder, manifest, &keys)?.into_iter().map(Arc::new);
        let experts = RwLock::new(Arc::new(keys.into_iter().zip(loaded).collect()));
        Ok(Self { model: manifest.model_digest(folder), experts, pool })
    }

    /// Loads one more expert of the same folder, verified like the others; held ones are not loaded again.
    pub fn add(&self, folder: &ModelFolder, manifest: &Manifest, key: ExpertKey) -> Result<(), ModelError> {
        if self.experts().contains_key(&key) {
            return Ok(());
        }
        let expert = Arc::new(ExpertFfn::load(folder, manifest, key)?);
        self.swap(|experts| drop(experts.insert(key, expert.clone())));
        Ok(())
    }

    /// Lets go of `keys`. Calls that run end with them.
    pub fn release(&self, keys: &BTreeSet<ExpertKey>) {
        self.swap(|experts| experts.retain(|key, _| !keys.contains(key)));
    }

    fn swap(&self, change: impl Fn(&mut Experts)) {
        loop {
            let before = self.experts();
            let mut next = Experts::clone(&before);
            change(&mut next);
            // Not under the lock: whoever loads may have to leave its core at any moment, and calls must not wait for that.
            let mut experts = self.experts.write().expect("no panic holds this lock");
            if Arc::ptr_eq(&experts, &before) {
                *experts = Arc::new(next);
                return;
            }
        }
    }

    /// The threads that compute, and their memory.
    pub fn pool(&self) -> &Pool {
        &self.pool
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
        if !missing.is_empty() {
            return Err(ExpertError::NotHeld { layer: batch.layer, experts: missing });
        }
        match experts.values().next().map(|expert| expert.hidden()) {
            Some(hidden) if hidden != batch.rows.width => {
                Err(ExpertError::Protocol(format!("rows of {} for experts of {hidden}", batch.rows.width)))
            }
            _ => Ok(()),
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
        // expert -> the calls that want it, each with the first of its answer rows, in order of calls.
        let mut wanted: BTreeMap<ExpertKey, Vec<Wanted<'_>>> = BTreeMap::new();
        let mut first_input = 0;
        let fit = || batches.iter().zip(&checks).filter(|(_, check)| check.is_ok()).map(|(batch, _)| batch);
        let hidden = fit().next().map_or(0, |batch| batch.rows.width);
        let mut inputs = self.pool.buffer(fit().map(|batch| batch.rows.count).sum::<usize>() * hidden);
        for (call, batch) in batches.iter().enumerate().filter(|(call, _)| checks[*call].is_ok()) {
            let place = first_input * hidden;
            batch.rows.widen(&self.pool, &mut inputs[place..place + batch.rows.count * hidden]);
            let mut first_answer = 0;
            for ExpertRows { expert, rows } in &batch.experts {
                let key = ExpertKey { layer: batch.layer, expert: *expert };
                wanted.entry(key).or_default().push(Wanted { call, first_input, first_answer, rows });
                first_answer += rows.len();
            }
            first_input += batch.rows.count;
        }
        let rows: Vec<Vec<u32>> =
            wanted.values().map(|calls| calls.iter().flat_map(Wanted::input_rows).collect()).collect();
        let groups: Vec<(&ExpertFfn, &[u32])> =
            wanted.keys().zip(&rows).map(|(key, rows)| (&*experts[key], rows.as_slice())).collect();
        let answers = match ExpertFfn::run_grouped(&groups, &inputs, hidden, &self.pool) {
            Ok(answers) => answers,
            Err(error) => {
                let failed = |check: Result<(), ExpertError>| {
                    check.and_then(|()| Err(ExpertError::Failed(error.to_string())))
                };
                return checks.into_iter().map(failed).collect();
            }
        };
        // A lone call gets its answers in the order in which they are computed.
        let mut outputs: Vec<Buffer<f32>> = match batches {
            [_] => vec![answers],
            _ => sorted_by_call(batches, &wanted, &answers, hidden, &self.pool),
        };
        let finish =
            |((batch, check), output): ((&&ExpertBatch, Result<(), ExpertError>), &mut Buffer<f32>)| {
                check?;
                let rows = Rows::finite_from_f32(&self.pool, batch.rows.dtype, batch.rows.width, output);
                let damaged = || ExpertError::Failed(format!("layer {} gave NaN or infinity", batch.layer));
                let rows = rows.ok_or_else(damaged)?;
                let compute_us = started.elapsed().as_micros().min(u128::from(u32::MAX)) as u32;
                Ok(ExpertOutput { rows, queue_us: 0, compute_us })
            };
        batches.iter().zip(checks).zip(&mut outputs).map(finish).collect()
    }
}

/// One call's rows for one expert.
struct Wanted<'a> {
    call: usize,
    /// Where the call's rows begin among all inputs.
    first_input: usize,
    /// Where these rows' answers begin in the call's output.
    first_answer: usize,
    /// Indices into the call's rows.
    rows: &'a [u32],
}

impl Wanted<'_> {
    fn input_rows(&self) -> impl Iterator<Item = u32> + '_ {
        self.rows.iter().map(|row| row + self.first_input as u32)
    }
}

/// Deals `answers`, which lie expert by expert, to the calls that wanted them.
fn sorted_by_call(
    batches: &[&ExpertBatch],
    wanted: &BTreeMap<ExpertKey, Vec<Wanted<'_>>>,
    answers: &[f32],
    hidden: usize,
    pool: &Pool,
) -> Vec<Buffer<f32>> {
    let mut outputs: Vec<Buffer<f32>> =
        batches.iter().map(|batch| pool.buffer(batch.output_rows() * hidden)).collect();
    let mut taken = 0;
    for part in wanted.values().flatten() {
        let len = part.rows.len() * hidden;
        let to = part.first_answer * hidden;
        outputs[part.call][to..to + len].copy_from_slice(&answers[taken..taken + len]);
        taken += len;
    }
    outputs
}

impl ExpertBackend for LocalExperts {
    fn run(&self, batch: ExpertBatch) -> ExpertFuture<'_> {
        // Computes when polled: the caller is the engine's own thread, which has nothing else to do.
        Box::pin(async move { self.run_merged(&[&batch]).pop().expect("one result per call") })
    }

    fn is_local(&self) -> bool {
        true
    }
}
