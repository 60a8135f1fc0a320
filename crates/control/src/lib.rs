//! The cluster's truth and the rules that change it: state, commands, planner, liveness, decisions.
//!
//! Keeps true: equal commands in equal order give equal states on every machine; a bad command is answered, never
//! half applied. Knows no clock, no socket and no Raft: time is an argument, effects are return values.

pub mod command;
mod explain;
mod history;
mod moves;
mod observe;
pub mod planner;
mod state;

pub use command::{Change, Command, Reply};
pub use explain::{Explanation, Home, Intent, Pin, Since};
pub use history::{EVENTS_MAX, Event, EventKind, History, Origin};
pub use moves::{Move, moves};
pub use observe::{Decision, HeartbeatAnswer, Liveness, NodeReport, Observations, Planned};
pub use planner::{Plan, PlanError, PlanInput, PlanNode, check, plan};
pub use state::{ClusterState, ModelFacts, Node, NodeState, RestoreError, Settings, Target};
