//! Threads for what no token waits for, such as verifying and loading experts while others are computed.
//!
//! Keeps true: where a core is wanted by both, whoever computes for tokens gets nearly all of it; what runs here goes on.

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::oneshot;

/// How far its threads step back: a tenth of a core's time beside one thread that does not.
const NICE: i32 = 10;

/// As many threads as there are cores, which step back for all others of this machine.
pub(crate) struct Background(ThreadPool);

impl Background {
    pub(crate) fn start() -> Result<Self, ThreadPoolBuildError> {
        let step_back = |_| {
            // On Linux this is the calling thread alone. Whoever may not do it works as before.
            if cfg!(target_os = "linux") {
                let _ = rustix::process::setpriority_process(None, NICE);
            }
        };
        let pool =
            ThreadPoolBuilder::new().thread_name(|at| format!("background-{at}")).start_handler(step_back);
        Ok(Self(pool.build()?))
    }

    /// Runs `work` there; nobody waits for it.
    pub(crate) fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        // A panic has been logged, and the next work runs.
        self.0.spawn(move || drop(catch_unwind(AssertUnwindSafe(work))));
    }

    /// Runs `work` there, what it does in parallel included.
    ///
    /// Errors: what it panicked with.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> std::thread::Result<T> {
        let (done, result) = oneshot::channel();
        // Whoever no longer waits does not need the result.
        self.0.spawn(move || drop(done.send(catch_unwind(AssertUnwindSafe(work)))));
        result.await.expect("a result is sent in any case")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;

    #[tokio::test]
    async fn work_steps_back_and_who_waits_does_not() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let background = Background::start().unwrap();
        let work = move || (0..64).into_par_iter().map(|_| nice()).collect::<Vec<_>>();
        let there = background.run(work).await.unwrap();
        if cfg!(target_os = "linux") {
            assert_eq!(there, vec![before.max(NICE); 64]);
        }
        assert_eq!(nice(), before);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_next_work_runs() {
        let background = Background::start().unwrap();
        assert!(background.run(|| panic!("meant to")).await.is_err());
        assert_eq!(background.run(|| 7).await.unwrap(), 7);
    }
}
