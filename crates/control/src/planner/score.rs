//! How good a placement is; less is better, part by part.

use super::{PlanInput, balanced::weights};
use conclave_types::{LayerIdx, NodeId, PlacementMap};
use std::collections::BTreeMap;

/// Ordered by importance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Score {
    /// Homes that are missing, too many, at nodes that may hold nothing or not where they are pinned, and experts above a
    /// node's memory.
    wrong: u64,
    /// Pairs of homes of one expert that share a failure domain.
    shared_zones: u64,
    /// Unevenness within the layers: the sum of count squared over weight.
    layers: u128,
    /// Unevenness of the nodes as a whole.
    nodes: u128,
}

pub(super) fn score(input: &PlanInput, map: &PlacementMap) -> Score {
    let at: BTreeMap<NodeId, usize> =
        input.nodes.iter().enumerate().map(|(at, node)| (node.id, at)).collect();
    let weights = weights(&input.nodes);
    let weight_sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let mut score = Score { wrong: 0, shared_zones: 0, layers: 0, nodes: 0 };
    let mut layers: BTreeMap<LayerIdx, Vec<u64>> = BTreeMap::new();
    let mut totals = vec![0_u64; input.nodes.len()];
    for key in &input.keys {
        let homes: Vec<usize> = map.homes(*key).iter().filter_map(|home| at.get(home).copied()).collect();
        score.wrong += (map.homes(*key).len() - homes.len()) as u64;
        score.wrong += homes.len().abs_diff(input.homes()) as u64;
        score.wrong += input.pinned(*key).filter(|pin| !homes.contains(pin)).count() as u64;
        let counts = layers.entry(key.layer).or_insert_with(|| vec![0; input.nodes.len()]);
        for (nth, home) in homes.iter().enumerate() {
            counts[*home] += 1;
            totals[*home] += 1;
            let zone = &input.nodes[*home].zone;
            let twins =
                homes[..nth].iter().filter(|other| !zone.is_empty() && input.nodes[**other].zone == *zone);
            score.shared_zones += twins.count() as u64;
        }
    }
    for (at, node) in input.nodes.iter().enumerate() {
        let fits = node.capacity.map_or(u64::MAX, |capacity| capacity.0 / input.expert_bytes.0.max(1));
        score.wrong += totals[at].saturating_sub(fits);
    }
    let uneven = |counts: &[u64]| -> u128 {
        let part = |(count, weight): (&u64, &u64)| {
            u128::from(count * count) * ((weight_sum << 20) / u128::from(*weight))
        };
        counts.iter().zip(&weights).map(part).sum()
    };
    score.layers = layers.values().map(|counts| uneven(counts)).sum();
    score.nodes = uneven(&totals);
    score
}
