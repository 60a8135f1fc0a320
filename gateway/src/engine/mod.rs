//! The engine: one thread that owns the trunk, the KV memory and time. Drain the inbox, one step, send events.
//!
//! Keeps true: what a request gets depends on its own tokens, parameters and seed alone; a request whose
//! reader is gone stops within one step. Does not know text, HTTP or connections.

mod chunk;
mod driver;
mod forward;
mod overlap;
mod prefix;
mod step;

pub use driver::Driver;
pub use forward::{Forward, ForwardError};
pub use overlap::Overlap;
pub(crate) use prefix::salt;

use crate::dispatch::Dispatcher;
use chunk::Chunk;
use conclave_model::{Compute, Sampled, SamplingParams, Trunk};
use conclave_scheduler::{
    BlockHash, Demand, Event, FinishReason, Scheduler, SchedulerOptions, Stats, Submission, SubmitError,
    TenantId, Waiting,
};
use conclave_telemetry::SpanPlace;
use conclave_types::{ErrorCode, Millis, RequestId, TokenId};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
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
    /// The span of the request, if somebody will see it.
    pub(crate) span: Option<SpanPlace>,
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
    Submit(Box<Group>),
    Abort(RequestId),
    Stop,
}

/// The choices of one request, and what each was counted as until the engine saw it.
struct Group {
    submissions: Vec<Submission>,
    choices: Vec<(Generate, mpsc::UnboundedSender<EngineEvent>)>,
    unseen: Waiting,
    reply: oneshot::Sender<Result<(), SubmitError>>,
}

/// Talks to the engine; cheap to clone.
#[derive(Clone)]
pub(crate) struct EngineHandle {
    inbox: mpsc::UnboundedSender<Message>,
    load: Arc<Mutex<Load>>,
    next_id: Arc<AtomicU64>,
    options: SchedulerOptions,
}

/// How busy the engine is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// Counts of the last step.
    pub(crate) stats: Stats,
    /// Submissions that the engine has not seen yet: it looks once a step.
    unseen: Waiting,
    /// Seconds between two sequences that end, smoothed; 0 before the first have ended.
    pub(crate) seconds_per_end: f32,
}

impl Load {
    /// After how long a place in the queue may be free: when the queue's first half has been served.
    pub(crate) fn retry_after(&self) -> Duration {
        let seconds = self.seconds_per_end * self.waiting().sequences as f32 / 2.0;
        Duration::from_secs_f32(seconds.clamp(1.0, 60.0))
    }

    fn waiting(&self) -> Waiting {
        Waiting {
            sequences: self.stats.waiting.sequences + self.unseen.sequences,
            blocks: self.stats.waiting.blocks + self.unseen.blocks,
        }
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
    /// Queues the choices of one request, which have one prompt and one salt; `None` if the engine has stopped. What finds
    /// no room is refused at once, not only when the engine has finished its step.
    pub(crate) async fn submit(
        &self,
        choices: Vec<Generate>,
    ) -> Option<Result<Vec<Generation>, SubmitError>> {
        let block_size = self.options.block_size as usize;
        let hashes =
            choices.first().map_or(Vec::new(), |one| prefix::of_prompt(one.salt, &one.prompt, block_size));
        let submission = |request: &Generate| Submission {
            tenant: request.tenant,
            priority: request.priority,
            hashes: hashes.clone(),
            ..Submission::new(
                RequestId(self.next_id.fetch_add(1, Ordering::Relaxed)),
                request.prompt.len() as u32,
                request.tokens_max,
            )
        };
        let submissions: Vec<Submission> = choices.iter().map(submission).collect();
        let unseen = match self.reserve(&submissions) {
            Ok(unseen) => unseen,
            Err(error) => return Some(Err(error)),
        };
        let (senders, receivers): (Vec<_>, Vec<_>) =
            choices.iter().map(|_| mpsc::unbounded_channel()).unzip();
        let generation =
            |(new, events): (&Submission, _)| Generation { id: new.id, inbox: self.inbox.clone(), events };
        // From here on a caller that leaves takes its choices back.
        let generations: Vec<Generation> = submissions.iter().zip(receivers).map(generation).collect();
        let (reply, answer) = oneshot::channel();
        let choices = choices.into_iter().zip(senders).collect();
        self.inbox.send(Message::Submit(Box::new(Group { submissions, choices, unseen, reply }))).ok()?;
        Some(answer.await.ok()?.map(|()| generations))
    }

    /// Counts `group` as waiting until the engine sees it; as what, or why it cannot wait.
    fn reserve(&self, group: &[Submission]) -> Result<Waiting, SubmitError> {
        let needs = group.iter().map(|new| new.need(&self.options)).collect::<Result<Vec<_>, _>>()?;
        let blocks = Demand::of(needs.iter().copied()).blocks();
        let mut load = self.load.lock().expect("no panic holds this lock");
        // Which prefixes others wait with is known to the engine only; here each counts in full.
        self.options.room(load.waiting(), &needs, |_| blocks)?;
        let sequences = needs.len() as u32;
        load.unseen.sequences += sequences;
        load.unseen.blocks += blocks;
        Ok(Waiting { sequences, blocks })
    }

    /// Why no request at all can be queued now, if that is so.
    pub(crate) fn full(&self) -> Option<SubmitError> {
        self.options.full(self.load().waiting())
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
    chunk: Chunk,
    running: BTreeMap<RequestId, Running>,
    block_size: usize,
    started: Instant,
    load: Arc<Mutex<Load>>,
    last_end: Option<Instant>,
    seconds_per_end: f32,
}

/// Starts the engine's thread.
///
/// - `step_goal`: what a step with prompts and answers should take at most.
/// - `driver`: what the connections to expert nodes run on.
/// - Errors: the backend has no room for the KV blocks.
pub(crate) fn start<C: Compute>(
    trunk: Trunk<C>,
    options: SchedulerOptions,
    step_goal: Duration,
    overlap: Overlap,
    dispatcher: Arc<Dispatcher>,
    driver: Driver,
) -> Result<(EngineHandle, std::thread::JoinHandle<()>), conclave_model::ComputeError> {
    let (blocks, block_size) = (options.blocks as usize, options.block_size as usize);
    let forward = Forward::new(trunk, blocks, block_size, dispatcher, driver)?.with_overlap(overlap);
    let (inbox, messages) = mpsc::unbounded_channel();
    let scheduler = Scheduler::new(options);
    let load = Arc::new(Mutex::new(Load { stats: scheduler.stats(), ..Load::default() }));
    let handle = EngineHandle { inbox, load: load.clone(), next_id: Arc::new(AtomicU64::new(1)), options };
    let engine = Engine {
        forward,
        scheduler,
        chunk: Chunk::new(step_goal.as_secs_f64()),
        running: BTreeMap::new(),
        block_size,
        started: Instant::now(),
        load,
        last_end: None,
        seconds_per_end: 0.0,
    };
    let thread = std::thread::Builder::new().name("engine".to_owned()).spawn(move || engine.run(messages));
    Ok((handle, thread.expect("the operating system gives a thread at start")))
}

impl<C: Compute> Engine<C> {
    fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>) {
        self.forward.dispatcher().pool().stay();
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
                    Message::Submit(group) => self.submit(*group),
                    Message::Abort(id) => self.abort(id),
                    Message::Stop => return self.stop(),
                }
            }
            let expired = self.scheduler.expire(self.now());
            self.finish(expired);
            self.step();
            self.publish(Waiting::default());
        }
    }

    fn now(&self) -> Millis {
        Millis(self.started.elapsed().as_millis() as u64)
    }

    /// Tells how busy it is, now that it has seen what was counted as `seen`.
    fn publish(&self, seen: Waiting) {
        let mut load = self.load.lock().expect("no panic holds this lock");
        load.stats = self.scheduler.stats();
        load.seconds_per_end = self.seconds_per_end;
        load.unseen.sequences -= seen.sequences;
        load.unseen.blocks -= seen.blocks;
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

    fn submit(&mut self, group: Group) {
        let Group { mut submissions, choices, unseen, reply } = group;
        let now = self.now();
        for (new, (request, _)) in submissions.iter_mut().zip(&choices) {
            new.deadline = Some(now + Millis(request.timeout.as_millis() as u64));
        }
        let begin = |(new, (request, events)): (&Submission, (Generate, _))| {
            let last_block = new.hashes.last().copied().unwrap_or(request.salt);
            (new.id, Running { request, answer: Vec::new(), events, last_block, latest: Instant::now() })
        };
        let begun: Vec<(RequestId, Running)> = submissions.iter().zip(choices).map(begin).collect();
        let result = self.scheduler.submit_all(submissions);
        if result.is_ok() {
            self.running.extend(begun);
        }
        self.publish(unseen);
        // A caller that is gone has taken its choices back.
        let _ = reply.send(result);
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
