//! What a coordinator tells of itself: its part of the consensus, and the state it has applied.
//!
//! Keeps true: every coordinator tells what it knows, so that those cut off can be told from the rest by comparing them.

use crate::controller::Controller;
use crate::raft::{Consensus, Progress};
use conclave_control::NodeState;
use conclave_telemetry::Monitor;
use std::sync::Arc;

/// What a leader decides about placements.
pub(crate) const PLACEMENT_OUTCOMES: [&str; 3] = ["proposed", "published", "cancelled"];

/// Counts a decision.
pub(crate) fn placement(outcome: &'static str) {
    metrics::counter!("conclave_cluster_placements_total", "outcome" => outcome).increment(1);
}

pub(crate) fn of(consensus: Consensus, controller: Controller) -> Monitor {
    let handle = conclave_telemetry::install_metrics("coordinator");
    for outcome in PLACEMENT_OUTCOMES {
        metrics::counter!("conclave_cluster_placements_total", "outcome" => outcome).increment(0);
    }
    let is = consensus.clone();
    Monitor {
        role: "coordinator",
        ready: Arc::new(move || is.leader().map(|_| ()).ok_or_else(|| "a leader".to_owned())),
        metrics: Arc::new(move || {
            tell_consensus(&consensus);
            tell_state(&consensus);
            let told = controller.told().unwrap_or_default();
            let stuck = told.nodes.iter().filter(|heard| heard.stuck.is_some()).count();
            metrics::gauge!("conclave_cluster_nodes_stuck").set(stuck as f64);
            handle.run_upkeep();
            handle.render()
        }),
    }
}

fn flag(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

fn tell_consensus(consensus: &Consensus) {
    let Progress { last, applied } = consensus.progress();
    metrics::gauge!("conclave_raft_term").set(consensus.term() as f64);
    metrics::gauge!("conclave_raft_is_leader").set(flag(consensus.leads().is_some()));
    metrics::gauge!("conclave_raft_leader_known").set(flag(consensus.leader().is_some()));
    metrics::gauge!("conclave_raft_log_index").set(last as f64);
    metrics::gauge!("conclave_raft_applied_index").set(applied as f64);
    let leads = consensus.leads().is_some();
    for member in consensus.members() {
        // Who does not lead knows nothing of the others; a lag from an earlier term would be a lie.
        let lag = if leads { last.saturating_sub(member.matched.unwrap_or(0)) as f64 } else { f64::NAN };
        metrics::gauge!("conclave_raft_follower_lag", "coordinator" => member.id.to_string()).set(lag);
    }
}

fn tell_state(consensus: &Consensus) {
    let state = consensus.state().borrow().clone();
    for word in [NodeState::Joining, NodeState::Ready, NodeState::Down] {
        let nodes = state.nodes.values().filter(|node| node.state == word && !node.draining).count();
        metrics::gauge!("conclave_cluster_nodes", "state" => word.name()).set(nodes as f64);
    }
    let draining = state.nodes.values().filter(|node| node.draining).count();
    metrics::gauge!("conclave_cluster_nodes", "state" => "draining").set(draining as f64);
    let (uncovered, experts) = state.uncovered();
    metrics::gauge!("conclave_cluster_experts").set(experts as f64);
    metrics::gauge!("conclave_cluster_experts_uncovered").set(uncovered as f64);
    metrics::gauge!("conclave_placement_epoch").set(state.epoch.0 as f64);
    metrics::gauge!("conclave_cluster_placement_loading").set(flag(state.target.is_some()));
}
