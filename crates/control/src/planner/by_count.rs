//! Spreads every layer evenly over the nodes, in proportion to their memory, and moves as little as it can.
//!
//! For as long as no load is known. Layer by layer, because the slowest node of a layer decides how long that layer
//! takes: first every expert keeps the homes it has, but nodes above their share of the layer give some up; then each
//! missing home goes to the node that is emptiest for its size.

use super::draft::{Draft, Fill};
use super::facts::Facts;
use super::{PlanError, PlanNode};

/// The next better placement; `moves_max`: homes that may be given up for balance.
pub(super) fn place<'a, 'b>(facts: &'a Facts<'b>, mut moves_max: usize) -> Result<Draft<'a, 'b>, PlanError> {
    let weights = weights(&facts.input.nodes);
    let mut draft = Draft::keep(facts, |_| facts.replicas);
    for layer in 0..facts.layers.len() {
        give_up(&mut draft, layer, &weights, &mut moves_max);
        let experts = facts.layers[layer].len();
        let fill = Fill {
            pieces: vec![1.0; experts],
            homes: vec![facts.replicas; experts],
            shares: weights.iter().map(|weight| *weight as f64).collect(),
        };
        let later = facts.layers[layer].end..facts.input.keys.len();
        let later = later.filter(|key| draft.homes[*key].len() < facts.replicas).count();
        draft.fill(layer, &fill, later)?;
    }
    Ok(draft)
}

/// Only fills what lacks homes, and moves nothing else.
pub(super) fn cover<'a, 'b>(mut draft: Draft<'a, 'b>) -> Result<Draft<'a, 'b>, PlanError> {
    let facts = draft.facts;
    for layer in 0..facts.layers.len() {
        let experts = facts.layers[layer].len();
        let fill = Fill {
            pieces: vec![1.0; experts],
            homes: vec![facts.replicas; experts],
            shares: vec![1.0; facts.nodes()],
        };
        let later = facts.layers[layer].end..facts.input.keys.len();
        let later = later.filter(|key| draft.homes[*key].len() < facts.replicas).count();
        draft.fill(layer, &fill, later)?;
    }
    Ok(draft)
}

/// Lets nodes above their share of `layer` give up homes, and as many more as nodes below theirs lack.
fn give_up(draft: &mut Draft<'_, '_>, layer: usize, weights: &[u64], moves_max: &mut usize) {
    if *moves_max == 0 {
        return;
    }
    let facts = draft.facts;
    let keys = facts.layers[layer].clone();
    let weight_sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let slots = keys.len() as u128 * facts.replicas as u128;
    let most = |share: u128| share.min(keys.len() as u128) as u64;
    let share: Vec<u64> =
        weights.iter().map(|weight| most((slots * u128::from(*weight)).div_ceil(weight_sum))).collect();
    // A node that has joined gets at least its whole share, even if nobody else is above theirs.
    let whole: Vec<u64> =
        weights.iter().map(|weight| most(slots * u128::from(*weight) / weight_sum)).collect();
    let mut held = vec![0_u64; facts.nodes()];
    let homes = draft.homes[keys.clone()].iter().flatten();
    homes.for_each(|home| held[*home as usize] += 1);
    let mut pinned = vec![0_u64; facts.nodes()];
    facts.pins[keys.clone()].iter().flatten().for_each(|at| pinned[*at as usize] += 1);
    let mut take = |draft: &mut Draft<'_, '_>, at: usize, held: &mut [u64]| {
        // One that keeps the most homes, so that none has to find several new ones.
        let holders = keys.clone().rev().filter(|key| draft.holds(*key, at) && !facts.pinned(*key, at));
        let most = holders.max_by_key(|key| draft.homes[*key].len());
        let key = most.expect("what is counted is held, and not all of it is pinned");
        draft.remove(key, at);
        held[at] -= 1;
        *moves_max -= 1;
        *moves_max > 0
    };
    for at in 0..facts.nodes() {
        while held[at] > share[at].max(pinned[at]) {
            if !take(draft, at, &mut held) {
                return;
            }
        }
    }
    let lacks = |held: &[u64]| {
        let open = (0..facts.nodes()).filter(|at| facts.accepts(*at));
        open.map(|at| whole[at].saturating_sub(held[at])).sum::<u64>()
    };
    while lacks(&held) > slots as u64 - held.iter().sum::<u64>() {
        let above = (0..facts.nodes()).filter(|at| held[*at] > whole[*at].max(pinned[*at]));
        let Some(at) = above.max_by_key(|at| held[*at] - whole[*at]) else { break };
        if !take(draft, at, &mut held) {
            return;
        }
    }
}

/// Memory decides the share; a node without a limit counts as the largest, and without any limit all are equal.
pub(super) fn weights(nodes: &[PlanNode]) -> Vec<u64> {
    let largest = nodes.iter().filter_map(|node| node.capacity).max().map_or(1, |capacity| capacity.0.max(1));
    nodes.iter().map(|node| node.capacity.map_or(largest, |capacity| capacity.0.max(1))).collect()
}
