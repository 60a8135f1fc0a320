//! The placement map: which nodes hold which expert, at one epoch.
//!
//! Keeps true: homes are sorted and free of duplicates, iteration follows (layer, expert) order.
//! Does not know whether a node lives; that is the cluster state's.

use crate::{ExpertKey, NodeId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The version of a placement. Epochs only grow; epoch 0 is "nothing placed yet".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlacementEpoch(pub u64);

impl PlacementEpoch {
    /// The epoch after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for PlacementEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The homes of every expert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlacementMap {
    homes: BTreeMap<ExpertKey, Vec<NodeId>>,
}

impl PlacementMap {
    /// A map with no expert.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the homes of `key`; they are sorted and deduplicated.
    pub fn set(&mut self, key: ExpertKey, mut homes: Vec<NodeId>) {
        homes.sort_unstable();
        homes.dedup();
        self.homes.insert(key, homes);
    }

    /// The homes of `key` in node order; empty if the expert is not placed.
    pub fn homes(&self, key: ExpertKey) -> &[NodeId] {
        self.homes.get(&key).map_or(&[], Vec::as_slice)
    }

    /// All experts with their homes, in (layer, expert) order.
    pub fn iter(&self) -> impl Iterator<Item = (ExpertKey, &[NodeId])> {
        self.homes.iter().map(|(key, homes)| (*key, homes.as_slice()))
    }

    /// The experts that `node` holds, in key order.
    pub fn held_by(&self, node: NodeId) -> BTreeSet<ExpertKey> {
        self.iter().filter(|(_, homes)| homes.contains(&node)).map(|(key, _)| key).collect()
    }

    /// Every node that holds something.
    pub fn nodes(&self) -> BTreeSet<NodeId> {
        self.homes.values().flatten().copied().collect()
    }

    /// How many experts are placed.
    pub fn len(&self) -> usize {
        self.homes.len()
    }

    /// Whether no expert is placed.
    pub fn is_empty(&self) -> bool {
        self.homes.is_empty()
    }
}

impl FromIterator<(ExpertKey, Vec<NodeId>)> for PlacementMap {
    fn from_iter<I: IntoIterator<Item = (ExpertKey, Vec<NodeId>)>>(iter: I) -> Self {
        let mut map = Self::new();
        iter.into_iter().for_each(|(key, homes)| map.set(key, homes));
        map
    }
}

// A map with struct keys has no JSON form, so it travels as a list of (key, homes).
impl Serialize for PlacementMap {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.homes.iter())
    }
}

impl<'de> Deserialize<'de> for PlacementMap {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<(ExpertKey, Vec<NodeId>)>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_come_sorted_and_once() {
        let mut map = PlacementMap::new();
        map.set(ExpertKey::new(0, 1), vec![NodeId(3), NodeId(1), NodeId(3)]);
        assert_eq!(map.homes(ExpertKey::new(0, 1)), [NodeId(1), NodeId(3)]);
        assert!(map.homes(ExpertKey::new(0, 2)).is_empty());
    }

    #[test]
    fn held_by_is_the_inverse_of_homes() {
        let map: PlacementMap =
            [(ExpertKey::new(0, 0), vec![NodeId(1)]), (ExpertKey::new(0, 1), vec![NodeId(1), NodeId(2)])]
                .into_iter()
                .collect();
        assert_eq!(map.held_by(NodeId(2)), [ExpertKey::new(0, 1)].into());
        assert_eq!(map.nodes(), [NodeId(1), NodeId(2)].into());
    }
}
