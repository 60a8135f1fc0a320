//! EPLB's greedy replicate-and-pack, as a baseline to compare with.
//!
//! Follows the published description: hot experts get copies by largest load per copy, then everything is packed by
//! load into equally many slots, hierarchically (groups to nodes first) or globally. It knows no failure domain, no
//! uneven memory and no cost of moving. Source: <https://github.com/deepseek-ai/EPLB>

use super::{Aim, PlanError, PlanInput};
use conclave_types::{ExpertKey, NodeId, PlacementMap};

/// One layer's slots and copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EplbLayer {
    /// The expert in each slot; device d has the slots from `d * slots / devices` on.
    pub slots: Vec<usize>,
    /// The number of copies of each expert.
    pub copies: Vec<usize>,
}

/// Packs one layer.
///
/// - `loads`: of each expert; `slots` in all; `groups` of neighbouring experts; `devices` in all, spread over `nodes`.
/// - Hierarchical if `nodes` divides `groups`, else global.
/// - Panics if `devices` does not divide `slots`, `nodes` does not divide `devices`, `groups` does not divide the
///   experts, or there are fewer slots than experts.
pub fn pack_layer(loads: &[f64], slots: usize, groups: usize, nodes: usize, devices: usize) -> EplbLayer {
    let (groups, nodes) = if groups.is_multiple_of(nodes) { (groups, nodes) } else { (1, 1) };
    assert!(
        slots >= loads.len() && slots.is_multiple_of(devices),
        "{slots} slots do not fit {devices} devices"
    );
    assert!(
        devices.is_multiple_of(nodes) && loads.len().is_multiple_of(groups),
        "devices, nodes and groups must divide"
    );
    let group_size = loads.len() / groups;
    let of_group: Vec<f64> = loads.chunks(group_size).map(|group| group.iter().sum()).collect();
    let mut layer = EplbLayer { slots: Vec::with_capacity(slots), copies: vec![0; loads.len()] };
    for groups in pack(&of_group, nodes) {
        let experts: Vec<usize> =
            groups.iter().flat_map(|group| group * group_size..(group + 1) * group_size).collect();
        let copies = replicate(&experts, loads, slots / nodes);
        // First one copy of each, then the further ones in the order in which they were granted.
        let mut count = vec![0_usize; loads.len()];
        copies.iter().for_each(|expert| count[*expert] += 1);
        let shares: Vec<f64> = copies.iter().map(|expert| loads[*expert] / count[*expert] as f64).collect();
        for device in pack(&shares, devices / nodes) {
            layer.slots.extend(device.iter().map(|copy| copies[*copy]));
        }
        experts.iter().for_each(|expert| layer.copies[*expert] = count[*expert]);
    }
    layer
}

/// Gives each further slot to the expert with the largest load per copy.
fn replicate(experts: &[usize], loads: &[f64], slots: usize) -> Vec<usize> {
    let mut copies = experts.to_vec();
    let mut count = vec![1_usize; experts.len()];
    while copies.len() < slots {
        let share = |nth: usize| loads[experts[nth]] / count[nth] as f64;
        let most = (0..experts.len()).reduce(|most, nth| if share(nth) > share(most) { nth } else { most });
        let most = most.expect("a node has at least one expert");
        copies.push(experts[most]);
        count[most] += 1;
    }
    copies
}

/// Puts items, heaviest first, into the lightest of `bins` that has a place left; every bin gets equally many.
fn pack(items: &[f64], bins: usize) -> Vec<Vec<usize>> {
    let places = items.len() / bins;
    if places == 1 {
        return (0..items.len()).map(|item| vec![item]).collect();
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|a, b| items[*b].total_cmp(&items[*a]));
    let mut packed = vec![(0.0_f64, Vec::with_capacity(places)); bins];
    for item in order {
        let open = packed.iter_mut().filter(|(_, held)| held.len() < places);
        let lightest = open.min_by(|a, b| a.0.total_cmp(&b.0)).expect("there is a place for every item");
        lightest.0 += items[item];
        lightest.1.push(item);
    }
    packed.into_iter().map(|(_, held)| held).collect()
}

/// EPLB's global policy for `input`: as many slots as `replicas` and `extra_percent` give, on equal nodes.
///
/// Two copies of an expert at one node are one home. Zones, memory, classes and the placement in use are not looked at.
/// Without a recorded load all experts count the same. Errors: no node accepts experts.
pub fn place(input: &PlanInput) -> Result<PlacementMap, PlanError> {
    let nodes: Vec<NodeId> = input.nodes.iter().filter(|node| node.accepts).map(|node| node.id).collect();
    if nodes.is_empty() {
        return Err(PlanError::NoNodes);
    }
    let mut map = PlacementMap::new();
    for keys in input.keys.chunk_by(|a, b| a.layer == b.layer) {
        let rows = |key: &ExpertKey| match &input.aim {
            Aim::Load(loads) => loads.rows(*key) as f64,
            Aim::Even | Aim::Cover => 1.0,
        };
        let loads: Vec<f64> = keys.iter().map(rows).collect();
        let base = keys.len() * input.homes();
        let slots = (base + base * input.extra_percent as usize / 100).next_multiple_of(nodes.len());
        let layer = pack_layer(&loads, slots, 1, 1, nodes.len());
        let mut homes = vec![Vec::new(); keys.len()];
        for (slot, expert) in layer.slots.iter().enumerate() {
            homes[*expert].push(nodes[slot / (slots / nodes.len())]);
        }
        keys.iter().zip(homes).for_each(|(key, homes)| map.set(*key, homes));
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of EPLB's README: 2 layers of 12 experts, 16 slots, 4 groups, 2 nodes, 8 devices.
    #[test]
    fn the_published_example_comes_out_as_published() {
        let loads = [
            [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
            [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
        ];
        let slots = [
            [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
            [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
        ];
        let copies = [[1, 2, 1, 1, 2, 2, 1, 1, 1, 1, 2, 1], [1, 2, 1, 1, 1, 2, 2, 1, 2, 1, 1, 1]];
        for layer in 0..2 {
            let packed = pack_layer(&loads[layer].map(f64::from), 16, 4, 2, 8);
            assert_eq!(packed.slots, slots[layer]);
            assert_eq!(packed.copies, copies[layer]);
        }
    }
}
