//! The pure scheduler and KV block pool: which tokens of which sequences run in the next step.
//!
//! Keeps true: free + held blocks = total after every call; a step never exceeds its token budget; a failed
//! step gives its tokens back. Knows ids and counts only: no token, tensor, clock or thread.

mod blocks;
mod options;
mod queue;
mod scheduler;
mod step;

pub use blocks::{BlockHash, BlockPool};
pub use options::SchedulerOptions;
pub use queue::TenantId;
pub use scheduler::{Scheduler, Stats, Submission, SubmitError};
pub use step::{Event, FinishReason, SampledToken, Slice, StepOutcome, StepPlan};
