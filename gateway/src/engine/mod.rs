//! The engine: one thread that owns the trunk, the KV memory and time. Drain the inbox, one step, send events.
//!
//! Keeps true: what a request gets depends on its own tokens, parameters and seed alone; a request whose
//! reader is gone stops within one step. Does not know text, HTTP or connections.

mod forward;
mod step;

pub use forward::{Forward, ForwardError};

use crate::dispatch::Dispatcher;
use conclave_model::{Compute, Sampled, SamplingParams, Trunk};
use conclave_scheduler::{FinishReason, Scheduler, SchedulerOptions, Stats, Submission, SubmitError};
use conclave_types::{ErrorCode, RequestId, TokenId};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// One sequence to generate.
#[derive(Clone, Debug)]
pub(crate) struct Generate {
    /// The prompt; every id is below the vocabulary's size.
    pub(crate) prompt: Vec<TokenId>,
    /// Most tokens of the answer.
    pub(crate) tokens_max: u32,
    /// How to choose tokens.
    pub(crate) sampling: SamplingParams,
    /// How many alternatives to report; `None`: no log probabilities at all.
    pub(crate) logprobs: Option<u32>,
    /// Tokens that end the answer.
    pub(crate) eos: Vec<TokenId>,
}

/// What the reader of a sequence gets.
#[derive(Clone, Debug)]
pub(crate) enum EngineEvent {
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
    inbox: Sender<Message>,
    stats: Arc<Mutex<Stats>>,
}

/// A running sequence; dropping it aborts.
pub(crate) struct Generation {
    id: RequestId,
    inbox: Sender<Message>,
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
    /// Queues `request`; `None` if the engine has stopped.
    pub(crate) async fn submit(&self, request: Generate) -> Option<Result<Generation, SubmitError>> {
        let (events, receiver) = mpsc::unbounded_channel();
        let (reply, answer) = oneshot::channel();
        self.inbox.send(Message::Submit { request: Box::new(request), events, reply }).ok()?;
        let answer = answer.await.ok()?;
        Some(answer.map(|id| Generation { id, inbox: self.inbox.clone(), events: receiver }))
    }

    /// Counts of the last step.
    pub(crate) fn stats(&self) -> Stats {
        *self.stats.lock().expect("no panic holds this lock")
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
    stats: Arc<Mutex<Stats>>,
}

/// Starts the engine's thread.
///
/// - `runtime`: where calls to expert nodes run.
/// - Errors: the backend has no room for the KV blocks.
pub(crate) fn start<C: Compute>(
    trunk: Trunk<C>,
    options: SchedulerOptions,
    dispatcher: Arc<Dispatcher>,
    runtime: tokio::runtime::Handle,
) -> Result<(EngineHandle, std::thread::JoinHandle<()>), conclave_model::ComputeError> {
    let (blocks, block_size) = (options.blocks as usize, options.block_size as usize);
    let forward = Forward::new(trunk, blocks, block_size, dispatcher, runtime)?;
    let (inbox, messages) = channel();
    let scheduler = Scheduler::new(options);
    let stats = Arc::new(Mutex::new(scheduler.stats()));
    let handle = EngineHandle { inbox, stats: stats.clone() };
    let engine = Engine { forward, scheduler, running: BTreeMap::new(), next_id: 1, stats };
    let thread = std::thread::Builder::new().name("engine".to_owned()).spawn(move || engine.run(messages));
    Ok((handle, thread.expect("the operating system gives a thread at start")))
}

impl<C: Compute> Engine<C> {
    fn run(mut self, messages: Receiver<Message>) {
        loop {
            // Idle: sleep until something arrives. Busy: take what is there and go on.
            let idle = self.running.is_empty();
            let first = if idle {
                match messages.recv_timeout(Duration::from_secs(3600)) {
                    Ok(message) => Some(message),
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            } else {
                None
            };
            for message in first.into_iter().chain(messages.try_iter()) {
                match message {
                    Message::Submit { request, events, reply } => self.submit(*request, events, reply),
                    Message::Abort(id) => self.abort(id),
                    Message::Stop => return self.stop(),
                }
            }
            self.step();
            *self.stats.lock().expect("no panic holds this lock") = self.scheduler.stats();
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
        let prompt_tokens = request.prompt.len() as u32;
        let result = self.scheduler.submit(Submission { id, prompt_tokens, tokens_max: request.tokens_max });
        if result.is_ok() {
            self.running.insert(id, Running { request, answer: Vec::new(), events });
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
