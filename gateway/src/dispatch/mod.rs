//! Fans one layer's rows out to the homes of their experts and brings the answers back in order.
//!
//! Keeps true: each (row, expert) pair is asked of exactly one home at a time; a failed home's pairs go to
//! another home at once; the result does not depend on who answered. Knows backends, not connections.

mod counts;
mod health;
mod split;
mod times;
mod usage;

use counts::ExpertCounts;
pub(crate) use counts::FadingCounts;
use health::Health;
pub use split::{NodeBatch, NodeLoads, split};
use times::LayerTimes;

use conclave_expert::{ExpertBackend, ExpertBatch, ExpertError, ExpertRows, Lane, RowDtype, Rows};
use conclave_kernels::Keeper;
use conclave_model::{Routing, combine_with};
use conclave_types::{ExpertIdx, ExpertKey, LayerIdx, ModelDigest, NodeId, PlacementEpoch, PlacementMap};
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};
use tracing::Instrument;

/// The homes and how to reach them, at one epoch. Swapped as a whole between steps.
#[derive(Clone, Default)]
pub struct Homes {
    /// The placement's version.
    pub epoch: PlacementEpoch,
    /// Who holds what.
    pub map: PlacementMap,
    /// The nodes that can be asked now.
    pub backends: BTreeMap<NodeId, Arc<dyn ExpertBackend>>,
}

/// A layer that cannot be computed now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DispatchError {
    /// Some experts have no live home.
    #[error(
        "layer {layer}: experts {} have no live home at epoch {epoch}; see `conclave status`",
        experts.iter().map(ExpertIdx::to_string).collect::<Vec<_>>().join(", ")
    )]
    NoReplica {
        /// The layer.
        layer: LayerIdx,
        /// The experts.
        experts: Vec<ExpertIdx>,
        /// The placement that was asked.
        epoch: PlacementEpoch,
    },
}

/// Sends layers to the experts' homes.
pub struct Dispatcher {
    model: ModelDigest,
    dtype: RowDtype,
    homes: RwLock<Arc<Homes>>,
    health: Health,
    counts: ExpertCounts,
    /// Where large batches of rows lie.
    keeper: Keeper,
}

/// How long one layer may take in all, with every retry, before its requests get an error.
const LAYER_MAX: Duration = Duration::from_secs(30);

impl Dispatcher {
    /// For `model`, whose experts are `keys` and whose rows travel as `dtype`.
    pub fn new(
        model: ModelDigest,
        keys: impl IntoIterator<Item = ExpertKey>,
        dtype: RowDtype,
        homes: Homes,
    ) -> Self {
        let counts = ExpertCounts::new(keys);
        Self {
            model,
            dtype,
            homes: RwLock::new(Arc::new(homes)),
            health: Health::default(),
            counts,
            keeper: Keeper::default(),
        }
    }

    /// How many rows asked for each expert.
    pub(crate) fn counts(&self) -> &ExpertCounts {
        &self.counts
    }

    /// Uses `homes` from the next layer on.
    pub fn set_homes(&self, homes: Homes) {
        let before =
            std::mem::replace(&mut *self.homes.write().expect("no panic holds this lock"), Arc::new(homes));
        // What a node's last process did says nothing about its next one.
        let now = self.homes();
        let replaced = |(node, backend): &(&NodeId, &Arc<dyn ExpertBackend>)| {
            !now.backends.get(node).is_some_and(|other| Arc::ptr_eq(other, backend))
        };
        before.backends.iter().filter(replaced).for_each(|(node, _)| self.health.forget(*node));
    }

    /// The homes in use.
    pub fn homes(&self) -> Arc<Homes> {
        self.homes.read().expect("no panic holds this lock").clone()
    }

    /// Makes metrics of how often each expert was asked for.
    pub fn tell_usage(&self) {
        usage::tell(&self.counts);
    }

    /// Whether some experts are computed elsewhere.
    pub fn is_away(&self) -> bool {
        self.homes().backends.values().any(|backend| !backend.is_local())
    }

    /// Runs `rows` `[rows, hidden]` through their experts and combines: `[rows, hidden]`.
    pub async fn run_layer(
        &self,
        layer: LayerIdx,
        lane: Lane,
        hidden: usize,
        rows: &[f32],
        routing: &Routing,
    ) -> Result<Vec<f32>, DispatchError> {
        // Rounded once, whoever gets them.
        let started = Instant::now();
        self.counts.add(layer, &routing.experts);
        let rows = Rows::from_f32_in(&self.keeper, self.dtype, hidden, rows);
        let mut times = LayerTimes::default();
        times.packed(started.elapsed());
        let mut homes = self.homes();
        // For each pair the reply that holds its answer, and which row of it.
        let mut answers: Vec<Option<(usize, usize)>> = vec![None; routing.experts.len()];
        let mut replies: Vec<Rows> = Vec::new();
        let mut deadline = self.health.deadline(lane);
        // Nodes that failed this layer, those of them that may only have been slow, and those that failed lately.
        let (mut failed, mut slow) = (BTreeSet::new(), BTreeSet::new());
        let mut asked_to_wait = None;
        let mut avoided = self.health.tripped(started);
        loop {
            let attempt = Instant::now();
            let usable = |node: &NodeId| !failed.contains(node) && !avoided.contains(node);
            let alive: BTreeSet<NodeId> = homes.backends.keys().copied().filter(usable).collect();
            let missing = |at: usize| answers[at].is_none();
            let batches = match split(layer, routing, missing, &homes.map, &alive, &NodeLoads::default()) {
                Ok(batches) => batches,
                Err(_) if !avoided.is_empty() => {
                    avoided.clear();
                    continue;
                }
                Err(_) if !Arc::ptr_eq(&homes, &self.homes()) => {
                    homes = self.homes();
                    failed.clear();
                    continue;
                }
                Err(_) if !slow.is_empty() && started.elapsed() < LAYER_MAX => {
                    // Nobody else is left: a slow home is better than none.
                    failed.retain(|node| !slow.contains(node));
                    slow.clear();
                    deadline *= 2;
                    if let Some(pause) = asked_to_wait.take() {
                        tokio::time::sleep(pause).await;
                    }
                    continue;
                }
                Err(experts) => return Err(DispatchError::NoReplica { layer, experts, epoch: homes.epoch }),
            };
            if batches.is_empty() {
                break;
            }
            let calls = batches.iter().map(|batch| {
                let mut call = self.call(layer, lane, &rows, homes.epoch, deadline, batch);
                let span = tracing::debug_span!(
                    target: conclave_telemetry::TRACE,
                    "expert_call",
                    otel.kind = "client",
                    node = batch.node.0,
                    layer = layer.0,
                    rows = call.rows.count,
                    experts = call.experts.len(),
                );
                call.traceparent = conclave_telemetry::traceparent(&span);
                let backend = &homes.backends[&batch.node];
                times.sent(&call, backend.is_local());
                backend.run(call).instrument(span)
            });
            let calls: Vec<_> = calls.collect();
            let asked = Instant::now();
            times.packed(asked - attempt);
            let replied = join_all(calls.into_iter().map(async |call| (call.await, asked.elapsed()))).await;
            for (batch, (reply, took)) in batches.iter().zip(replied) {
                let node = batch.node;
                let answer = reply.and_then(|output| {
                    times.answered(&output, took);
                    check(output.rows, batch, hidden)
                });
                match answer {
                    Ok(rows) => {
                        self.health.answered(node, lane, took);
                        metrics::counter!("conclave_expert_calls_total").increment(1);
                        let pairs = batch.experts.iter().flat_map(|(_, pairs)| pairs);
                        for (row, pair) in pairs.enumerate() {
                            answers[*pair] = Some((replies.len(), row));
                        }
                        replies.push(rows);
                    }
                    Err(error) => {
                        match &error {
                            ExpertError::Deadline(_) => {
                                slow.insert(node);
                            }
                            ExpertError::Busy { retry_after } => {
                                slow.insert(node);
                                asked_to_wait = asked_to_wait.max(Some(*retry_after));
                            }
                            _ => {}
                        }
                        let silent = matches!(error, ExpertError::Deadline(_));
                        if self.health.failed(node, silent, Instant::now()) {
                            tracing::warn!(%node, %layer, %error, "a home failed; asking others");
                        }
                        metrics::counter!("conclave_expert_calls_failed_total").increment(1);
                        failed.insert(node);
                    }
                }
            }
        }
        let combined = combine_with(routing, hidden, |row, k, weight, out| {
            let answer = answers[row * routing.top_k + k];
            let (reply, row) = answer.expect("the loop ends when every pair is answered");
            replies[reply].add_weighted(row, weight, out);
        });
        times.record(lane, started.elapsed());
        Ok(combined)
    }

    /// The message for one node: each row once, then its indices for each expert.
    fn call(
        &self,
        layer: LayerIdx,
        lane: Lane,
        rows: &Rows,
        epoch: PlacementEpoch,
        deadline: Duration,
        batch: &NodeBatch,
    ) -> ExpertBatch {
        let sent: Vec<usize> = batch.rows();
        let index = |pair: &usize| {
            let row = pair / batch.top_k;
            sent.binary_search(&row).expect("a batch sends every row it names") as u32
        };
        ExpertBatch {
            model: self.model,
            epoch,
            layer,
            lane,
            deadline: Some(deadline),
            rows: rows.select(&sent),
            experts: batch
                .experts
                .iter()
                .map(|(expert, pairs)| ExpertRows {
                    expert: *expert,
                    rows: pairs.iter().map(index).collect(),
                })
                .collect(),
            traceparent: String::new(),
        }
    }
}

/// Accepts an answer only if it has the right shape and every value is finite.
fn check(rows: Rows, batch: &NodeBatch, hidden: usize) -> Result<Rows, ExpertError> {
    let expected: usize = batch.experts.iter().map(|(_, pairs)| pairs.len()).sum();
    if rows.width != hidden || rows.count != expected {
        let why = format!("{} rows of {} instead of {expected} of {hidden}", rows.count, rows.width);
        return Err(ExpertError::Protocol(why));
    }
    let bytes = expected * rows.dtype.row_bytes(hidden);
    if rows.data.len() != bytes {
        return Err(ExpertError::Protocol(format!("{} bytes instead of {bytes}", rows.data.len())));
    }
    if !rows.all_finite() {
        return Err(ExpertError::Failed("the answer holds NaN or infinity".to_owned()));
    }
    Ok(rows)
}

/// A placement in which `node` holds everything: one process.
pub fn everything_on(node: NodeId, keys: impl IntoIterator<Item = ExpertKey>) -> PlacementMap {
    keys.into_iter().map(|key| (key, vec![node])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_expert::{ExpertFuture, ExpertOutput, Faulty};

    /// Expert e answers `(e + 1) * row`.
    struct Scale;

    impl ExpertBackend for Scale {
        fn run(&self, batch: ExpertBatch) -> ExpertFuture<'_> {
            Box::pin(async move {
                let input = batch.rows.to_f32();
                let width = batch.rows.width;
                let mut out = Vec::new();
                for expert in &batch.experts {
                    for row in &expert.rows {
                        let row = *row as usize * width;
                        out.extend(input[row..row + width].iter().map(|v| v * (expert.expert.0 + 1) as f32));
                    }
                }
                let rows = Rows::from_f32(batch.rows.dtype, width, &out);
                Ok(ExpertOutput { rows, queue_us: 0, compute_us: 0 })
            })
        }
    }

    fn routing() -> Routing {
        let experts = [0, 2, 1, 0].map(ExpertIdx).to_vec();
        Routing { top_k: 2, experts, weights: vec![0.5, 0.5, 0.25, 0.75] }
    }

    fn dispatcher(backends: Vec<Arc<dyn ExpertBackend>>, homes: &[(u32, &[u64])]) -> Dispatcher {
        let map = homes
            .iter()
            .map(|(expert, nodes)| (ExpertKey::new(0, *expert), nodes.iter().map(|n| NodeId(*n)).collect()))
            .collect();
        let backends = backends.into_iter().enumerate().map(|(at, b)| (NodeId(at as u64), b)).collect();
        let homes = Homes { epoch: PlacementEpoch(4), map, backends };
        Dispatcher::new(
            conclave_types::Digest([0; 32]),
            homes.map.iter().map(|(key, _)| key).collect::<Vec<_>>(),
            RowDtype::F32,
            homes,
        )
    }

    fn run(dispatcher: &Dispatcher) -> Result<Vec<f32>, DispatchError> {
        let rows = [1.0, 2.0, 4.0, 8.0];
        futures::executor::block_on(dispatcher.run_layer(LayerIdx(0), Lane::Decode, 2, &rows, &routing()))
    }

    const COMBINED: [f32; 4] = [2.0, 4.0, 5.0, 10.0];

    #[test]
    fn one_home_or_three_give_the_same_rows() {
        let one = dispatcher(vec![Arc::new(Scale)], &[(0, &[0]), (1, &[0]), (2, &[0])]);
        let three = dispatcher(
            vec![Arc::new(Scale), Arc::new(Scale), Arc::new(Scale)],
            &[(0, &[0]), (1, &[1]), (2, &[2])],
        );
        assert_eq!(run(&one).unwrap(), COMBINED);
        assert_eq!(run(&three).unwrap(), COMBINED);
    }

    #[test]
    fn a_failed_home_is_replaced_by_another() {
        let faulty = Faulty::new(Scale, [ExpertError::Unreachable("killed".to_owned())]);
        let dispatcher =
            dispatcher(vec![Arc::new(faulty), Arc::new(Scale)], &[(0, &[0, 1]), (1, &[0, 1]), (2, &[0, 1])]);
        assert_eq!(run(&dispatcher).unwrap(), COMBINED);
    }

    #[tokio::test]
    async fn a_busy_home_without_a_replica_is_asked_again_after_the_pause_it_named() {
        let busy = ExpertError::Busy { retry_after: Duration::from_millis(30) };
        let faulty =
            Faulty::new(Scale, [busy.clone(), ExpertError::Deadline(Duration::from_millis(1)), busy]);
        let dispatcher = dispatcher(vec![Arc::new(faulty)], &[(0, &[0]), (1, &[0]), (2, &[0])]);
        let (rows, started) = ([1.0, 2.0, 4.0, 8.0], Instant::now());
        let combined = dispatcher.run_layer(LayerIdx(0), Lane::Decode, 2, &rows, &routing()).await;
        assert_eq!(combined.unwrap(), COMBINED);
        assert!(started.elapsed() >= Duration::from_millis(60));
    }

    #[test]
    fn without_a_live_home_the_error_names_the_experts() {
        let faulty = Faulty::new(Scale, [ExpertError::Draining]);
        let dispatcher =
            dispatcher(vec![Arc::new(faulty), Arc::new(Scale)], &[(0, &[0]), (1, &[1]), (2, &[0])]);
        let error = run(&dispatcher).unwrap_err();
        let experts = vec![ExpertIdx(0), ExpertIdx(2)];
        assert_eq!(error, DispatchError::NoReplica { layer: LayerIdx(0), experts, epoch: PlacementEpoch(4) });
    }
}
