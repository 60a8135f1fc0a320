//! Fans one layer's rows out to the homes of their experts and brings the answers back in order.
//!
//! Keeps true: a (row, expert) pair is asked of one home, and of a second only if that one is late or fails; the result
//! does not depend on who answered. Knows backends, not connections.

mod breaker;
mod budget;
mod clock;
mod counts;
mod health;
mod layer;
mod pace;
mod shares;
mod split;
mod times;
mod usage;

use clock::Clock;
use counts::ExpertCounts;
pub(crate) use counts::FadingCounts;
use health::Health;
use layer::LayerRun;
pub(crate) use shares::Shares;
pub use split::{Askable, NodeBatch, NodeLoads, split};

use conclave_control::NodeViews;
use conclave_expert::{ExpertBackend, Lane, RowDtype};
use conclave_kernels::{Buffer, Pool};
use conclave_model::Routing;
use conclave_types::{ExpertIdx, ExpertKey, LayerIdx, ModelDigest, NodeId, PlacementEpoch, PlacementMap};
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

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

/// What the trunk does while a layer's rows are away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// Nothing: its pool is free.
    TrunkWaits,
    /// It computes other rows.
    TrunkWorks,
}

/// Sends layers to the experts' homes.
pub struct Dispatcher {
    model: ModelDigest,
    dtype: RowDtype,
    homes: RwLock<Arc<Homes>>,
    health: Health,
    counts: ExpertCounts,
    shares: Shares,
    clock: Clock,
    /// Rounds, checks and adds up rows.
    pool: Arc<Pool>,
    /// The same while `pool` computes something else.
    alone: Pool,
}

impl Dispatcher {
    /// For `model`, whose experts are `keys` and whose rows travel as `dtype`. `pool`: the trunk's, which waits while its
    /// rows are away.
    pub fn new(
        model: ModelDigest,
        keys: impl IntoIterator<Item = ExpertKey>,
        dtype: RowDtype,
        homes: Homes,
        pool: Arc<Pool>,
    ) -> Self {
        let counts = ExpertCounts::new(keys);
        let homes = RwLock::new(Arc::new(homes));
        Self {
            model,
            dtype,
            homes,
            health: Health::default(),
            counts,
            shares: Shares::default(),
            clock: Clock::default(),
            pool,
            alone: Pool::inline(),
        }
    }

    /// How many rows asked for each expert.
    pub(crate) fn counts(&self) -> &ExpertCounts {
        &self.counts
    }

    /// What is told of the nodes' part in a step.
    pub(crate) fn shares(&self) -> &Shares {
        &self.shares
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

    /// Makes metrics of how often each expert was asked for, and of what is thought of each node.
    pub fn tell(&self) {
        usage::tell(&self.counts);
        let homes = self.homes();
        let away = homes.backends.iter().filter(|(_, backend)| !backend.is_local());
        self.health.tell(away.map(|(node, _)| *node));
    }

    /// The cluster hears of `node` again, which it had given up: finds out soon whether it can be asked.
    pub(crate) fn returned(&self, node: NodeId) {
        self.health.returned(node, self.clock.now());
    }

    /// The nodes that are not asked where another home can be.
    pub(crate) fn avoided(&self) -> NodeViews {
        self.health.avoided()
    }

    /// The trunk's threads.
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Whether some experts are computed elsewhere.
    pub fn is_away(&self) -> bool {
        self.homes().backends.values().any(|backend| !backend.is_local())
    }

    /// Runs `rows` `[rows, hidden]` through their experts and combines: `[rows, hidden]`.
    pub async fn run_layer(
        &self,
        meanwhile: Meanwhile,
        layer: LayerIdx,
        lane: Lane,
        hidden: usize,
        rows: &[f32],
        routing: &Routing,
    ) -> Result<Buffer<f32>, DispatchError> {
        self.counts.add(layer, &routing.experts);
        // A region of the pool that is taken for what little is to be done here would leave the trunk with one thread.
        let pool = match meanwhile {
            Meanwhile::TrunkWaits => &self.pool,
            Meanwhile::TrunkWorks => &self.alone,
        };
        LayerRun::new(self, pool, layer, lane, hidden, rows, routing).run().await
    }
}

/// A placement in which `node` holds everything: one process.
pub fn everything_on(node: NodeId, keys: impl IntoIterator<Item = ExpertKey>) -> PlacementMap {
    keys.into_iter().map(|key| (key, vec![node])).collect()
}

#[cfg(test)]
mod tests;
