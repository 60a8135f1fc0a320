//! What a gateway is working on, and how it comes to an end.
//!
//! Keeps true: once a gateway drains it begins nothing new, and whatever it began is known until it has ended.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The requests under way.
#[derive(Default)]
pub(crate) struct Work {
    /// All, those that another gateway answers included.
    running: TaskTracker,
    /// Those that are answered here.
    here: TaskTracker,
    leaving: CancellationToken,
    draining: CancellationToken,
    over: CancellationToken,
}

/// One request under way; ends when dropped.
pub(crate) struct Ticket(#[allow(dead_code, reason = "held, not read")] TaskTrackerToken);

impl Work {
    /// Begins a request; `None` if the gateway drains.
    pub(crate) fn begin(&self) -> Option<Ticket> {
        // Counted before asking: either the drain sees this request, or this request sees the drain.
        let ticket = Ticket(self.running.token());
        (!self.drains()).then_some(ticket)
    }

    /// Counts a request as answered here.
    pub(crate) fn answer(&self) -> Ticket {
        Ticket(self.here.token())
    }

    /// How many requests are answered here.
    pub(crate) fn load(&self) -> usize {
        self.here.len()
    }

    /// Says that a drain is near; what comes meanwhile is still taken.
    pub(crate) fn leave(&self) {
        self.leaving.cancel();
    }

    /// Whether nobody should send anything new.
    pub(crate) fn leaves(&self) -> bool {
        self.leaving.is_cancelled() || self.drains()
    }

    /// Whether nothing new is begun.
    pub(crate) fn drains(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Begins nothing any more.
    pub(crate) fn drain(&self) {
        self.draining.cancel();
        self.running.close();
    }

    /// How many requests are under way.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Resolves when a drain has left nothing under way.
    pub(crate) async fn ended(&self) {
        self.running.wait().await;
    }

    /// Tells what is still under way to end.
    pub(crate) fn end(&self) {
        self.over.cancel();
    }

    /// Resolves when what is under way shall end.
    pub(crate) async fn over(&self) {
        self.over.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_drain_begins_nothing_and_waits_for_what_it_began() {
        let work = Work::default();
        work.leave();
        let ticket = work.begin().expect("a gateway that leaves still takes what comes");
        assert!(work.leaves() && !work.drains());
        work.drain();
        assert!(work.begin().is_none());
        assert!(work.ended().now_or_never().is_none(), "one is under way");
        drop(ticket);
        work.ended().await;
    }
}
