//! Client of the coordinators: register, heartbeat, watch, ask, and what operators do.
//!
//! Keeps true: a call finds the leader by itself; a watch survives the loss of any coordinator and never goes back
//! to an older state. Decides nothing.

mod client;
mod operate;
mod watch;

pub use client::{ClusterStatus, ControlError, CoordinatorClient};
pub use conclave_proto::convert::coordinator::GatewayReport;
pub use conclave_proto::coordinator::{CoordinatorStatus, LogStatus, NodeStatus};
pub use conclave_transport::Credentials;
pub use operate::{Joining, Rebalance, WhatIf};
