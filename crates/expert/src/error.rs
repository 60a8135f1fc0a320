//! Refusals and failures of an expert call, as data: the dispatcher decides by variant, not by text.

use conclave_types::{ExpertIdx, LayerIdx, ModelDigest, PlacementEpoch};
use std::time::Duration;

/// Why a backend gave no answer. Nothing was half done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpertError {
    /// The backend knows an older placement than the caller.
    #[error(
        "the node has placement epoch {have}, the call wants {want}; it will catch up from the coordinator"
    )]
    Stale {
        /// The backend's epoch.
        have: PlacementEpoch,
        /// The caller's epoch.
        want: PlacementEpoch,
    },
    /// The backend does not hold some of the experts.
    #[error("layer {layer}: experts {experts:?} are not held here; ask another home")]
    NotHeld {
        /// The layer.
        layer: LayerIdx,
        /// What is missing.
        experts: Vec<ExpertIdx>,
    },
    /// The backend is going away.
    #[error("the node drains; ask another home")]
    Draining,
    /// The backend's queue is full.
    #[error("the node is busy; retry after {retry_after:?}")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The backend serves other weights.
    #[error(
        "the node serves model {have}, the call wants {want}; point both at the same weights and --dtype"
    )]
    WrongModel {
        /// The backend's model.
        have: ModelDigest,
        /// The caller's model.
        want: ModelDigest,
    },
    /// The call or the answer breaks the protocol.
    #[error("the expert protocol was broken: {0}; check that all roles run the same version")]
    Protocol(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Deadline(Duration),
    /// The connection is down.
    #[error("the node cannot be reached: {0}")]
    Unreachable(String),
    /// The computation gave a result that cannot be used, such as NaN.
    #[error("the computation failed: {0}")]
    Failed(String),
}

impl ExpertError {
    /// Its kind, for metrics and spans: one of a few, and no text of anybody's.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stale { .. } => "stale",
            Self::NotHeld { .. } => "not_held",
            Self::Draining => "draining",
            Self::Busy { .. } => "busy",
            Self::WrongModel { .. } => "wrong_model",
            Self::Protocol(_) => "protocol",
            Self::Deadline(_) => "deadline",
            Self::Unreachable(_) => "unreachable",
            Self::Failed(_) => "failed",
        }
    }
}
