//! A link to another machine, as far as its delay goes: what `bench --away-ms` puts before and behind the experts.
//!
//! Keeps true: what crosses comes out in order and not before its time, and later by some tens of microseconds alone;
//! the runtime's own timer counts in whole milliseconds, which is as long as what is to be measured.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Holds back everything for the same time, so whoever comes first leaves first.
pub(crate) struct Link {
    delay: Duration,
    crossing: Sender<(Instant, oneshot::Sender<()>)>,
}

impl Link {
    /// Of `delay` one way. A thread keeps the time until the link is dropped.
    pub(crate) fn start(delay: Duration) -> std::io::Result<Self> {
        let (crossing, due) = channel();
        std::thread::Builder::new().name("link".to_owned()).spawn(move || deliver(due))?;
        Ok(Self { delay, crossing })
    }

    /// One way over the link.
    pub(crate) async fn cross(&self) {
        let (arrived, arrival) = oneshot::channel();
        self.crossing.send((Instant::now() + self.delay, arrived)).expect("its thread ends after it");
        arrival.await.expect("its thread delivers everything");
    }
}

fn deliver(due: Receiver<(Instant, oneshot::Sender<()>)>) {
    for (at, arrived) in due {
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        // Whoever no longer waits was aborted.
        let _ = arrived.send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_crosses_before_its_time() {
        let delay = Duration::from_millis(3);
        let link = Link::start(delay).unwrap();
        let began = Instant::now();
        let both = async { tokio::join!(link.cross(), link.cross()) };
        tokio::time::timeout(Duration::from_secs(60), both).await.expect("both arrive");
        assert!(began.elapsed() >= delay, "after {:?}", began.elapsed());
    }
}
