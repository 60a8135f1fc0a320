//! What would happen if some nodes died: the planner's own answer, without touching anything.

use crate::planner::{self, Balance, Plan, PlanError};
use crate::rebalance::{plan_input, plan_nodes, structural_aim};
use crate::{ClusterState, ExpertLoads, NodeState};
use conclave_types::{ExpertKey, NodeId};
use std::collections::BTreeSet;

/// What is left of a placement without some nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    /// Experts of the model.
    pub experts: usize,
    /// Experts with no home left: requests that need them fail until the nodes are back or others have loaded them.
    pub lost: Vec<ExpertKey>,
    /// Experts with a single home left.
    pub single: Vec<ExpertKey>,
    /// Experts with fewer homes left than the settings ask for; `lost` and `single` among them where those are more.
    pub short: usize,
    /// The prediction as things are; no layers without a load.
    pub before: Balance,
    /// The prediction without the nodes, before anything has moved; the rows of lost experts are in nobody's.
    pub after: Balance,
    /// What the planner would propose, once it no longer waits for the nodes, with its prediction. `plan.moved` is what
    /// would have to be loaded. Errors: no node is left, or the experts no longer fit.
    pub proposal: Result<(Plan, Balance), PlanError>,
}

/// What would happen to the placement of `state` under `load` if the nodes `dead` died for good.
///
/// Nodes that are down already count as dead too. An empty `load`: nothing is predicted. `None`: nothing is placed.
pub fn what_if(state: &ClusterState, load: &ExpertLoads, dead: &[NodeId]) -> Option<WhatIf> {
    let model = state.model.as_ref().filter(|_| !state.placement.is_empty())?;
    let up = |id: &NodeId| state.nodes.get(id).is_some_and(|node| node.state != NodeState::Down);
    let lives = |id: &NodeId| up(id) && !dead.contains(id);
    let left = |key: &ExpertKey| state.placement.homes(*key).iter().filter(|home| lives(home)).count();
    let with = |homes: usize| model.keys().filter(|key| left(key) == homes).collect::<Vec<_>>();
    let ids = |lives: &dyn Fn(&NodeId) -> bool| -> Vec<NodeId> {
        state.nodes.keys().copied().filter(|id| lives(id)).collect()
    };
    let survivors = ids(&lives);
    let input =
        plan_input(state, model, plan_nodes(state, &BTreeSet::new(), |id| lives(&id)), structural_aim(state));
    let proposal = planner::plan(&input).map(|plan| {
        let balance = planner::predict(load, &plan.map, &survivors);
        (plan, balance)
    });
    Some(WhatIf {
        experts: model.keys().count(),
        lost: with(0),
        single: with(1),
        short: model.keys().filter(|key| left(key) < state.settings.replicas as usize).count(),
        before: planner::predict(load, &state.placement, &ids(&up)),
        after: planner::predict(load, &state.placement, &survivors),
        proposal,
    })
}
