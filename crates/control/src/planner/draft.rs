//! A placement in the making: homes that are kept, and homes that are found for what lacks some.
//!
//! Keeps true: no node gets more than it has room for, nothing that it has already, and nothing new if it accepts
//! nothing; homes that coverage needs are never taken by extra copies.

use super::facts::{At, Facts};
use super::{PlanError, PlanInput};
use conclave_types::Bytes;
use std::cmp::Ordering;

/// How far a node may be filled ahead of the layers' pace: in experts, and as a part of what it has room for.
const AHEAD_MIN: f64 = 2.0;
const AHEAD: f64 = 1.0 / 64.0;

pub(super) struct Draft<'a, 'b> {
    pub(super) facts: &'a Facts<'b>,
    /// The homes of each expert, ascending.
    pub(super) homes: Vec<Vec<At>>,
    /// Experts at each node.
    pub(super) held: Vec<u64>,
}

/// What a layer's nodes have to do while its homes are found.
pub(super) struct Fill {
    /// The weight of one home of each of the layer's experts.
    pub(super) pieces: Vec<f64>,
    /// Homes that each of the layer's experts shall have; more than `replicas` only where memory allows.
    pub(super) homes: Vec<usize>,
    /// What each node is meant to take, in proportion.
    pub(super) shares: Vec<f64>,
}

impl<'a, 'b> Draft<'a, 'b> {
    /// Nothing is placed.
    pub(super) fn empty(facts: &'a Facts<'b>) -> Self {
        let homes = vec![Vec::new(); facts.input.keys.len()];
        Self { facts, homes, held: vec![0; facts.nodes()] }
    }

    /// Every expert gets the homes it is pinned to and keeps those it has, but at most `wanted(expert)`, none above a node's memory, and of those that
    /// share a failure domain only so many that it can still get into enough domains.
    pub(super) fn keep(facts: &'a Facts<'b>, wanted: impl Fn(usize) -> usize) -> Self {
        let mut draft = Self::empty(facts);
        // Room for what is pinned, in whichever layer, is never given to anything else.
        for (key, pins) in facts.pins.iter().enumerate() {
            for at in pins.iter().map(|at| *at as usize) {
                if draft.fits(key, at, facts.replicas) {
                    draft.add(key, at);
                }
            }
        }
        for key in 0..facts.input.keys.len() {
            let current = &facts.current[key];
            let lacking = facts.spread.saturating_sub(facts.spread_of(current));
            let twins_max = match lacking {
                0 => usize::MAX,
                _ if !draft.reaches_further(current) => usize::MAX,
                _ => facts.replicas.saturating_sub(facts.spread),
            };
            let mut twins = Vec::new();
            // Where not all can stay, those that answer do.
            let (here, away): (Vec<_>, Vec<_>) =
                current.iter().map(|home| *home as usize).partition(|home| facts.accepts(*home));
            for home in here.into_iter().chain(away) {
                if draft.holds(key, home) {
                    continue;
                }
                if draft.twin(key, home) {
                    twins.push(home);
                } else if draft.fits(key, home, wanted(key)) {
                    draft.add(key, home);
                }
            }
            for home in twins.into_iter().take(twins_max) {
                if draft.fits(key, home, wanted(key)) {
                    draft.add(key, home);
                }
            }
        }
        draft
    }

    /// Every expert keeps as many homes as it has; what it is newly pinned to takes the place of another.
    pub(super) fn keep_all(facts: &'a Facts<'b>) -> Self {
        Self::keep(facts, |key| facts.current[key].len().max(facts.replicas))
    }

    fn fits(&self, key: usize, at: usize, wanted: usize) -> bool {
        self.held[at] < self.facts.rooms[at] && self.homes[key].len() < wanted
    }

    /// Whether some node in none of the domains of `homes` might take something in.
    fn reaches_further(&self, homes: &[At]) -> bool {
        let free = |at: usize| self.facts.accepts(at) && self.held[at] < self.facts.rooms[at];
        let used = |at: usize| homes.iter().any(|home| self.same_domain(*home as usize, at));
        (0..self.facts.nodes()).any(|at| free(at) && !used(at))
    }

    pub(super) fn same_domain(&self, a: usize, b: usize) -> bool {
        self.facts.domains[a] == self.facts.domains[b]
    }

    /// Whether `key` has a home in the domain of `at`.
    pub(super) fn twin(&self, key: usize, at: usize) -> bool {
        self.homes[key].iter().any(|home| self.same_domain(*home as usize, at))
    }

    pub(super) fn add(&mut self, key: usize, at: usize) {
        let place = self.homes[key].partition_point(|home| *home < at as At);
        self.homes[key].insert(place, at as At);
        self.held[at] += 1;
    }

    pub(super) fn remove(&mut self, key: usize, at: usize) {
        let before = self.homes[key].len();
        self.homes[key].retain(|home| *home != at as At);
        assert_eq!(self.homes[key].len() + 1, before, "only what is held is removed");
        self.held[at] -= 1;
    }

    pub(super) fn holds(&self, key: usize, at: usize) -> bool {
        self.homes[key].contains(&(at as At))
    }

    /// Whether `at` may become a home of `key`: a node that is away only takes back what it had.
    pub(super) fn may(&self, key: usize, at: usize) -> bool {
        let had = || self.facts.current[key].contains(&(at as At));
        self.held[at] < self.facts.rooms[at] && (self.facts.accepts(at) || had()) && !self.holds(key, at)
    }

    /// Finds the missing homes of the experts of `layer`, those with the largest pieces first.
    ///
    /// - Each goes to the node with the least to do for its share that keeps the expert's homes in different domains
    ///   and, next, in one numerics class. `later`: experts of later layers that lack homes too.
    /// - Errors: there is no room for some expert.
    pub(super) fn fill(&mut self, layer: usize, fill: &Fill, later: usize) -> Result<(), PlanError> {
        let facts = self.facts;
        let keys = facts.layers[layer].clone();
        let mut levels = vec![0.0_f64; facts.nodes()];
        for key in keys.clone() {
            self.homes[key].iter().for_each(|home| levels[*home as usize] += fill.pieces[key - keys.start]);
        }
        let lacks = |draft: &Self, key: usize| draft.homes[key].len() < fill.homes[key - keys.start];
        let mut order: Vec<usize> = keys.clone().filter(|key| lacks(self, *key)).collect();
        order.sort_by(|a, b| fill.pieces[b - keys.start].total_cmp(&fill.pieces[a - keys.start]));
        let mut needy = later + order.iter().filter(|key| self.homes[**key].len() < facts.replicas).count();
        let mut missing = later * facts.replicas
            + order.iter().map(|key| facts.replicas.saturating_sub(self.homes[*key].len())).sum::<usize>();
        for key in order {
            let nth = key - keys.start;
            let lack = facts.replicas.saturating_sub(self.homes[key].len());
            let mut reserve = (lack > 0).then(|| Reserve::new(self, needy, missing, lack)).flatten();
            while self.homes[key].len() < facts.replicas {
                let best = self.best(key, fill, nth, &levels, reserve.as_ref());
                let Some(at) = best.or_else(|| self.evict_extra(key)) else {
                    // A node that is away may be the reason; a home fewer is then better than no plan.
                    let away = facts.input.nodes.iter().any(|node| !node.accepts);
                    if !self.homes[key].is_empty() && away {
                        break;
                    }
                    return Err(no_room(facts.input, key));
                };
                if let Some(reserve) = &mut reserve {
                    reserve.took(facts, at);
                }
                self.add(key, at);
                levels[at] += fill.pieces[nth];
            }
            needy -= usize::from(lack > 0);
            missing -= lack;
            if self.homes[key].len() >= fill.homes[nth] {
                continue;
            }
            let mut spare = Demand::new(self, needy, missing).slack;
            while spare > 0 && self.homes[key].len() < fill.homes[nth] {
                let Some(at) = self.best_extra(key, fill, nth, &levels) else { break };
                self.add(key, at);
                levels[at] += fill.pieces[nth];
                spare -= 1;
            }
        }
        Ok(())
    }

    /// The best further home that coverage needs.
    fn best(
        &self,
        key: usize,
        fill: &Fill,
        nth: usize,
        levels: &[f64],
        reserve: Option<&Reserve>,
    ) -> Option<usize> {
        let facts = self.facts;
        let layer_end = key - nth + fill.pieces.len();
        let capable = if facts.classes_len > 1 { self.capable_classes(key) } else { Vec::new() };
        // What was mixed before may stay so.
        let mixed = facts.classes_of(&facts.current[key]) > 1;
        let rank = |at: usize| {
            let homes = &self.homes[key];
            let had = facts.current[key].contains(&(at as At));
            let twin = self.twin(key, at);
            let stranger = match homes.first() {
                _ if facts.classes_len == 1 || (mixed && had) => false,
                None => !capable[facts.classes[at]],
                Some(_) => homes.iter().any(|home| facts.classes[*home as usize] != facts.classes[at]),
            };
            let flags = u8::from(twin) * 8
                + u8::from(stranger) * 4
                + u8::from(twin && !had) * 2
                + u8::from(self.ahead(at, layer_end));
            (
                flags,
                (levels[at] + fill.pieces[nth]) / fill.shares[at],
                (self.held[at] + 1) as f64 / fill.shares[at],
            )
        };
        let may = |at: &usize| self.may(key, *at);
        let least = |nodes: &mut dyn Iterator<Item = usize>| {
            let ranked = nodes.map(|at| (rank(at), at));
            ranked
                .reduce(|best, other| if less(&other.0, &best.0).is_lt() { other } else { best })
                .map(|(_, at)| at)
        };
        // Domains that must not be passed over come first, but not for a second home in one.
        let any = least(&mut (0..facts.nodes()).filter(may))?;
        let forced = reserve.filter(|reserve| reserve.passes == 0).and_then(|reserve| {
            least(&mut (0..facts.nodes()).filter(may).filter(|at| reserve.demand.is_saturated(facts, *at)))
        });
        Some(forced.filter(|forced| self.twin(key, any) || !self.twin(key, *forced)).unwrap_or(any))
    }

    /// Makes room for a home of `key` where another expert has an extra copy: coverage comes first.
    fn evict_extra(&mut self, key: usize) -> Option<usize> {
        let facts = self.facts;
        let spread = |other: usize, at: usize| {
            let rest: Vec<At> =
                self.homes[other].iter().copied().filter(|home| *home as usize != at).collect();
            facts.spread_of(&rest)
        };
        let extras = (0..self.homes.len()).filter(|other| self.homes[*other].len() > facts.replicas);
        let copies =
            extras.flat_map(|other| self.homes[other].iter().map(move |home| (other, *home as usize)));
        let usable = copies.filter(|(other, at)| {
            facts.accepts(*at)
                && !self.holds(key, *at)
                && !facts.pinned(*other, *at)
                && spread(*other, *at) >= facts.spread_open
        });
        let (other, at) = usable.min_by_key(|(_, at)| self.twin(key, *at))?;
        self.remove(other, at);
        Some(at)
    }

    /// Gives experts what they still lack if room for it was found later than for them.
    pub(super) fn mend(&mut self) {
        let facts = self.facts;
        for key in 0..self.homes.len() {
            while self.homes[key].len() < facts.replicas {
                let open = (0..facts.nodes()).filter(|at| self.may(key, *at));
                let Some(at) = open.min_by_key(|at| (self.twin(key, *at), self.held[*at])) else { break };
                self.add(key, at);
            }
            while facts.spread_of(&self.homes[key]) < facts.spread {
                let open = (0..facts.nodes()).filter(|at| self.may(key, *at) && !self.twin(key, *at));
                let Some(at) = open.min_by_key(|at| self.held[*at]) else { break };
                let shares = |home: usize| {
                    self.homes[key]
                        .iter()
                        .any(|other| *other as usize != home && self.same_domain(*other as usize, home))
                };
                let loose = |home: &usize| !facts.pinned(key, *home) && shares(*home);
                // What is pinned stays, though it be in one domain.
                let Some(second) = self.homes[key].iter().map(|home| *home as usize).rev().find(loose) else {
                    break;
                };
                self.remove(key, second);
                self.add(key, at);
            }
        }
    }

    /// The best node for an extra copy: one that has said how much memory it gives, else the copy is not made.
    fn best_extra(&self, key: usize, fill: &Fill, nth: usize, levels: &[f64]) -> Option<usize> {
        let layer_end = key - nth + fill.pieces.len();
        let may = |at: &usize| self.may_extra(key, *at) && !self.ahead(*at, layer_end);
        let after = |at: usize| levels[at] + fill.pieces[nth];
        (0..self.facts.nodes()).filter(may).min_by(|a, b| after(*a).total_cmp(&after(*b)))
    }

    /// Whether `at` is filled faster than its memory lasts, so that later layers would find it full. Only of a first
    /// placement: what is kept lies in all layers already.
    fn ahead(&self, at: usize, layer_end: usize) -> bool {
        let room = self.facts.rooms[at];
        if room == u64::MAX || !self.facts.input.current.is_empty() {
            return false;
        }
        let pace = room as f64 * layer_end as f64 / self.homes.len() as f64;
        (self.held[at] + 1) as f64 > pace + AHEAD_MIN + room as f64 * AHEAD
    }

    /// Whether `at` may get an extra copy of `key`, as far as `key` and `at` are concerned.
    pub(super) fn may_extra(&self, key: usize, at: usize) -> bool {
        self.facts.accepts(at)
            && self.facts.rooms[at] != u64::MAX
            && self.may(key, at)
            && !self.mixes(key, at)
    }

    /// Whether a home at `at` would be the first of `key` in another numerics class.
    pub(super) fn mixes(&self, key: usize, at: usize) -> bool {
        let class = |home: &At| self.facts.classes[*home as usize];
        let mut homes = self.homes[key].iter().map(class);
        let first = homes.next();
        first.is_some_and(|first| first != self.facts.classes[at] && homes.all(|class| class == first))
    }

    /// Whether each class has room for all homes of `key` in enough domains.
    fn capable_classes(&self, key: usize) -> Vec<bool> {
        let facts = self.facts;
        let mut domains: Vec<Vec<usize>> = vec![Vec::new(); facts.classes_len];
        let mut nodes = vec![0; facts.classes_len];
        for at in (0..facts.nodes()).filter(|at| self.may(key, *at)) {
            let class = facts.classes[at];
            nodes[class] += 1;
            if !domains[class].contains(&facts.domains[at]) {
                domains[class].push(facts.domains[at]);
            }
        }
        let mut reachable: Vec<usize> = domains.iter().flatten().copied().collect();
        reachable.sort_unstable();
        reachable.dedup();
        let spread = facts.replicas.min(reachable.len());
        let enough = |class: usize| domains[class].len() >= spread && nodes[class] >= facts.replicas;
        (0..facts.classes_len).map(enough).collect()
    }
}

/// By flags, then by numbers; of equals the first node.
fn less(a: &(u8, f64, f64), b: &(u8, f64, f64)) -> Ordering {
    a.0.cmp(&b.0).then_with(|| a.1.total_cmp(&b.1)).then_with(|| a.2.total_cmp(&b.2))
}

/// Whether all that lacks homes can still find enough different domains.
///
/// A domain with at least as many free slots as there are needy experts is saturated: each expert that passes it over
/// wastes one of its slots. The sum over domains of `min(free, needy)` less the missing homes says how many may be
/// wasted (the condition of Gale and Ryser for equal rows).
struct Demand {
    /// By domain; by node, if there are fewer domains than homes wanted.
    saturated: Vec<bool>,
    by_domain: bool,
    /// Slots that may be wasted.
    slack: usize,
}

impl Demand {
    /// `needy` experts lack `missing` homes together.
    fn new(draft: &Draft<'_, '_>, needy: usize, missing: usize) -> Self {
        let facts = draft.facts;
        let by_domain = facts.spread_open == facts.replicas;
        let mut free = vec![0_u64; if by_domain { facts.domains_len } else { facts.nodes() }];
        for at in (0..facts.nodes()).filter(|at| facts.accepts(*at)) {
            let unit = if by_domain { facts.domains[at] } else { at };
            free[unit] += (facts.rooms[at] - draft.held[at]).min(needy as u64);
        }
        let usable = free.iter().map(|free| (*free).min(needy as u64) as usize).sum::<usize>();
        let slack = if missing == 0 { usize::MAX } else { usable.saturating_sub(missing) };
        Self { saturated: free.iter().map(|free| *free >= needy as u64).collect(), by_domain, slack }
    }

    fn is_saturated(&self, facts: &Facts<'_>, at: usize) -> bool {
        self.saturated[if self.by_domain { facts.domains[at] } else { at }]
    }
}

/// Which domains one expert must use, so that the others find theirs.
struct Reserve {
    demand: Demand,
    /// Homes of this expert that may still go to domains that are not saturated.
    passes: usize,
}

impl Reserve {
    /// For an expert that lacks `lack` homes; `None`: there is room enough for any choice.
    fn new(draft: &Draft<'_, '_>, needy: usize, missing: usize, lack: usize) -> Option<Self> {
        if draft.facts.rooms.iter().all(|room| *room == u64::MAX) {
            return None;
        }
        let demand = Demand::new(draft, needy, missing);
        let saturated = demand.saturated.iter().filter(|saturated| **saturated).count();
        let passes = lack.saturating_add(demand.slack).saturating_sub(saturated);
        (passes < lack).then_some(Self { demand, passes })
    }

    fn took(&mut self, facts: &Facts<'_>, at: usize) {
        if !self.demand.is_saturated(facts, at) {
            self.passes = self.passes.saturating_sub(1);
        }
    }
}

fn no_room(input: &PlanInput, key: usize) -> PlanError {
    let replicas = input.homes();
    PlanError::Capacity {
        replicas,
        needed: Bytes(input.keys.len() as u64 * replicas as u64 * input.expert_bytes.0),
        available: input.nodes.iter().map(|node| node.capacity.unwrap_or_default()).sum(),
        key: input.keys[key],
    }
}
