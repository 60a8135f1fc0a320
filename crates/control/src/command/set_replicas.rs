//! An operator changes how many homes each expert has.

use super::Reply;
use crate::history::Stamp;
use crate::{ClusterState, EventKind};
use serde::{Deserialize, Serialize};

/// Most homes of one expert.
pub const REPLICAS_MAX: u32 = 16;

/// Sets the homes that every expert shall have. The planner follows; homes that are too many go once others answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetReplicas {
    /// Range: 1..=[`REPLICAS_MAX`].
    pub replicas: u32,
}

impl SetReplicas {
    pub(crate) fn apply(self, state: &mut ClusterState, stamp: &Stamp) -> Reply {
        let replicas = self.replicas;
        if !(1..=REPLICAS_MAX).contains(&replicas) {
            return Reply::rejected(format!("replicas is {replicas}; it can be 1 to {REPLICAS_MAX}"));
        }
        if let Some((key, pins)) = state.pins.iter().find(|(_, pins)| pins.len() > replicas as usize) {
            return Reply::rejected(format!(
                "{key} is pinned to {} nodes, more than {replicas}; unpin it first",
                pins.len()
            ));
        }
        let text = format!("homes of each expert: {replicas} instead of {}", state.settings.replicas);
        state.settings.replicas = replicas;
        state.history.note(stamp, EventKind::Changed, text);
        Reply::Done
    }
}
