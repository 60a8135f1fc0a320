//! An operator empties a node, or takes it back into use.

use super::Reply;
use crate::ClusterState;
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
    pub(crate) fn apply(self, state: &mut ClusterState) -> Reply {
        let Some((id, _)) = state.node_named(&self.name) else {
            let names: Vec<&str> = state.nodes.values().map(|node| node.name.as_str()).collect();
            return Reply::rejected(format!(
                "there is no node `{}`; there are {}",
                self.name,
                names.join(", ")
            ));
        };
        let left = state.nodes.iter().any(|(other, node)| *other != id && !node.draining);
        if self.draining && !left {
            return Reply::rejected(format!("`{}` is the last node that is not drained", self.name));
        }
        state.nodes.get_mut(&id).expect("found above").draining = self.draining;
        Reply::Done
    }
}
