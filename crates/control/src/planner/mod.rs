//! Which node shall hold which expert. Pure: the same input gives the same plan.

mod by_count;
mod by_load;
mod check;
mod draft;
pub mod eplb;
mod facts;
mod predict;
mod score;

pub use check::{Violation, check};
pub use predict::{Balance, LayerBalance, predict};

use crate::ExpertLoads;
use conclave_types::{Bytes, ExpertKey, NodeId, PlacementMap};
use draft::Draft;
use facts::Facts;

/// A node as the planner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanNode {
    /// The node.
    pub id: NodeId,
    /// Memory for experts; `None`: no limit is known.
    pub capacity: Option<Bytes>,
    /// Failure domain; empty: the node fails alone.
    pub zone: String,
    /// Numerics class: the homes of an expert are put into one where that is possible.
    pub numerics: String,
    /// Whether it may get experts that it does not have; a node that is away keeps its own but gets no more.
    pub accepts: bool,
}

/// What a plan shall reach, after every expert has its homes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Nothing more: what has homes stays where it is.
    Cover,
    /// Every layer spread by number, in proportion to the nodes' memory: for as long as no load is known.
    Even,
    /// The slowest node of every layer as fast as can be, as [`predict`] tells from this load.
    Load(ExpertLoads),
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
    /// Homes above `replicas` that a layer may have in all. Unit: percent of `replicas` x experts. Only nodes with a
    /// known capacity get such copies, and only [`Aim::Load`] makes any.
    pub extra_percent: u32,
    /// Most experts that are loaded for balance; what lacks homes gets them regardless.
    pub moves_max: u32,
    /// The nodes that may hold experts, ascending.
    pub nodes: Vec<PlanNode>,
    /// The placement in use.
    pub current: PlacementMap,
    /// Homes that operators insist on; those on nodes that may not hold or get the expert rest.
    pub pins: PlacementMap,
    /// What for.
    pub aim: Aim,
}

impl PlanInput {
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

/// Plans a placement; keeps the one in use unless the new one is better.
///
/// In order of importance: every expert has `replicas` homes, those that it is pinned to among them, in as many failure domains, within the nodes' memory; new
/// homes of an expert are of one numerics class where possible; what `aim` says; few bytes are moved. Each adopted plan
/// is strictly better than the one before, so that planning again and again with the same aim comes to an end.
///
/// Errors: no node may hold experts, or they do not fit.
pub fn plan(input: &PlanInput) -> Result<Plan, PlanError> {
    if input.nodes.is_empty() {
        return Err(PlanError::NoNodes);
    }
    let mut best = input.clone();
    loop {
        // The first placement is no move of anything.
        let moves_max = match input.current.is_empty() {
            true => usize::MAX,
            false => (input.moves_max as usize).saturating_sub(moves(&input.current, &best.current)),
        };
        let facts = Facts::new(&best);
        let placed = place(&facts, moves_max)
            // What was given up for balance may be what is missing now.
            .or_else(|_| by_count::cover(Draft::keep_all(&facts)).map(|draft| draft.homes))
            .or_else(|error| {
                if best.current.is_empty() {
                    return Err(error);
                }
                // Homes that are kept can stand in each other's way; without them there may be room.
                // What is pinned to a node that is away stays: it could not get it back.
                let away = |home: &NodeId| input.nodes.iter().any(|node| node.id == *home && !node.accepts);
                let stays = |key, home: &NodeId| away(home) && input.pins.homes(key).contains(home);
                let kept = best.current.iter().map(|(key, homes)| {
                    (key, homes.iter().copied().filter(|home| stays(key, home)).collect::<Vec<_>>())
                });
                let kept: PlacementMap = kept.filter(|(_, homes)| !homes.is_empty()).collect();
                let bare = PlanInput { current: kept, ..best.clone() };
                place(&Facts::new(&bare), usize::MAX)
            })?;
        let known: usize = facts.current.iter().map(Vec::len).sum();
        let all: usize = best.current.iter().map(|(_, homes)| homes.len()).sum();
        let new = score::score(&facts, &placed, 0);
        let old = score::score(&facts, &facts.current, (all - known) as u64);
        let better = match input.aim {
            Aim::Cover => new.covers_more(&old),
            Aim::Even | Aim::Load(_) => new < old,
        };
        if !better {
            break;
        }
        best.current = facts.map(&placed);
        // Evening out may make room for more of it; the other aims are reached at once.
        if !matches!(input.aim, Aim::Even) {
            break;
        }
    }
    let moved = Bytes(moves(&input.current, &best.current) as u64 * input.expert_bytes.0);
    Ok(Plan { map: best.current, moved })
}

/// The homes that the aim leads to, with at most `moves_max` loads for balance.
fn place(facts: &Facts<'_>, moves_max: usize) -> Result<Vec<Vec<facts::At>>, PlanError> {
    let mut draft = match &facts.input.aim {
        Aim::Cover => by_count::cover(Draft::keep_all(facts)),
        Aim::Even => by_count::place(facts, moves_max),
        Aim::Load(loads) => by_load::place(facts, loads, moves_max),
    }?;
    draft.mend();
    Ok(draft.homes)
}

/// Loads that `to` asks for: homes at nodes which do not hold the expert in `from`.
fn moves(from: &PlacementMap, to: &PlacementMap) -> usize {
    let new = |(key, homes): (ExpertKey, &[NodeId])| {
        let held = from.homes(key);
        homes.iter().filter(|home| !held.contains(home)).count()
    };
    to.iter().map(new).sum()
}
