//! Generated messages of both protocols and their conversions to domain types.
//!
//! Keeps true: outside `convert` nobody reads a generated field whose value needs checking. Knows no socket.

/// The expert protocol, as generated.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod expert {
    tonic::include_proto!("conclave.expert.v1");
}

/// The coordinators' protocol, as generated.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod coordinator {
    tonic::include_proto!("conclave.coordinator.v1");
}

/// Largest message of the coordinators' protocol, for both ends: a snapshot or view of a large cluster. Unit: bytes.
pub const COORDINATOR_MESSAGE_BYTES_MAX: usize = 64 << 20;

pub mod convert;
