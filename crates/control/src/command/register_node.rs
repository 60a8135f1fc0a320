//! A node joins, or comes back after a restart.

use super::Reply;
use crate::history::Stamp;
use crate::{ClusterState, EventKind, ModelFacts, Node, NodeState};
use conclave_types::{Bytes, NodeId, PlacementEpoch, PlacementMap};
use serde::{Deserialize, Serialize};

/// A node introduces itself. The same name is the same node: it keeps its id and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterNode {
    /// Its name.
    pub name: String,
    /// Where it answers expert calls.
    pub address: String,
    /// Memory for experts.
    pub capacity: Option<Bytes>,
    /// Failure domain.
    pub zone: String,
    /// Kernel set and version.
    pub numerics: String,
    /// The model it has on disk.
    pub model: ModelFacts,
}

impl RegisterNode {
    pub(crate) fn apply(self, state: &mut ClusterState, stamp: &Stamp) -> Reply {
        if self.name.is_empty() || self.address.is_empty() {
            return Reply::rejected("a node needs a name and an address");
        }
        if self.model.layers.is_empty() {
            return Reply::rejected("the model has no expert");
        }
        if let Some(model) = &state.model
            && model.digest != self.model.digest
        {
            // A model may be replaced once nobody serves the old one; the first node of the new one does it.
            let other =
                state.nodes.values().find(|node| node.name != self.name && node.state != NodeState::Down);
            if let Some(other) = other {
                return Reply::rejected(format!(
                    "the cluster serves `{}` with digest {}, but this node has `{}` with digest {}; give it the \
                     same files and dtype as node `{}`, or stop all nodes to change the model",
                    model.name,
                    model.digest.short(),
                    self.model.name,
                    self.model.digest.short(),
                    other.name,
                ));
            }
            state.placement = PlacementMap::new();
            state.by_load = false;
            state.epoch = state.epoch.next();
            state.target = None;
            // They speak of experts of the old model.
            state.pins = PlacementMap::new();
            state.history.origins.clear();
        }
        if state.model.as_ref().is_none_or(|model| model.digest != self.model.digest) {
            state.model = Some(self.model);
        }
        let (id, draining) = match state.node_named(&self.name) {
            Some((id, node)) => (id, node.draining),
            None => {
                state.next_node = NodeId(state.next_node.0 + 1);
                (state.next_node, false)
            }
        };
        let node = Node {
            name: self.name,
            address: self.address,
            incarnation: stamp.index,
            capacity: self.capacity,
            zone: self.zone,
            numerics: self.numerics,
            state: NodeState::Joining,
            draining,
        };
        let text = format!("{} at {} registered as node {id}", node.name, node.address);
        state.history.note(stamp, EventKind::Registered, text);
        state.nodes.insert(id, node);
        debug_assert!(state.epoch > PlacementEpoch(0) || state.placement.is_empty());
        Reply::Registered { node: id, incarnation: stamp.index }
    }
}
