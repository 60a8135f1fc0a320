//! The pure scheduler and KV block pool: which tokens of which sequences run in the next step.
//!
//! Keeps true: free + held blocks = total after every call; a step never exceeds its token budget; a failed
//! step gives its tokens back. Knows ids and counts only: no token, tensor, clock or thread.

mod admission;
mod blocks;
mod demand;
mod options;
mod queue;
mod scheduler;
mod step;

pub use admission::{Submission, SubmitError, Waiting};
pub use blocks::{BlockHash, BlockPool};
pub use demand::{Demand, Need};
pub use options::SchedulerOptions;
pub use queue::TenantId;
pub use scheduler::{Scheduler, Stats};
pub use step::{Event, FinishReason, SampledToken, Slice, StepOutcome, StepPlan};
