//! What goes out of the scheduler and comes back: a step's plan, its outcome, the events.

use crate::BlockHash;
use conclave_types::{BlockId, RequestId};

/// Consecutive tokens of one sequence in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The sequence.
    pub id: RequestId,
    /// Absolute position of the first token.
    pub start: u32,
    /// Tokens.
    pub len: u32,
    /// Whether the slice ends at the last known token, so that the next one is sampled.
    pub samples: bool,
    /// The sequence's blocks in order of position.
    pub block_table: Vec<BlockId>,
}

/// One forward step. Moved into `commit`, so it is used once.
#[derive(Debug, PartialEq, Eq)]
pub struct StepPlan {
    /// Counts the steps from 1.
    pub step: u64,
    /// What runs, the most important sequences first.
    pub slices: Vec<Slice>,
    /// How many of `slices` are answers that go on; all others belong to prompts.
    pub answers: u32,
    /// The sequences that run for the first time, each with how many of its prompt's tokens need not be computed.
    pub admitted: Vec<(RequestId, u32)>,
}

impl StepPlan {
    /// Tokens of the step.
    pub fn tokens(&self) -> u32 {
        self.slices.iter().map(|slice| slice.len).sum()
    }

    /// Whether some slice has more than one token.
    pub fn is_prefill(&self) -> bool {
        self.slices.iter().any(|slice| slice.len > 1)
    }
}

/// One sampled token, as the scheduler needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampledToken {
    /// The sequence.
    pub id: RequestId,
    /// Whether the token ends it (end-of-answer token or stop text).
    pub stop: bool,
    /// The hash of the block of known tokens that this one fills, if it fills one.
    pub fills: Option<BlockHash>,
}

/// How a step went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// Every row was computed: one entry per slice with `samples`, in plan order.
    Done(Vec<SampledToken>),
    /// Nothing was computed. The named sequences end; the others get their tokens back.
    Failed {
        /// Sequences that cannot go on.
        ended: Vec<RequestId>,
    },
}

/// Why a sequence ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// A stop token or text.
    Stop,
    /// `tokens_max` or the context is reached.
    Length,
    /// A step failed for it.
    Failed,
    /// Its deadline came first.
    Deadline,
}

/// What `commit` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The sequence has one more token.
    Token(RequestId),
    /// The sequence ended; its blocks are free.
    Finished(RequestId, FinishReason),
}
