//! What lies between two placements.

use conclave_types::{ExpertKey, NodeId, PlacementMap};
use std::collections::BTreeSet;

/// An expert whose homes change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The expert.
    pub key: ExpertKey,
    /// Nodes that become homes, ascending.
    pub loads: Vec<NodeId>,
    /// Nodes that were homes, ascending.
    pub leaves: Vec<NodeId>,
}

/// The experts whose homes differ, in key order.
pub fn moves(from: &PlacementMap, to: &PlacementMap) -> Vec<Move> {
    let keys: BTreeSet<ExpertKey> = from.iter().chain(to.iter()).map(|(key, _)| key).collect();
    let without = |a: &[NodeId], b: &[NodeId]| a.iter().copied().filter(|home| !b.contains(home)).collect();
    keys.into_iter()
        .map(|key| {
            let (old, new) = (from.homes(key), to.homes(key));
            Move { key, loads: without(new, old), leaves: without(old, new) }
        })
        .filter(|change| !change.loads.is_empty() || !change.leaves.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_names_what_is_loaded_and_what_is_left() {
        let map = |homes: &[u64]| -> PlacementMap {
            let homes = homes.iter().map(|home| NodeId(*home)).collect();
            [(ExpertKey::new(0, 0), vec![NodeId(1)]), (ExpertKey::new(0, 1), homes)].into_iter().collect()
        };
        let change = Move { key: ExpertKey::new(0, 1), loads: vec![NodeId(3)], leaves: vec![NodeId(1)] };
        assert_eq!(moves(&map(&[1, 2]), &map(&[2, 3])), [change]);
        assert_eq!(moves(&map(&[1]), &map(&[1])), []);
        assert_eq!(moves(&PlacementMap::new(), &map(&[1])).len(), 2);
    }
}
