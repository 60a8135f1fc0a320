//! An operator insists on a home.

use super::Reply;
use crate::history::Stamp;
use crate::{ClusterState, EventKind};
use conclave_types::{Bytes, ExpertKey};
use serde::{Deserialize, Serialize};

/// Asks that an expert have a home on a node, wherever its other homes are.
///
/// While the node is drained or gone the pin rests; it is kept for when the node is back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinExpert {
    /// The expert.
    pub key: ExpertKey,
    /// The node's name.
    pub node: String,
}

impl PinExpert {
    pub(crate) fn apply(self, state: &mut ClusterState, stamp: &Stamp) -> Reply {
        let Self { key, node: name } = self;
        let (id, node) = match state.find_node(&name) {
            Ok(found) => found,
            Err(rejected) => return rejected,
        };
        let Some(model) = state.model.as_ref().filter(|model| model.has(key)) else {
            return Reply::rejected(super::no_expert(state, key));
        };
        let mut pins = state.pins.homes(key).to_vec();
        if pins.contains(&id) {
            return Reply::rejected(format!("{key} is pinned to `{name}` already"));
        }
        if node.draining {
            return Reply::rejected(format!("`{name}` is being emptied; undrain it first"));
        }
        if pins.len() >= state.settings.replicas as usize {
            let names: Vec<String> = pins.iter().map(|pin| state.node_name(*pin)).collect();
            return Reply::rejected(format!(
                "{key} has {} homes and is pinned to {} already; unpin it there, or raise replicas",
                state.settings.replicas,
                names.join(", ")
            ));
        }
        let pinned = state.pins.held_by(id).len() as u64 + 1;
        let needed = Bytes(pinned * model.expert_bytes.0);
        if let Some(capacity) = node.capacity.filter(|capacity| needed > *capacity) {
            return Reply::rejected(format!(
                "`{name}` has no room: {pinned} pinned experts need {needed}, its memory is {capacity}; unpin \
                 another, or raise its --memory-max"
            ));
        }
        pins.push(id);
        state.pins.set(key, pins);
        state.history.note(stamp, EventKind::Changed, format!("{key} is pinned to {name}"));
        Reply::Done
    }
}
