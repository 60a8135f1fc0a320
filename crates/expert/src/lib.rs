//! The expert seam: what an expert call is, and who can answer it.
//!
//! Keeps true: one output row per (input row, expert), in the order of the call; all or nothing; a call
//! may be repeated anywhere with equal bits. Knows nothing of gRPC, placement or requests.

mod batch;
pub mod conformance;
mod error;
mod faulty;
mod local;

pub use batch::{ExpertBatch, ExpertOutput, ExpertRows, Lane, RowDtype, Rows};
pub use error::ExpertError;
pub use faulty::Faulty;
pub use local::LocalExperts;

use std::future::Future;
use std::pin::Pin;

/// The future of one expert call.
pub type ExpertFuture<'a> = Pin<Box<dyn Future<Output = Result<ExpertOutput, ExpertError>> + Send + 'a>>;

/// Something that computes experts: this process, a node behind gRPC, or a decorator of one.
pub trait ExpertBackend: Send + Sync + 'static {
    /// Computes `batch`: one output row per (expert, row index) in the order of the batch, or an error
    /// and nothing. Dropping the future cancels the call.
    fn run(&self, batch: ExpertBatch) -> ExpertFuture<'_>;

    /// Whether it computes in this process, on the caller's thread.
    fn is_local(&self) -> bool {
        false
    }

    /// Whether a call could reach it now; without that, [`Self::run`] fails at once.
    fn is_connected(&self) -> bool {
        true
    }
}
