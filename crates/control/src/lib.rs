//! The cluster's truth and the rules that change it: state, commands, planner, liveness, load, decisions.
//!
//! Keeps true: equal commands in equal order give equal states on every machine; a bad command is answered, never
//! half applied. Knows no clock, no socket and no Raft: time is an argument, effects are return values.

pub mod command;
mod explain;
mod history;
mod load;
mod moves;
mod observe;
pub mod planner;
mod progress;
pub mod rebalance;
mod state;
mod views;
mod what_if;

pub use command::{Change, Command, Reply};
pub use explain::{Explanation, Home, Intent, Pin, Since};
pub use history::{EVENTS_MAX, Event, EventKind, History, Origin};
pub use load::{ExpertLoads, LOAD_HALF_LIFE, LoadWindow, faded};
pub use moves::{Move, moves};
pub use observe::{Decision, HeartbeatAnswer, Liveness, NodeReport, Observations, Patience, Planned};
pub use planner::{Aim, Balance, Plan, PlanError, PlanInput, PlanNode, check, plan, predict};
pub use rebalance::{Rebalance, Rest};
pub use state::{ClusterState, ModelFacts, Node, NodeState, RestoreError, Settings, Target};
pub use views::{Avoidance, NodeViews};
pub use what_if::{WhatIf, what_if};
