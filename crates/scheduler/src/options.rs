//! The scheduler's limits.

/// Limits of one scheduler. All numbers are at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerOptions {
    /// Most tokens in one forward step.
    pub step_tokens_max: u32,
    /// Most sequences that run at once.
    pub sequences_max: u32,
    /// Most sequences that wait.
    pub queue_max: u32,
    /// Most KV blocks that those who wait may need in all; at least `blocks`.
    pub queue_blocks_max: u64,
    /// Positions of one KV block.
    pub block_size: u32,
    /// KV blocks.
    pub blocks: u32,
    /// Most positions of one sequence.
    pub context_max: u32,
    /// Whether full blocks are kept for later sequences that begin with the same tokens.
    pub prefix_cache: bool,
}
