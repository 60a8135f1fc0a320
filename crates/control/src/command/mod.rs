//! The commands of the replicated log, one file each.

mod configure_cluster;
mod drain_node;
mod register_node;
mod set_node_state;
mod target;

pub use configure_cluster::ConfigureCluster;
pub use drain_node::DrainNode;
pub use register_node::RegisterNode;
pub use set_node_state::SetNodeState;
pub use target::{CancelTarget, ProposeTarget, PublishTarget};

use conclave_types::{LogIndex, NodeId, PlacementEpoch};
use serde::{Deserialize, Serialize};

/// A change of the cluster state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Sets replicas and the like.
    ConfigureCluster(ConfigureCluster),
    /// A node joins, or comes back.
    RegisterNode(RegisterNode),
    /// A node became ready or went down.
    SetNodeState(SetNodeState),
    /// A node shall be emptied, or used again.
    DrainNode(DrainNode),
    /// A new placement shall be loaded.
    ProposeTarget(ProposeTarget),
    /// The loaded placement shall be used.
    PublishTarget(PublishTarget),
    /// The placement being loaded is given up.
    CancelTarget(CancelTarget),
}

/// What became of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// It is done.
    #[default]
    Done,
    /// The node's id, and which of its registrations this was.
    Registered {
        /// The id.
        node: NodeId,
        /// The registration.
        incarnation: LogIndex,
    },
    /// The target's id.
    Proposed {
        /// The id.
        target: LogIndex,
    },
    /// The new epoch.
    Published {
        /// The epoch.
        epoch: PlacementEpoch,
    },
    /// It does not fit the state; nothing changed.
    Rejected {
        /// Why, and what to do.
        why: String,
    },
}

impl Reply {
    fn rejected(why: impl Into<String>) -> Self {
        Self::Rejected { why: why.into() }
    }
}
