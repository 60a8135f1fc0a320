//! Which requests may join the queue.
//!
//! Keeps true: what can never run, or never wait, is refused for good; what only finds too much waiting is told to come
//! back. A queue takes so many sequences, and so much estimated KV memory: prompt and whole answer of each, what they
//! share counted once. Knows nothing of who is next.

use crate::{BlockHash, Demand, Need, SchedulerOptions, TenantId};
use conclave_types::{Millis, RequestId};

/// A new sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Its id, new to the scheduler.
    pub id: RequestId,
    /// Whose it is.
    pub tenant: TenantId,
    /// A smaller number is served earlier.
    pub priority: i32,
    /// When it ends with `FinishReason::Deadline`, if it has not before.
    pub deadline: Option<Millis>,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Most tokens of the answer.
    pub tokens_max: u32,
    /// The hashes of the prompt's full blocks, or of the first of them: what may be shared.
    pub hashes: Vec<BlockHash>,
}

impl Submission {
    /// A sequence of nobody in particular, with nothing to share.
    pub fn new(id: RequestId, prompt_tokens: u32, tokens_max: u32) -> Self {
        let (tenant, hashes) = (TenantId::default(), Vec::new());
        Self { id, tenant, priority: 0, deadline: None, prompt_tokens, tokens_max, hashes }
    }
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
    /// Those who wait need too much already.
    #[error(
        "waiting requests need {waiting_blocks} of at most {queue_blocks_max} KV blocks already, and this one needs \
         {needed}; retry later"
    )]
    QueueOverbooked {
        /// KV blocks for all who wait.
        waiting_blocks: u64,
        /// How many more it would be.
        needed: u64,
        /// The limit.
        queue_blocks_max: u64,
    },
    /// The choices of one request are more than the queue takes, even if it is empty.
    #[error(
        "{sequences} choices at once need {needed} KV blocks, and the queue takes {queue_max} sequences and \
         {queue_blocks_max} blocks in all; ask for fewer choices, or for fewer tokens"
    )]
    NeverQueues {
        /// Choices.
        sequences: u32,
        /// KV blocks for all of them.
        needed: u64,
        /// Most sequences that wait.
        queue_max: u32,
        /// Most KV blocks for what waits.
        queue_blocks_max: u64,
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
    #[error(
        "{tokens} tokens of prompt and answer need {needed} KV blocks, and the gateway has {blocks}; shorten the \
         prompt, ask for fewer tokens, or raise the gateway's KV memory"
    )]
    NeverFits {
        /// Prompt and answer.
        tokens: u32,
        /// Blocks for them.
        needed: u32,
        /// Blocks there are.
        blocks: u32,
    },
}

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Sequences.
    pub sequences: u32,
    /// KV blocks that they will need until their ends, what they share counted once.
    pub blocks: u64,
}

impl Submission {
    /// How many tokens the sequence has at its end, if nothing ends it before.
    pub(crate) fn tokens_end(&self, options: &SchedulerOptions) -> u32 {
        self.prompt_tokens.saturating_add(self.tokens_max).min(options.context_max)
    }

    /// What it will need.
    ///
    /// - Errors: it can never run.
    pub fn need(&self, options: &SchedulerOptions) -> Result<Need<'_>, SubmitError> {
        let SchedulerOptions { context_max, blocks, block_size, .. } = *options;
        let prompt_tokens = self.prompt_tokens;
        if prompt_tokens == 0 || self.tokens_max == 0 {
            return Err(SubmitError::Empty);
        }
        if prompt_tokens >= context_max {
            return Err(SubmitError::TooLong { prompt_tokens, context_max });
        }
        let tokens = self.tokens_end(options);
        // The last token is never stored: nothing follows it.
        let needed = (tokens - 1).div_ceil(block_size);
        if needed > blocks {
            return Err(SubmitError::NeverFits { tokens, needed, blocks });
        }
        let shareable = options.shareable(prompt_tokens).min(self.hashes.len());
        Ok(Need { blocks: needed, hashes: &self.hashes[..shareable] })
    }
}

impl SchedulerOptions {
    /// How many blocks of a prompt others may share.
    pub(crate) fn shareable(&self, prompt_tokens: u32) -> usize {
        if self.prefix_cache { (prompt_tokens / self.block_size) as usize } else { 0 }
    }

    /// Whether the choices of one request may join what waits.
    ///
    /// - `more`: how many blocks more wait if those of `needs` do.
    pub fn room(
        &self,
        waiting: Waiting,
        needs: &[Need<'_>],
        more: impl FnOnce(&[Need<'_>]) -> u64,
    ) -> Result<(), SubmitError> {
        let Self { queue_max, queue_blocks_max, .. } = *self;
        let sequences = needs.len() as u32;
        let alone = Demand::of(needs.iter().copied()).blocks();
        if sequences > queue_max || alone > queue_blocks_max {
            return Err(SubmitError::NeverQueues { sequences, needed: alone, queue_max, queue_blocks_max });
        }
        if waiting.sequences + sequences > queue_max {
            return Err(SubmitError::QueueFull { waiting: waiting.sequences, queue_max });
        }
        let needed = more(needs);
        if waiting.blocks + needed > queue_blocks_max {
            return Err(SubmitError::QueueOverbooked {
                waiting_blocks: waiting.blocks,
                needed,
                queue_blocks_max,
            });
        }
        Ok(())
    }

    /// Why nothing at all may join what waits, if that is so: known before a request is read.
    pub fn full(&self, waiting: Waiting) -> Option<SubmitError> {
        self.room(waiting, &[Need { blocks: 1, hashes: &[] }], |_| 1).err()
    }
}
