//! The dispatcher's time: the system's; in tests one that jumps to whatever is waited for.

use std::pin::Pin;
use std::time::Instant;

/// A future that is done at some time.
pub(super) type Alarm = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where time comes from.
#[derive(Clone, Default)]
pub(super) enum Clock {
    /// From the system.
    #[default]
    System,
    /// From a test.
    #[cfg(test)]
    Manual(manual::ManualClock),
}

impl Clock {
    pub(super) fn now(&self) -> Instant {
        match self {
            Self::System => Instant::now(),
            #[cfg(test)]
            Self::Manual(clock) => clock.now(),
        }
    }

    /// Done at `at`. The system's needs a tokio runtime.
    pub(super) fn until(&self, at: Instant) -> Alarm {
        match self {
            Self::System => Box::pin(tokio::time::sleep_until(at.into())),
            #[cfg(test)]
            Self::Manual(clock) => Box::pin(clock.until(at)),
        }
    }
}

#[cfg(test)]
pub(super) mod manual {
    use std::collections::BTreeMap;
    use std::pin::{Pin, pin};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll, Wake, Waker};
    use std::time::{Duration, Instant};

    /// Time that stands still while anything can be done, and else jumps to the next moment that is waited for.
    #[derive(Clone)]
    pub(in super::super) struct ManualClock(Arc<Mutex<Times>>);

    struct Times {
        now: Instant,
        /// By time, then by order of asking.
        sleepers: BTreeMap<(Instant, u64), Waker>,
        asked: u64,
    }

    /// Done at its time; forgotten when dropped.
    pub(in super::super) struct Until {
        times: Arc<Mutex<Times>>,
        key: (Instant, u64),
    }

    impl Future for Until {
        type Output = ();

        fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            let mut times = self.times.lock().unwrap();
            if times.now >= self.key.0 {
                return Poll::Ready(());
            }
            times.sleepers.insert(self.key, context.waker().clone());
            Poll::Pending
        }
    }

    impl Drop for Until {
        fn drop(&mut self) {
            // After a panic nobody waits any more.
            if let Ok(mut times) = self.times.lock() {
                times.sleepers.remove(&self.key);
            }
        }
    }

    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    impl ManualClock {
        pub(in super::super) fn new() -> Self {
            Self(Arc::new(Mutex::new(Times { now: Instant::now(), sleepers: BTreeMap::new(), asked: 0 })))
        }

        pub(in super::super) fn now(&self) -> Instant {
            self.0.lock().unwrap().now
        }

        pub(in super::super) fn pass(&self, time: Duration) {
            self.0.lock().unwrap().now += time;
        }

        pub(in super::super) fn until(&self, at: Instant) -> Until {
            let mut times = self.0.lock().unwrap();
            times.asked += 1;
            Until { times: self.0.clone(), key: (at, times.asked) }
        }

        pub(in super::super) fn sleep(&self, time: Duration) -> Until {
            self.until(self.now() + time)
        }

        /// Runs `future` to its end.
        pub(in super::super) fn run<F: Future>(&self, future: F) -> F::Output {
            let woken = Arc::new(Woken(AtomicBool::new(false)));
            let waker = Waker::from(woken.clone());
            let mut future = pin!(future);
            loop {
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return output;
                }
                if !woken.0.swap(false, Ordering::Relaxed) {
                    let next = self.0.lock().unwrap().sleepers.pop_first();
                    let ((at, _), _) = next.expect("nobody waits for a time, so nothing can happen");
                    let mut times = self.0.lock().unwrap();
                    times.now = times.now.max(at);
                }
            }
        }
    }
}
