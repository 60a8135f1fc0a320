//! Which home computes which (row, expert) pair. Pure.

use conclave_model::Routing;
use conclave_types::{ExpertIdx, ExpertKey, LayerIdx, NodeId, PlacementMap};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// How long each node takes for the same work, in percent of what is usual; a node that is not named takes 100.
pub type NodeLoads = BTreeMap<NodeId, u64>;

/// What is usual.
const USUAL: u64 = 100;

/// The nodes that may be asked.
#[derive(Clone, Debug, Default)]
pub struct Askable {
    /// All of them.
    pub alive: BTreeSet<NodeId>,
    /// Those that get only what no other of them holds; of several such homes the least loaded are asked.
    pub avoided: BTreeSet<NodeId>,
    /// How slow they are.
    pub loads: NodeLoads,
}

impl From<BTreeSet<NodeId>> for Askable {
    fn from(alive: BTreeSet<NodeId>) -> Self {
        Self { alive, ..Self::default() }
    }
}

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

    /// Its pairs, in the order in which they are answered.
    pub(super) fn pairs(&self) -> impl Iterator<Item = usize> + '_ {
        self.experts.iter().flat_map(|(_, pairs)| pairs).copied()
    }

    /// What answering it costs, in rows: a call, and each expert's rows.
    pub(super) fn work(&self) -> f32 {
        (CALLS + self.experts.iter().map(|(_, pairs)| pairs.len().max(ROWS_MIN)).sum::<usize>()) as f32
    }
}

/// What an expert costs at least, in rows: its weights are read for one row as for eight.
const ROWS_MIN: usize = 8;
/// The least rows that an expert with several homes is cut into pieces of: each piece reads the weights once more.
const PIECE_MIN: usize = 2 * ROWS_MIN;
/// What asking more nodes has to take off the busiest one, in rows: a call costs about as much as a few experts.
const CALLS: usize = 4 * ROWS_MIN;

/// One expert, or a piece of its rows, to compute somewhere.
struct Wanted {
    expert: ExpertIdx,
    pairs: Vec<usize>,
    /// Its live homes, ascending; at least one.
    homes: Vec<NodeId>,
}

impl Wanted {
    fn cost(&self) -> usize {
        self.pairs.len().max(ROWS_MIN)
    }

    /// As many pieces as it has homes, but none below [`PIECE_MIN`] rows.
    fn pieces(self) -> Vec<Self> {
        let pieces = (self.pairs.len() / PIECE_MIN).clamp(1, self.homes.len());
        if pieces == 1 {
            return vec![self];
        }
        let chunks = self.pairs.chunks(self.pairs.len().div_ceil(pieces));
        let piece =
            |pairs: &[usize]| Self { expert: self.expert, pairs: pairs.to_vec(), homes: self.homes.clone() };
        chunks.map(piece).collect()
    }
}

/// Splits one layer's routed rows into one batch per node.
///
/// - `routing`: the experts of each row; `wanted(pair)` tells which pairs are still to be computed.
/// - `nodes`: who may be asked; one that is avoided gets only experts that no other of them holds.
/// - Returns batches ordered by `NodeId`; each wanted pair appears exactly once. The fewest nodes are asked
///   (greedily: the one that covers most of the remaining experts, then the least loaded, then the lowest id),
///   because each node more costs a round trip and its rows once more on the wire; all of them, if that relieves the
///   busiest by more than a call costs. Among the nodes that are asked experts are spread evenly, since the layer
///   waits for the last: an expert with many rows is cut into pieces for its homes, and a slower node gets less. The
///   control plane's planner predicts by this rule, with nodes that are equally fast.
/// - Errors: the experts without a live home, ascending.
pub fn split(
    layer: LayerIdx,
    routing: &Routing,
    wanted: impl Fn(usize) -> bool,
    placement: &PlacementMap,
    nodes: &Askable,
) -> Result<Vec<NodeBatch>, Vec<ExpertIdx>> {
    let Askable { alive, avoided, loads } = nodes;
    let mut pairs: BTreeMap<ExpertIdx, Vec<usize>> = BTreeMap::new();
    for (pair, expert) in routing.experts.iter().enumerate().filter(|(pair, _)| wanted(*pair)) {
        pairs.entry(*expert).or_default().push(pair);
    }
    let mut experts: Vec<Wanted> = pairs
        .into_iter()
        .map(|(expert, pairs)| {
            let homes = placement.homes(ExpertKey { layer, expert }).iter().copied();
            let mut homes: Vec<NodeId> = homes.filter(|node| alive.contains(node)).collect();
            if homes.iter().any(|node| !avoided.contains(node)) {
                homes.retain(|node| !avoided.contains(node));
            } else if homes.len() > 1 {
                let load = |node: &NodeId| loads.get(node).copied().unwrap_or(USUAL);
                let least = homes.iter().map(load).min().unwrap_or(USUAL);
                homes.retain(|node| load(node) <= 2 * least);
            }
            Wanted { expert, pairs, homes }
        })
        .collect();
    let homeless: Vec<ExpertIdx> =
        experts.iter().filter(|wanted| wanted.homes.is_empty()).map(|wanted| wanted.expert).collect();
    if !homeless.is_empty() {
        return Err(homeless);
    }
    experts = experts.into_iter().flat_map(Wanted::pieces).collect();
    // Whoever has no choice goes first, then large ones before those that fill the gaps.
    experts.sort_by_key(|wanted| {
        (wanted.homes.len() > 1, Reverse(wanted.cost()), wanted.homes.len(), wanted.expert)
    });
    let asked = cover(&experts, loads);
    let (mut chosen, busiest) = assign(&experts, &asked, loads);
    if asked.len() < alive.len() {
        let (all, least) = assign(&experts, alive, loads);
        if busiest >= least + CALLS {
            chosen = all;
        }
    }
    let mut batches: BTreeMap<NodeId, NodeBatch> = BTreeMap::new();
    for (wanted, node) in experts.into_iter().zip(chosen) {
        let batch = batches.entry(node);
        let batch = batch.or_insert_with(|| NodeBatch { node, top_k: routing.top_k, experts: Vec::new() });
        batch.experts.push((wanted.expert, wanted.pairs));
    }
    let mut batches: Vec<NodeBatch> = batches.into_values().collect();
    for batch in &mut batches {
        batch.experts.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        // Pieces that met at a node again are one expert.
        batch.experts.dedup_by(|piece, whole| {
            let same = piece.0 == whole.0;
            if same {
                whole.1.append(&mut piece.1);
            }
            same
        });
    }
    Ok(batches)
}

/// Few nodes that together have all `experts`.
fn cover(experts: &[Wanted], loads: &NodeLoads) -> BTreeSet<NodeId> {
    let mut left: Vec<&Wanted> = experts.iter().collect();
    let mut asked = BTreeSet::new();
    while !left.is_empty() {
        let mut covers: BTreeMap<NodeId, usize> = BTreeMap::new();
        left.iter().flat_map(|wanted| &wanted.homes).for_each(|node| *covers.entry(*node).or_default() += 1);
        let rank = |(node, covered): &(&NodeId, &usize)| {
            (Reverse(**covered), loads.get(node).copied().unwrap_or(USUAL), **node)
        };
        let (&node, _) = covers.iter().min_by_key(rank).expect("every expert has a live home");
        left.retain(|wanted| !wanted.homes.contains(&node));
        asked.insert(node);
    }
    asked
}

/// Each expert's node, of those `asked` the one that would be done first; and when the busiest is done.
fn assign(experts: &[Wanted], asked: &BTreeSet<NodeId>, loads: &NodeLoads) -> (Vec<NodeId>, usize) {
    let mut work: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut nodes = Vec::with_capacity(experts.len());
    let slowness = |node: &NodeId| loads.get(node).copied().unwrap_or(USUAL) as usize;
    for wanted in experts {
        let done = |node: &&NodeId| {
            let rows = work.get(node).copied().unwrap_or(0) + wanted.cost();
            (rows * slowness(node), slowness(node), **node)
        };
        let homes = wanted.homes.iter().filter(|node| asked.contains(node));
        let node = *homes.min_by_key(done).expect("a cover has a home of every expert");
        *work.entry(node).or_default() += wanted.cost();
        nodes.push(node);
    }
    let busiest = work.into_iter().map(|(node, rows)| rows * slowness(&node)).max();
    (nodes, busiest.unwrap_or(0) / USUAL as usize)
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
            match split(LayerIdx(1), &routing, |_| true, &placement, &alive.clone().into()) {
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
        let alive = BTreeSet::from([0, 1, 2].map(NodeId));
        let batches = split(LayerIdx(0), &routing, |_| true, &placement, &alive.into()).unwrap();
        assert_eq!(batches.iter().map(|batch| batch.node).collect::<Vec<_>>(), [NodeId(2)]);
    }

    /// 24 experts, each at two neighbours of three nodes; every row asks for `top_k` of them in turn.
    fn at_three_nodes(rows: usize, top_k: usize) -> Vec<(u64, usize)> {
        let experts = (0..rows * top_k).map(|at| ExpertIdx((at % 24) as u32)).collect();
        let routing = Routing { top_k, experts, weights: vec![0.5; rows * top_k] };
        let homes = |expert: u32| [expert, expert + 1].map(|at| NodeId(u64::from(at % 3))).to_vec();
        let placement: PlacementMap = (0..24).map(|e| (ExpertKey::new(0, e), homes(e))).collect();
        let alive: BTreeSet<NodeId> = [0, 1, 2].map(NodeId).into();
        let batches = split(LayerIdx(0), &routing, |_| true, &placement, &alive.into()).unwrap();
        batches.iter().map(|batch| (batch.node.0, batch.experts.len())).collect()
    }

    #[test]
    fn an_expert_with_many_rows_is_cut_into_pieces_for_its_homes() {
        let experts = vec![ExpertIdx(0); 99];
        let routing = Routing { top_k: 1, experts, weights: vec![1.0; 99] };
        let homes: Vec<NodeId> = [0, 1, 2].map(NodeId).into();
        let placement: PlacementMap = [(ExpertKey::new(0, 0), homes.clone())].into_iter().collect();
        let alive: BTreeSet<NodeId> = homes.into_iter().collect();
        let batches = split(LayerIdx(0), &routing, |_| true, &placement, &alive.into()).unwrap();
        let rows: Vec<usize> = batches.iter().map(|batch| batch.rows().len()).collect();
        assert_eq!(rows, [33, 33, 33]);
    }

    #[test]
    fn a_large_step_is_split_as_the_planner_predicts() {
        let homes = |expert: u64| match expert {
            // The busiest expert has four homes, the others two.
            0 => vec![0, 2, 3, 5],
            _ => vec![expert % 6, (expert * 5 + 1) % 6],
        };
        let placement: PlacementMap = (0..32_u32)
            .map(|e| (ExpertKey::new(0, e), homes(e.into()).into_iter().map(NodeId).collect()))
            .collect();
        let rows: Vec<u64> = (1..=32).map(|rank| 4_000 / rank).collect();
        let experts: Vec<ExpertIdx> =
            rows.iter().zip(0..).flat_map(|(rows, e)| vec![ExpertIdx(e); *rows as usize]).collect();
        let routing = Routing { top_k: 1, weights: vec![1.0; experts.len()], experts };
        let nodes: Vec<NodeId> = (0..6).map(NodeId).collect();
        let alive: BTreeSet<NodeId> = nodes.iter().copied().collect();
        let batches = split(LayerIdx(0), &routing, |_| true, &placement, &alive.into()).unwrap();
        let most = batches.iter().map(|batch| batch.rows().len()).max().unwrap() as f64;
        let loads = [(LayerIdx(0), rows)].into_iter().collect();
        let predicted = conclave_control::predict(&loads, &placement, &nodes).layers[0].max;
        assert!((most / predicted - 1.0).abs() < 0.02, "{most} rows, predicted {predicted}");
    }

    #[test]
    fn a_few_experts_are_shared_by_as_few_nodes_as_hold_them() {
        assert_eq!(at_three_nodes(1, 8), [(0, 4), (1, 4)]);
    }

    #[test]
    fn many_experts_are_spread_over_all_nodes_that_hold_them() {
        assert_eq!(at_three_nodes(8, 8), [(0, 8), (1, 8), (2, 8)]);
    }

    /// Experts that each node gets of 24 with `rows` rows each, each at two neighbours of three nodes.
    fn experts_at(rows: usize, nodes: &Askable) -> BTreeMap<u64, usize> {
        let experts = (0..24 * rows).map(|at| ExpertIdx(at as u32 % 24)).collect();
        let routing = Routing { top_k: 24, experts, weights: vec![0.5; 24 * rows] };
        let homes = |expert: u32| [expert, expert + 1].map(|at| NodeId(u64::from(at % 3))).to_vec();
        let placement: PlacementMap = (0..24).map(|e| (ExpertKey::new(0, e), homes(e))).collect();
        let batches = split(LayerIdx(0), &routing, |_| true, &placement, nodes).unwrap();
        batches.iter().map(|batch| (batch.node.0, batch.experts.len())).collect()
    }

    #[test]
    fn an_avoided_node_gets_only_what_no_other_holds() {
        let alive = BTreeSet::from([0, 1, 2].map(NodeId));
        let avoiding = |avoided: &[u64]| Askable {
            avoided: avoided.iter().copied().map(NodeId).collect(),
            ..alive.clone().into()
        };
        assert_eq!(experts_at(1, &avoiding(&[])), [(0, 8), (1, 8), (2, 8)].into());
        assert_eq!(experts_at(1, &avoiding(&[1])), [(0, 12), (2, 12)].into());
        // Nobody else holds what nodes 1 and 2 share.
        let found = experts_at(1, &avoiding(&[1, 2]));
        assert_eq!((found[&0], found.values().sum::<usize>()), (16, 24));
        assert_eq!(experts_at(1, &avoiding(&[0, 1, 2])), [(0, 8), (1, 8), (2, 8)].into());
        let worst = Askable { loads: [(NodeId(1), 1_000), (NodeId(2), 300)].into(), ..avoiding(&[1, 2]) };
        assert_eq!(experts_at(1, &worst), [(0, 16), (2, 8)].into());
    }

    #[test]
    fn a_slower_node_gets_less() {
        let nodes =
            Askable { loads: [(NodeId(1), 200)].into(), ..BTreeSet::from([0, 1, 2].map(NodeId)).into() };
        assert_eq!(experts_at(1, &nodes), [(0, 12), (2, 12)].into(), "little work is not worth a third call");
        let found = experts_at(24, &nodes);
        assert!(found[&1] < 7 && found[&0] > 8 && found[&2] > 8, "{found:?}");
    }
}
