//! How much work each node gets from a placement under a recorded load.
//!
//! Follows the rule by which gateways choose among homes (`gateway/src/dispatch/split.rs`) for steps that are large
//! enough to ask every node: an expert's rows are cut into as many pieces as it has homes; experts without a choice go
//! first, then the largest pieces; each piece goes to the home with least to do. Small steps, in which a gateway asks as
//! few nodes as it can, are not predicted: there the number of calls counts, not the balance.

use super::facts::At;
use crate::ExpertLoads;
use conclave_types::{ExpertIdx, ExpertKey, LayerIdx, NodeId, PlacementMap};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The predicted work of one layer's nodes. Unit: rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerBalance {
    /// The layer.
    pub layer: LayerIdx,
    /// Rows at the node that has most.
    pub max: f64,
    /// Rows at a node on average.
    pub mean: f64,
}

impl LayerBalance {
    /// How much longer the slowest node takes than the average one: `(max - mean) / mean`; 0 without load.
    pub fn imbalance(&self) -> f64 {
        if self.mean > 0.0 { self.max / self.mean - 1.0 } else { 0.0 }
    }
}

/// The predicted work of all layers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Balance {
    /// Ascending.
    pub layers: Vec<LayerBalance>,
}

impl Balance {
    /// The sum of the slowest nodes' rows, which the layers' time follows.
    pub fn slowest_rows(&self) -> f64 {
        self.layers.iter().map(|layer| layer.max).sum()
    }

    /// The imbalance of all layers together: `(sum of max - sum of mean) / sum of mean`; 0 without load.
    pub fn imbalance(&self) -> f64 {
        let mean: f64 = self.layers.iter().map(|layer| layer.mean).sum();
        if mean > 0.0 { self.slowest_rows() / mean - 1.0 } else { 0.0 }
    }
}

/// Predicts the work of `nodes` (those that answer) under `loads` if `map` is in use.
///
/// The rows of an expert without a home among `nodes` are at no node and in no mean.
pub fn predict(loads: &ExpertLoads, map: &PlacementMap, nodes: &[NodeId]) -> Balance {
    let at: BTreeMap<NodeId, At> = nodes.iter().copied().zip(0..).collect();
    let layer = |(layer, rows): (LayerIdx, &[u64])| {
        let keys = (0..rows.len() as u32).map(|expert| ExpertKey { layer, expert: ExpertIdx(expert) });
        let known = |key| map.homes(key).iter().filter_map(|home| at.get(home).copied()).collect();
        let homes: Vec<Vec<At>> = keys.map(known).collect();
        let work = Work::new(rows.iter().map(|rows| *rows as f64).collect(), &homes, nodes.len());
        let levels = work.levels(&homes);
        LayerBalance { layer, max: levels.max, mean: levels.sum / nodes.len().max(1) as f64 }
    };
    Balance { layers: loads.layers().map(layer).collect() }
}

/// One layer's experts in the order in which they choose.
pub(super) struct Work {
    rows: Vec<f64>,
    order: Vec<u32>,
    nodes: usize,
}

/// What the nodes of a layer have to do. Unit: rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels {
    pub(super) of: Vec<f64>,
    pub(super) max: f64,
    pub(super) sum: f64,
    /// The sum of squares: less is more even, also where the largest stays.
    pub(super) squares: f64,
}

impl Levels {
    /// Whether this is better than `other` by more than rounding.
    pub(super) fn better(&self, other: &Self) -> bool {
        let close = 1e-9 * other.max;
        self.max < other.max - close
            || (self.max <= other.max + close && self.squares < other.squares * (1.0 - 1e-9))
    }
}

impl Work {
    /// Experts with `rows` each at `homes`, among so many nodes.
    pub(super) fn new(rows: Vec<f64>, homes: &[Vec<At>], nodes: usize) -> Self {
        let mut work = Self { order: (0..rows.len() as u32).collect(), rows, nodes };
        let mut order = std::mem::take(&mut work.order);
        order.sort_unstable_by(|a, b| work.before(homes, *a, *b));
        work.order = order;
        work
    }

    pub(super) fn rows(&self, expert: usize) -> f64 {
        self.rows[expert]
    }

    /// The number of homes of `expert` has changed.
    pub(super) fn reorder(&mut self, homes: &[Vec<At>], expert: usize) {
        self.order.retain(|other| *other != expert as u32);
        let at = self.order.partition_point(|other| self.before(homes, *other, expert as u32).is_lt());
        self.order.insert(at, expert as u32);
    }

    fn before(&self, homes: &[Vec<At>], a: u32, b: u32) -> Ordering {
        let (at, bt) = (a as usize, b as usize);
        let (many_a, many_b) = (homes[at].len(), homes[bt].len());
        let piece = |at: usize, many: usize| self.rows[at] / many.max(1) as f64;
        (many_a > 1)
            .cmp(&(many_b > 1))
            .then_with(|| piece(bt, many_b).total_cmp(&piece(at, many_a)))
            .then_with(|| many_a.cmp(&many_b))
            .then_with(|| a.cmp(&b))
    }

    /// The work of each node.
    pub(super) fn levels(&self, homes: &[Vec<At>]) -> Levels {
        self.pour(homes, |_, _, _| {})
    }

    /// The work of each node; tells each piece as (expert, node, rows).
    pub(super) fn pour(&self, homes: &[Vec<At>], mut piece: impl FnMut(usize, usize, f64)) -> Levels {
        let mut of = vec![0.0_f64; self.nodes];
        for expert in &self.order {
            let expert = *expert as usize;
            let homes = &homes[expert];
            let rows = self.rows[expert] / homes.len().max(1) as f64;
            for _ in 0..homes.len() {
                let least = homes.iter().copied().reduce(|least, home| {
                    // Of equals the first, as nodes are in ascending order.
                    if of[home as usize] < of[least as usize] { home } else { least }
                });
                let least = least.expect("the loop runs once for each home") as usize;
                of[least] += rows;
                piece(expert, least, rows);
            }
        }
        let max = of.iter().copied().fold(0.0, f64::max);
        let sum = of.iter().sum();
        let squares = of.iter().map(|level| level * level).sum();
        Levels { of, max, sum, squares }
    }
}
