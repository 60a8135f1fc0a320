//! When the recorded load is worth moving experts for.
//!
//! Keeps true: one target at a time, so never more than `moves_max` experts on the move; nothing moves while a node is
//! away or joins, or before enough was recorded; what is proposed is predicted to gain more than it costs. Knows no
//! clock: time is an argument.

use crate::command::ProposeTarget;
use crate::planner::{self, Aim, Balance, Plan, PlanInput, PlanNode};
use crate::{ClusterState, ExpertLoads, ModelFacts, NodeState};
use conclave_types::{LayerIdx, Millis, NodeId, PlacementMap};
use std::collections::{BTreeMap, BTreeSet};

/// How uneven the prediction must be before moves begin.
pub const IMBALANCE_START: f64 = 0.15;
/// How even it must have become before they end: lower than the start, so that a load at the edge moves nothing.
pub const IMBALANCE_STOP: f64 = 0.08;
/// Pause between two targets for balance, and before a new leader's first.
pub const COOL_DOWN: Millis = Millis(60_000);
/// How often the load is looked at: planning takes tens of milliseconds.
pub const JUDGE_EVERY: Millis = Millis(10_000);
/// Rows that a layer must have recorded for each of its experts; with fewer, chance looks like skew.
pub const ROWS_PER_EXPERT_MIN: u64 = 100;
/// What loading one expert costs, as rows computed at the slowest node: reading and hashing its weights takes the time
/// of some hundred rows, and the node serves meanwhile.
pub const LOAD_COST_ROWS: f64 = 1_000.0;

/// Why nothing is moved for balance.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rest {
    /// A target is being loaded.
    #[error("a target is being loaded")]
    Loading,
    /// There is no placement yet.
    #[error("nothing is placed")]
    Unplaced,
    /// A node is away or joins.
    #[error("node `{0}` is not ready")]
    NotReady(String),
    /// The last target for balance was not long ago.
    #[error("the last target was {0} ago")]
    CoolDown(Millis),
    /// The load was looked at a moment ago.
    #[error("looked at {0} ago")]
    Judged(Millis),
    /// Too little was recorded.
    #[error("layer {layer} has recorded {rows} of {wanted} rows")]
    TooLittle {
        /// The layer.
        layer: LayerIdx,
        /// Its rows.
        rows: u64,
        /// Rows that would do.
        wanted: u64,
    },
    /// The load is even enough.
    #[error("predicted imbalance {0:.2}")]
    Even(f64),
    /// No better placement was found.
    #[error("predicted imbalance {0:.2}, and nothing better was found")]
    NothingBetter(f64),
    /// A better placement costs more than it gains.
    #[error("predicted gain of {gain:.0} rows for loads that cost {cost:.0}")]
    NotWorthIt {
        /// Rows that the slowest nodes would be spared within the window.
        gain: f64,
        /// What the loads cost, in rows.
        cost: f64,
    },
}

/// The memory of these rules.
#[derive(Clone, Debug)]
pub struct Rebalance {
    /// When the last target was proposed, or this leader began.
    last: Millis,
    judged: Option<Millis>,
    /// Whether moves have begun and the load is not yet even.
    moving: bool,
}

impl Rebalance {
    /// A new leader's memory: the first target comes no sooner than [`COOL_DOWN`].
    pub fn new(now: Millis) -> Self {
        Self { last: now, judged: None, moving: false }
    }

    /// The target that `loads` asks for at `now`, or why there is none.
    ///
    /// - `stuck`: nodes that cannot load; they keep what they have and get no more.
    pub fn decide(
        &mut self,
        now: Millis,
        state: &ClusterState,
        loads: &ExpertLoads,
        stuck: &BTreeSet<NodeId>,
    ) -> Result<ProposeTarget, Rest> {
        let model = movable(state)?;
        if now.since(self.last) < COOL_DOWN {
            return Err(Rest::CoolDown(now.since(self.last)));
        }
        if let Some(judged) = self.judged.filter(|judged| now.since(*judged) < JUDGE_EVERY) {
            return Err(Rest::Judged(now.since(judged)));
        }
        self.judged = Some(now);
        let bound = if self.moving { IMBALANCE_STOP } else { IMBALANCE_START };
        let better = match better(state, model, loads, stuck, bound) {
            Ok(better) if better.gain > better.cost || better.idle => better,
            Ok(Better { gain, cost, .. }) => {
                self.moving = false;
                return Err(Rest::NotWorthIt { gain, cost });
            }
            Err(rest) => {
                // What was recorded too little of says nothing about the moves so far.
                self.moving &= matches!(rest, Rest::TooLittle { .. });
                return Err(rest);
            }
        };
        (self.moving, self.last) = (true, now);
        Ok(ProposeTarget { base: state.epoch, map: better.plan.map, by_load: true, why: better.why })
    }
}

/// The placement that `loads` ask for if somebody asks for it now: no pause is waited for, and any gain will do.
pub(crate) fn asked_for(
    state: &ClusterState,
    loads: &ExpertLoads,
    stuck: &BTreeSet<NodeId>,
) -> Result<(Plan, String), Rest> {
    let better = better(state, movable(state)?, loads, stuck, 0.0)?;
    Ok((better.plan, better.why))
}

/// The model, if nothing is in the way of moves for balance.
fn movable(state: &ClusterState) -> Result<&ModelFacts, Rest> {
    let placed = state.model.as_ref().filter(|_| !state.placement.is_empty());
    let model = placed.ok_or(Rest::Unplaced)?;
    if state.target.is_some() {
        return Err(Rest::Loading);
    }
    let mut used = state.nodes.values().filter(|node| !node.draining);
    match used.find(|node| node.state != NodeState::Ready) {
        Some(node) => Err(Rest::NotReady(node.name.clone())),
        None => Ok(model),
    }
}

/// A placement that is predicted to be more even.
struct Better {
    plan: Plan,
    /// Rows that the slowest nodes are spared within the window.
    gain: f64,
    /// What the loads cost, in rows.
    cost: f64,
    /// Whether a node has nothing yet: one that has joined shall be of use, however little one more changes.
    idle: bool,
    why: String,
}

/// The placement that `loads` ask for, if the one in use is less even than `bound`, a node has nothing, or both.
fn better(
    state: &ClusterState,
    model: &ModelFacts,
    loads: &ExpertLoads,
    stuck: &BTreeSet<NodeId>,
    bound: f64,
) -> Result<Better, Rest> {
    trusted(model, loads)?;
    let nodes: Vec<PlanNode> = plan_nodes(state, stuck, |_| true);
    let ids: Vec<NodeId> = nodes.iter().map(|node| node.id).collect();
    let before = planner::predict(loads, &state.placement, &ids);
    let holding = state.placement.nodes();
    let idle = ids.iter().any(|id| !holding.contains(id));
    if before.imbalance() <= bound && !idle {
        return Err(Rest::Even(before.imbalance()));
    }
    let input = plan_input(state, model, nodes, Aim::Load(loads.clone()));
    let plan = planner::plan(&input).map_err(|_| Rest::NothingBetter(before.imbalance()))?;
    if plan.map == state.placement || !planner::check(&input, &plan).is_empty() {
        return Err(Rest::NothingBetter(before.imbalance()));
    }
    let after = planner::predict(loads, &plan.map, &ids);
    let gain = before.slowest_rows() - after.slowest_rows();
    if gain <= 0.0 && !idle {
        return Err(Rest::NothingBetter(before.imbalance()));
    }
    let cost = LOAD_COST_ROWS * (plan.moved.0 / model.expert_bytes.0.max(1)) as f64;
    let why = format!("balance: {}; loads {}", foretold(&before, &after), plan.moved);
    Ok(Better { plan, gain, cost, idle, why })
}

/// The predictions before and after, for people.
fn foretold(before: &Balance, after: &Balance) -> String {
    format!("predicted imbalance {:.2} -> {:.2}", before.imbalance(), after.imbalance())
}

fn trusted(model: &ModelFacts, loads: &ExpertLoads) -> Result<(), Rest> {
    for (layer, experts) in &model.layers {
        let recorded = loads.layers().find(|(other, _)| other == layer);
        let rows =
            recorded.map_or(0, |(_, rows)| rows.iter().fold(0_u64, |sum, rows| sum.saturating_add(*rows)));
        let wanted = ROWS_PER_EXPERT_MIN * u64::from(*experts);
        if rows < wanted {
            return Err(Rest::TooLittle { layer: *layer, rows, wanted });
        }
    }
    Ok(())
}

/// The nodes that may hold experts and that `with` accepts, as the planner sees them. One that is `stuck` keeps what it has
/// loaded and gets no more; if it has not loaded all that it is a home of, it counts as gone.
pub(crate) fn plan_nodes(
    state: &ClusterState,
    stuck: &BTreeSet<NodeId>,
    with: impl Fn(NodeId) -> bool,
) -> Vec<PlanNode> {
    let keeps = |id: &NodeId, node: &crate::Node| {
        node.state == NodeState::Ready && !state.placement.held_by(*id).is_empty()
    };
    let nodes = state.nodes.iter().filter(|(id, node)| !node.draining && with(**id));
    let nodes = nodes.filter(|(id, node)| !stuck.contains(id) || keeps(id, node));
    let plan_node = |(id, node): (&NodeId, &crate::Node)| PlanNode {
        id: *id,
        capacity: node.capacity,
        zone: node.zone.clone(),
        numerics: node.numerics.clone(),
        accepts: node.state != NodeState::Down && !stuck.contains(id),
    };
    nodes.map(plan_node).collect()
}

/// The planner's input for `state`.
pub(crate) fn plan_input(
    state: &ClusterState,
    model: &ModelFacts,
    nodes: Vec<PlanNode>,
    aim: Aim,
) -> PlanInput {
    let pins = pins_with_room(state, model, &nodes);
    PlanInput {
        keys: model.keys().collect(),
        expert_bytes: model.expert_bytes,
        replicas: state.settings.replicas,
        extra_percent: state.settings.extra_percent,
        moves_max: state.settings.moves_max,
        nodes,
        current: state.placement.clone(),
        pins,
        aim,
    }
}

/// The pins that fit into their nodes: a node may have come back with less memory than it was pinned full of.
fn pins_with_room(state: &ClusterState, model: &ModelFacts, nodes: &[PlanNode]) -> PlacementMap {
    let mut room: BTreeMap<NodeId, u64> = nodes
        .iter()
        .map(|node| {
            (node.id, node.capacity.map_or(u64::MAX, |memory| memory.0 / model.expert_bytes.0.max(1)))
        })
        .collect();
    let mut fits = |node: &NodeId| {
        let left = room.get_mut(node).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    };
    state
        .pins
        .iter()
        .map(|(key, pins)| (key, pins.iter().copied().filter(|pin| fits(pin)).collect()))
        .collect()
}

/// What a plan shall reach when nodes have come or gone: even numbers would undo what was planned for a load.
pub(crate) fn structural_aim(state: &ClusterState) -> Aim {
    if state.by_load { Aim::Cover } else { Aim::Even }
}
