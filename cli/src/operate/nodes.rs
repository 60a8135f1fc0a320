//! `conclave nodes`: every expert node that ever registered.

use super::{Where, ago};
use crate::table::Table;
use conclave_control::{Node, NodeState};
use conclave_control_rpc::{ClusterStatus, NodeStatus};
use conclave_types::{Bytes, NodeId};
use serde_json::{Value, json};

/// Settings of `conclave nodes`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct NodesOptions {
    #[command(flatten)]
    at: Where,
}

pub(super) async fn run(options: NodesOptions) -> anyhow::Result<()> {
    let status = options.at.client()?.status().await?;
    options.at.print(|| as_json(&status), || as_text(&status))
}

fn told(status: &ClusterStatus, id: NodeId) -> Option<&NodeStatus> {
    status.nodes.iter().find(|told| told.node == id.0)
}

/// The word for a node's health, with an operator's wish.
pub(super) fn word(node: &Node) -> &'static str {
    match (node.draining, node.state) {
        (true, NodeState::Ready) => "draining",
        (_, state) => state.name(),
    }
}

pub(super) fn as_json(status: &ClusterStatus) -> Value {
    let state = &status.state;
    let node = |(id, node): (&NodeId, &Node)| {
        let told = told(status, *id);
        json!({
            "id": id.0,
            "name": node.name,
            "address": node.address,
            "state": node.state.name(),
            "draining": node.draining,
            "zone": node.zone,
            "numerics": node.numerics,
            "incarnation": node.incarnation.0,
            "capacity_bytes": node.capacity.map(|capacity| capacity.0),
            "experts_placed": state.placement.held_by(*id).len(),
            "experts_pinned": state.pins.held_by(*id).len(),
            "experts_held": told.map(|told| told.experts),
            "bytes_held": told.map(|told| told.bytes),
            "calls": told.map(|told| told.calls),
            "silence_ms": told.and_then(|told| told.silence_ms),
            "trouble": told.map(|told| told.trouble.clone()).filter(|trouble| !trouble.is_empty()),
        })
    };
    state.nodes.iter().map(node).collect()
}

fn as_text(status: &ClusterStatus) -> String {
    let state = &status.state;
    if state.nodes.is_empty() {
        return "no expert node has registered yet\n".to_owned();
    }
    let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let heads =
        ["id", "name", "state", "address", "zone", "numerics", ">placed", ">pinned", ">held", ">memory"];
    let mut table = Table::new(heads.into_iter().chain([">limit", ">calls", "heard"]));
    for (id, node) in &state.nodes {
        let told = told(status, *id).cloned().unwrap_or_default();
        table.row([
            id.to_string(),
            node.name.clone(),
            word(node).to_owned(),
            node.address.clone(),
            dash(&node.zone),
            dash(&node.numerics),
            state.placement.held_by(*id).len().to_string(),
            state.pins.held_by(*id).len().to_string(),
            told.experts.to_string(),
            Bytes(told.bytes).to_string(),
            node.capacity.map_or("-".to_owned(), |capacity| capacity.to_string()),
            told.calls.to_string(),
            ago(told.silence_ms),
        ]);
    }
    format!("{table}{}", troubles(status))
}

/// What keeps nodes from loading, a line each.
pub(super) fn troubles(status: &ClusterStatus) -> String {
    let troubled = status.nodes.iter().filter(|told| !told.trouble.is_empty());
    troubled
        .map(|told| format!("  {}: {}\n", status.state.node_name(NodeId(told.node)), told.trouble))
        .collect()
}
