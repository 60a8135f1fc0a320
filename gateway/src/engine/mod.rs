//! The engine: one thread that owns the trunk, the KV memory and time. Drain the inbox, one step, send events.
//!
//! Keeps true: what a request gets depends on its own tokens, parameters and seed alone; a request whose
//! reader is gone stops within one step. Does not know text, HTTP or connections.

mod driver;
mod forward;
mod overlap;
mod prefix;
mod step;

pub use driver::Driver;
pub use forward::{Forward, ForwardError, Passed};
pub use overlap::Overlap;
pub(crate) use prefix::salt;

use crate::dispatch::Dispatcher;
use conclave_model::{Compute, Sampled, SamplingParams, Trunk};
use conclave_scheduler::{
    BlockHash, Event, FinishReason, Scheduler, SchedulerOptions, Stats, Submission, SubmitError, TenantId,
};
use conclave_types::{ErrorCode, Millis, RequestId, TokenId};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// One sequence to generate.
#[derive(Clone, Debug)]
pub(crate) struct Generate {
    /// The prompt; every id is below the vocabulary's size.
    pub(crate) prompt: Arc<[TokenId]>,
    /// Most tokens of the answer.
    pub(crate) tokens_max: u32,
    /// How to choose tokens.
    pub(crate) sampling: SamplingParams,
    /// How many alternatives to report; `None`: no log probabilities at all.
    pub(crate) logprobs: Option<u32>,
    /// Tokens that end the answer.
    pub(crate) eos: Vec<TokenId>,
    /// Whose it is, for fairness.
    pub(crate) tenant: TenantId,
    /// A smaller number is served earlier.
    pub(crate) priority: i32,
    /// How long it may take, waiting included.
    pub(crate) timeout: Duration,
    /// Only sequences with the same salt share a prefix.
    pub(crate) salt: BlockHash,
}

/// What the reader of a sequence gets.
#[derive(Clone, Debug)]
pub(crate) enum EngineEvent {
    /// The first event: the sequence runs, and so many tokens of its prompt were computed before.
    Started {
        /// A multiple of the KV block size.
        cached_tokens: u32,
    },
    /// The next token.
    Token(Sampled),
    /// The last event: the sequence is complete.
    Finished(FinishReason),
    /// The last event: the sequence cannot go on.
    Failed(EngineError),
}

/// Why a sequence could not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EngineError {
    /// What a client sees.
    pub(crate) code: ErrorCode,
    /// With values and what to do.
    pub(crate) message: String,
}

enum Message {
    Submit {
        request: Box<Generate>,
        events: mpsc::UnboundedSender<EngineEvent>,
        reply: oneshot::Sender<Result<RequestId, SubmitError>>,
    },
    Abort(RequestId),
    Stop,
}

/// Talks to the engine; cheap to clone.
#[derive(Clone)]
pub(crate) struct EngineHandle {
    inbox: mpsc::UnboundedSender<Message>,
    load: Arc<Mutex<Load>>,
    /// Submissions that the engine has not seen yet: it looks once a step.
    unseen: Arc<AtomicU32>,
    queue_max: u32,
}

/// How busy the engine is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// Counts of the last step.
    pub(crate) stats: Stats,
    /// Seconds between two sequences that end, smoothed; 0 before the first have ended.
    pub(crate) seconds_per_end: f32,
}

impl Load {
    /// After how long a place in the queue may be free: when the queue's first half has been served.
    pub(crate) fn retry_after(&self) -> Duration {
        let seconds = self.seconds_per_end * self.stats.waiting as f32 / 2.0;
        Duration::from_secs_f32(seconds.clamp(1.0, 60.0))
    }
}

/// A running sequence; dropping it aborts.
pub(crate) struct Generation {
    id: RequestId,
    inbox: mpsc::UnboundedSender<Message>,
    /// Events in order; ends after `Finished` or `Failed`. Bounded by the answer's length.
    pub(crate) events: mpsc::UnboundedReceiver<EngineEvent>,
}

impl Drop for Generation {
    fn drop(&mut self) {
        // An engine that is gone has nothing to abort.
        let _ = self.inbox.send(Message::Abort(self.id));
    }
}

impl EngineHandle {
    /// Queues `request`; `None` if the engine has stopped. What finds the queue full is refused at once, not only
    /// when the engine has finished its step.
    pub(crate) async fn submit(&self, request: Generate) -> Option<Result<Generation, SubmitError>> {
        let waiting = self.load().stats.waiting + self.unseen.fetch_add(1, Ordering::Relaxed);
        if waiting >= self.queue_max {
            self.unseen.fetch_sub(1, Ordering::Relaxed);
            return Some(Err(SubmitError::QueueFull { waiting, queue_max: self.queue_max }));
        }
        let (events, receiver) = mpsc::unbounded_channel();
        let (reply, answer) = oneshot::channel();
        self.inbox.send(Message::Submit { request: Box::new(request), events, reply }).ok()?;
        let answer = answer.await.ok()?;
        Some(answer.map(|id| Generation { id, inbox: self.inbox.clone(), events: receiver }))
    }

    /// How busy the engine is.
    pub(crate) fn load(&self) -> Load {
        *self.load.lock().expect("no panic holds this lock")
    }

    /// Ends the engine after its current step; running sequences fail.
    pub(crate) fn stop(&self) {
        let _ = self.inbox.send(Message::Stop);
    }
}

struct Running {
    request: Generate,
    answer: Vec<TokenId>,
    events: mpsc::UnboundedSender<EngineEvent>,
    /// Of the last full block of known tokens; the salt before the first.
    last_block: BlockHash,
    /// When it was submitted or got its last token.
    latest: Instant,
}

impl Running {
    /// The token at absolute position `at`.
    fn token(&self, at: usize) -> TokenId {
        let prompt = &self.request.prompt;
        if at < prompt.len() { prompt[at] } else { self.answer[at - prompt.len()] }
    }
}

struct Engine<C: Compute> {
    forward: Forward<C>,
    scheduler: Scheduler,
    running: BTreeMap<RequestId, Running>,
    next_id: u64,
    block_size: usize,
    started: Instant,
    load: Arc<Mutex<Load>>,
    unseen: Arc<AtomicU32>,
    last_end: Option<Instant>,
    seconds_per_end: f32,
}

/// Starts the engine's thread.
///
/// - `driver`: what the connections to expert nodes run on.
/// - Errors: the backend has no room for the KV blocks.
pub(crate) fn start<C: Compute>(
    trunk: Trunk<C>,
    options: SchedulerOptions,
    overlap: Overlap,
    dispatcher: Arc<Dispatcher>,
    driver: Driver,
) -> Result<(EngineHandle, std::thread::JoinHandle<()>), conclave_model::ComputeError> {
    let (blocks, block_size) = (options.blocks as usize, options.block_size as usize);
    let forward = Forward::new(trunk, blocks, block_size, dispatcher, driver)?.with_overlap(overlap);
    let (inbox, messages) = mpsc::unbounded_channel();
    let scheduler = Scheduler::new(options);
    let load = Arc::new(Mutex::new(Load { stats: scheduler.stats(), seconds_per_end: 0.0 }));
    let unseen = Arc::new(AtomicU32::new(0));
    let handle =
        EngineHandle { inbox, load: load.clone(), unseen: unseen.clone(), queue_max: options.queue_max };
    let engine = Engine {
        forward,
        scheduler,
        running: BTreeMap::new(),
        next_id: 1,
        block_size,
        started: Instant::now(),
        load,
        unseen,
        last_end: None,
        seconds_per_end: 0.0,
    };
    let thread = std::thread::Builder::new().name("engine".to_owned()).spawn(move || engine.run(messages));
    Ok((handle, thread.expect("the operating system gives a thread at start")))
}

impl<C: Compute> Engine<C> {
    fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>) {
        loop {
            // Idle: wait for something to arrive, and keep the connections alive. Busy: take what is there and go on.
            let first = if self.running.is_empty() {
                // The pace is that of a busy engine.
                self.last_end = None;
                let Some(message) = self.forward.driver().block_on(messages.recv()) else { return };
                Some(message)
            } else {
                None
            };
            for message in first.into_iter().chain(std::iter::from_fn(|| messages.try_recv().ok())) {
                match message {
                    Message::Submit { request, events, reply } => {
                        self.submit(*request, events, reply);
                        self.publish();
                        self.unseen.fetch_sub(1, Ordering::Relaxed);
                    }
                    Message::Abort(id) => self.abort(id),
                    Message::Stop => return self.stop(),
                }
            }
            let expired = self.scheduler.expire(self.now());
            self.finish(expired);
            self.step();
            self.publish();
        }
    }

    fn now(&self) -> Millis {
        Millis(self.started.elapsed().as_millis() as u64)
    }

    fn publish(&self) {
        let load = Load { stats: self.scheduler.stats(), seconds_per_end: self.seconds_per_end };
        *self.load.lock().expect("no panic holds this lock") = load;
    }

    /// Tells the readers of sequences that have ended.
    fn finish(&mut self, events: Vec<Event>) {
        for event in events {
            let Event::Finished(id, reason) = event else { continue };
            let Some(running) = self.running.remove(&id) else { continue };
            let last = match reason {
                FinishReason::Deadline => EngineEvent::Failed(EngineError {
                    code: ErrorCode::DeadlineExceeded,
                    message: format!(
                        "the answer took longer than {} s; ask for fewer tokens or allow more time",
                        running.request.timeout.as_secs_f32()
                    ),
                }),
                reason => EngineEvent::Finished(reason),
            };
            // A reader that is gone needs no end.
            let _ = running.events.send(last);
            let now = Instant::now();
            if let Some(before) = self.last_end.replace(now) {
                let apart = now.duration_since(before).as_secs_f32();
                self.seconds_per_end += (apart - self.seconds_per_end) * 0.1;
            }
        }
    }

    fn submit(
        &mut self,
        request: Generate,
        events: mpsc::UnboundedSender<EngineEvent>,
        reply: oneshot::Sender<Result<RequestId, SubmitError>>,
    ) {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        let hashes = prefix::of_prompt(request.salt, &request.prompt, self.block_size);
        let last_block = hashes.last().copied().unwrap_or(request.salt);
        let result = self.scheduler.submit(Submission {
            tenant: request.tenant,
            priority: request.priority,
            deadline: Some(self.now() + Millis(request.timeout.as_millis() as u64)),
            hashes,
            ..Submission::new(id, request.prompt.len() as u32, request.tokens_max)
        });
        if result.is_ok() {
            let running = Running { request, answer: Vec::new(), events, last_block, latest: Instant::now() };
            self.running.insert(id, running);
        }
        // A caller that is gone is noticed at its first event.
        let _ = reply.send(result.map(|()| id));
    }

    fn abort(&mut self, id: RequestId) {
        if self.running.remove(&id).is_some() {
            self.scheduler.abort(id);
        }
    }

    fn stop(self) {
        let message = "the server is stopping; retry elsewhere".to_owned();
        for running in self.running.values() {
            let error = EngineError { code: ErrorCode::Unavailable, message: message.clone() };
            let _ = running.events.send(EngineEvent::Failed(error));
        }
    }
}
