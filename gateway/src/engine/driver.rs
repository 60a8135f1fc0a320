//! The runtime of the connections to expert nodes, driven by the engine's own thread while that waits for a layer.
//!
//! Keeps true: a call is written, and its answer read, by the thread that waits for it, so that neither waits for
//! another thread to wake up; while the engine computes beside calls that are under way, a helper drives instead. What
//! runs here progresses only while somebody waits, so it must not hold up anything but calls.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

/// A runtime without threads of its own, and a thread that can take over.
pub struct Driver {
    runtime: Option<Arc<Runtime>>,
    helper: Option<(Sender<oneshot::Receiver<()>>, JoinHandle<()>)>,
}

/// While it lives, the helper drives.
pub(super) struct Beside(
    #[expect(dead_code, reason = "dropping it tells the helper to stop")] oneshot::Sender<()>,
);

impl Driver {
    /// Starts the helper, which sleeps until it is needed.
    pub fn start() -> std::io::Result<Self> {
        let runtime = Arc::new(Builder::new_current_thread().enable_all().build()?);
        let (turns, to_take) = channel::<oneshot::Receiver<()>>();
        let driven = runtime.clone();
        let take_turns = move || {
            for until in to_take {
                // Dropping the other side is how it ends.
                let _ = driven.block_on(until);
            }
        };
        let thread = std::thread::Builder::new().name("engine-io".to_owned()).spawn(take_turns)?;
        Ok(Self { runtime: Some(runtime), helper: Some((turns, thread)) })
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("there until it is dropped")
    }

    /// For connections that shall be driven here.
    pub fn handle(&self) -> Handle {
        self.runtime().handle().clone()
    }

    /// Drives until `future` is done. The calling thread must not be one of a runtime's.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime().block_on(future)
    }

    /// Lets the helper drive, because this thread has something else to do.
    pub(super) fn beside(&self) -> Beside {
        let (stop, until) = oneshot::channel();
        let (turns, _) = self.helper.as_ref().expect("there until it is dropped");
        turns.send(until).expect("the helper ends after this");
        Beside(stop)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some((turns, thread)) = self.helper.take() {
            drop(turns);
            // It runs nothing of ours that could panic.
            let _ = thread.join();
        }
        if let Some(runtime) = self.runtime.take().and_then(Arc::into_inner) {
            // Dropped in place it would wait, which a runtime's thread may not.
            runtime.shutdown_background();
        }
    }
}
