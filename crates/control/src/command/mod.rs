//! The commands of the replicated log, one file each.

mod configure_cluster;
mod drain_node;
mod note_coordinators;
mod pin_expert;
mod register_node;
mod set_node_state;
mod set_replicas;
mod target;
mod unpin_expert;

pub use configure_cluster::ConfigureCluster;
pub use drain_node::DrainNode;
pub use note_coordinators::NoteCoordinators;
pub use pin_expert::PinExpert;
pub use register_node::RegisterNode;
pub use set_node_state::SetNodeState;
pub use set_replicas::{REPLICAS_MAX, SetReplicas};
pub use target::{CancelTarget, ProposeTarget, PublishTarget};
pub use unpin_expert::UnpinExpert;

use crate::ClusterState;
use conclave_types::{ExpertKey, LogIndex, NodeId, PlacementEpoch, Timestamp};
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
    /// An expert shall have a home on a certain node.
    PinExpert(PinExpert),
    /// It no longer need have.
    UnpinExpert(UnpinExpert),
    /// Experts shall have another number of homes.
    SetReplicas(SetReplicas),
    /// The group of coordinators changes.
    NoteCoordinators(NoteCoordinators),
    /// A new placement shall be loaded.
    ProposeTarget(ProposeTarget),
    /// The loaded placement shall be used.
    PublishTarget(PublishTarget),
    /// The placement being loaded is given up.
    CancelTarget(CancelTarget),
}

/// A command with who asked for it and when, as the log holds it.
///
/// A log that was written before these were recorded has bare commands; they read as changes by nobody at time 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What shall happen.
    #[serde(flatten)]
    pub command: Command,
    /// The operator who asks; `None`: a node, or the leader by its rules.
    #[serde(default)]
    pub by: Option<String>,
    /// The leader's wall clock when it took the command.
    #[serde(default)]
    pub at: Timestamp,
}

impl From<Command> for Change {
    fn from(command: Command) -> Self {
        Self { command, by: None, at: Timestamp(0) }
    }
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
    pub(crate) fn rejected(why: impl Into<String>) -> Self {
        Self::Rejected { why: why.into() }
    }
}

/// Why `key` cannot be meant.
pub(crate) fn no_expert(state: &ClusterState, key: ExpertKey) -> String {
    let Some(model) = &state.model else {
        return "no node has registered yet, so there is no model".to_owned();
    };
    match model.layers.iter().find(|(layer, _)| *layer == key.layer) {
        Some((layer, experts)) => {
            format!("layer {layer} has no expert {}; it has 0 to {}", key.expert, experts.saturating_sub(1))
        }
        None => {
            let layers: Vec<String> = model.layers.iter().map(|(layer, _)| layer.to_string()).collect();
            format!("layer {} has no experts; these have: {}", key.layer, layers.join(", "))
        }
    }
}
