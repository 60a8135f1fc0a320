//! Sets the cluster-wide settings.

use super::Reply;
use crate::history::Stamp;
use crate::{ClusterState, EventKind, Settings};
use serde::{Deserialize, Serialize};

/// New settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigureCluster {
    /// They replace the old ones as a whole.
    pub settings: Settings,
}

impl ConfigureCluster {
    pub(crate) fn apply(self, state: &mut ClusterState, stamp: &Stamp) -> Reply {
        if self.settings.replicas == 0 || self.settings.nodes_min == 0 {
            return Reply::rejected("replicas and nodes_min must be at least 1");
        }
        let Settings { replicas, nodes_min, extra_percent, moves_max } = self.settings;
        let text = format!(
            "the settings are {replicas} homes for each expert and {extra_percent} % further ones, at least {nodes_min} \
             nodes, at most {moves_max} experts on the move"
        );
        state.history.note(stamp, EventKind::Changed, text);
        state.settings = self.settings;
        Reply::Done
    }
}
