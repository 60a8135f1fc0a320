//! A node became ready, or its lease ran out.

use super::Reply;
use crate::history::Stamp;
use crate::{ClusterState, EventKind, NodeState};
use conclave_types::{LogIndex, NodeId};
use serde::{Deserialize, Serialize};

/// The leader's verdict on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetNodeState {
    /// The node.
    pub node: NodeId,
    /// The registration that the verdict is about; a later one makes it void.
    pub incarnation: LogIndex,
    /// The verdict.
    pub state: NodeState,
}

impl SetNodeState {
    pub(crate) fn apply(self, state: &mut ClusterState, stamp: &Stamp) -> Reply {
        match state.nodes.get_mut(&self.node) {
            None => Reply::rejected(format!("there is no node {}", self.node)),
            Some(node) if node.incarnation != self.incarnation => {
                Reply::rejected(format!("node {} has registered again since", self.node))
            }
            Some(node) => {
                node.state = self.state;
                let text = format!("{} is {}", node.name, self.state.name());
                state.history.note(stamp, EventKind::Verdict, text);
                Reply::Done
            }
        }
    }
}
