//! The planner against its independent check, over many clusters.

use conclave_control::{Aim, PlanError, PlanInput, PlanNode, check, plan};
use conclave_types::{Bytes, ExpertKey, LayerIdx, NodeId, PlacementMap};
use proptest::prelude::*;

fn node(id: u64) -> PlanNode {
    PlanNode { id: NodeId(id), capacity: None, zone: String::new(), numerics: String::new(), accepts: true }
}

fn input(layers: u32, experts: u32, replicas: u32, nodes: Vec<PlanNode>) -> PlanInput {
    let keys = (0..layers).flat_map(|layer| (0..experts).map(move |e| ExpertKey::new(layer, e))).collect();
    PlanInput {
        keys,
        expert_bytes: Bytes(10),
        replicas,
        extra_percent: 0,
        moves_max: u32::MAX,
        nodes,
        current: PlacementMap::new(),
        pins: PlacementMap::new(),
        aim: Aim::Even,
    }
}

/// Experts of `layer` on each node.
fn load(map: &PlacementMap, layer: u32, nodes: &[PlanNode]) -> Vec<usize> {
    let held = |node: &PlanNode| map.held_by(node.id).iter().filter(|key| key.layer.0 == layer).count();
    nodes.iter().map(held).collect()
}

#[test]
fn every_layer_is_spread_evenly() {
    let input = input(3, 8, 2, vec![node(1), node(2), node(3)]);
    let plan = plan(&input).unwrap();
    assert_eq!(check(&input, &plan), []);
    for layer in 0..3 {
        let mut load = load(&plan.map, layer, &input.nodes);
        load.sort_unstable();
        assert_eq!(load, [5, 5, 6]);
    }
    assert_eq!(plan.moved, Bytes(3 * 8 * 2 * 10));
}

#[test]
fn homes_lie_in_different_zones_while_there_are_enough() {
    let zones = ["a", "a", "b", "b"];
    let nodes = zones.iter().zip(1..).map(|(zone, id)| PlanNode { zone: (*zone).to_owned(), ..node(id) });
    let input = input(2, 6, 2, nodes.collect());
    let plan = plan(&input).unwrap();
    for (key, homes) in plan.map.iter() {
        let zones: Vec<bool> = homes.iter().map(|home| home.0 <= 2).collect();
        assert_ne!(zones[0], zones[1], "{key}");
    }
}

#[test]
fn memory_decides_the_share() {
    let nodes = vec![
        PlanNode { capacity: Some(Bytes(600)), ..node(1) },
        PlanNode { capacity: Some(Bytes(200)), ..node(2) },
        PlanNode { capacity: Some(Bytes(200)), ..node(3) },
    ];
    let input = input(4, 20, 1, nodes);
    let plan = plan(&input).unwrap();
    assert_eq!(check(&input, &plan), []);
    let held: Vec<usize> = (1..=3).map(|id| plan.map.held_by(NodeId(id)).len()).collect();
    assert_eq!(held, [48, 16, 16]);
}

#[test]
fn what_does_not_fit_is_refused_with_the_sizes() {
    let nodes = vec![PlanNode { capacity: Some(Bytes(70)), ..node(1) }];
    assert!(matches!(
        plan(&input(1, 8, 1, nodes)),
        Err(PlanError::Capacity { needed: Bytes(80), available: Bytes(70), .. })
    ));
    assert_eq!(plan(&input(1, 8, 1, vec![])), Err(PlanError::NoNodes));
}

#[test]
fn a_new_node_takes_only_its_share_and_nothing_else_moves() {
    let mut input = input(4, 12, 2, vec![node(1), node(2), node(3)]);
    input.current = plan(&input).unwrap().map;
    input.nodes.push(node(4));
    let next = plan(&input).unwrap();
    assert_eq!(check(&input, &next), []);
    assert_eq!(next.moved, Bytes(4 * 6 * 10), "a quarter of 24 slots a layer");
    assert_eq!(next.map.held_by(NodeId(4)).len(), 24);
}

#[test]
fn a_node_that_is_away_keeps_its_place_and_gets_nothing() {
    let mut input = input(2, 8, 2, vec![node(1), node(2), node(3)]);
    input.current = plan(&input).unwrap().map;
    input.nodes[1].accepts = false;
    assert_eq!(plan(&input).unwrap().map, input.current);
}

#[test]
fn a_pin_moves_one_expert_and_what_balance_needs() {
    let mut input = input(2, 6, 1, vec![node(1), node(2), node(3)]);
    input.current = plan(&input).unwrap().map;
    let key = ExpertKey::new(0, 0);
    let other = if input.current.homes(key) == [NodeId(3)] { NodeId(1) } else { NodeId(3) };
    input.pins.set(key, vec![other]);
    let pinned = plan(&input).unwrap();
    assert_eq!((check(&input, &pinned), pinned.map.homes(key)), (vec![], &[other][..]));
    assert_eq!(pinned.moved, Bytes(2 * 10), "it changes places with another one");
    input.current = pinned.map.clone();
    assert_eq!(plan(&input).unwrap().map, pinned.map);
}

#[test]
fn what_is_pinned_in_later_layers_has_its_room_kept() {
    let nodes = vec![PlanNode { capacity: Some(Bytes(20)), ..node(1) }, node(2)];
    let mut input = input(4, 2, 1, nodes);
    (0..2).for_each(|expert| input.pins.set(ExpertKey::new(3, expert), vec![NodeId(1)]));
    let plan = plan(&input).unwrap();
    assert_eq!(check(&input, &plan), []);
    assert_eq!(plan.map.held_by(NodeId(1)), (0..2).map(|expert| ExpertKey::new(3, expert)).collect());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn plans_obey_the_rules_and_are_fixed_points(
        layers in 1_u32..4,
        experts in 1_u32..20,
        replicas in 1_u32..4,
        zones in prop::collection::vec(0_u8..3, 1..6),
        away in prop::collection::vec(prop::bool::weighted(0.2), 6),
        change in 0_usize..6,
        pins in prop::collection::vec((0_u32..4, 0_u32..20, 1_u64..6), 0..8),
    ) {
        let zone = |zone: u8| ["", "a", "b"][zone as usize].to_owned();
        let nodes: Vec<PlanNode> =
            zones.iter().zip(1..).map(|(z, id)| PlanNode { zone: zone(*z), ..node(id) }).collect();
        let mut input = input(layers, experts, replicas, nodes);
        let pins = pins.into_iter().map(|(layer, expert, pin)| (ExpertKey::new(layer, expert), NodeId(pin)));
        for (key, pin) in pins.filter(|(key, _)| key.layer.0 < layers && key.expert.0 < experts) {
            // As many as commands let through.
            let mut homes = input.pins.homes(key).to_vec();
            homes.push(pin);
            homes.dedup();
            if homes.len() <= replicas as usize {
                input.pins.set(key, homes);
            }
        }
        let first = plan(&input).unwrap();
        prop_assert_eq!(check(&input, &first), []);
        prop_assert_eq!(&plan(&input).unwrap(), &first, "the same input gives the same plan");
        for layer in 0..layers {
            let load = load(&first.map, layer, &input.nodes);
            // Zones may force a node to hold more than its share, never more than every expert once.
            prop_assert!(load.iter().all(|count| *count <= experts as usize));
            if input.pins.is_empty() && zones.iter().all(|zone| *zone == 0) {
                prop_assert!(load.iter().max().unwrap() - load.iter().min().unwrap() <= 1, "{:?}", load);
            }
        }
        input.current = first.map.clone();
        prop_assert_eq!(&plan(&input).unwrap().map, &first.map, "a plan is kept");
        // Some nodes go away or leave, then the new plan is kept too.
        for (node, away) in input.nodes.iter_mut().zip(&away) {
            node.accepts = !away;
        }
        if change < input.nodes.len() && input.nodes.len() > 1 {
            input.nodes.remove(change);
        }
        if let Ok(second) = plan(&input) {
            prop_assert_eq!(check(&input, &second), []);
            input.current = second.map.clone();
            prop_assert_eq!(&plan(&input).unwrap().map, &second.map, "the second plan is kept");
        }
    }
}

#[test]
fn extra_copies_make_room_for_what_lost_a_home() {
    let nodes = (1..=4).map(|id| PlanNode { capacity: Some(Bytes(50)), ..node(id) }).collect();
    let mut input = PlanInput { extra_percent: 25, ..input(1, 8, 2, nodes) };
    let rows = [900, 100, 10, 10, 10, 10, 10, 10].to_vec();
    input.aim = Aim::Load([(LayerIdx(0), rows)].into_iter().collect());
    input.current = plan(&input).unwrap().map;
    assert!(input.current.homes(ExpertKey::new(0, 0)).len() > 2);
    // 8 experts at 2 homes need all the room of three nodes with 50 bytes, and one more.
    input.nodes.remove(0);
    input.nodes[0].capacity = Some(Bytes(60));
    for aim in [input.aim.clone(), Aim::Cover] {
        let input = PlanInput { aim, ..input.clone() };
        let plan = plan(&input).unwrap();
        assert_eq!(check(&input, &plan), []);
        assert!(plan.map.iter().all(|(_, homes)| homes.len() == 2), "{:?}", plan.map);
    }
}
