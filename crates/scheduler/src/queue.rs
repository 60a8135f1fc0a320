//! Who waits, and who of them is next.
//!
//! Keeps true: a smaller priority number always goes first. Among equals those go first that ran already and had to
//! make room; then the tenant that has received least service; then the earliest. Service is counted as in a virtual
//! token counter (Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024): a tenant that comes back
//! from idleness begins at the least service of those that are there, so that idleness earns no credit. The demand is
//! that of exactly those who wait.

use crate::Demand;
use crate::scheduler::Sequence;
use conclave_types::RequestId;
use std::collections::{BTreeMap, HashSet};

/// Whose request it is: requests of one tenant share what the tenant gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub u64);

/// What a computed prompt token and a sampled token count as: an answer's token costs a pass of its own.
const PROMPT_TOKEN: u64 = 1;
const ANSWER_TOKEN: u64 = 2;

#[derive(Debug, Default)]
struct Tenant {
    service: u64,
    /// Sequences that wait or run.
    sequences: u32,
}

/// The waiting sequences and what each tenant has received.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Vec<Sequence>,
    demand: Demand,
    tenants: BTreeMap<TenantId, Tenant>,
}

impl Queue {
    pub(crate) fn len(&self) -> u32 {
        self.waiting.len() as u32
    }

    /// The KV blocks that the waiting sequences will need.
    pub(crate) fn demand(&self) -> &Demand {
        &self.demand
    }

    /// Takes a new sequence.
    pub(crate) fn arrive(&mut self, sequence: Sequence) {
        let least = self.least_service();
        let tenant = self.tenants.entry(sequence.tenant).or_default();
        if tenant.sequences == 0 {
            tenant.service = tenant.service.max(least.unwrap_or(0));
        }
        tenant.sequences += 1;
        self.put_back(sequence);
    }

    /// Takes a sequence back that ran.
    pub(crate) fn put_back(&mut self, sequence: Sequence) {
        self.demand.add(sequence.need());
        self.waiting.push(sequence);
    }

    /// Who of the waiting is next, those of `passed` aside.
    pub(crate) fn next(&self, passed: &HashSet<RequestId>) -> Option<usize> {
        let waiting = (0..self.waiting.len()).filter(|at| !passed.contains(&self.waiting[*at].id));
        waiting.min_by_key(|at| {
            let sequence = &self.waiting[*at];
            let service = self.tenants[&sequence.tenant].service;
            (sequence.priority, !sequence.was_admitted, service, sequence.arrival)
        })
    }

    /// The least service of the tenants that are there.
    fn least_service(&self) -> Option<u64> {
        self.tenants.values().filter(|tenant| tenant.sequences > 0).map(|tenant| tenant.service).min()
    }

    pub(crate) fn get(&self, at: usize) -> &Sequence {
        &self.waiting[at]
    }

    /// Takes a sequence out to run it; it stays counted for its tenant. Later indices move.
    pub(crate) fn admit(&mut self, at: usize) -> Sequence {
        let sequence = self.waiting.remove(at);
        self.demand.remove(sequence.need());
        sequence
    }

    /// Takes a sequence out for good.
    pub(crate) fn remove(&mut self, id: RequestId) -> Option<Sequence> {
        let at = self.waiting.iter().position(|sequence| sequence.id == id)?;
        let sequence = self.admit(at);
        self.left(sequence.tenant);
        Some(sequence)
    }

    /// A sequence of `tenant` has ended.
    pub(crate) fn left(&mut self, tenant: TenantId) {
        let entry = self.tenants.get_mut(&tenant).expect("it arrived once");
        entry.sequences -= 1;
        // A tenant below everybody's service would begin at theirs anyway.
        let service = entry.service;
        let idle = entry.sequences == 0;
        if idle && self.least_service().is_none_or(|least| service <= least) {
            self.tenants.remove(&tenant);
        }
    }

    /// `tenant` was served.
    pub(crate) fn charge(&mut self, tenant: TenantId, prompt_tokens: u32, answer_tokens: u32) {
        if let Some(entry) = self.tenants.get_mut(&tenant) {
            entry.service +=
                PROMPT_TOKEN * u64::from(prompt_tokens) + ANSWER_TOKEN * u64::from(answer_tokens);
        }
    }

    /// All who wait.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Sequence> {
        self.waiting.iter()
    }
}
