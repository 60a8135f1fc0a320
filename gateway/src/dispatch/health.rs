//! What the gateway itself sees of the nodes: who failed lately, and how long answers take.
//!
//! Keeps true: a node that failed is skipped at once, not only when its lease ends, and is tried again soon; a
//! deadline follows from what was observed, so that a frozen node costs a moment and a slow machine costs nothing.

use conclave_expert::Lane;
use conclave_types::NodeId;
use dashmap::DashMap;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Pause after a first failure; doubled with each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LAST: Duration = Duration::from_secs(2);
/// Pause after a silence: longer than a dead connection takes to be noticed, so that each such node costs live
/// traffic one deadline and not several.
const PAUSE_SILENT: Duration = Duration::from_secs(4);
/// Deadline while nothing was observed: the first calls find cold caches.
const DEADLINE_UNKNOWN: Duration = Duration::from_secs(5);
const DEADLINE_MIN: Duration = Duration::from_millis(250);
const DEADLINE_MAX: Duration = Duration::from_secs(20);
/// A deadline is this many times the slowest answer of late.
const DEADLINE_FACTOR: u32 = 8;

struct Trip {
    until: Instant,
    failures: u32,
}

/// The gateway's view of its nodes.
#[derive(Default)]
pub(super) struct Health {
    trips: DashMap<NodeId, Trip>,
    /// The slowest answer of late per lane, in microseconds: falls by a 64th with each faster one.
    slowest: [AtomicU64; 2],
}

fn index(lane: Lane) -> usize {
    match lane {
        Lane::Prefill => 0,
        Lane::Decode => 1,
    }
}

impl Health {
    /// Nodes that should not be asked at `now` unless nobody else is left.
    pub(super) fn tripped(&self, now: Instant) -> BTreeSet<NodeId> {
        self.trips.iter().filter(|trip| trip.until > now).map(|trip| *trip.key()).collect()
    }

    /// Notes an answer.
    pub(super) fn answered(&self, node: NodeId, lane: Lane, took: Duration) {
        if !self.trips.is_empty() {
            self.trips.remove(&node);
        }
        let took = took.as_micros() as u64;
        let slowest = &self.slowest[index(lane)];
        let old = slowest.load(Ordering::Relaxed);
        slowest.store(took.max(old - old / 64), Ordering::Relaxed);
    }

    /// Notes a failure, or that no answer came in time (`silent`); whether it is news.
    pub(super) fn failed(&self, node: NodeId, silent: bool, now: Instant) -> bool {
        let mut trip = self.trips.entry(node).or_insert(Trip { until: now, failures: 0 });
        let pause = PAUSE_FIRST.saturating_mul(1 << trip.failures.min(8)).min(PAUSE_LAST);
        trip.until = now + if silent { PAUSE_SILENT } else { pause };
        trip.failures += 1;
        trip.failures == 1
    }

    /// Forgets what `node` did.
    pub(super) fn forget(&self, node: NodeId) {
        self.trips.remove(&node);
    }

    /// How long a call may take before others are asked.
    pub(super) fn deadline(&self, lane: Lane) -> Duration {
        match self.slowest[index(lane)].load(Ordering::Relaxed) {
            0 => DEADLINE_UNKNOWN,
            slowest => (Duration::from_micros(slowest) * DEADLINE_FACTOR).clamp(DEADLINE_MIN, DEADLINE_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_node_is_skipped_longer_each_time_and_trusted_again_after_an_answer() {
        let health = Health::default();
        let (node, start) = (NodeId(1), Instant::now());
        let skipped = |after: u64| health.tripped(start + Duration::from_millis(after)).contains(&node);
        assert!(health.failed(node, false, start), "the first failure is news");
        assert!(skipped(99) && !skipped(101));
        assert!(!health.failed(node, false, start));
        assert!(skipped(199) && !skipped(201));
        for _ in 0..20 {
            health.failed(node, false, start);
        }
        assert!(skipped(1_999) && !skipped(2_001));
        health.failed(node, true, start);
        assert!(skipped(3_999) && !skipped(4_001), "a silent node costs a deadline each time it is tried");
        health.answered(node, Lane::Decode, Duration::from_millis(1));
        assert!(!skipped(0));
    }

    #[test]
    fn deadlines_follow_the_slowest_answer_of_late() {
        let health = Health::default();
        let answered = |millis| health.answered(NodeId(1), Lane::Prefill, Duration::from_millis(millis));
        assert_eq!(health.deadline(Lane::Prefill), DEADLINE_UNKNOWN);
        answered(1);
        assert_eq!(health.deadline(Lane::Prefill), DEADLINE_MIN);
        answered(100);
        assert_eq!(health.deadline(Lane::Prefill), Duration::from_millis(800));
        (0..1_000).for_each(|_| answered(1));
        assert_eq!(health.deadline(Lane::Prefill), DEADLINE_MIN);
        assert_eq!(health.deadline(Lane::Decode), DEADLINE_UNKNOWN);
    }
}
