//! Make before break: a placement is proposed, loaded by its nodes, then published.

use super::Reply;
use crate::history::Stamp;
use crate::{ClusterState, EventKind, Target};
use conclave_types::{LogIndex, PlacementEpoch, PlacementMap};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Asks nodes to load a new placement while the old one is still in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposeTarget {
    /// The epoch it was planned from; another one makes it void.
    pub base: PlacementEpoch,
    /// Who shall hold what.
    pub map: PlacementMap,
    /// Whether it was planned for a recorded load.
    #[serde(default)]
    pub by_load: bool,
    /// Why, for people.
    pub why: String,
}

impl ProposeTarget {
    pub(crate) fn apply(self, state: &mut ClusterState, stamp: &Stamp) -> Reply {
        let Some(model) = &state.model else { return Reply::rejected("there is no model to place") };
        if self.base != state.epoch {
            return Reply::rejected(format!(
                "planned from epoch {}, but {} is in use",
                self.base, state.epoch
            ));
        }
        if let Some(target) = &state.target {
            return Reply::rejected(format!("target {} is still being loaded", target.id));
        }
        if let Some(key) = model.keys().find(|key| self.map.homes(*key).is_empty()) {
            return Reply::rejected(format!("{key} would have no home"));
        }
        let known: BTreeSet<_> = model.keys().collect();
        if let Some((key, _)) = self.map.iter().find(|(key, _)| !known.contains(key)) {
            return Reply::rejected(format!("the model has no {key}"));
        }
        if let Some(node) = self.map.nodes().iter().find(|node| !state.nodes.contains_key(node)) {
            return Reply::rejected(format!("there is no node {node}"));
        }
        let text = format!("target {} is being loaded: {}", stamp.index, self.why);
        state.history.note(stamp, EventKind::Proposed, text);
        state.target = Some(Target { id: stamp.index, map: self.map, by_load: self.by_load, why: self.why });
        Reply::Proposed { target: stamp.index }
    }
}

/// Makes the loaded target the placement in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishTarget {
    /// The target.
    pub target: LogIndex,
}

impl PublishTarget {
    pub(crate) fn apply(self, state: &mut ClusterState, stamp: &Stamp) -> Reply {
        match state.target.take_if(|target| target.id == self.target) {
            None => Reply::rejected(format!("target {} is not being loaded", self.target)),
            Some(Target { id, map, by_load, why }) => {
                state.epoch = state.epoch.next();
                state.history.published(stamp, state.epoch, &why, &state.placement, &map);
                let text = format!("epoch {} is in use, from target {id}: {why}", state.epoch);
                state.history.note(stamp, EventKind::Published, text);
                state.placement = map;
                state.by_load = by_load;
                Reply::Published { epoch: state.epoch }
            }
        }
    }
}

/// Gives up a target, for example because a node that shall load it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelTarget {
    /// The target.
    pub target: LogIndex,
    /// Why, for people.
    pub why: String,
}

impl CancelTarget {
    pub(crate) fn apply(self, state: &mut ClusterState, stamp: &Stamp) -> Reply {
        match state.target.take_if(|target| target.id == self.target) {
            None => Reply::rejected(format!("target {} is not being loaded", self.target)),
            Some(target) => {
                let text = format!("target {} was given up: {}", target.id, self.why);
                state.history.note(stamp, EventKind::Cancelled, text);
                Reply::Done
            }
        }
    }
}
