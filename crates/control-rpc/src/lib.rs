//! Client of the coordinators: register, heartbeat, watch, ask, drain.
//!
//! Keeps true: a call finds the leader by itself; a watch survives the loss of any coordinator and never goes back
//! to an older state. Decides nothing.

mod client;
mod watch;

pub use client::{ClusterStatus, ControlError, CoordinatorClient};
pub use conclave_proto::coordinator::{CoordinatorStatus, NodeStatus};
pub use conclave_transport::Credentials;
