//! What every planning policy keeps true, over thousands of random clusters.

use conclave_control::planner::{Violation, eplb};
use conclave_control::{Aim, ExpertLoads, Plan, PlanInput, PlanNode, check, plan, predict};
use conclave_types::{Bytes, ExpertKey, LayerIdx, NodeId, PlacementMap};
use proptest::prelude::*;
use std::collections::BTreeMap;

const EXPERT: u64 = 10;

#[derive(Clone, Debug)]
struct Cluster {
    layers: u32,
    experts: u32,
    replicas: u32,
    extra_percent: u32,
    moves_max: u32,
    nodes: Vec<PlanNode>,
    loads: Vec<u64>,
}

impl Cluster {
    fn input(&self, aim: Aim) -> PlanInput {
        let experts = self.experts;
        let keys = (0..self.layers).flat_map(|layer| (0..experts).map(move |e| ExpertKey::new(layer, e)));
        PlanInput {
            keys: keys.collect(),
            expert_bytes: Bytes(EXPERT),
            replicas: self.replicas,
            extra_percent: self.extra_percent,
            moves_max: self.moves_max,
            nodes: self.nodes.clone(),
            current: PlacementMap::new(),
            pins: PlacementMap::new(),
            aim,
        }
    }

    /// Skewed loads; `turn` rotates them, as when the texts change.
    fn loads(&self, turn: usize) -> ExpertLoads {
        let rows = |layer: u32| {
            let row = |expert: u32| self.loads[(layer + expert) as usize * 7 % self.loads.len()];
            let mut rows: Vec<u64> = (0..self.experts).map(row).collect();
            let turn = turn % rows.len();
            rows.rotate_left(turn);
            (LayerIdx(layer), rows)
        };
        (0..self.layers).map(rows).collect()
    }

    fn aims(&self, turn: usize) -> [Aim; 3] {
        [Aim::Cover, Aim::Even, Aim::Load(self.loads(turn))]
    }

    /// Whether all experts can get all homes in enough domains: the condition of Gale and Ryser for equal rows.
    fn fits(&self) -> bool {
        let all = u64::from(self.layers * self.experts);
        let mut domains: BTreeMap<String, u64> = BTreeMap::new();
        for node in &self.nodes {
            let slots = node.capacity.map_or(all, |capacity| (capacity.0 / EXPERT).min(all));
            let domain = if node.zone.is_empty() { format!("{}", node.id) } else { node.zone.clone() };
            *domains.entry(domain).or_default() += slots;
        }
        let replicas = u64::from(self.replicas);
        domains.len() as u64 >= replicas
            && domains.values().map(|slots| (*slots).min(all)).sum::<u64>() >= replicas * all
    }
}

prop_compose! {
    fn node()(
        zone in prop::sample::select(vec!["", "", "a", "b", "c"]),
        numerics in prop::sample::select(vec!["1", "1", "2"]),
        slots in prop::option::weighted(0.6, 1_u64..60),
        accepts in prop::bool::weighted(0.9),
    ) -> PlanNode {
        PlanNode {
            id: NodeId(0),
            capacity: slots.map(|slots| Bytes(slots * EXPERT + 3)),
            zone: zone.to_owned(),
            numerics: numerics.to_owned(),
            accepts,
        }
    }
}

prop_compose! {
    fn cluster()(
        (layers, experts, replicas) in (1_u32..4, 1_u32..16, 1_u32..4),
        (extra_percent, moves_max) in (0_u32..60, 0_u32..24),
        mut nodes in prop::collection::vec(node(), 1..9),
        kind in 0_u8..3,
        loads in prop::collection::vec(prop_oneof![0_u64..3, 0_u64..100, 0_u64..3_000], 20),
    ) -> Cluster {
        for (node, id) in nodes.iter_mut().zip(1..) {
            node.id = NodeId(id);
            // A third of the clusters have memory enough, a third are of one class and all there.
            match kind {
                0 => node.capacity = None,
                1 => (node.numerics, node.accepts) = ("1".to_owned(), true),
                _ => {}
            }
        }
        Cluster { layers, experts, replicas, extra_percent, moves_max, nodes, loads }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn every_aim_obeys_every_rule_and_comes_to_rest(
        cluster in cluster(),
        turns in prop::collection::vec((0_usize..5, 0_usize..8, 0_usize..3), 1..5),
    ) {
        let mut cluster = cluster;
        for first in cluster.aims(0) {
            let mut current = PlacementMap::new();
            let mut aim = first;
            for (turn, victim, what) in &turns {
                let mut input = PlanInput { current: current.clone(), ..cluster.input(aim) };
                // With a limit on moves it takes many plans; each obeys the rules and is better than the one before.
                for round in 0.. {
                    prop_assert!(round < 1_000, "planning does not come to rest");
                    let Ok(next) = plan(&input) else { break };
                    prop_assert_eq!(&plan(&input).unwrap(), &next, "the same input gives the same plan");
                    if next.map == input.current {
                        break;
                    }
                    prop_assert_eq!(check(&input, &next), [], "{:?}\n{:?}", &input, &next);
                    input.current = next.map;
                }
                current = input.current;
                let at = victim % cluster.nodes.len();
                match what {
                    0 if cluster.nodes.len() > 1 => drop(cluster.nodes.remove(at)),
                    1 => cluster.nodes[at].accepts = !cluster.nodes[at].accepts,
                    _ => cluster.nodes[at].zone = ["a", "b", ""][turn % 3].to_owned(),
                }
                aim = cluster.aims(*turn)[victim % 3].clone();
            }
        }
    }

    #[test]
    fn what_fits_is_placed(cluster in cluster()) {
        let mut cluster = cluster;
        cluster.nodes.iter_mut().for_each(|node| node.accepts = true);
        prop_assume!(cluster.fits());
        for aim in cluster.aims(0) {
            let input = cluster.input(aim);
            let plan = plan(&input);
            prop_assert!(plan.is_ok(), "{:?}", plan);
            let plan = plan.unwrap();
            prop_assert_eq!(check(&input, &plan), []);
            for (key, homes) in plan.map.iter() {
                prop_assert!(homes.len() >= cluster.replicas as usize, "{} at {:?}", key, homes);
            }
        }
    }

    #[test]
    fn a_plan_for_a_load_never_makes_the_prediction_worse(cluster in cluster(), turn in 0_usize..20) {
        let mut cluster = cluster;
        cluster.nodes.iter_mut().for_each(|node| node.accepts = true);
        let ids: Vec<NodeId> = cluster.nodes.iter().map(|node| node.id).collect();
        let mut input = cluster.input(Aim::Load(cluster.loads(0)));
        if let Ok(first) = plan(&input) {
            input.current = first.map;
            let loads = cluster.loads(turn);
            input.aim = Aim::Load(loads.clone());
            let second = plan(&input).unwrap();
            let rows = |map: &PlacementMap| predict(&loads, map, &ids).slowest_rows();
            prop_assert!(rows(&second.map) <= rows(&input.current) * (1.0 + 1e-9));
        }
    }

    #[test]
    fn eplb_places_every_expert_but_promises_no_second_domain(cluster in cluster()) {
        let mut cluster = cluster;
        for node in &mut cluster.nodes {
            (node.accepts, node.capacity, node.numerics) = (true, None, String::new());
        }
        // It counts all nodes as equal, so extra copies may come to lie anywhere.
        for aim in cluster.aims(0) {
            let input = PlanInput { moves_max: u32::MAX, ..cluster.input(aim) };
            let map = eplb::place(&input).unwrap();
            prop_assert_eq!(&eplb::place(&input).unwrap(), &map);
            let loaded: usize = map.iter().map(|(_, homes)| homes.len()).sum();
            let broken = check(&input, &Plan { map, moved: Bytes(loaded as u64 * EXPERT) });
            let ignored = |violation: &Violation| matches!(
                violation,
                Violation::TooFewDomains(_)
                    | Violation::TooManyExtras(_)
                    | Violation::ExtraAtUnknownCapacity(_)
            );
            let copies = |key: &ExpertKey| cluster.replicas > 1 || broken.contains(&Violation::UnknownExpert(*key));
            let left: Vec<_> = broken
                .iter()
                .filter(|violation| !ignored(violation))
                .filter(|violation| !matches!(violation, Violation::TooFewHomes(key) if copies(key)))
                .collect();
            prop_assert!(left.is_empty(), "{:?}", left);
        }
    }
}
