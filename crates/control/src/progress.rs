//! Which nodes load nothing of what they shall hold, or are started again and again, and how long they then get nothing more.
//!
//! Keeps true: who is heard of and has not loaded its share for a whole deadline, counted from when this leader first saw
//! that it lacked something or last saw it load something, is *stuck*; what others shall hold does not wait for it. A new
//! process of a node begins anew, but not for ever: who registers three times more without a deadline in between through
//! which it held its share is stuck too. Knows no clock: time is an argument.

use crate::{ClusterState, Node, NodeReport, NodeState};
use conclave_types::{LogIndex, Millis, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// The pause of a node that was stuck so many times in a row grows no more: 2^4 deadlines.
const DOUBLINGS_MAX: u32 = 4;

/// So many registrations in quick succession are no chance: the process ends each time, perhaps for what it loads.
const RESTARTS_MAX: u32 = 3;

/// How often a node has registered since it last held its share for a deadline.
#[derive(Clone, Debug)]
struct Restarts {
    incarnation: LogIndex,
    times: u32,
    /// Since when it has held its share.
    steady: Millis,
}

/// A node that has yet to load something.
#[derive(Clone, Debug)]
struct Behind {
    incarnation: LogIndex,
    /// What it loads: a target, or with 0 what the placement in use gives it.
    goal: LogIndex,
    /// The most experts that it was seen to hold meanwhile.
    experts: u64,
    /// When that grew last, or when it began.
    since: Millis,
}

/// A node that has made no progress.
#[derive(Clone, Debug)]
struct Stuck {
    /// The registration that it is true of; `None`: of each.
    incarnation: Option<LogIndex>,
    /// Until then it is given nothing more.
    until: Millis,
    /// So many times in a row.
    times: u32,
    why: String,
}

/// The leader's memory of who loads.
#[derive(Clone, Debug)]
pub(crate) struct LoadProgress {
    deadline: Millis,
    behind: BTreeMap<NodeId, Behind>,
    restarts: BTreeMap<NodeId, Restarts>,
    stuck: BTreeMap<NodeId, Stuck>,
}

impl LoadProgress {
    pub(crate) fn new(deadline: Millis) -> Self {
        Self { deadline, behind: BTreeMap::new(), restarts: BTreeMap::new(), stuck: BTreeMap::new() }
    }

    /// Notes how far each node is at `now`, by the last `report` of its present registration.
    pub(crate) fn note<'a>(
        &mut self,
        now: Millis,
        state: &ClusterState,
        report: impl Fn(NodeId) -> Option<&'a NodeReport>,
    ) {
        self.stuck.retain(|id, stuck| {
            let is =
                |node: &Node| stuck.incarnation.is_none_or(|incarnation| incarnation == node.incarnation);
            state.nodes.get(id).is_some_and(is)
        });
        let mut behind = BTreeMap::new();
        for (id, node) in state.nodes.iter().filter(|(_, node)| node.state != NodeState::Down) {
            let Some(report) = report(*id) else { continue };
            let target = state.target.as_ref().filter(|target| target.map.nodes().contains(id));
            let goal = match target {
                _ if node.state == NodeState::Joining && !state.placement.held_by(*id).is_empty() => {
                    LogIndex(0)
                }
                Some(target) if report.ready_target < target.id => target.id,
                Some(target) => {
                    // It can load after all.
                    if !target.map.held_by(*id).is_subset(&state.placement.held_by(*id)) {
                        self.stuck.remove(id);
                    }
                    continue;
                }
                None => continue,
            };
            let fresh = Behind { incarnation: node.incarnation, goal, experts: report.experts, since: now };
            let known = self.behind.remove(id).filter(|known| {
                (known.incarnation, known.goal) == (node.incarnation, goal) && known.experts >= report.experts
            });
            behind.insert(*id, known.unwrap_or(fresh));
        }
        self.behind = behind;
        let late = |behind: &Behind| now.since(behind.since) >= self.deadline;
        let late: Vec<NodeId> =
            self.behind.iter().filter(|(_, behind)| late(behind)).map(|(id, _)| *id).collect();
        for id in late {
            let incarnation = self.behind.remove(&id).expect("it was found there").incarnation;
            let trouble = report(id).map(|report| report.trouble.as_str()).unwrap_or_default();
            let told = if trouble.is_empty() { String::new() } else { format!(": {trouble}") };
            let why = format!("loaded nothing for {}{told}", seconds(self.deadline));
            self.hold_back(now, id, Some(incarnation), why);
        }
        self.count_restarts(now, state);
    }

    /// Notes who has registered again, and holds back who does so all the time.
    fn count_restarts(&mut self, now: Millis, state: &ClusterState) {
        self.restarts.retain(|id, _| state.nodes.contains_key(id));
        let mut restless = Vec::new();
        for (id, node) in &state.nodes {
            let fresh = Restarts { incarnation: node.incarnation, times: 0, steady: now };
            let known = self.restarts.entry(*id).or_insert(fresh);
            if known.incarnation != node.incarnation {
                *known = Restarts { incarnation: node.incarnation, times: known.times + 1, steady: now };
            }
            if node.state != NodeState::Ready || self.behind.contains_key(id) {
                known.steady = now;
            } else if now.since(known.steady) >= self.deadline {
                known.times = 0;
            }
            if known.times >= RESTARTS_MAX {
                known.times = 0;
                restless.push(*id);
            }
        }
        for id in restless {
            let why = format!("registered {RESTARTS_MAX} times without {} of calm", seconds(self.deadline));
            self.hold_back(now, id, None, why);
        }
    }

    fn hold_back(&mut self, now: Millis, id: NodeId, incarnation: Option<LogIndex>, why: String) {
        let times = self.stuck.get(&id).map_or(0, |stuck| stuck.times);
        let until = now + Millis(self.deadline.0 << times.min(DOUBLINGS_MAX));
        self.stuck.insert(id, Stuck { incarnation, until, times: times + 1, why });
    }

    /// The nodes that are given nothing more at `now`.
    pub(crate) fn stuck(&self, now: Millis) -> BTreeSet<NodeId> {
        self.stuck.iter().filter(|(_, stuck)| now < stuck.until).map(|(id, _)| *id).collect()
    }

    /// Why `node` is given nothing more at `now`, for people; `None`: it may get more.
    pub(crate) fn why(&self, now: Millis, node: NodeId) -> Option<String> {
        let stuck = self.stuck.get(&node).filter(|stuck| now < stuck.until)?;
        Some(format!("{}; tried again in {}", stuck.why, seconds(stuck.until.since(now))))
    }
}

/// Whole seconds, rounded up.
fn seconds(span: Millis) -> String {
    format!("{} s", span.0.div_ceil(1000))
}
