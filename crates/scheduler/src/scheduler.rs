//! The scheduler: admission, budget, preemption.
//!
//! Running sequences decode first, one token each; what is left of the budget, and no more than the caller allows beside
//! answers, goes to prompt chunks, the most important first: smaller priority number, then earlier arrival. Who is admitted
//! next is the queue's rule. A sequence is admitted when all its known tokens fit beside some growth of the others; what the
//! prefix index has of them is not computed again, and a sequence waits for another that is just computing its beginning.
//! When a sequence needs a block and none is free, the least important running one makes room and is computed again later.

use crate::blocks::BlockHash;
use crate::queue::{Queue, TenantId};
use crate::{
    BlockPool, Event, FinishReason, Need, SchedulerOptions, Slice, StepOutcome, StepPlan, Submission,
    SubmitError, Waiting,
};
use conclave_types::{BlockId, Millis, RequestId};
use std::collections::HashSet;

#[derive(Debug)]
pub(crate) struct Sequence {
    pub(crate) id: RequestId,
    pub(crate) tenant: TenantId,
    pub(crate) priority: i32,
    /// Counts submissions.
    pub(crate) arrival: u64,
    pub(crate) deadline: Option<Millis>,
    /// Whether it ran before.
    pub(crate) was_admitted: bool,
    /// Prompt and answer tokens known so far.
    tokens: u32,
    /// Of these, how many have their keys and values stored.
    computed: u32,
    /// The sequence ends when it has so many tokens.
    tokens_end: u32,
    /// KV blocks that it has then.
    blocks_end: u32,
    blocks: Vec<BlockId>,
    /// Of the first full blocks of known tokens.
    hashes: Vec<BlockHash>,
}

impl Sequence {
    /// Whoever has the greatest makes room first.
    fn importance(&self) -> (i32, u64) {
        (self.priority, self.arrival)
    }

    /// Whether only its latest token is not computed.
    fn decodes(&self) -> bool {
        self.tokens - self.computed == 1
    }

    pub(crate) fn need(&self) -> Need<'_> {
        Need { blocks: self.blocks_end, hashes: &self.hashes }
    }
}

/// Counts for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The queue.
    pub waiting: Waiting,
    /// Sequences that hold blocks.
    pub running: u32,
    /// KV blocks nobody holds.
    pub blocks_free: u32,
    /// Of these, how many contain a prefix that can be used again.
    pub blocks_cached: u32,
    /// All KV blocks.
    pub blocks_total: u32,
    /// Preemptions so far.
    pub preemptions: u64,
    /// Prompt tokens of all admitted sequences so far.
    pub prompt_tokens: u64,
    /// Of these, how many were found in the prefix index.
    pub cached_tokens: u64,
}

/// Decides what runs in each step.
#[derive(Debug)]
pub struct Scheduler {
    options: SchedulerOptions,
    pool: BlockPool,
    queue: Queue,
    /// The most important first.
    running: Vec<Sequence>,
    /// Blocks of sequences that were aborted while a plan still writes to them.
    parked: Vec<Vec<BlockId>>,
    outstanding: bool,
    step: u64,
    arrivals: u64,
    preemptions: u64,
    prompt_tokens: u64,
    cached_tokens: u64,
}

/// What a step computes of a sequence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    /// The latest token, so that the answer goes on.
    Answer,
    /// So many tokens that were known before it ran.
    Prompt(u32),
}

impl Part {
    fn tokens(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Answer => 1,
            Self::Prompt(tokens) => tokens,
        }
    }
}

/// A step under construction.
#[derive(Default)]
struct Draft {
    /// For each running sequence its part of this step.
    parts: Vec<Part>,
    /// Tokens that are left of the step's.
    budget: u32,
    /// Of these, how many may be of prompts.
    prompts: u32,
    admitted: Vec<(RequestId, u32)>,
}

impl Draft {
    /// How many prompt tokens there is room for.
    fn room(&self) -> u32 {
        self.budget.min(self.prompts)
    }

    /// Takes up to `left` tokens of a prompt.
    fn prompt(&mut self, left: u32) -> Part {
        let tokens = left.min(self.room());
        self.budget -= tokens;
        self.prompts -= tokens;
        Part::Prompt(tokens)
    }

    /// The last sequence leaves the step.
    fn drop_last(&mut self) {
        let part = self.parts.pop().expect("one part per running sequence");
        self.budget += part.tokens();
        if let Part::Prompt(tokens) = part {
            self.prompts += tokens;
        }
    }

    fn answers(&self) -> u32 {
        self.parts.iter().filter(|part| **part == Part::Answer).count() as u32
    }
}

/// What became of an attempt to admit a sequence.
enum Admission {
    Admitted,
    /// Another sequence is computing what this one begins with.
    WaitsForPrefix,
    NoRoom,
}

impl Scheduler {
    /// A scheduler without sequences.
    pub fn new(options: SchedulerOptions) -> Self {
        Self {
            pool: BlockPool::new(options.blocks),
            options,
            queue: Queue::default(),
            running: Vec::new(),
            parked: Vec::new(),
            outstanding: false,
            step: 0,
            arrivals: 0,
            preemptions: 0,
            prompt_tokens: 0,
            cached_tokens: 0,
        }
    }

    fn blocks_for(&self, tokens: u32) -> u32 {
        tokens.div_ceil(self.options.block_size)
    }

    /// Queues a sequence. The answer is cut to what the context leaves.
    pub fn submit(&mut self, new: Submission) -> Result<(), SubmitError> {
        self.submit_all(vec![new])
    }

    /// Queues the choices of one request, all or none. Answers are cut to what the context leaves.
    pub fn submit_all(&mut self, group: Vec<Submission>) -> Result<(), SubmitError> {
        let needs = group.iter().map(|new| new.need(&self.options)).collect::<Result<Vec<_>, _>>()?;
        self.options.room(self.waiting(), &needs, |needs| self.queue.demand().more(needs))?;
        let ends: Vec<u32> = needs.iter().map(|need| need.blocks).collect();
        for (new, blocks_end) in group.into_iter().zip(ends) {
            let tokens_end = new.tokens_end(&self.options);
            let mut hashes = new.hashes;
            hashes.truncate(self.options.shareable(new.prompt_tokens));
            self.arrivals += 1;
            self.queue.arrive(Sequence {
                id: new.id,
                tenant: new.tenant,
                priority: new.priority,
                arrival: self.arrivals,
                deadline: new.deadline,
                was_admitted: false,
                tokens: new.prompt_tokens,
                computed: 0,
                tokens_end,
                blocks_end,
                blocks: Vec::new(),
                hashes,
            });
        }
        Ok(())
    }

    fn waiting(&self) -> Waiting {
        Waiting { sequences: self.queue.len(), blocks: self.queue.demand().blocks() }
    }

    /// Ends a sequence without an event; `false` if it is not known (any more).
    ///
    /// Its blocks are free at once, or, while a plan is outstanding, when that plan is committed.
    pub fn abort(&mut self, id: RequestId) -> bool {
        match self.find(id) {
            Some(at) => {
                let sequence = self.running.remove(at);
                if self.outstanding {
                    self.parked.push(sequence.blocks);
                } else {
                    self.pool.give_back(sequence.blocks);
                }
                self.queue.left(sequence.tenant);
                true
            }
            None => self.queue.remove(id).is_some(),
        }
    }

    /// Ends every sequence whose deadline is not after `now`. Not while a plan is outstanding.
    pub fn expire(&mut self, now: Millis) -> Vec<Event> {
        assert!(!self.outstanding, "a plan is outstanding: commit it first");
        let late = |sequence: &&Sequence| sequence.deadline.is_some_and(|deadline| deadline <= now);
        let ids: Vec<RequestId> =
            self.running.iter().chain(self.queue.iter()).filter(late).map(|s| s.id).collect();
        let end = |id: RequestId| {
            self.abort(id);
            Event::Finished(id, FinishReason::Deadline)
        };
        ids.into_iter().map(end).collect()
    }

    /// Plans the next step; `None` if nothing can run. The plan must come back through [`Self::commit`].
    ///
    /// - `prompts_beside`: of the number of answers that go on, how many tokens of prompts may be computed with them; at
    ///   least 1.
    pub fn schedule(&mut self, prompts_beside: impl FnOnce(u32) -> u32) -> Option<StepPlan> {
        assert!(!self.outstanding, "a plan is outstanding: commit it before the next");
        let preempted_before = self.preemptions;
        let mut draft = Draft {
            parts: vec![Part::Nothing; self.running.len()],
            budget: self.options.step_tokens_max,
            prompts: u32::MAX,
            ..Draft::default()
        };
        // Decodes first, so that a long prompt never delays a running answer.
        let mut at = 0;
        while at < self.running.len() && draft.budget > 0 {
            if self.running[at].decodes() && self.grow(at, 1, &mut draft) {
                draft.parts[at] = Part::Answer;
                draft.budget -= 1;
            }
            at += 1;
        }
        let answers = draft.answers();
        if answers > 0 {
            draft.prompts = prompts_beside(answers);
        }
        at = 0;
        while at < self.running.len() && draft.room() > 0 {
            let sequence = &self.running[at];
            if !sequence.decodes() {
                let left = sequence.tokens - sequence.computed;
                if self.grow(at, left.min(draft.room()), &mut draft) {
                    draft.parts[at] = draft.prompt(left);
                }
            }
            at += 1;
        }
        // Whoever was preempted in this step would be the first to come back, only to be preempted again.
        if self.preemptions == preempted_before {
            self.admit(&mut draft);
        }
        let slices: Vec<Slice> = self
            .running
            .iter()
            .zip(draft.parts.iter().map(|part| part.tokens()))
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
        Some(StepPlan { step: self.step, answers: draft.answers(), slices, admitted: draft.admitted })
    }

    /// Admits waiting sequences in the queue's order while there is room and budget.
    fn admit(&mut self, draft: &mut Draft) {
        if self.queue.len() == 0 || draft.room() == 0 {
            return;
        }
        let mut coming: HashSet<BlockHash> = HashSet::new();
        for sequence in &self.running {
            self.add_coming(sequence, &mut coming);
        }
        // Who waits for a prefix, and so does not hold up those behind.
        let mut passed: HashSet<RequestId> = HashSet::new();
        while draft.room() > 0 {
            let Some(at) = self.queue.next(&passed) else { return };
            match self.try_admit(at, &mut coming, draft) {
                Admission::Admitted => {}
                Admission::WaitsForPrefix => {
                    passed.insert(self.queue.get(at).id);
                }
                Admission::NoRoom => {
                    // Room is made only by what is strictly less urgent: equals would push each other out.
                    let urgent = self.queue.get(at).priority;
                    match self.running.last() {
                        Some(last) if last.priority > urgent => self.preempt_last(draft),
                        _ => return,
                    }
                }
            }
        }
    }

    /// The blocks that `sequence` has yet to compute.
    fn add_coming(&self, sequence: &Sequence, coming: &mut HashSet<BlockHash>) {
        let done = (sequence.computed / self.options.block_size) as usize;
        coming.extend(sequence.hashes.iter().skip(done));
    }

    fn try_admit(&mut self, at: usize, coming: &mut HashSet<BlockHash>, draft: &mut Draft) -> Admission {
        let next = self.queue.get(at);
        // At least one token is computed, or there were no logits to sample from.
        let usable = ((next.tokens - 1) / self.options.block_size) as usize;
        let hashes = &next.hashes[..usable.min(next.hashes.len())];
        let (shared, shared_free) = self.pool.matched(hashes);
        if hashes.get(shared as usize).is_some_and(|hash| coming.contains(hash)) {
            return Admission::WaitsForPrefix;
        }
        // Room for everything known and a block of growth for each running sequence, or sequences that
        // do not fit together push each other out step after step. Alone, one always fits.
        let reserve = self.running.len() as u32;
        let more = self.blocks_for(next.tokens) - shared;
        let full = self.running.len() >= self.options.sequences_max as usize;
        if full || self.pool.free() < shared_free + more + reserve {
            return Admission::NoRoom;
        }
        let mut sequence = self.queue.admit(at);
        sequence.blocks = self.pool.share(&sequence.hashes[..shared as usize]);
        sequence.blocks.extend(self.pool.take(more).expect("counted above"));
        sequence.computed = shared * self.options.block_size;
        if !sequence.was_admitted {
            sequence.was_admitted = true;
            self.prompt_tokens += u64::from(sequence.tokens);
            self.cached_tokens += u64::from(sequence.computed);
            draft.admitted.push((sequence.id, sequence.computed));
        }
        self.add_coming(&sequence, coming);
        let part = draft.prompt(sequence.tokens - sequence.computed);
        let place = self.running.partition_point(|other| other.importance() < sequence.importance());
        self.running.insert(place, sequence);
        draft.parts.insert(place, part);
        Admission::Admitted
    }

    /// The least important running sequence makes room and waits again.
    fn preempt_last(&mut self, draft: &mut Draft) {
        let mut victim = self.running.pop().expect("there is at least one");
        draft.drop_last();
        self.pool.give_back(std::mem::take(&mut victim.blocks));
        victim.computed = 0;
        self.queue.put_back(victim);
        self.preemptions += 1;
    }

    /// Gives sequence `at` blocks for `len` more tokens, preempting less important ones; `false` if it must wait
    /// (it may itself be the least important, and then is preempted).
    fn grow(&mut self, at: usize, len: u32, draft: &mut Draft) -> bool {
        let wanted = self.blocks_for(self.running[at].computed + len);
        loop {
            let more = wanted.saturating_sub(self.running[at].blocks.len() as u32);
            if let Some(blocks) = self.pool.take(more) {
                self.running[at].blocks.extend(blocks);
                return true;
            }
            self.preempt_last(draft);
            if self.running.len() == at {
                return false;
            }
        }
    }

    /// Takes a plan back with its outcome.
    pub fn commit(&mut self, plan: StepPlan, outcome: StepOutcome) -> Vec<Event> {
        assert!(self.outstanding && plan.step == self.step, "the plan is not the outstanding one");
        self.outstanding = false;
        for blocks in std::mem::take(&mut self.parked) {
            self.pool.give_back(blocks);
        }
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
                    self.computed(slice);
                }
                for token in sampled {
                    let Some(at) = self.find(token.id) else { continue };
                    let sequence = &mut self.running[at];
                    sequence.tokens += 1;
                    let full = sequence.tokens / self.options.block_size;
                    if self.options.prefix_cache && sequence.hashes.len() as u32 + 1 == full {
                        sequence.hashes.extend(token.fills);
                    }
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
                    self.queue.left(sequence.tenant);
                    events.push(Event::Finished(token.id, reason));
                }
            }
        }
        events
    }

    /// Enters what a slice has computed.
    fn computed(&mut self, slice: &Slice) {
        let Some(at) = self.find(slice.id) else { return };
        let sequence = &mut self.running[at];
        let block_size = self.options.block_size;
        let before = sequence.computed / block_size;
        sequence.computed = slice.start + slice.len;
        let full = sequence.computed / block_size;
        for block in before as usize..(full as usize).min(sequence.hashes.len()) {
            self.pool.fill(sequence.blocks[block], sequence.hashes[block]);
        }
        let answer_tokens = u32::from(slice.samples);
        self.queue.charge(sequence.tenant, slice.len - answer_tokens, answer_tokens);
    }

    fn find(&self, id: RequestId) -> Option<usize> {
        self.running.iter().position(|sequence| sequence.id == id)
    }

    /// Counts for metrics.
    pub fn stats(&self) -> Stats {
        Stats {
            waiting: self.waiting(),
            running: self.running.len() as u32,
            blocks_free: self.pool.free(),
            blocks_cached: self.pool.cached(),
            blocks_total: self.pool.total(),
            preemptions: self.preemptions,
            prompt_tokens: self.prompt_tokens,
            cached_tokens: self.cached_tokens,
        }
    }
}
