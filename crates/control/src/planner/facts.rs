//! The planner's input as small indices: nodes, domains, classes and experts by their position.

use super::{Aim, PlanInput};
use conclave_types::{ExpertKey, NodeId, PlacementMap};
use std::collections::BTreeMap;
use std::ops::Range;

/// A node's position in `PlanInput::nodes`.
pub(super) type At = u32;

pub(super) struct Facts<'a> {
    pub(super) input: &'a PlanInput,
    /// Experts that each node has memory for; `u64::MAX`: no limit is known.
    pub(super) rooms: Vec<u64>,
    /// The failure domain of each node.
    pub(super) domains: Vec<usize>,
    pub(super) domains_len: usize,
    /// The numerics class of each node.
    pub(super) classes: Vec<usize>,
    pub(super) classes_len: usize,
    /// The experts of each layer, as positions in `PlanInput::keys`.
    pub(super) layers: Vec<Range<usize>>,
    /// Homes that each expert shall have.
    pub(super) replicas: usize,
    /// Failure domains that each expert shall be in; where a node is away not all can be.
    pub(super) spread: usize,
    /// Failure domains that an expert without homes can get into.
    pub(super) spread_open: usize,
    /// The homes in use of each expert, of those nodes that may hold experts.
    pub(super) current: Vec<Vec<At>>,
    /// The homes that each expert is pinned to and can have, no more than `replicas`.
    pub(super) pins: Vec<Vec<At>>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(input: &'a PlanInput) -> Self {
        let nodes = &input.nodes;
        let room = |capacity: Option<conclave_types::Bytes>| {
            capacity.map_or(u64::MAX, |capacity| capacity.0 / input.expert_bytes.0.max(1))
        };
        let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
        let mut domains_len = 0;
        let mut domain = |zone: &'a str| {
            let fresh = domains_len;
            let domain = if zone.is_empty() { fresh } else { *zones.entry(zone).or_insert(fresh) };
            domains_len += usize::from(domain == fresh);
            domain
        };
        let domains: Vec<usize> = nodes.iter().map(|node| domain(&node.zone)).collect();
        let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
        let mut class = |name: &'a str| {
            let fresh = classes.len();
            *classes.entry(name).or_insert(fresh)
        };
        let class_of: Vec<usize> = nodes.iter().map(|node| class(&node.numerics)).collect();
        let mut accepting: Vec<usize> =
            nodes.iter().zip(&domains).filter(|(node, _)| node.accepts).map(|(_, domain)| *domain).collect();
        accepting.sort_unstable();
        accepting.dedup();
        let mut layers: Vec<Range<usize>> = Vec::new();
        for (at, key) in input.keys.iter().enumerate() {
            match layers.last_mut() {
                Some(layer) if input.keys[layer.start].layer == key.layer => layer.end = at + 1,
                _ => layers.push(at..at + 1),
            }
        }
        let replicas = input.homes();
        let current = positions(input, &input.current);
        let pins = positions(input, &input.pins).into_iter().zip(&current).map(|(mut pins, current)| {
            pins.retain(|at| nodes[*at as usize].accepts || current.contains(at));
            pins.truncate(replicas);
            pins
        });
        Self {
            pins: pins.collect(),
            input,
            rooms: nodes.iter().map(|node| room(node.capacity)).collect(),
            classes_len: classes.len(),
            classes: class_of,
            layers,
            replicas,
            spread: replicas.min(domains_len),
            spread_open: replicas.min(accepting.len()),
            current,
            domains,
            domains_len,
        }
    }

    pub(super) fn nodes(&self) -> usize {
        self.input.nodes.len()
    }

    /// Whether `key` is pinned to the node.
    pub(super) fn pinned(&self, key: usize, at: usize) -> bool {
        self.pins[key].contains(&(at as At))
    }

    pub(super) fn accepts(&self, at: usize) -> bool {
        self.input.nodes[at].accepts
    }

    /// Homes above `replicas` that a layer of so many experts may have.
    pub(super) fn extras(&self, experts: usize) -> usize {
        match self.input.aim {
            Aim::Even => 0,
            Aim::Cover | Aim::Load(_) => experts * self.replicas * self.input.extra_percent as usize / 100,
        }
    }

    /// Different failure domains among `homes`.
    pub(super) fn spread_of(&self, homes: &[At]) -> usize {
        let first = |nth: usize| {
            let domain = self.domains[homes[nth] as usize];
            homes[..nth].iter().all(|other| self.domains[*other as usize] != domain)
        };
        (0..homes.len()).filter(|nth| first(*nth)).count()
    }

    /// Different numerics classes among `homes`.
    pub(super) fn classes_of(&self, homes: &[At]) -> usize {
        let first = |nth: usize| {
            let class = self.classes[homes[nth] as usize];
            homes[..nth].iter().all(|other| self.classes[*other as usize] != class)
        };
        (0..homes.len()).filter(|nth| first(*nth)).count()
    }

    /// The map of homes by position.
    pub(super) fn map(&self, homes: &[Vec<At>]) -> PlacementMap {
        let id = |at: &At| self.input.nodes[*at as usize].id;
        let entry = |(key, homes): (&ExpertKey, &Vec<At>)| (*key, homes.iter().map(id).collect());
        self.input.keys.iter().zip(homes).map(entry).collect()
    }
}

/// The homes that `map` gives each expert of `input`, as positions; those at other nodes are left out.
pub(super) fn positions(input: &PlanInput, map: &PlacementMap) -> Vec<Vec<At>> {
    let at: BTreeMap<NodeId, At> = input.nodes.iter().map(|node| node.id).zip(0..).collect();
    let known = |key: &ExpertKey| map.homes(*key).iter().filter_map(|home| at.get(home).copied()).collect();
    input.keys.iter().map(known).collect()
}
