//! What the gateway itself sees of the nodes: how fast each answers in each lane, who is not to be asked, how long a
//! call may take before another home is asked too, and how often that may be done.
//!
//! Keeps true: limits follow from what healthy nodes take for as much work, so that neither a large call nor a slow
//! machine looks like a fault; while everything is slow nobody is hedged; a lock is held for moments, never while
//! something is awaited. Time is an argument.

use super::breaker::{Breaker, State};
use super::budget::Budget;
use super::pace::{Pace, lower_median, time};
use super::split::{Askable, NodeLoads};
use conclave_control::{Avoidance, NodeViews};
use conclave_expert::Lane;
use conclave_types::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The share of healthy nodes' answers that are in time.
const TAIL: f32 = 0.99;
/// A call is late after this many times what all but a hundredth take,
const HEDGE_TAIL: f32 = 1.5;
/// this many times what it usually takes,
const HEDGE_USUAL: f32 = 3.0;
/// and this long, whichever is latest: timers are no finer than a millisecond.
const HEDGE_MIN: Duration = Duration::from_millis(2);
/// A call is given up after this many times what all but a hundredth take, within these bounds.
const DEADLINE_TAIL: f32 = 8.0;
const DEADLINE_MIN: Duration = Duration::from_millis(250);
const DEADLINE_MAX: Duration = Duration::from_secs(20);
/// Deadline while nothing was observed: the first calls find cold caches.
const DEADLINE_UNKNOWN: Duration = Duration::from_secs(5);
/// A node is slow at so many times the trend of the middle node.
const SLOW: f32 = 3.0;
/// A node gets less work at so many times the trend of the middle node.
const SLOWER: f32 = 1.5;
/// Loads, in percent, of nodes that would rather not be asked at all.
const FAILED_LOAD: u64 = 100_000;
const QUARANTINED_LOAD: u64 = 1_000_000;
/// The load of a slow node doubles with each hedge that it loses in a row, so often at most.
const SILENT_DOUBLINGS: u32 = 8;
/// What is usual is looked up anew after so many answers.
const LOOK: u32 = 32;
/// A node whose last answer was late is no place for hedges for so long.
const LATE: Duration = Duration::from_secs(1);
/// A call that runs so many times as long as until its hedge may be hedged at a home that is avoided, too: it would be asked
/// at the deadline anyhow, and may long be well.
const HANGS: f32 = 4.0;
/// A probe is good within so many times what a call usually takes; so long at least, and at most.
const PROBE_USUAL: f32 = 3.0;
const PROBE_MIN: Duration = Duration::from_micros(500);
const PROBE_MAX: Duration = Duration::from_millis(100);
/// For a probe while nothing was observed.
const PROBE_UNKNOWN: Duration = Duration::from_millis(10);

/// What healthy nodes take for a unit of work, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Usual {
    /// Half of all answers are faster.
    middle: Option<f32>,
    /// Nearly all are faster.
    tail: Option<f32>,
    /// Answers since this was looked up.
    since: u32,
}

#[derive(Default)]
struct Node {
    breaker: Breaker,
    paces: [Pace; 2],
    /// What all but a hundredth of its answers took, as of the last look.
    tails: [Option<f32>; 2],
    /// Calls that run now and are late.
    overdue: u32,
    late: Option<Late>,
}

/// That a node was late when it was last heard of.
#[derive(Clone, Copy, Debug)]
struct Late {
    /// How many times as long as until a hedge it took, or would have taken at least.
    times: f32,
    /// Until when that is held against it.
    until: Instant,
}

/// What became of extra calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extra {
    pub(super) hedges_won: u64,
    pub(super) hedges_lost: u64,
    pub(super) hedges_failed: u64,
    pub(super) refused_by_budget: u64,
    pub(super) refused_all_slow: u64,
    pub(super) probes_good: u64,
    pub(super) probes_bad: u64,
}

/// Limits of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Past this other homes are asked too; `None`: not known yet.
    pub(super) hedge: Option<Duration>,
    /// Past this it is given up.
    pub(super) deadline: Duration,
}

/// The gateway's view of its nodes.
#[derive(Default)]
pub(super) struct Health(Mutex<View>);

#[derive(Default)]
struct View {
    nodes: BTreeMap<NodeId, Node>,
    usual: [Usual; 2],
    budget: Budget,
    /// Nodes that are not closed.
    avoided: BTreeSet<NodeId>,
    /// Of those, and of closed nodes that are somewhat slower than others.
    loads: NodeLoads,
    extra: Extra,
    /// Nodes with a series of their own.
    told: BTreeSet<NodeId>,
}

/// Marks a call as late until it ends, however it does.
pub(super) struct Overdue<'a> {
    health: &'a Health,
    node: NodeId,
}

impl Drop for Overdue<'_> {
    fn drop(&mut self) {
        if let Some(node) = self.health.view().nodes.get_mut(&self.node) {
            node.overdue = node.overdue.saturating_sub(1);
        }
    }
}

fn index(lane: Lane) -> usize {
    match lane {
        Lane::Prefill => 0,
        Lane::Decode => 1,
    }
}

impl Health {
    fn view(&self) -> std::sync::MutexGuard<'_, View> {
        self.0.lock().expect("no panic holds this lock")
    }

    /// Says what of `alive` is avoided and how loaded the rest is.
    pub(super) fn askable(&self, alive: BTreeSet<NodeId>) -> Askable {
        let view = self.view();
        // Nearly always both are empty, and cost nothing.
        Askable { alive, avoided: view.avoided.clone(), loads: view.loads.clone() }
    }

    /// How long a call of `work` units may take.
    pub(super) fn limits(&self, node: NodeId, lane: Lane, work: f32) -> Limits {
        let view = self.view();
        let usual = view.usual[index(lane)];
        let (Some(middle), Some(tail)) = (usual.middle, usual.tail) else {
            return Limits { hedge: None, deadline: DEADLINE_UNKNOWN };
        };
        let late = time(tail * HEDGE_TAIL, work).max(time(middle * HEDGE_USUAL, work)).max(HEDGE_MIN);
        // A node that is known to be slow is not given up for that.
        let own = view.nodes.get(&node).and_then(|node| node.tails[index(lane)]);
        let deadline = time(tail.max(own.unwrap_or(0.0)) * DEADLINE_TAIL, work);
        let deadline = deadline.clamp(DEADLINE_MIN, DEADLINE_MAX);
        Limits { hedge: (late < deadline).then_some(late), deadline }
    }

    /// `calls` that are needed are made.
    pub(super) fn asked(&self, calls: usize) {
        self.view().budget.earn(calls);
    }

    /// A call that was needed was answered; `late`: after its hedge, and in how many times as long as until that.
    pub(super) fn answered(
        &self,
        node: NodeId,
        lane: Lane,
        work: f32,
        took: Duration,
        late: Option<f32>,
        now: Instant,
    ) {
        let mut view = self.view();
        let state = view.nodes.entry(node).or_default();
        state.paces[index(lane)].add(work, took);
        state.late = late.map(|times| Late { times, until: now + LATE });
        if state.breaker.state() == State::Slow && state.breaker.due(now) {
            // The only home of something, or the best of several that are avoided: its own calls are its probes.
            let good = took <= view.good_within(lane, work);
            view.change(node, now, |breaker| breaker.probed(good, now));
        }
        view.change(node, now, |breaker| breaker.answered(now));
        view.weigh(node);
        let usual = &mut view.usual[index(lane)];
        usual.since += 1;
        if usual.since >= LOOK {
            view.look(lane, now);
        }
    }

    /// Notes a failure, or that no answer came in time (`silent`); whether it is news.
    pub(super) fn failed(&self, node: NodeId, silent: bool, now: Instant) -> bool {
        self.view().change(node, now, |breaker| breaker.failed(silent, now))
    }

    /// A call is late.
    pub(super) fn overdue(&self, node: NodeId) -> Overdue<'_> {
        self.view().nodes.entry(node).or_default().overdue += 1;
        Overdue { health: self, node }
    }

    /// A call was not answered within `waited`, which is `times` as long as until its hedge, and others have answered in its
    /// place.
    pub(super) fn lost(
        &self,
        node: NodeId,
        lane: Lane,
        work: f32,
        waited: Duration,
        times: f32,
        now: Instant,
    ) {
        let mut view = self.view();
        let state = view.nodes.entry(node).or_default();
        // It would have taken longer still.
        state.paces[index(lane)].add(work, waited);
        state.late = Some(Late { times, until: now + LATE });
        if view.change(node, now, |breaker| breaker.lost(now)) {
            tracing::warn!(%node, "a home is slow; others are asked until it is quick again");
        }
        view.weigh(node);
    }

    /// A hedge at `node` was late, had `times` as long as until it was, and was not needed in the end.
    pub(super) fn late(&self, node: NodeId, times: f32, now: Instant) {
        self.view().nodes.entry(node).or_default().late = Some(Late { times, until: now + LATE });
    }

    /// Nodes that may be as slow as one whose call has run `times` as long as until its hedge, or slower.
    pub(super) fn unfit(&self, now: Instant, times: f32) -> BTreeSet<NodeId> {
        let view = self.view();
        // Where nobody else is asked for anything a node cannot show that it is quick again, and a call that hangs would wait for
        // its deadline because of a home that was a little late once.
        let as_late = |late: Late| late.until > now && late.times >= times;
        let worse = |node: &Node| match node.breaker.state() {
            State::Closed => false,
            State::Slow => times < HANGS.max(view.times_usual(node)),
            State::Failed => times < HANGS,
            State::Quarantined => true,
        };
        let unfit = |node: &Node| node.overdue > 0 || node.late.is_some_and(as_late) || worse(node);
        view.nodes.iter().filter(|(_, node)| unfit(node)).map(|(id, _)| *id).collect()
    }

    /// Whether `hedges` more may be sent; then they count as sent.
    pub(super) fn may_hedge(&self, hedges: usize) -> bool {
        self.view().budget.spend(hedges)
    }

    /// Notes what became of extra calls.
    pub(super) fn note(&self, change: impl FnOnce(&mut Extra)) {
        change(&mut self.view().extra);
    }

    /// A node that should be probed now, of `nodes`.
    pub(super) fn probe_due(&self, now: Instant, nodes: &Askable) -> Option<NodeId> {
        if nodes.avoided.is_empty() {
            return None;
        }
        let view = self.view();
        let due = |id: &&NodeId| view.nodes.get(id).is_some_and(|node| node.breaker.due(now));
        nodes.avoided.iter().filter(|id| nodes.alive.contains(id)).find(due).copied()
    }

    /// Whether `node` may be probed by a call of `work`, and within what time it must answer; then it counts as sent.
    pub(super) fn probe(&self, node: NodeId, lane: Lane, work: f32, now: Instant) -> Option<Duration> {
        let mut view = self.view();
        if !view.budget.spend(1) {
            return None;
        }
        view.nodes.entry(node).or_default().breaker.probing(now);
        Some(view.good_within(lane, work))
    }

    /// A probe was answered after `took`, or was given up then.
    pub(super) fn probe_took(&self, node: NodeId, lane: Lane, work: f32, took: Duration) {
        self.view().nodes.entry(node).or_default().paces[index(lane)].add(work, took);
    }

    /// A probe was answered rightly and in time, or not.
    pub(super) fn probed(&self, node: NodeId, good: bool, now: Instant) {
        let mut view = self.view();
        let count = if good { &mut view.extra.probes_good } else { &mut view.extra.probes_bad };
        *count += 1;
        view.change(node, now, |breaker| breaker.probed(good, now));
    }

    /// `node` should be probed, and there is no connection to it.
    pub(super) fn unconnected(&self, node: NodeId, now: Instant) {
        self.view().nodes.entry(node).or_default().breaker.unconnected(now);
    }

    /// `node` gave an answer that cannot be right.
    pub(super) fn quarantine(&self, node: NodeId, why: &str, now: Instant) {
        if self.view().change(node, now, |breaker| breaker.quarantine(now)) {
            tracing::error!(%node, why, "a home gives wrong answers; it is avoided until it has proved itself");
        }
    }

    /// The cluster hears of `node` again.
    pub(super) fn returned(&self, node: NodeId, now: Instant) {
        if let Some(node) = self.view().nodes.get_mut(&node) {
            node.breaker.returned(now);
        }
    }

    /// The nodes that are avoided, and why.
    pub(super) fn avoided(&self) -> NodeViews {
        let view = self.view();
        let why = |node: &NodeId| match view.state(*node) {
            State::Closed => None,
            State::Slow => Some((*node, Avoidance::Slow)),
            State::Failed => Some((*node, Avoidance::Failed)),
            State::Quarantined => Some((*node, Avoidance::Quarantined)),
        };
        view.avoided.iter().filter_map(why).collect()
    }

    /// Forgets what `node` did.
    pub(super) fn forget(&self, node: NodeId) {
        let mut view = self.view();
        view.nodes.remove(&node);
        view.avoided.remove(&node);
        view.loads.remove(&node);
    }

    /// Makes metrics of it; `nodes`: those that can be asked.
    pub(super) fn tell(&self, nodes: impl Iterator<Item = NodeId>) {
        let nodes: BTreeSet<NodeId> = nodes.collect();
        let (extra, states) = {
            let mut view = self.view();
            view.told.extend(nodes);
            let states: Vec<(NodeId, State)> =
                view.told.iter().map(|node| (*node, view.state(*node))).collect();
            (view.extra, states)
        };
        for (outcome, hedges) in
            [("won", extra.hedges_won), ("lost", extra.hedges_lost), ("failed", extra.hedges_failed)]
        {
            metrics::counter!("conclave_expert_hedges_total", "outcome" => outcome).absolute(hedges);
        }
        for (reason, hedges) in [("budget", extra.refused_by_budget), ("all_slow", extra.refused_all_slow)] {
            metrics::counter!("conclave_expert_hedges_refused_total", "reason" => reason).absolute(hedges);
        }
        for (outcome, probes) in [("good", extra.probes_good), ("bad", extra.probes_bad)] {
            metrics::counter!("conclave_expert_probes_total", "outcome" => outcome).absolute(probes);
        }
        for (node, state) in states {
            metrics::gauge!("conclave_expert_node_state", "node" => node.to_string())
                .set(f64::from(state as u8));
        }
    }
}

impl View {
    fn state(&self, node: NodeId) -> State {
        self.nodes.get(&node).map(|node| node.breaker.state()).unwrap_or_default()
    }

    /// The time within which a call of `work` shows that a node is quick.
    fn good_within(&self, lane: Lane, work: f32) -> Duration {
        let usual = self.usual[index(lane)].middle.map(|middle| time(middle * PROBE_USUAL, work));
        usual.map_or(PROBE_UNKNOWN, |usual| usual.clamp(PROBE_MIN, PROBE_MAX))
    }

    /// How many times the usual a node took of late, in the lane where that is more.
    fn times_usual(&self, node: &Node) -> f32 {
        let times = |lane: usize| Some((node.paces[lane].trend()? - self.usual[lane].middle?.log2()).exp2());
        [0, 1].into_iter().filter_map(times).fold(SLOW, f32::max)
    }

    /// The load of a node that is avoided: where all homes of an expert are, the least bad is asked.
    fn badness(&self, node: &Node) -> u64 {
        match node.breaker.state() {
            State::Quarantined => QUARANTINED_LOAD,
            State::Failed => FAILED_LOAD,
            // Who loses hedge after hedge may not answer at all, and then its time so far says little.
            _ => {
                let silent = (1 << node.breaker.lost_in_a_row().min(SILENT_DOUBLINGS)) as f32;
                ((self.times_usual(node) * silent * 100.0) as u64).min(FAILED_LOAD / 4)
            }
        }
    }

    /// Looks up the load of a node that is avoided.
    fn weigh(&mut self, id: NodeId) {
        if self.avoided.contains(&id) {
            let load = self.badness(&self.nodes[&id]);
            self.loads.insert(id, load);
        }
    }

    /// Changes a node's breaker; whether it is in another state then.
    fn change(&mut self, id: NodeId, now: Instant, change: impl FnOnce(&mut Breaker)) -> bool {
        let node = self.nodes.entry(id).or_default();
        let before = node.breaker.state();
        change(&mut node.breaker);
        let after = node.breaker.state();
        if before == after {
            return false;
        }
        if after == State::Closed {
            // What it did before says nothing now.
            node.paces = Default::default();
            node.late = None;
            self.avoided.remove(&id);
            self.loads.remove(&id);
            tracing::info!(node = %id, "a home is used again");
        } else {
            self.avoided.insert(id);
            self.weigh(id);
        }
        // What is usual is told by closed nodes, and these have changed.
        self.look(Lane::Prefill, now);
        self.look(Lane::Decode, now);
        true
    }

    /// Looks up what is usual in `lane`, and who is slower than that.
    fn look(&mut self, lane: Lane, now: Instant) {
        let at = index(lane);
        self.usual[at].since = 0;
        self.nodes.values_mut().for_each(|node| node.tails[at] = node.paces[at].quantile(TAIL));
        let closed = || self.nodes.iter().filter(|(_, node)| node.breaker.state() == State::Closed);
        let middle = |value: &dyn Fn(&Node) -> Option<f32>| {
            lower_median(closed().filter_map(|(_, node)| value(node)).collect())
        };
        // While nobody is closed the last that was known holds.
        self.usual[at].middle = middle(&|node| node.paces[at].quantile(0.5)).or(self.usual[at].middle);
        self.usual[at].tail = middle(&|node| node.tails[at]).or(self.usual[at].tail);
        // Those that are avoided may have become better or worse.
        let avoided = self.avoided.iter().map(|id| (*id, self.badness(&self.nodes[id])));
        let avoided: Vec<(NodeId, u64)> = avoided.collect();
        let trend = middle(&|node| node.paces[at].trend());
        self.loads.extend(avoided);
        let Some(trend) = trend else { return };
        let closed = self.nodes.iter().filter(|(_, node)| node.breaker.state() == State::Closed);
        let slower = closed.filter_map(|(id, node)| Some((*id, (node.paces[at].trend()? - trend).exp2())));
        let slower: Vec<(NodeId, f32)> = slower.collect();
        for (id, times) in slower {
            if self.state(id) != State::Closed {
                // A look that a change before this one caused has found it out.
            } else if times >= SLOW {
                if self.change(id, now, |breaker| breaker.slow(now)) {
                    tracing::warn!(node = %id, times, "a home is slow; others are asked until it is quick again");
                }
            } else if times >= SLOWER {
                self.loads.insert(id, (times * 100.0) as u64);
            } else {
                self.loads.remove(&id);
            }
        }
    }
}

#[cfg(test)]
impl Health {
    /// What became of extra calls so far.
    pub(super) fn extra(&self) -> Extra {
        self.view().extra
    }

    /// What is thought of `node`.
    pub(super) fn state(&self, node: NodeId) -> State {
        self.view().state(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;
    const LANE: Lane = Lane::Decode;

    /// `times` answers of each of `nodes`: after so many milliseconds, for a work of 100.
    fn answers(health: &Health, times: u32, nodes: &[(u64, u64)], now: Instant) {
        for _ in 0..times {
            for (node, took) in nodes {
                health.answered(NodeId(*node), LANE, 100.0, MS(*took), None, now);
            }
        }
    }

    fn states(health: &Health) -> [State; 3] {
        [0, 1, 2].map(|node| health.state(NodeId(node)))
    }

    #[test]
    fn limits_follow_what_healthy_nodes_take_for_as_much_work() {
        let (health, now) = (Health::default(), Instant::now());
        let limits = |work| health.limits(NodeId(0), LANE, work);
        assert_eq!(limits(100.0), Limits { hedge: None, deadline: DEADLINE_UNKNOWN });
        // One node of three is twice as slow.
        answers(&health, 64, &[(0, 10), (1, 10), (2, 20)], now);
        let hedge = limits(100.0).hedge.unwrap();
        assert!((MS(30)..MS(37)).contains(&hedge), "{hedge:?}");
        let large = limits(1_000.0);
        assert!((MS(300)..MS(370)).contains(&large.hedge.unwrap()), "{large:?}");
        assert!((MS(800)..MS(1_000)).contains(&large.deadline), "{large:?}");
        assert_eq!(limits(0.1), Limits { hedge: Some(HEDGE_MIN), deadline: DEADLINE_MIN });
        let slow = health.limits(NodeId(2), LANE, 1_000.0);
        assert_eq!(slow.hedge, large.hedge, "a slow node is hedged as early");
        assert!(slow.deadline > large.deadline, "but not given up as early");
        let prefill = health.limits(NodeId(0), Lane::Prefill, 100.0);
        assert_eq!(prefill.hedge, None, "lanes are apart");
    }

    #[test]
    fn a_node_far_slower_than_the_others_is_avoided_and_one_somewhat_slower_gets_less() {
        let (health, now) = (Health::default(), Instant::now());
        answers(&health, 64, &[(0, 10), (1, 12), (2, 10)], now);
        assert_eq!(states(&health), [State::Closed; 3]);
        answers(&health, 64, &[(0, 10), (1, 20), (2, 10)], now);
        let askable = health.askable(BTreeSet::new());
        assert!(askable.avoided.is_empty());
        assert!((180..=220).contains(&askable.loads[&NodeId(1)]), "{askable:?}");
        answers(&health, 64, &[(0, 10), (1, 100), (2, 10)], now);
        assert_eq!(states(&health), [State::Closed, State::Slow, State::Closed]);
        let askable = health.askable(BTreeSet::new());
        assert_eq!(askable.avoided, [NodeId(1)].into());
        assert!(askable.loads.len() == 1 && askable.loads[&NodeId(1)] >= 300, "{:?}", askable.loads);
    }

    #[test]
    fn where_all_are_slow_nobody_is() {
        let (health, now) = (Health::default(), Instant::now());
        answers(&health, 200, &[(0, 10), (1, 10), (2, 10)], now);
        for slower in [20, 50, 100, 500] {
            answers(&health, 64, &[(0, slower), (1, slower), (2, slower)], now);
            assert_eq!(states(&health), [State::Closed; 3]);
        }
        answers(&health, 600, &[(0, 500), (1, 500), (2, 500)], now);
        let hedge = health.limits(NodeId(0), LANE, 100.0).hedge.unwrap();
        assert!(hedge > MS(1_500), "what is usual has grown with them: {hedge:?}");
    }

    #[test]
    fn a_node_that_is_late_is_no_place_for_hedges() {
        let (health, now) = (Health::default(), Instant::now());
        answers(&health, 20, &[(0, 10), (1, 10), (2, 10)], now);
        assert!(health.unfit(now, 1.0).is_empty());
        let overdue = health.overdue(NodeId(1));
        assert_eq!(health.unfit(now, 1.0), [NodeId(1)].into());
        drop(overdue);
        assert!(health.unfit(now, 1.0).is_empty());
        health.answered(NodeId(2), LANE, 100.0, MS(50), Some(1.5), now);
        assert_eq!(health.unfit(now, 1.0), [NodeId(2)].into());
        assert!(health.unfit(now, 2.0).is_empty(), "but for calls that are later still");
        assert!(health.unfit(now + LATE, 1.0).is_empty(), "that is forgotten after a while");
        answers(&health, 1, &[(2, 10)], now);
        assert!(health.unfit(now, 1.0).is_empty(), "and after an answer in time");
    }

    #[test]
    fn of_two_slow_homes_the_one_that_still_answers_is_the_lesser_evil() {
        let (health, now) = (Health::default(), Instant::now());
        answers(&health, 64, &[(0, 10), (1, 80), (2, 10)], now);
        (0..2).for_each(|_| health.lost(NodeId(2), LANE, 100.0, MS(30), 1.0, now));
        assert_eq!(states(&health), [State::Closed, State::Slow, State::Slow]);
        let loads = || health.askable(BTreeSet::new()).loads;
        let before = loads()[&NodeId(2)];
        (0..2).for_each(|_| health.lost(NodeId(2), LANE, 100.0, MS(30), 1.0, now));
        let after = loads();
        assert!(after[&NodeId(2)] > 3 * before && after[&NodeId(2)] > after[&NodeId(1)], "{after:?}");
        answers(&health, 1, &[(2, 10)], now);
        assert!(loads()[&NodeId(2)] < before, "it answers again");
    }

    #[test]
    fn a_call_that_hangs_is_worth_a_hedge_at_a_home_that_failed() {
        let (health, now) = (Health::default(), Instant::now());
        answers(&health, 64, &[(0, 10), (1, 80), (2, 10)], now);
        health.failed(NodeId(2), true, now);
        assert_eq!(states(&health), [State::Closed, State::Slow, State::Failed]);
        assert_eq!(health.unfit(now, 2.0), [NodeId(1), NodeId(2)].into());
        assert_eq!(health.unfit(now, HANGS), [NodeId(1)].into(), "which may be as slow as ever");
        assert!(health.unfit(now, 16.0).is_empty());
        health.quarantine(NodeId(2), "it lies", now);
        assert_eq!(health.unfit(now, 16.0), [NodeId(2)].into());
    }

    #[test]
    fn a_node_that_returns_is_judged_by_what_it_does_then() {
        let (health, now) = (Health::default(), Instant::now());
        answers(&health, 64, &[(0, 10), (1, 100), (2, 10)], now);
        assert_eq!(health.state(NodeId(1)), State::Slow);
        (0..4).for_each(|_| health.probed(NodeId(1), true, now));
        answers(&health, 100, &[(0, 10), (1, 10), (2, 10)], now);
        assert_eq!(states(&health), [State::Closed; 3]);
        assert!(health.failed(NodeId(1), false, now), "a first failure is news");
        assert!(!health.failed(NodeId(1), false, now));
        health.forget(NodeId(1));
        assert_eq!(health.state(NodeId(1)), State::Closed);
        assert!(health.askable(BTreeSet::new()).avoided.is_empty());
    }
}
