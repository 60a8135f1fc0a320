//! Whether one node should be asked: closed, slow, failed or quarantined, and the way back. Pure: time is an argument.
//!
//! Keeps true: a node that is not closed gets no work that another home can do; it comes back by probes, which are
//! copies of calls that nobody needs, so that finding out costs no request.

use std::time::{Duration, Instant};

/// So many hedges in a row that were answered before the node itself make it slow.
const LOST_MAX: u32 = 2;
/// Pause after a first failure; doubled with each further one.
const FAILED_FIRST: Duration = Duration::from_millis(100);
const FAILED_LAST: Duration = Duration::from_secs(2);
/// Pause after a silence, at least.
const FAILED_SILENT: Duration = Duration::from_secs(1);
/// Pause before a slow node is probed; doubled when [`BAD`] more probes were bad than good.
const SLOW_FIRST: Duration = Duration::from_millis(250);
const SLOW_LAST: Duration = Duration::from_secs(2);
/// A node that is slow again within this time after it came back goes on with the pause that it had.
const SLOW_AGAIN: Duration = Duration::from_secs(30);
/// Pause before a node is probed that gave answers which cannot be right.
const QUARANTINE: Duration = Duration::from_secs(60);
/// Pause after a probe whose layer ended before it did.
const UNTOLD: Duration = Duration::from_secs(1);
/// Pause before the next probe while they have not decided.
const CONFIRM: Duration = Duration::from_millis(50);
/// Pause before a node is looked at again to which there is no connection: that costs nothing.
const NO_CONNECTION: Duration = Duration::from_millis(100);
/// So many good probes more than bad ones, and a slow node is trusted again; a quarantined one needs them in a row, a failed
/// one needs one.
const GOOD: i32 = 4;
/// So many bad probes more than good ones show that a slow node still is. One shows little: where processes share cores, each
/// third probe of a sound node may be late.
const BAD: i32 = 2;

/// What is thought of a node; the numbers are those of `conclave_expert_node_state`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// It is asked.
    #[default]
    Closed = 0,
    /// It takes far longer than others.
    Slow = 1,
    /// It failed.
    Failed = 2,
    /// It gave answers that cannot be right.
    Quarantined = 3,
}

/// One node's state and how it got there.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
    /// Failures, or probes that were not good, in a row.
    failures: u32,
    /// Hedges lost in a row.
    lost: u32,
    /// Good probes, less the bad ones.
    good: i32,
    slow_pause: Option<Duration>,
    probe_at: Option<Instant>,
    closed_at: Option<Instant>,
}

impl Breaker {
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Hedges that it lost since it last answered.
    pub(super) fn lost_in_a_row(&self) -> u32 {
        self.lost
    }

    /// Whether it should be probed.
    pub(super) fn due(&self, now: Instant) -> bool {
        self.state != State::Closed && self.probe_at.is_some_and(|at| at <= now)
    }

    /// A call that was needed was answered.
    pub(super) fn answered(&mut self, now: Instant) {
        self.lost = 0;
        if self.state == State::Failed {
            self.close(now);
        }
    }

    /// A call failed, or was not answered in time (`silent`).
    pub(super) fn failed(&mut self, silent: bool, now: Instant) {
        if self.state == State::Quarantined {
            return;
        }
        let pause = FAILED_FIRST.saturating_mul(1 << self.failures.min(8)).min(FAILED_LAST);
        let pause = if silent { pause.max(FAILED_SILENT) } else { pause };
        self.open(State::Failed, pause, now);
        self.failures += 1;
    }

    /// Another home answered a hedge before this one answered the call.
    pub(super) fn lost(&mut self, now: Instant) {
        self.lost += 1;
        if self.lost >= LOST_MAX {
            self.slow(now);
        }
    }

    /// Its answers take far longer than those of others.
    pub(super) fn slow(&mut self, now: Instant) {
        if self.state == State::Closed {
            let again = self.closed_at.is_some_and(|closed| now.duration_since(closed) < SLOW_AGAIN);
            let pause = self.slow_pause.filter(|_| again).unwrap_or(SLOW_FIRST);
            self.slow_pause = Some(pause);
            self.open(State::Slow, pause, now);
        }
    }

    /// It gave an answer that cannot be right.
    pub(super) fn quarantine(&mut self, now: Instant) {
        self.open(State::Quarantined, QUARANTINE, now);
    }

    /// The cluster lost the node and hears of it again: what it did in between says nothing of what it does now.
    pub(super) fn returned(&mut self, now: Instant) {
        if matches!(self.state, State::Slow | State::Failed) {
            self.failures = 0;
            self.slow_pause = None;
            self.open(self.state, Duration::ZERO, now);
        }
    }

    /// A probe was sent; the next one waits for its result, or a while if that is never told.
    pub(super) fn probing(&mut self, now: Instant) {
        self.probe_at = Some(now + UNTOLD);
    }

    /// The result of a probe: `good` if it was right and in time.
    pub(super) fn probed(&mut self, good: bool, now: Instant) {
        if self.state == State::Closed {
            return;
        }
        if good {
            self.good += 1;
            if self.good >= if self.state == State::Failed { 1 } else { GOOD } {
                self.close(now);
            } else {
                self.probe_at = Some(now + CONFIRM);
            }
            return;
        }
        match self.state {
            State::Slow if self.good > 1 - BAD => {
                self.good -= 1;
                self.probe_at = Some(now + CONFIRM);
            }
            State::Slow => {
                let pause = self.slow_pause.map_or(SLOW_FIRST, |pause| (pause * 2).min(SLOW_LAST));
                self.slow_pause = Some(pause);
                self.open(State::Slow, pause, now);
            }
            State::Failed => self.failed(false, now),
            _ => self.quarantine(now),
        }
    }

    /// A probe is due and cannot be sent, because there is no connection: that says nothing of how the node is.
    pub(super) fn unconnected(&mut self, now: Instant) {
        self.probe_at = Some(now + NO_CONNECTION);
    }

    fn open(&mut self, state: State, pause: Duration, now: Instant) {
        self.state = state;
        self.good = 0;
        self.probe_at = Some(now + pause);
    }

    fn close(&mut self, now: Instant) {
        *self = Self { closed_at: Some(now), slow_pause: self.slow_pause, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// When `breaker` is due, in milliseconds after `now`; it is not before.
    fn due(breaker: &Breaker, now: Instant) -> u64 {
        let at = (0..100_000).find(|after| breaker.due(now + MS(*after)));
        at.expect("it is due some time")
    }

    #[test]
    fn a_failed_node_is_probed_later_each_time_and_trusted_again_after_one_answer() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        assert!(!breaker.due(now));
        breaker.failed(false, now);
        assert_eq!((breaker.state(), due(&breaker, now)), (State::Failed, 100));
        breaker.probed(false, now);
        assert_eq!(due(&breaker, now), 200);
        (0..20).for_each(|_| breaker.probed(false, now));
        assert_eq!(due(&breaker, now), 2_000);
        breaker.probed(true, now);
        assert_eq!(breaker.state(), State::Closed);
        breaker.failed(true, now);
        assert_eq!(due(&breaker, now), 1_000, "a silence is waited for longer");
        breaker.answered(now);
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn hedges_lost_in_a_row_make_a_node_slow_and_one_between_answers_does_not() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..5 {
            breaker.lost(now);
            breaker.answered(now);
        }
        assert_eq!(breaker.state(), State::Closed);
        breaker.lost(now);
        breaker.lost(now);
        assert_eq!((breaker.state(), due(&breaker, now)), (State::Slow, 250));
        breaker.answered(now);
        assert_eq!(breaker.state(), State::Slow, "an answer of the only home says nothing about its pace");
    }

    #[test]
    fn a_slow_node_returns_after_four_good_probes_more_than_bad_ones() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        breaker.slow(now);
        for good in [true, true, true, false, false, false, false, true, false] {
            breaker.probing(now);
            assert_eq!(due(&breaker, now), 1_000, "one probe at a time");
            breaker.probed(good, now);
            assert_eq!(
                (breaker.state(), due(&breaker, now)),
                (State::Slow, 50),
                "{good} is followed up soon"
            );
        }
        breaker.probed(false, now);
        assert_eq!(due(&breaker, now), 500, "two more bad ones than good ones: the pause doubles");
        breaker.probed(false, now);
        assert_eq!(due(&breaker, now), 50, "one says little");
        breaker.probed(false, now);
        assert_eq!(due(&breaker, now), 1_000);
        [true, true, false, true, true].into_iter().for_each(|good| breaker.probed(good, now));
        assert_eq!(breaker.state(), State::Slow);
        breaker.probed(true, now);
        assert_eq!(breaker.state(), State::Closed);
        breaker.slow(now + MS(1_000));
        assert_eq!(due(&breaker, now + MS(1_000)), 1_000, "slow again soon: the pause stays");
        (0..4).for_each(|_| breaker.probed(true, now));
        breaker.slow(now + MS(40_000));
        assert_eq!(due(&breaker, now + MS(40_000)), 250, "slow again much later: as at first");
        (0..20).for_each(|_| breaker.probed(false, now));
        assert_eq!(due(&breaker, now), 2_000, "and never longer than this");
    }

    #[test]
    fn a_node_that_the_cluster_hears_of_again_is_probed_at_once() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        breaker.returned(now);
        assert_eq!(breaker.state(), State::Closed);
        breaker.slow(now);
        (0..9).for_each(|_| breaker.probed(false, now));
        breaker.returned(now);
        assert_eq!((breaker.state(), due(&breaker, now)), (State::Slow, 0));
        for _ in 0..20 {
            breaker.unconnected(now);
            assert_eq!(
                due(&breaker, now),
                100,
                "the connection is not there yet: that says nothing of the node"
            );
        }
        (0..2).for_each(|_| breaker.probed(false, now));
        assert_eq!(due(&breaker, now), 250, "its pauses begin anew");
        breaker.failed(true, now);
        breaker.returned(now);
        assert_eq!((breaker.state(), due(&breaker, now)), (State::Failed, 0));
        breaker.quarantine(now);
        breaker.returned(now);
        assert_eq!(due(&breaker, now), 60_000, "wrong answers have nothing to do with silence");
    }

    #[test]
    fn a_quarantined_node_stays_out_for_a_minute_whatever_else_happens() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        breaker.quarantine(now);
        breaker.failed(false, now);
        breaker.slow(now);
        breaker.answered(now);
        assert_eq!((breaker.state(), due(&breaker, now)), (State::Quarantined, 60_000));
        (0..3).for_each(|_| breaker.probed(true, now));
        breaker.probed(false, now);
        assert_eq!((breaker.state(), due(&breaker, now)), (State::Quarantined, 60_000));
        (0..4).for_each(|_| breaker.probed(true, now));
        assert_eq!(breaker.state(), State::Closed);
    }
}
