//! Spreads every layer evenly over the nodes, in proportion to their memory, and moves as little as it can.
//!
//! Layer by layer, because the slowest node of a layer decides how long that layer takes: first every expert gets the homes
//! it is pinned to and keeps those it has, but nodes above their share of the layer give some up; then each missing home goes to the node
//! that is emptiest for its size, in a failure domain that the expert is not in yet if there is one.

use super::{PlanError, PlanInput, PlanNode};
use conclave_types::{Bytes, ExpertKey, LayerIdx, NodeId, PlacementMap};
use std::collections::BTreeMap;

/// The running totals of a placement in the making.
struct Totals {
    /// Experts of this layer on each node, in the order of `PlanInput::nodes`.
    layer: Vec<u64>,
    /// Experts of all layers so far.
    all: Vec<u64>,
}

pub(super) fn place(input: &PlanInput) -> Result<PlacementMap, PlanError> {
    let homes = input.homes();
    let weights = weights(&input.nodes);
    let weight_sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let fits = |at: usize, totals: &Totals| {
        let used = (totals.all[at] + 1) * input.expert_bytes.0;
        input.nodes[at].capacity.is_none_or(|capacity| used <= capacity.0)
    };
    let mut layers: BTreeMap<LayerIdx, Vec<ExpertKey>> = BTreeMap::new();
    input.keys.iter().for_each(|key| layers.entry(key.layer).or_default().push(*key));
    let mut totals = Totals { layer: Vec::new(), all: vec![0; input.nodes.len()] };
    // Room for what is pinned, in whichever layer, is never given to anything else.
    input.keys.iter().flat_map(|key| input.pinned(*key)).for_each(|at| totals.all[at] += 1);
    let mut map = PlacementMap::new();
    for keys in layers.values() {
        totals.layer = vec![0; input.nodes.len()];
        let slots = keys.len() as u128 * homes as u128;
        let share =
            |at: usize| (slots * u128::from(weights[at])).div_ceil(weight_sum).min(keys.len() as u128) as u64;
        let mut chosen: Vec<Vec<usize>> =
            keys.iter().map(|key| kept(input, *key, homes, &mut totals, fits)).collect();
        let mut pinned = vec![0_u64; input.nodes.len()];
        keys.iter().flat_map(|key| input.pinned(*key)).for_each(|at| pinned[at] += 1);
        for (at, pinned) in pinned.iter().enumerate() {
            while totals.layer[at] > share(at).max(*pinned) {
                give_up(input, at, keys, &mut chosen, &mut totals);
            }
        }
        // A node that has joined gets at least its whole share, even if nobody else is above theirs.
        let whole = |at: usize| (slots * u128::from(weights[at]) / weight_sum).min(keys.len() as u128) as u64;
        let lacks = |totals: &Totals| {
            let lack =
                |at: usize| whole(at).saturating_sub(totals.layer[at]) * u64::from(input.nodes[at].accepts);
            (0..input.nodes.len()).map(lack).sum::<u64>()
        };
        let missing = |totals: &Totals| slots as u64 - totals.layer.iter().sum::<u64>();
        while lacks(&totals) > missing(&totals) {
            let above = (0..input.nodes.len()).filter(|at| totals.layer[*at] > whole(*at).max(pinned[*at]));
            let Some(at) = above.max_by_key(|at| totals.layer[*at] - whole(*at)) else { break };
            give_up(input, at, keys, &mut chosen, &mut totals);
        }
        for (key, chosen) in keys.iter().zip(&mut chosen) {
            while chosen.len() < homes {
                let may = |at: &usize| {
                    let has = input.current.homes(*key).contains(&input.nodes[*at].id);
                    !chosen.contains(at) && (input.nodes[*at].accepts || has) && fits(*at, &totals)
                };
                let shared = |at: usize| {
                    let zone = &input.nodes[at].zone;
                    !zone.is_empty() && chosen.iter().any(|other| input.nodes[*other].zone == *zone)
                };
                // Emptiest for its size: (count + 1) / weight, compared as integers.
                let fill = |count: u64, at: usize| {
                    u128::from(count + 1) * (weight_sum << 32) / u128::from(weights[at].max(1))
                };
                let rank = |at: &usize| {
                    let id = input.nodes[*at].id;
                    (shared(*at), fill(totals.layer[*at], *at), fill(totals.all[*at], *at), id)
                };
                let Some(at) = (0..input.nodes.len()).filter(may).min_by_key(rank) else {
                    // A node that is away may be the reason; a home fewer is then better than no plan.
                    if !chosen.is_empty() && input.nodes.iter().any(|node| !node.accepts) {
                        break;
                    }
                    return Err(no_room(input, *key));
                };
                chosen.push(at);
                totals.layer[at] += 1;
                totals.all[at] += 1;
            }
        }
        for (key, chosen) in keys.iter().zip(chosen) {
            map.set(*key, chosen.into_iter().map(|at| input.nodes[at].id).collect::<Vec<NodeId>>());
        }
    }
    Ok(map)
}

/// The homes that `key` is pinned to, then those it has and may keep, as indices into the nodes; adds them to `totals`.
fn kept(
    input: &PlanInput,
    key: ExpertKey,
    homes: usize,
    totals: &mut Totals,
    fits: impl Fn(usize, &Totals) -> bool,
) -> Vec<usize> {
    let mut kept: Vec<usize> = input.pinned(key).take(homes).collect();
    kept.iter().for_each(|at| totals.layer[*at] += 1);
    for (at, node) in input.nodes.iter().enumerate() {
        let has = input.current.homes(key).contains(&node.id);
        if has && kept.len() < homes && !kept.contains(&at) && fits(at, totals) {
            kept.push(at);
            totals.layer[at] += 1;
            totals.all[at] += 1;
        }
    }
    kept
}

/// Takes one expert from node `at`, where more is held than is pinned: one that keeps the most homes, so that none has to
/// find several new ones.
fn give_up(input: &PlanInput, at: usize, keys: &[ExpertKey], chosen: &mut [Vec<usize>], totals: &mut Totals) {
    let loose = |key: &ExpertKey| !input.pinned(*key).any(|pin| pin == at);
    let holders = keys.iter().zip(chosen).filter(|(key, kept)| kept.contains(&at) && loose(key));
    let most = holders.map(|(_, kept)| kept).rev().max_by_key(|kept| kept.len());
    let most = most.expect("what is counted is held, and not all of it is pinned");
    most.retain(|home| *home != at);
    totals.layer[at] -= 1;
    totals.all[at] -= 1;
}

/// Memory decides the share; a node without a limit counts as the largest, and without any limit all are equal.
pub(super) fn weights(nodes: &[PlanNode]) -> Vec<u64> {
    let largest = nodes.iter().filter_map(|node| node.capacity).max().map_or(1, |capacity| capacity.0.max(1));
    nodes.iter().map(|node| node.capacity.map_or(largest, |capacity| capacity.0.max(1))).collect()
}

fn no_room(input: &PlanInput, key: ExpertKey) -> PlanError {
    let replicas = input.homes();
    PlanError::Capacity {
        replicas,
        needed: Bytes(input.keys.len() as u64 * replicas as u64 * input.expert_bytes.0),
        available: input.nodes.iter().map(|node| node.capacity.unwrap_or_default()).sum(),
        key,
    }
}
