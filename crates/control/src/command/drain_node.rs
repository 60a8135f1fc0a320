//! An operator empties a node, or takes it back into use.

use super::Reply;
use crate::history::Stamp;
use crate::{ClusterState, EventKind};
use serde::{Deserialize, Serialize};

/// Sets or clears the wish that a node hold nothing. Its experts move before it lets go of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainNode {
    /// The node's name.
    pub name: String,
    /// Whether it shall be emptied.
    pub draining: bool,
}

impl DrainNode {
    pub(crate) fn apply(self, state: &mut ClusterState, stamp: &Stamp) -> Reply {
        let id = match state.find_node(&self.name) {
            Ok((id, _)) => id,
            Err(rejected) => return rejected,
        };
        let left = state.nodes.iter().any(|(other, node)| *other != id && !node.draining);
        if self.draining && !left {
            return Reply::rejected(format!("`{}` is the last node that is not drained", self.name));
        }
        state.nodes.get_mut(&id).expect("found above").draining = self.draining;
        let text = match self.draining {
            true => format!("{} shall be emptied", self.name),
            false => format!("{} is used again", self.name),
        };
        state.history.note(stamp, EventKind::Changed, text);
        Reply::Done
    }
}
