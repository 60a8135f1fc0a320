//! How long planning takes: from nothing, again when the load has turned, and after a node was lost.

use conclave_control::{Aim, ExpertLoads, PlanInput, PlanNode, plan};
use conclave_types::{Bytes, ExpertKey, LayerIdx, NodeId, PlacementMap};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

const LAYERS: u32 = 61;
const EXPERTS: u32 = 256;

/// Rows by Zipf's law, turned by `turn` and differently in each layer.
fn loads(turn: u32) -> ExpertLoads {
    let row = |layer: u32, expert: u32| {
        let rank = (expert * 37 + layer * 11 + turn) % EXPERTS + 1;
        10_000_000 / u64::from(rank)
    };
    (0..LAYERS)
        .map(|layer| (LayerIdx(layer), (0..EXPERTS).map(|expert| row(layer, expert)).collect()))
        .collect()
}

fn input(nodes: u64) -> PlanInput {
    let slots = u64::from(LAYERS * EXPERTS) * 2 * 5 / 4;
    let node = |id| PlanNode {
        id: NodeId(id),
        capacity: Some(Bytes(slots.div_ceil(nodes))),
        zone: String::new(),
        numerics: String::new(),
        accepts: true,
    };
    PlanInput {
        keys: (0..LAYERS).flat_map(|layer| (0..EXPERTS).map(move |e| ExpertKey::new(layer, e))).collect(),
        expert_bytes: Bytes(1),
        replicas: 2,
        extra_percent: 25,
        moves_max: u32::MAX,
        nodes: (1..=nodes).map(node).collect(),
        current: PlacementMap::new(),
        pins: PlacementMap::new(),
        aim: Aim::Load(loads(0)),
    }
}

fn planner(bench: &mut Criterion) {
    for nodes in [64, 1_000] {
        let fresh = input(nodes);
        let current = plan(&fresh).expect("there is room").map;
        let turned = PlanInput { current: current.clone(), aim: Aim::Load(loads(8)), ..fresh.clone() };
        let mut lost = PlanInput { current, ..fresh.clone() };
        lost.nodes.remove(3);
        let even = PlanInput { aim: Aim::Even, ..fresh.clone() };
        let mut group = bench.benchmark_group(format!("61 x 256 on {nodes} nodes"));
        group.sample_size(10);
        for (name, input) in
            [("fresh", fresh), ("load turned", turned), ("node lost", lost), ("by number", even)]
        {
            group.bench_function(name, |bench| bench.iter(|| plan(black_box(&input))));
        }
    }
}

criterion_group!(benches, planner);
criterion_main!(benches);
