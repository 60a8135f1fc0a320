//! What happened, and why each home is where it is: for people. No rule reads it.
//!
//! Keeps true: bounded; a part of the replicated state, so that every coordinator tells the same story after any restart.

use conclave_types::{ExpertKey, LogIndex, NodeId, PlacementEpoch, PlacementMap, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Events that are kept; older ones are forgotten.
pub const EVENTS_MAX: usize = 1000;

/// Where in the log a change stands, who asked for it and when.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    pub(crate) index: LogIndex,
    pub(crate) at: Timestamp,
    pub(crate) by: Option<String>,
}

/// Of what kind an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// A node registered.
    Registered,
    /// The leader judged a node's health.
    Verdict,
    /// A new placement is being loaded.
    Proposed,
    /// A loaded placement is in use.
    Published,
    /// A placement was given up before it was loaded.
    Cancelled,
    /// Settings or wishes changed: an operator did something.
    Changed,
    /// The group of coordinators changed, or was asked to.
    Coordinators,
}

impl EventKind {
    /// The word for it in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Verdict => "verdict",
            Self::Proposed => "proposed",
            Self::Published => "published",
            Self::Cancelled => "cancelled",
            Self::Changed => "changed",
            Self::Coordinators => "coordinators",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The log index of the command that made it happen.
    pub index: LogIndex,
    /// When, by the clock of the leader of that time; 0: unknown.
    pub at: Timestamp,
    /// The operator who asked for it; `None`: a node, or the leader by its rules.
    pub by: Option<String>,
    /// Of what kind it is.
    pub kind: EventKind,
    /// What happened, in words.
    pub text: String,
}

/// The decision that put homes where they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// When its epoch was published; 0: unknown.
    pub at: Timestamp,
    /// Why it was decided.
    pub why: String,
    /// The homes that it added and that are still in use.
    pub homes: PlacementMap,
}

/// The last events, and the decision behind every home.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Oldest first; at most [`EVENTS_MAX`].
    pub events: VecDeque<Event>,
    /// By the epoch that each began. Homes from before this was recorded have none.
    pub origins: BTreeMap<PlacementEpoch, Origin>,
}

impl History {
    pub(crate) fn note(&mut self, stamp: &Stamp, kind: EventKind, text: impl Into<String>) {
        let Stamp { index, at, by } = stamp.clone();
        self.events.push_back(Event { index, at, by, kind, text: text.into() });
        while self.events.len() > EVENTS_MAX {
            self.events.pop_front();
        }
    }

    /// Notes that `epoch` replaces `old` by `new`.
    pub(crate) fn published(
        &mut self,
        stamp: &Stamp,
        epoch: PlacementEpoch,
        why: &str,
        old: &PlacementMap,
        new: &PlacementMap,
    ) {
        for origin in self.origins.values_mut() {
            origin.homes = select(&origin.homes, |key, home| new.homes(key).contains(&home));
        }
        self.origins.retain(|_, origin| !origin.homes.is_empty());
        let homes = select(new, |key, home| !old.homes(key).contains(&home));
        if !homes.is_empty() {
            self.origins.insert(epoch, Origin { at: stamp.at, why: why.to_owned(), homes });
        }
    }

    /// The decision that made `home` a home of `key`, with the epoch it began; `None`: it is older than the record.
    pub fn origin(&self, key: ExpertKey, home: NodeId) -> Option<(PlacementEpoch, &Origin)> {
        let found = self.origins.iter().find(|(_, origin)| origin.homes.homes(key).contains(&home));
        found.map(|(epoch, origin)| (*epoch, origin))
    }
}

/// The homes of `map` for which `keep` holds; experts that keep none are left out.
fn select(map: &PlacementMap, keep: impl Fn(ExpertKey, NodeId) -> bool) -> PlacementMap {
    map.iter()
        .map(|(key, homes)| (key, homes.iter().copied().filter(|home| keep(key, *home)).collect::<Vec<_>>()))
        .filter(|(_, homes)| !homes.is_empty())
        .collect()
}
