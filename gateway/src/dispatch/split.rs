//! Which home computes which (row, expert) pair. Pure.

use conclave_model::Routing;
use conclave_types::{ExpertIdx, ExpertKey, LayerIdx, NodeId, PlacementMap};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// How loaded each node is; a node that is not named has load 0. Any unit, only the order counts.
pub type NodeLoads = BTreeMap<NodeId, u64>;

/// One node's share of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeBatch {
    /// The node.
    pub node: NodeId,
    /// Experts per row, to read pairs as rows.
    pub top_k: usize,
    /// The experts in ascending order, each with its pairs (`row * top_k + k`) in ascending order.
    pub experts: Vec<(ExpertIdx, Vec<usize>)>,
}

impl NodeBatch {
    /// The rows that the batch needs, ascending, each once.
    pub fn rows(&self) -> Vec<usize> {
        let pairs = self.experts.iter().flat_map(|(_, pairs)| pairs);
        pairs.map(|pair| pair / self.top_k).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Splits one layer's routed rows into one batch per node.
///
/// - `routing`: the experts of each row; `wanted(pair)` tells which pairs are still to be computed.
/// - `alive`: the nodes that may be asked.
/// - Returns batches ordered by `NodeId`; each wanted pair appears exactly once. The fewest nodes are asked
///   (greedily: the one that covers most of the remaining experts, then the least loaded, then the lowest id),
///   because each node more costs a round trip and its rows once more on the wire.
/// - Errors: the experts without a live home, ascending.
pub fn split(
    layer: LayerIdx,
    routing: &Routing,
    wanted: impl Fn(usize) -> bool,
    placement: &PlacementMap,
    alive: &BTreeSet<NodeId>,
    loads: &NodeLoads,
) -> Result<Vec<NodeBatch>, Vec<ExpertIdx>> {
    let mut pairs: BTreeMap<ExpertIdx, Vec<usize>> = BTreeMap::new();
    for (pair, expert) in routing.experts.iter().enumerate().filter(|(pair, _)| wanted(*pair)) {
        pairs.entry(*expert).or_default().push(pair);
    }
    let homes = |expert: ExpertIdx| {
        placement.homes(ExpertKey { layer, expert }).iter().copied().filter(|node| alive.contains(node))
    };
    let homeless: Vec<ExpertIdx> =
        pairs.keys().copied().filter(|expert| homes(*expert).next().is_none()).collect();
    if !homeless.is_empty() {
        return Err(homeless);
    }
    let mut batches: BTreeMap<NodeId, NodeBatch> = BTreeMap::new();
    while !pairs.is_empty() {
        let mut covers: BTreeMap<NodeId, usize> = BTreeMap::new();
        pairs.keys().flat_map(|expert| homes(*expert)).for_each(|node| *covers.entry(node).or_default() += 1);
        let rank = |(node, covered): &(&NodeId, &usize)| {
            (Reverse(**covered), loads.get(node).copied().unwrap_or(0), **node)
        };
        let (&node, _) = covers.iter().min_by_key(rank).expect("every expert left has a live home");
        let taken: Vec<ExpertIdx> =
            pairs.keys().copied().filter(|expert| homes(*expert).any(|home| home == node)).collect();
        let experts =
            taken.into_iter().map(|expert| (expert, pairs.remove(&expert).expect("listed"))).collect();
        batches.insert(node, NodeBatch { node, top_k: routing.top_k, experts });
    }
    Ok(batches.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_pair_appears_exactly_once_at_a_live_home(
            experts in prop::collection::vec(0_u32..6, 1..24),
            homes in prop::collection::vec(prop::collection::btree_set(0_u64..4, 1..4), 6),
            dead in 0_u64..5,
        ) {
            let rows = experts.len() / 2;
            let experts: Vec<ExpertIdx> = experts[..rows * 2].iter().copied().map(ExpertIdx).collect();
            let weights = vec![0.5; experts.len()];
            let routing = Routing { top_k: 2, experts, weights };
            let placement: PlacementMap = homes
                .iter()
                .enumerate()
                .map(|(e, nodes)| (ExpertKey::new(1, e as u32), nodes.iter().copied().map(NodeId).collect()))
                .collect();
            let alive: BTreeSet<NodeId> = (0..4).filter(|node| *node != dead).map(NodeId).collect();
            match split(LayerIdx(1), &routing, |_| true, &placement, &alive, &NodeLoads::new()) {
                Ok(batches) => {
                    let mut seen: Vec<usize> = Vec::new();
                    for batch in &batches {
                        prop_assert!(alive.contains(&batch.node));
                        for (expert, pairs) in &batch.experts {
                            let homes = placement.homes(ExpertKey { layer: LayerIdx(1), expert: *expert });
                            prop_assert!(homes.contains(&batch.node));
                            prop_assert!(pairs.iter().all(|pair| routing.experts[*pair] == *expert));
                            seen.extend(pairs);
                        }
                    }
                    seen.sort_unstable();
                    prop_assert_eq!(seen, (0..routing.experts.len()).collect::<Vec<_>>());
                }
                Err(homeless) => {
                    for expert in homeless {
                        let homes = placement.homes(ExpertKey { layer: LayerIdx(1), expert });
                        prop_assert!(homes.iter().all(|home| !alive.contains(home)));
                    }
                }
            }
        }
    }

    #[test]
    fn the_fewest_nodes_are_asked() {
        let routing = Routing { top_k: 2, experts: vec![ExpertIdx(0), ExpertIdx(1)], weights: vec![0.5; 2] };
        let placement: PlacementMap = [
            (ExpertKey::new(0, 0), vec![NodeId(0), NodeId(2)]),
            (ExpertKey::new(0, 1), vec![NodeId(1), NodeId(2)]),
        ]
        .into_iter()
        .collect();
        let alive = [0, 1, 2].map(NodeId).into();
        let batches = split(LayerIdx(0), &routing, |_| true, &placement, &alive, &NodeLoads::new()).unwrap();
        assert_eq!(batches.iter().map(|batch| batch.node).collect::<Vec<_>>(), [NodeId(2)]);
    }
}
