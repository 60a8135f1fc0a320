//! The scheduler: admission, budget, preemption.
//!
//! First come, first served. Running sequences decode first, one token each; what is left of the budget goes
//! to prompt chunks in order of arrival. A sequence is admitted when all its known tokens fit beside some growth
//! of the others. When a sequence needs a block and none is free, the latest arrival is preempted: its blocks
//! are freed and its tokens are computed again later.

use crate::{BlockPool, Event, FinishReason, SchedulerOptions, Slice, StepOutcome, StepPlan};
use conclave_types::{BlockId, RequestId};
use std::collections::VecDeque;

/// A new sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Its id, new to the scheduler.
    pub id: RequestId,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Most tokens of the answer.
    pub tokens_max: u32,
}

/// Why a sequence is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The queue is full.
    #[error("{waiting} requests wait already (queue_max {queue_max}); retry later")]
    QueueFull {
        /// How many wait.
        waiting: u32,
        /// The limit.
        queue_max: u32,
    },
    /// No prompt or no answer was asked for.
    #[error("prompt and answer need at least one token each")]
    Empty,
    /// The prompt leaves no room for an answer in the context.
    #[error(
        "the prompt has {prompt_tokens} tokens, the context {context_max}, and at least one is the answer's"
    )]
    TooLong {
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// The context.
        context_max: u32,
    },
    /// Even alone the sequence would not fit the KV blocks.
    #[error("{tokens} tokens need {needed} KV blocks, the gateway has {blocks}; raise its KV memory")]
    NeverFits {
        /// Prompt and answer.
        tokens: u32,
        /// Blocks for them.
        needed: u32,
        /// Blocks there are.
        blocks: u32,
    },
}

#[derive(Debug)]
struct Sequence {
    id: RequestId,
    /// Prompt and answer tokens known so far.
    tokens: u32,
    /// Of these, how many have their keys and values stored.
    computed: u32,
    /// The sequence ends when it has so many tokens.
    tokens_end: u32,
    blocks: Vec<BlockId>,
}

/// Counts for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sequences in the queue.
    pub waiting: u32,
    /// Sequences that hold blocks.
    pub running: u32,
    /// KV blocks nobody holds.
    pub blocks_free: u32,
    /// All KV blocks.
    pub blocks_total: u32,
    /// Preemptions so far.
    pub preemptions: u64,
}

/// Decides what runs in each step.
#[derive(Debug)]
pub struct Scheduler {
    options: SchedulerOptions,
    pool: BlockPool,
    waiting: VecDeque<Sequence>,
    /// In order of arrival.
    running: Vec<Sequence>,
    /// Blocks of sequences that were aborted while a plan still writes to them.
    parked: Vec<BlockId>,
    outstanding: bool,
    step: u64,
    preemptions: u64,
}

impl Scheduler {
    /// A scheduler without sequences.
    pub fn new(options: SchedulerOptions) -> Self {
        Self {
            pool: BlockPool::new(options.blocks),
            options,
            waiting: VecDeque::new(),
            running: Vec::new(),
            parked: Vec::new(),
            outstanding: false,
            step: 0,
            preemptions: 0,
        }
    }

    fn blocks_for(&self, tokens: u32) -> u32 {
        tokens.div_ceil(self.options.block_size)
    }

    /// Queues a sequence. The answer is cut to what the context leaves.
    pub fn submit(&mut self, new: Submission) -> Result<(), SubmitError> {
        let SchedulerOptions { queue_max, context_max, blocks, .. } = self.options;
        if new.prompt_tokens == 0 || new.tokens_max == 0 {
            return Err(SubmitError::Empty);
        }
        if new.prompt_tokens >= context_max {
            return Err(SubmitError::TooLong { prompt_tokens: new.prompt_tokens, context_max });
        }
        let tokens_end = new.prompt_tokens.saturating_add(new.tokens_max).min(context_max);
        // The last token is never stored: nothing follows it.
        let needed = self.blocks_for(tokens_end - 1);
        if needed > blocks {
            return Err(SubmitError::NeverFits { tokens: tokens_end, needed, blocks });
        }
        let waiting = self.waiting.len() as u32;
        if waiting >= queue_max {
            return Err(SubmitError::QueueFull { waiting, queue_max });
        }
        self.waiting.push_back(Sequence {
            id: new.id,
            tokens: new.prompt_tokens,
            computed: 0,
            tokens_end,
            blocks: Vec::new(),
        });
        Ok(())
    }

    /// Ends a sequence without an event; `false` if it is not known (any more).
    ///
    /// Its blocks are free at once, or, while a plan is outstanding, when that plan is committed.
    pub fn abort(&mut self, id: RequestId) -> bool {
        if let Some(at) = self.running.iter().position(|sequence| sequence.id == id) {
            let sequence = self.running.remove(at);
            self.release(sequence.blocks);
            return true;
        }
        let before = self.waiting.len();
        self.waiting.retain(|sequence| sequence.id != id);
        self.waiting.len() < before
    }

    fn release(&mut self, blocks: Vec<BlockId>) {
        if self.outstanding {
            self.parked.extend(blocks);
        } else {
            self.pool.give_back(blocks);
        }
    }

    /// Plans the next step; `None` if nothing can run. The plan must come back through [`Self::commit`].
    pub fn schedule(&mut self) -> Option<StepPlan> {
        assert!(!self.outstanding, "a plan is outstanding: commit it before the next");
        let preempted_before = self.preemptions;
        let mut budget = self.options.step_tokens_max;
        let mut lengths: Vec<u32> = vec![0; self.running.len()];
        // Decodes first, so that a long prompt never delays a running answer.
        for decoding in [true, false] {
            let mut at = 0;
            while at < self.running.len() && budget > 0 {
                let sequence = &self.running[at];
                let left = sequence.tokens - sequence.computed;
                if (left == 1) == decoding && lengths[at] == 0 {
                    let len = left.min(budget);
                    if self.grow(at, len, &mut lengths, &mut budget) {
                        lengths[at] = len;
                        budget -= len;
                    }
                }
                at += 1;
            }
        }
        // Whoever was preempted in this step would be the first to come back, only to be preempted again.
        while budget > 0
            && self.preemptions == preempted_before
            && self.running.len() < self.options.sequences_max as usize
        {
            let Some(next) = self.waiting.front() else { break };
            // Room for everything known and a block of growth for each running sequence, or sequences that
            // do not fit together push each other out step after step. Alone, one always fits.
            let reserve = self.running.len() as u32;
            let known = self.blocks_for(next.tokens);
            if self.pool.free() < known + reserve {
                break;
            }
            let len = next.tokens.min(budget);
            let mut sequence = self.waiting.pop_front().expect("looked at above");
            sequence.blocks = self.pool.take(known).expect("counted above");
            self.running.push(sequence);
            lengths.push(len);
            budget -= len;
        }
        let slices: Vec<Slice> = self
            .running
            .iter()
            .zip(lengths)
            .filter(|(_, len)| *len > 0)
            .map(|(sequence, len)| Slice {
                id: sequence.id,
                start: sequence.computed,
                len,
                samples: sequence.computed + len == sequence.tokens,
                block_table: sequence.blocks.clone(),
            })
            .collect();
        if slices.is_empty() {
            return None;
        }
        self.outstanding = true;
        self.step += 1;
        Some(StepPlan { step: self.step, slices })
    }

    /// Gives sequence `at` blocks for `len` more tokens, preempting later arrivals; `false` if it must wait
    /// (it may itself be the latest, and then is preempted).
    fn grow(&mut self, at: usize, len: u32, lengths: &mut Vec<u32>, budget: &mut u32) -> bool {
        let wanted = self.blocks_for(self.running[at].computed + len);
        loop {
            let more = wanted.saturating_sub(self.running[at].blocks.len() as u32);
            if let Some(blocks) = self.pool.take(more) {
                self.running[at].blocks.extend(blocks);
                return true;
            }
            let last = self.running.len() - 1;
            let mut victim = self.running.pop().expect("there is at least the growing one");
            *budget += lengths.pop().expect("one length per running sequence");
            self.pool.give_back(std::mem::take(&mut victim.blocks));
            victim.computed = 0;
            self.waiting.push_front(victim);
            self.preemptions += 1;
            if last == at {
                return false;
            }
        }
    }

    /// Takes a plan back with its outcome.
    pub fn commit(&mut self, plan: StepPlan, outcome: StepOutcome) -> Vec<Event> {
        assert!(self.outstanding && plan.step == self.step, "the plan is not the outstanding one");
        self.outstanding = false;
        let parked = std::mem::take(&mut self.parked);
        self.pool.give_back(parked);
        let mut events = Vec::new();
        match outcome {
            StepOutcome::Failed { ended } => {
                for id in ended {
                    if self.abort(id) {
                        events.push(Event::Finished(id, FinishReason::Failed));
                    }
                }
            }
            StepOutcome::Done(sampled) => {
                for slice in &plan.slices {
                    if let Some(at) = self.find(slice.id) {
                        self.running[at].computed = slice.start + slice.len;
                    }
                }
                for token in sampled {
                    let Some(at) = self.find(token.id) else { continue };
                    let sequence = &mut self.running[at];
                    sequence.tokens += 1;
                    events.push(Event::Token(token.id));
                    let reason = if token.stop {
                        FinishReason::Stop
                    } else if sequence.tokens >= sequence.tokens_end {
                        FinishReason::Length
                    } else {
                        continue;
                    };
                    let sequence = self.running.remove(at);
                    self.pool.give_back(sequence.blocks);
                    events.push(Event::Finished(token.id, reason));
                }
            }
        }
        events
    }

    fn find(&self, id: RequestId) -> Option<usize> {
        self.running.iter().position(|sequence| sequence.id == id)
    }

    /// Counts for metrics.
    pub fn stats(&self) -> Stats {
        Stats {
            waiting: self.waiting.len() as u32,
            running: self.running.len() as u32,
            blocks_free: self.pool.free(),
            blocks_total: self.pool.total(),
            preemptions: self.preemptions,
        }
    }
}
