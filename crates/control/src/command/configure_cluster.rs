//! Sets the cluster-wide settings.

use super::Reply;
use crate::{ClusterState, Settings};
use serde::{Deserialize, Serialize};

/// New settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigureCluster {
    /// They replace the old ones as a whole.
    pub settings: Settings,
}

impl ConfigureCluster {
    pub(crate) fn apply(self, state: &mut ClusterState) -> Reply {
        if self.settings.replicas == 0 || self.settings.nodes_min == 0 {
            return Reply::rejected("replicas and nodes_min must be at least 1");
        }
        state.settings = self.settings;
        Reply::Done
    }
}
