//! Ids, units, the placement map and the error codes: what every crate of Conclave agrees on.
//!
//! Keeps true: no bare integer crosses a crate boundary; iteration over a placement follows key
//! order; error codes are one closed table. Knows nothing of tensors, sockets or clocks.

mod digest;
mod error_code;
mod ids;
mod placement;
mod units;

pub use digest::{Digest, DigestParseError, ModelDigest};
pub use error_code::ErrorCode;
pub use ids::{BlockId, ExpertIdx, ExpertKey, LayerIdx, LogIndex, NodeId, RequestId, TokenId};
pub use placement::{PlacementEpoch, PlacementMap};
pub use units::{Bytes, Millis, Timestamp};
