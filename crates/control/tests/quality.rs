//! How even plans for skewed loads are, and what EPLB alone would leave at risk: the tables of docs/placement.md.
//!
//! `cargo test --release -p conclave-control --test quality -- --nocapture` prints them.

#![allow(clippy::print_stdout, reason = "the table is for people")]

use conclave_control::planner::eplb;
use conclave_control::{Aim, Balance, ExpertLoads, PlanInput, PlanNode, check, plan, predict};
use conclave_types::{Bytes, ExpertKey, LayerIdx, NodeId, PlacementMap};

/// Layers, experts, nodes, homes of each expert.
type Shape = (u32, u32, u64, u32);

const SHAPES: [Shape; 5] =
    [(61, 256, 64, 2), (61, 256, 16, 2), (48, 128, 8, 2), (48, 128, 3, 2), (32, 8, 4, 2)];

/// Rows by Zipf's law with exponent `skew`, the ranks shuffled differently in each layer.
fn zipf(layers: u32, experts: u32, skew: f64, seed: u64) -> ExpertLoads {
    let mut random = seed;
    let mut next = move || {
        // SplitMix64, Steele et al. 2014.
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let layer = |layer: u32| {
        let mut rows: Vec<u64> =
            (1..=experts).map(|rank| (1e7 / f64::from(rank).powf(skew)) as u64).collect();
        for at in (1..rows.len()).rev() {
            rows.swap(at, (next() % (at as u64 + 1)) as usize);
        }
        (LayerIdx(layer), rows)
    };
    (0..layers).map(layer).collect()
}

fn input((layers, experts, nodes, replicas): Shape, extra_percent: u32, loads: &ExpertLoads) -> PlanInput {
    let slots = u64::from(layers * experts * replicas) * (100 + u64::from(extra_percent)) / 100;
    let node = |id| PlanNode {
        id: NodeId(id),
        capacity: Some(Bytes(slots.div_ceil(nodes))),
        zone: String::new(),
        numerics: String::new(),
        accepts: true,
    };
    PlanInput {
        keys: (0..layers).flat_map(|layer| (0..experts).map(move |e| ExpertKey::new(layer, e))).collect(),
        expert_bytes: Bytes(1),
        replicas,
        extra_percent,
        moves_max: u32::MAX,
        nodes: (1..=nodes).map(node).collect(),
        current: PlacementMap::new(),
        pins: PlacementMap::new(),
        aim: Aim::Load(loads.clone()),
    }
}

fn mean_imbalance(balance: &Balance) -> f64 {
    let sum: f64 = balance.layers.iter().map(|layer| layer.imbalance()).sum();
    sum / balance.layers.len() as f64
}

fn worst(balance: &Balance) -> f64 {
    balance.layers.iter().map(|layer| layer.imbalance()).fold(0.0, f64::max)
}

/// The mean imbalance if every home of an expert got the same part of its rows, as EPLB assumes.
fn equal_parts(loads: &ExpertLoads, map: &PlacementMap, nodes: usize) -> f64 {
    let layer = |(layer, rows): (LayerIdx, &[u64])| {
        let mut of = vec![0.0; nodes];
        for (expert, rows) in rows.iter().enumerate() {
            let homes = map.homes(ExpertKey::new(layer.0, expert as u32));
            homes.iter().for_each(|home| of[home.0 as usize - 1] += *rows as f64 / homes.len() as f64);
        }
        let mean = of.iter().sum::<f64>() / nodes as f64;
        of.iter().copied().fold(0.0, f64::max) / mean - 1.0
    };
    let layers: Vec<f64> = loads.layers().map(layer).collect();
    layers.iter().sum::<f64>() / layers.len() as f64
}

/// The part of experts that have one home only.
fn single(map: &PlacementMap) -> f64 {
    map.iter().filter(|(_, homes)| homes.len() == 1).count() as f64 / map.len() as f64
}

#[test]
fn skewed_loads_are_levelled_while_every_expert_keeps_its_homes() {
    println!(
        "| layers x experts, nodes | skew | spare | by number | planned | worst layer | EPLB | in equal parts | one home |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for shape in SHAPES {
        for skew in [0.6, 0.8, 1.0, 1.2] {
            let loads = zipf(shape.0, shape.1, skew, 7);
            for extra_percent in [0, 12, 25] {
                let planned = input(shape, extra_percent, &loads);
                let ids: Vec<NodeId> = planned.nodes.iter().map(|node| node.id).collect();
                let even = plan(&PlanInput { aim: Aim::Even, ..planned.clone() }).unwrap();
                let by_load = plan(&planned).unwrap();
                assert_eq!(check(&planned, &by_load), []);
                assert!(by_load.map.iter().all(|(_, homes)| homes.len() >= shape.3 as usize));
                let before = predict(&loads, &even.map, &ids);
                let after = predict(&loads, &by_load.map, &ids);
                if extra_percent > 0 {
                    assert!(mean_imbalance(&after) <= 0.11, "{shape:?} {skew} {extra_percent}: {after:?}");
                }
                // EPLB as it is published: one home for each expert, and the same part of spare slots.
                let eplb = eplb::place(&PlanInput { replicas: 1, ..planned.clone() }).unwrap();
                let theirs = predict(&loads, &eplb, &ids);
                println!(
                    "| {} x {}, {} | {skew} | {extra_percent} % | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.0} % |",
                    shape.0,
                    shape.1,
                    shape.2,
                    mean_imbalance(&before),
                    mean_imbalance(&after),
                    worst(&after),
                    mean_imbalance(&theirs),
                    equal_parts(&loads, &eplb, ids.len()),
                    100.0 * single(&eplb),
                );
            }
        }
    }
}
