//! Which node shall hold which expert. Pure: the same input gives the same plan.

mod balanced;
mod check;
mod score;

pub use check::{Violation, check};

use conclave_types::{Bytes, ExpertKey, NodeId, PlacementMap};

/// A node as the planner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanNode {
    /// The node.
    pub id: NodeId,
    /// Memory for experts; `None`: no limit is known.
    pub capacity: Option<Bytes>,
    /// Failure domain; empty: the node fails alone.
    pub zone: String,
    /// Whether it may get experts that it does not have; a node that is away keeps its own but gets no more.
    pub accepts: bool,
}

/// What is planned from.
#[derive(Clone, Debug)]
pub struct PlanInput {
    /// Every expert, ascending.
    pub keys: Vec<ExpertKey>,
    /// Memory of one expert.
    pub expert_bytes: Bytes,
    /// Homes wanted for each expert; fewer if there are fewer nodes.
    pub replicas: u32,
    /// The nodes that may hold experts, ascending.
    pub nodes: Vec<PlanNode>,
    /// The placement in use.
    pub current: PlacementMap,
    /// Homes that operators insist on; those on nodes that may not hold or get the expert rest.
    pub pins: PlacementMap,
}

impl PlanInput {
    /// The pins of `key` that can be honoured, as indices into the nodes.
    fn pinned(&self, key: ExpertKey) -> impl Iterator<Item = usize> {
        let pins = self.pins.homes(key);
        let may = move |node: &PlanNode| node.accepts || self.current.homes(key).contains(&node.id);
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(move |(_, node)| pins.contains(&node.id) && may(node)).map(|(at, _)| at)
    }

    /// Homes that each expert can have.
    fn homes(&self) -> usize {
        (self.replicas as usize).min(self.nodes.len())
    }
}

/// A placement and what reaching it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Who shall hold what.
    pub map: PlacementMap,
    /// Bytes that nodes must load.
    pub moved: Bytes,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No node may hold anything.
    #[error("no expert node may hold experts; start one, or undrain one")]
    NoNodes,
    /// The experts do not fit.
    #[error(
        "{replicas} homes for each expert need {needed}, the nodes have {available} together and no room is left for \
         {key}; add nodes, raise --memory-max or lower --replicas"
    )]
    Capacity {
        /// Homes wanted.
        replicas: usize,
        /// Memory wanted.
        needed: Bytes,
        /// Memory there is.
        available: Bytes,
        /// The expert that found no room.
        key: ExpertKey,
    },
}

/// Plans a placement, by the rule of `balanced`; keeps the one in use unless the new one is better.
///
/// Each adopted plan is strictly better than the one before, so that planning again and again comes to an end.
pub fn plan(input: &PlanInput) -> Result<Plan, PlanError> {
    if input.nodes.is_empty() {
        return Err(PlanError::NoNodes);
    }
    let mut best = input.clone();
    loop {
        let next = balanced::place(&best)?;
        if score::score(input, &next) >= score::score(input, &best.current) {
            break;
        }
        best.current = next;
    }
    let map = best.current;
    let moved = moved(&input.current, &map, input.expert_bytes);
    Ok(Plan { map, moved })
}

/// Bytes that `to` places on nodes which do not hold them in `from`.
fn moved(from: &PlacementMap, to: &PlacementMap, expert_bytes: Bytes) -> Bytes {
    let new = |(key, homes): (ExpertKey, &[NodeId])| {
        homes.iter().filter(|home| !from.homes(key).contains(home)).count() as u64
    };
    Bytes(to.iter().map(new).sum::<u64>() * expert_bytes.0)
}
