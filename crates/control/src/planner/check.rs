//! Verifies a plan without knowing how it was made.

use super::{Aim, Plan, PlanInput, PlanNode};
use conclave_types::{ExpertKey, LayerIdx, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// A rule that a plan breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An expert has fewer homes than asked, though a further node accepts experts and has room.
    TooFewHomes(ExpertKey),
    /// A home is no node that may hold experts.
    UnknownNode(ExpertKey, NodeId),
    /// A node that accepts nothing new got something new.
    Unaccepted(ExpertKey, NodeId),
    /// A node holds more than its memory.
    OverCapacity(NodeId),
    /// An expert lacks a home that it is pinned to and could have.
    Unpinned(ExpertKey, NodeId),
    /// An expert is in fewer failure domains than asked, though a node in a further one has room.
    TooFewDomains(ExpertKey),
    /// The homes of an expert are newly of several numerics classes, though one class could hold them all.
    MixedClasses(ExpertKey),
    /// A layer has more homes above `replicas` than `extra_percent` allows.
    TooManyExtras(LayerIdx),
    /// An expert has an extra copy at a node of which no capacity is known.
    ExtraAtUnknownCapacity(ExpertKey),
    /// More experts are moved for balance than `moves_max` allows.
    TooManyMoves(u64),
    /// `moved` is not what the plan loads.
    WrongBytes,
    /// The map places an expert that the model does not have.
    UnknownExpert(ExpertKey),
}

/// Every rule that `plan` breaks; empty for a good plan.
pub fn check(input: &PlanInput, plan: &Plan) -> Vec<Violation> {
    let mut found = Vec::new();
    let view = View::new(input, plan);
    let known: BTreeSet<ExpertKey> = input.keys.iter().copied().collect();
    found.extend(
        plan.map.iter().filter(|(key, _)| !known.contains(key)).map(|(key, _)| Violation::UnknownExpert(key)),
    );
    let replicas = input.replicas as usize;
    let mut extras: BTreeMap<LayerIdx, (usize, usize)> = BTreeMap::new();
    for key in &input.keys {
        let (homes, before) = (plan.map.homes(*key), input.current.homes(*key));
        let (now, once) = extras.entry(key.layer).or_default();
        *now += homes.len().saturating_sub(replicas);
        *once += before.len().saturating_sub(replicas);
        // Nodes that could take this expert in.
        let open: Vec<NodeId> = view.open.iter().copied().filter(|node| !homes.contains(node)).collect();
        if homes.is_empty() || (homes.len() < replicas && !open.is_empty()) {
            found.push(Violation::TooFewHomes(*key));
        }
        let pins = view.pins(input, *key);
        found.extend(
            pins.iter().filter(|pin| !homes.contains(pin)).map(|pin| Violation::Unpinned(*key, *pin)),
        );
        let domains = view.domains(homes);
        // Homes that an operator insists on may share a domain.
        let twin = |home: &NodeId| {
            homes.iter().any(|other| other != home && view.domain(*other) == view.domain(*home))
        };
        let free = homes.len() < replicas || homes.iter().any(|home| !pins.contains(home) && twin(home));
        if free && domains.len() < replicas && open.iter().any(|node| !domains.contains(&view.domain(*node)))
        {
            found.push(Violation::TooFewDomains(*key));
        }
        for home in homes {
            match view.nodes.get(home) {
                None => found.push(Violation::UnknownNode(*key, *home)),
                Some(node) if !node.accepts && !before.contains(home) => {
                    found.push(Violation::Unaccepted(*key, *home));
                }
                Some(_) => {}
            }
        }
        let unlimited = |node: &&NodeId| view.nodes.get(node).is_some_and(|node| node.capacity.is_none());
        let new_there = homes.iter().filter(|home| !before.contains(home));
        if homes.len() > replicas && new_there.filter(unlimited).count() > replicas {
            found.push(Violation::ExtraAtUnknownCapacity(*key));
        }
        if pins.is_empty() && view.could_be_one_class(homes, before) {
            found.push(Violation::MixedClasses(*key));
        }
    }
    let per_layer = |layer: LayerIdx| input.keys.iter().filter(|key| key.layer == layer).count();
    for (layer, (now, once)) in extras {
        let allowed = match input.aim {
            Aim::Even => 0,
            _ => per_layer(layer) * replicas * input.extra_percent as usize / 100,
        };
        // Copies that are there may stay until the load is looked at next.
        if now > allowed.max(if matches!(input.aim, Aim::Load(_)) { 0 } else { once }) {
            found.push(Violation::TooManyExtras(layer));
        }
    }
    found.extend(view.over_capacity().into_iter().map(Violation::OverCapacity));
    let moves = plan.map.iter().map(|(key, homes)| {
        let held = input.current.homes(key);
        homes.iter().filter(|home| !held.contains(home)).count() as u64
    });
    let moves: u64 = moves.sum();
    if moves * input.expert_bytes.0 != plan.moved.0 {
        found.push(Violation::WrongBytes);
    }
    // Coverage may need any number of moves, also of experts that only make room; a plan that covers no more than before
    // is for balance.
    let before = View::of(input, &input.current);
    let gains = |key: &ExpertKey| {
        let (now, once) = (plan.map.homes(*key), input.current.homes(*key));
        let (domains_now, domains_once) = (view.domains(now).len(), view.domains(once).len());
        let pinned = view.pins(input, *key).iter().any(|pin| now.contains(pin) && !once.contains(pin));
        pinned || now.len().min(replicas) > once.len() || domains_now.min(replicas) > domains_once
    };
    let for_balance = before.covers(input) && !input.keys.iter().any(gains);
    if for_balance && moves > u64::from(input.moves_max) {
        found.push(Violation::TooManyMoves(moves));
    }
    found
}

/// A placement seen from its nodes.
struct View<'a> {
    nodes: BTreeMap<NodeId, &'a PlanNode>,
    counts: BTreeMap<NodeId, u64>,
    expert_bytes: u64,
    /// Nodes that accept experts and have room left.
    open: Vec<NodeId>,
    map: &'a conclave_types::PlacementMap,
    replicas: usize,
}

impl<'a> View<'a> {
    fn new(input: &'a PlanInput, plan: &'a Plan) -> Self {
        Self::of(input, &plan.map)
    }

    fn of(input: &'a PlanInput, map: &'a conclave_types::PlacementMap) -> Self {
        let mut counts: BTreeMap<NodeId, u64> = BTreeMap::new();
        map.iter().flat_map(|(_, homes)| homes).for_each(|home| *counts.entry(*home).or_default() += 1);
        let expert_bytes = input.expert_bytes.0;
        let room = |node: &&PlanNode| {
            let held = counts.get(&node.id).copied().unwrap_or(0);
            node.accepts && node.capacity.is_none_or(|capacity| (held + 1) * expert_bytes <= capacity.0)
        };
        let open = input.nodes.iter().filter(room).map(|node| node.id).collect();
        let nodes = input.nodes.iter().map(|node| (node.id, node)).collect();
        Self { nodes, counts, expert_bytes, open, map, replicas: input.replicas as usize }
    }

    /// The homes that `key` is pinned to and could have, no more than `replicas`.
    fn pins(&self, input: &PlanInput, key: ExpertKey) -> Vec<NodeId> {
        let held = input.current.homes(key);
        let could = |pin: &NodeId| self.nodes.get(pin).is_some_and(|node| node.accepts || held.contains(pin));
        let pins = input.pins.homes(key).iter().copied().filter(could);
        pins.take(self.replicas.min(self.nodes.len())).collect()
    }

    /// The failure domain of a node; one without a zone is its own.
    fn domain(&self, node: NodeId) -> Result<&str, NodeId> {
        match self.nodes.get(&node).map(|node| node.zone.as_str()) {
            None | Some("") => Err(node),
            Some(zone) => Ok(zone),
        }
    }

    fn domains(&self, homes: &[NodeId]) -> BTreeSet<Result<&str, NodeId>> {
        homes.iter().map(|home| self.domain(*home)).collect()
    }

    fn over_capacity(&self) -> Vec<NodeId> {
        let over = |(id, count): (&NodeId, &u64)| {
            let capacity = self.nodes.get(id).and_then(|node| node.capacity);
            capacity.is_some_and(|capacity| count * self.expert_bytes > capacity.0).then_some(*id)
        };
        self.counts.iter().filter_map(over).collect()
    }

    /// Whether every expert has all the homes and domains it could have, at nodes that may hold it.
    fn covers(&self, input: &PlanInput) -> bool {
        let good = |key: &ExpertKey| {
            let homes = self.map.homes(*key);
            let domains = self.domains(homes);
            let open = |node: &&NodeId| !homes.contains(node);
            let wider = |node: &NodeId| !homes.contains(node) && !domains.contains(&self.domain(*node));
            homes.iter().all(|home| self.nodes.contains_key(home))
                && !homes.is_empty()
                && (homes.len() >= self.replicas || !self.open.iter().any(|node| open(&node)))
                && (domains.len() >= self.replicas || !self.open.iter().any(wider))
        };
        input.keys.iter().all(good) && self.over_capacity().is_empty()
    }

    /// Whether `homes` mix numerics classes as `before` did not, though one class of the homes that stayed (of any, if
    /// none did) has unlimited nodes enough.
    fn could_be_one_class(&self, homes: &[NodeId], before: &[NodeId]) -> bool {
        let class = |node: &NodeId| self.nodes.get(node).map_or("", |node| node.numerics.as_str());
        let classes = |homes: &mut dyn Iterator<Item = &NodeId>| homes.map(class).collect::<BTreeSet<_>>();
        let stayed = classes(&mut homes.iter().filter(|home| before.contains(home)));
        let now = classes(&mut homes.iter());
        let once = classes(&mut before.iter().filter(|home| self.nodes.contains_key(home)));
        if now.len() < 2 || once.len() > 1 || self.nodes.values().any(|node| node.capacity.is_some()) {
            return false;
        }
        let all = classes(&mut self.nodes.keys());
        let candidates = if stayed.is_empty() { &all } else { &stayed };
        let could = |node: &&NodeId| self.nodes[node].accepts || before.contains(node);
        let domains = self.nodes.keys().filter(could).map(|node| self.domain(*node)).collect::<BTreeSet<_>>();
        candidates.iter().any(|name| {
            let fits = |node: &&NodeId| class(node) == *name && could(node);
            let of_class: Vec<NodeId> = self.nodes.keys().filter(fits).copied().collect();
            of_class.len() >= self.replicas
                && self.domains(&of_class).len() >= self.replicas.min(domains.len())
        })
    }
}
