//! An operator no longer insists on a home.

use super::Reply;
use crate::history::Stamp;
use crate::{ClusterState, EventKind};
use conclave_types::{ExpertKey, PlacementMap};
use serde::{Deserialize, Serialize};

/// Takes back pins; the expert stays where it is until there is a reason to move it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnpinExpert {
    /// The expert.
    pub key: ExpertKey,
    /// The node's name; `None`: every node that it is pinned to.
    pub node: Option<String>,
}

impl UnpinExpert {
    pub(crate) fn apply(self, state: &mut ClusterState, stamp: &Stamp) -> Reply {
        let key = self.key;
        let pins = state.pins.homes(key).to_vec();
        if pins.is_empty() {
            return Reply::rejected(format!("{key} is not pinned"));
        }
        let (gone, kept): (Vec<_>, Vec<_>) = pins
            .into_iter()
            .partition(|pin| self.node.as_ref().is_none_or(|name| state.node_name(*pin) == *name));
        let names = |ids: &[_]| ids.iter().map(|id| state.node_name(*id)).collect::<Vec<_>>().join(", ");
        if gone.is_empty() {
            return Reply::rejected(format!(
                "{key} is not pinned to `{}`, but to {}",
                self.node.unwrap_or_default(),
                names(&kept)
            ));
        }
        let text = format!("{key} is no longer pinned to {}", names(&gone));
        let others = state.pins.iter().filter(|(other, _)| *other != key);
        let mut pins: PlacementMap = others.map(|(other, homes)| (other, homes.to_vec())).collect();
        if !kept.is_empty() {
            pins.set(key, kept);
        }
        state.pins = pins;
        state.history.note(stamp, EventKind::Changed, text);
        Reply::Done
    }
}
