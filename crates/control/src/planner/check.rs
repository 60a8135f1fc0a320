//! Verifies a plan without knowing how it was made.

use super::{Plan, PlanInput};
use conclave_types::{ExpertKey, NodeId, PlacementMap};
use std::collections::{BTreeMap, BTreeSet};

/// A rule that a plan breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An expert has fewer homes than asked, though enough nodes accept experts.
    TooFewHomes(ExpertKey),
    /// A home is no node that may hold experts.
    UnknownNode(ExpertKey, NodeId),
    /// A node that accepts nothing new got something new.
    Unaccepted(ExpertKey, NodeId),
    /// A node holds more than its memory.
    OverCapacity(NodeId),
    /// All homes of an expert share a failure domain, though another was free.
    OneZone(ExpertKey),
    /// An expert lacks a home that it is pinned to and could have.
    Unpinned(ExpertKey, NodeId),
    /// The map places an expert that the model does not have.
    UnknownExpert(ExpertKey),
}

/// Every rule that `plan` breaks; empty for a good plan.
pub fn check(input: &PlanInput, plan: &Plan) -> Vec<Violation> {
    let mut found = Vec::new();
    let nodes: BTreeMap<NodeId, _> = input.nodes.iter().map(|node| (node.id, node)).collect();
    let accepting = input.nodes.iter().filter(|node| node.accepts).count();
    let known: BTreeSet<ExpertKey> = input.keys.iter().copied().collect();
    found.extend(
        plan.map.iter().filter(|(key, _)| !known.contains(key)).map(|(key, _)| Violation::UnknownExpert(key)),
    );
    for key in &input.keys {
        let homes = plan.map.homes(*key);
        if homes.is_empty() || homes.len() < (input.replicas as usize).min(accepting) {
            found.push(Violation::TooFewHomes(*key));
        }
        for home in homes {
            match nodes.get(home) {
                None => found.push(Violation::UnknownNode(*key, *home)),
                Some(node) if !node.accepts && !input.current.homes(*key).contains(home) => {
                    found.push(Violation::Unaccepted(*key, *home));
                }
                Some(_) => {}
            }
        }
        for pin in input.pins.homes(*key) {
            let could =
                nodes.get(pin).is_some_and(|node| node.accepts || input.current.homes(*key).contains(pin));
            if could && !homes.contains(pin) {
                found.push(Violation::Unpinned(*key, *pin));
            }
        }
        let zone = |id: &NodeId| nodes.get(id).map(|node| node.zone.as_str()).unwrap_or_default();
        let first = homes.first().map(zone).unwrap_or_default();
        let unlimited = input.nodes.iter().all(|node| node.capacity.is_none() && node.accepts);
        let another = input.nodes.iter().any(|node| node.zone != first);
        // Homes that were there before may stay together: moving them is the operator's choice.
        let fresh = input.current.homes(*key).is_empty();
        let pinned = input.pins.homes(*key).len();
        if homes.len() > pinned.max(1)
            && fresh
            && unlimited
            && another
            && !first.is_empty()
            && homes.iter().all(|h| zone(h) == first)
        {
            found.push(Violation::OneZone(*key));
        }
    }
    for (id, count) in counts(&plan.map) {
        let capacity = nodes.get(&id).and_then(|node| node.capacity);
        if capacity.is_some_and(|capacity| count * input.expert_bytes.0 > capacity.0) {
            found.push(Violation::OverCapacity(id));
        }
    }
    found
}

/// Experts on each node.
fn counts(map: &PlacementMap) -> BTreeMap<NodeId, u64> {
    let mut counts = BTreeMap::new();
    map.iter().flat_map(|(_, homes)| homes).for_each(|home| *counts.entry(*home).or_default() += 1);
    counts
}
