//! The group of coordinators changes: recorded beside the change itself, which the consensus keeps.

use super::Reply;
use crate::history::Stamp;
use crate::{ClusterState, EventKind};
use serde::{Deserialize, Serialize};

/// Notes what was asked of the group, or has become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteCoordinators {
    /// In words, such as `coordinator 4 at c:7001 shall join`.
    pub text: String,
}

impl NoteCoordinators {
    pub(crate) fn apply(self, state: &mut ClusterState, stamp: &Stamp) -> Reply {
        state.history.note(stamp, EventKind::Coordinators, self.text);
        Reply::Done
    }
}
