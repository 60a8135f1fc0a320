//! Why an expert is where it is. Keeps true: it only tells; nothing is decided here.

use crate::{ClusterState, Node, NodeState, Observations};
use conclave_types::{ExpertKey, LogIndex, Millis, NodeId, PlacementEpoch, Timestamp};
use std::collections::BTreeMap;

/// Since when a home is one, and by which decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// The epoch that made it a home.
    pub epoch: PlacementEpoch,
    /// When that epoch was published; 0: unknown.
    pub at: Timestamp,
    /// Why it was decided.
    pub why: String,
}

/// One home of an expert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The node.
    pub node: NodeId,
    /// `None`: from before decisions were recorded.
    pub since: Option<Since>,
}

/// A pin, and why it is not honoured if it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The node.
    pub node: NodeId,
    /// Why the expert has no home there now; empty if it has.
    pub rests: String,
}

/// New homes for an expert, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The homes it shall have.
    pub homes: Vec<NodeId>,
    /// Why; empty: nothing shall change.
    pub why: String,
}

/// Everything there is to say about the place of one expert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The expert.
    pub key: ExpertKey,
    /// The epoch in use.
    pub epoch: PlacementEpoch,
    /// Homes wanted.
    pub replicas: u32,
    /// Its homes, in node order.
    pub homes: Vec<Home>,
    /// Its pins, in node order.
    pub pins: Vec<Pin>,
    /// What is being loaded, with the target's id; `None`: nothing.
    pub loading: Option<(LogIndex, Intent)>,
    /// What the planner would do now; without a plan, what it waits for.
    pub planned: Result<Intent, String>,
    /// The nodes that are named above.
    pub nodes: BTreeMap<NodeId, Node>,
}

impl Observations {
    /// Explains where `key` is; the error says why there is no such expert.
    pub fn explain(&self, now: Millis, state: &ClusterState, key: ExpertKey) -> Result<Explanation, String> {
        if !state.model.as_ref().is_some_and(|model| model.has(key)) {
            return Err(crate::command::no_expert(state, key));
        }
        let since = |node: NodeId| {
            let (epoch, origin) = state.history.origin(key, node)?;
            Some(Since { epoch, at: origin.at, why: origin.why.clone() })
        };
        let homes = state.placement.homes(key);
        let loading = state.target.as_ref().map(|target| {
            (target.id, Intent { homes: target.map.homes(key).to_vec(), why: target.why.clone() })
        });
        let planned = self
            .planned(now, state)
            .map(|planned| Intent { homes: planned.plan.map.homes(key).to_vec(), why: planned.why });
        let pins: Vec<Pin> = state
            .pins
            .homes(key)
            .iter()
            .map(|pin| Pin { node: *pin, rests: rests(state, key, *pin, &loading, &planned) })
            .collect();
        let named = homes.iter().copied().chain(pins.iter().map(|pin| pin.node));
        let named = named.chain(loading.iter().flat_map(|(_, intent)| intent.homes.iter().copied()));
        let named = named.chain(planned.iter().flat_map(|intent| intent.homes.iter().copied()));
        Ok(Explanation {
            key,
            epoch: state.epoch,
            replicas: state.settings.replicas,
            homes: homes.iter().map(|node| Home { node: *node, since: since(*node) }).collect(),
            nodes: named.filter_map(|id| Some((id, state.nodes.get(&id)?.clone()))).collect(),
            pins,
            loading,
            planned,
        })
    }
}

fn rests(
    state: &ClusterState,
    key: ExpertKey,
    pin: NodeId,
    loading: &Option<(LogIndex, Intent)>,
    planned: &Result<Intent, String>,
) -> String {
    if state.placement.homes(key).contains(&pin) {
        return String::new();
    }
    let comes = loading.as_ref().map(|(_, intent)| intent).into_iter().chain(planned);
    if comes.into_iter().any(|intent| intent.homes.contains(&pin)) {
        return "is being honoured".to_owned();
    }
    match state.nodes.get(&pin) {
        Some(node) if node.draining => "the node is being emptied".to_owned(),
        Some(node) if node.state == NodeState::Down => "the node is down".to_owned(),
        Some(_) => "the node has no room for it".to_owned(),
        None => "the node is unknown".to_owned(),
    }
}
