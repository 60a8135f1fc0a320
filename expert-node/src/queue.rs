//! The queue before the experts: calls of one layer that wait together become one grouped product.
//!
//! Keeps true: the queue is bounded; decode goes before prefill; a call whose caller is gone or whose deadline has
//! passed is not computed. All computing is on one thread, so that calls do not fight for the cores.

use conclave_expert::{
    ExpertBackend, ExpertBatch, ExpertError, ExpertFuture, ExpertOutput, Lane, LocalExperts,
};
use conclave_types::{LayerIdx, PlacementEpoch};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What a caller that found the queue full should wait.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// Why calls are not answered with rows.
pub(crate) const REFUSALS: [&str; 7] =
    ["busy", "draining", "deadline", "not_held", "stale", "wrong_model", "failed"];

fn refused(reason: &'static str) {
    metrics::counter!("conclave_node_calls_refused_total", "reason" => reason).increment(1);
}

struct Waiting {
    batch: ExpertBatch,
    since: Instant,
    answer: oneshot::Sender<Result<ExpertOutput, ExpertError>>,
}

impl Waiting {
    fn overdue(&self, now: Instant) -> Option<Duration> {
        self.batch.deadline.filter(|deadline| now.duration_since(self.since) > *deadline)
    }
}

#[derive(Default)]
struct Lanes {
    decode: VecDeque<Waiting>,
    prefill: VecDeque<Waiting>,
    stopped: bool,
}

impl Lanes {
    fn len(&self) -> usize {
        self.decode.len() + self.prefill.len()
    }

    /// The first call, and every other of its lane and layer.
    fn take(&mut self) -> Vec<Waiting> {
        let lane = if self.decode.is_empty() { &mut self.prefill } else { &mut self.decode };
        let Some(layer) = lane.front().map(|first| first.batch.layer) else { return Vec::new() };
        let (taken, left) = std::mem::take(lane).into_iter().partition(|call| call.batch.layer == layer);
        *lane = left;
        Vec::from(taken)
    }
}

/// Experts behind a queue.
pub(crate) struct QueuedExperts {
    experts: Arc<LocalExperts>,
    lanes: Mutex<Lanes>,
    more: Condvar,
    calls_max: usize,
    /// The newest placement this node has loaded.
    epoch: AtomicU64,
    draining: AtomicBool,
    answered: AtomicU64,
    /// Rows computed; a row counts once for each of its experts.
    rows: Mutex<BTreeMap<LayerIdx, u64>>,
}

impl QueuedExperts {
    /// Starts the computing thread; it ends with [`Self::stop`].
    pub(crate) fn start(
        experts: Arc<LocalExperts>,
        calls_max: usize,
    ) -> std::io::Result<(Arc<Self>, std::thread::JoinHandle<()>)> {
        let queue = Arc::new(Self {
            experts,
            lanes: Mutex::default(),
            more: Condvar::new(),
            calls_max,
            epoch: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            rows: Mutex::default(),
        });
        let this = queue.clone();
        let thread = std::thread::Builder::new().name("experts".to_owned()).spawn(move || this.compute())?;
        Ok((queue, thread))
    }

    /// Tells the newest placement that is loaded, for refusals.
    pub(crate) fn set_epoch(&self, epoch: PlacementEpoch) {
        self.epoch.store(epoch.0, Ordering::Relaxed);
    }

    /// Calls answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Makes metrics of what waits and what was done.
    pub(crate) fn tell(&self) {
        let waiting = self.lanes.lock().expect("no panic holds this lock").len();
        metrics::gauge!("conclave_node_calls_waiting").set(waiting as f64);
        metrics::counter!("conclave_node_calls_total").absolute(self.answered());
        for (layer, rows) in self.rows.lock().expect("no panic holds this lock").iter() {
            metrics::counter!("conclave_node_rows_total", "layer" => layer.0.to_string()).absolute(*rows);
        }
    }

    /// Refuses new calls; what waits is still answered.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Ends the computing thread once nothing waits.
    pub(crate) fn stop(&self) {
        self.lanes.lock().expect("no panic holds this lock").stopped = true;
        self.more.notify_all();
    }

    fn compute(&self) {
        self.experts.pool().stay();
        loop {
            let taken = {
                let mut lanes = self.lanes.lock().expect("no panic holds this lock");
                while lanes.len() == 0 {
                    if lanes.stopped {
                        return;
                    }
                    lanes = self.more.wait(lanes).expect("no panic holds this lock");
                }
                lanes.take()
            };
            self.answer(taken);
        }
    }

    fn answer(&self, taken: Vec<Waiting>) {
        let now = Instant::now();
        let mut calls = Vec::with_capacity(taken.len());
        for call in taken {
            if call.answer.is_closed() {
                continue;
            }
            match call.overdue(now) {
                Some(deadline) => {
                    refused("deadline");
                    drop(call.answer.send(Err(ExpertError::Deadline(deadline))));
                }
                None => calls.push(call),
            }
        }
        let batches: Vec<&ExpertBatch> = calls.iter().map(|call| &call.batch).collect();
        let results = self.experts.run_merged(&batches);
        self.answered.fetch_add(calls.len() as u64, Ordering::Relaxed);
        self.note(&batches, now);
        for (call, result) in calls.into_iter().zip(results) {
            let waited = now.duration_since(call.since);
            metrics::histogram!("conclave_node_queue_seconds").record(waited.as_secs_f64());
            let queue_us = waited.as_micros().min(u128::from(u32::MAX)) as u32;
            let result = match result {
                Ok(output) => Ok(ExpertOutput { queue_us, ..output }),
                Err(error) => {
                    let error = self.explain(&call.batch, error);
                    let kind = error.kind();
                    refused(if REFUSALS.contains(&kind) { kind } else { "failed" });
                    Err(error)
                }
            };
            // A caller that left meanwhile needs no answer.
            let _ = call.answer.send(result);
        }
    }

    /// Counts what was computed since `began`: calls of one layer, as one product.
    fn note(&self, batches: &[&ExpertBatch], began: Instant) {
        let Some(first) = batches.first() else { return };
        let rows: usize =
            batches.iter().flat_map(|batch| &batch.experts).map(|expert| expert.rows.len()).sum();
        *self.rows.lock().expect("no panic holds this lock").entry(first.layer).or_default() += rows as u64;
        metrics::histogram!("conclave_node_compute_seconds").record(began.elapsed().as_secs_f64());
    }

    /// An expert that is not held because the caller knows a newer placement is a different matter.
    fn explain(&self, batch: &ExpertBatch, error: ExpertError) -> ExpertError {
        let have = PlacementEpoch(self.epoch.load(Ordering::Relaxed));
        match error {
            ExpertError::NotHeld { .. } if have < batch.epoch => {
                ExpertError::Stale { have, want: batch.epoch }
            }
            error => error,
        }
    }
}

impl ExpertBackend for QueuedExperts {
    fn run(&self, batch: ExpertBatch) -> ExpertFuture<'_> {
        Box::pin(async move {
            if self.draining.load(Ordering::Relaxed) {
                refused("draining");
                return Err(ExpertError::Draining);
            }
            let (answer, result) = oneshot::channel();
            {
                let mut lanes = self.lanes.lock().expect("no panic holds this lock");
                if lanes.len() >= self.calls_max {
                    refused("busy");
                    return Err(ExpertError::Busy { retry_after: RETRY_AFTER });
                }
                let lane = match batch.lane {
                    Lane::Decode => &mut lanes.decode,
                    Lane::Prefill => &mut lanes.prefill,
                };
                lane.push_back(Waiting { batch, since: Instant::now(), answer });
            }
            self.more.notify_one();
            result.await.unwrap_or(Err(ExpertError::Draining))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_expert::conformance::Subject;
    use conclave_expert::{ExpertRows, RowDtype, Rows};
    use conclave_kernels::Pool;
    use conclave_model::{DtypeChoice, Manifest, ModelFolder};
    use conclave_types::{ExpertIdx, LayerIdx, ModelDigest};
    use futures::executor::block_on;
    use std::path::Path;

    fn experts() -> (Arc<LocalExperts>, ModelDigest, usize) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen3_moe/tied");
        let folder = ModelFolder::open(&path, DtypeChoice::Auto).unwrap();
        let manifest = Manifest::compute(&folder).unwrap();
        let keys = folder.spec.expert_keys().filter(|key| key.expert.0 < 4);
        let local = LocalExperts::load(&folder, &manifest, keys, Arc::new(Pool::inline())).unwrap();
        (Arc::new(local), manifest.model_digest(&folder), folder.spec.hidden)
    }

    fn call(model: ModelDigest, width: usize, seed: u32, lane: Lane) -> ExpertBatch {
        let rows = 1 + seed as usize % 3;
        let values: Vec<f32> = (0..rows * width).map(|i| ((i as f32 + seed as f32) * 0.37).sin()).collect();
        ExpertBatch {
            model,
            epoch: PlacementEpoch(3),
            layer: LayerIdx(seed % 2),
            lane,
            deadline: None,
            rows: Rows::from_f32(RowDtype::Bf16, width, &values),
            experts: (0..4)
                .filter(|expert| (seed >> expert) & 1 == 1)
                .map(|expert| ExpertRows { expert: ExpertIdx(expert), rows: (0..rows as u32).collect() })
                .collect(),
            traceparent: String::new(),
        }
    }

    #[test]
    fn queued_experts_conform_and_merging_changes_no_bit() {
        let (experts, model, hidden) = experts();
        let (queue, thread) = QueuedExperts::start(experts.clone(), 256).unwrap();
        block_on(Subject { backend: &*queue, reference: &experts, model, hidden }.check());
        // All of these wait before the first is computed, so that they are merged.
        let subject = Subject { backend: &*experts, reference: &experts, model, hidden };
        let (waiting, answers): (Vec<Waiting>, Vec<_>) = (0..20)
            .map(|i| {
                let (answer, result) = oneshot::channel();
                let batch = subject.call(2 * i);
                (Waiting { batch: batch.clone(), since: Instant::now(), answer }, (batch, result))
            })
            .unzip();
        queue.answer(waiting);
        for (batch, mut answer) in answers {
            let alone = block_on(experts.run(batch)).unwrap();
            assert_eq!(answer.try_recv().unwrap().unwrap().rows, alone.rows);
        }
        queue.stop();
        thread.join().unwrap();
    }

    #[test]
    fn a_call_takes_along_what_waits_for_its_layer_and_decode_goes_first() {
        let (_, model, width) = experts();
        let mut lanes = Lanes::default();
        let waiting = |seed, lane| Waiting {
            batch: call(model, width, seed, lane),
            since: Instant::now(),
            answer: oneshot::channel().0,
        };
        lanes.prefill.push_back(waiting(1, Lane::Prefill));
        lanes.decode.extend([2, 3, 4, 5].map(|seed| waiting(seed, Lane::Decode)));
        let layers = |taken: Vec<Waiting>| taken.iter().map(|call| call.batch.layer.0).collect::<Vec<_>>();
        assert_eq!(layers(lanes.take()), [0, 0]);
        assert_eq!(layers(lanes.take()), [1, 1]);
        assert_eq!(layers(lanes.take()), [1], "the prefill call");
        assert!(lanes.take().is_empty());
    }

    #[test]
    fn refusals_are_typed() {
        let (experts, model, width) = experts();
        let idle = || QueuedExperts {
            experts: experts.clone(),
            lanes: Mutex::default(),
            more: Condvar::new(),
            calls_max: 1,
            epoch: AtomicU64::new(2),
            draining: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            rows: Mutex::default(),
        };
        // Nobody computes here, so a first call fills the queue.
        let full = idle();
        let mut first = full.run(call(model, width, 1, Lane::Decode));
        assert!(block_on(futures::future::poll_immediate(&mut first)).is_none());
        let busy = block_on(full.run(call(model, width, 1, Lane::Decode)));
        assert_eq!(busy, Err(ExpertError::Busy { retry_after: RETRY_AFTER }));
        full.drain();
        assert_eq!(block_on(full.run(call(model, width, 1, Lane::Decode))), Err(ExpertError::Draining));

        let one = |batch: ExpertBatch, since: Instant| {
            let (answer, mut result) = oneshot::channel();
            idle().answer(vec![Waiting { batch, since, answer }]);
            result.try_recv().unwrap()
        };
        let mut other = call(model, width, 1, Lane::Decode);
        other.experts[0].expert = ExpertIdx(7);
        let stale = ExpertError::Stale { have: PlacementEpoch(2), want: PlacementEpoch(3) };
        assert_eq!(one(other.clone(), Instant::now()), Err(stale));
        other.epoch = PlacementEpoch(2);
        let not_held = ExpertError::NotHeld { layer: LayerIdx(1), experts: vec![ExpertIdx(7)] };
        assert_eq!(one(other, Instant::now()), Err(not_held));
        let deadline = Duration::from_millis(5);
        let late = ExpertBatch { deadline: Some(deadline), ..call(model, width, 1, Lane::Decode) };
        let long_ago = Instant::now() - Duration::from_secs(1);
        assert_eq!(one(late, long_ago), Err(ExpertError::Deadline(deadline)));
    }
}
