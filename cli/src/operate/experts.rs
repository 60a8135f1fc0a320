//! `conclave experts`: experts with their homes.

use super::Where;
use crate::table::Table;
use anyhow::bail;
use conclave_control::{ClusterState, NodeState};
use conclave_types::{ExpertKey, NodeId};
use serde_json::{Value, json};

/// Settings of `conclave experts`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ExpertsOptions {
    #[command(flatten)]
    at: Where,
    /// Only this layer's.
    #[arg(long)]
    layer: Option<u32>,
    /// Only those with a home on this node.
    #[arg(long)]
    node: Option<String>,
    /// Only those without a home that is ready.
    #[arg(long)]
    uncovered: bool,
    /// Only those that are pinned.
    #[arg(long)]
    pinned: bool,
}

pub(super) async fn run(options: ExpertsOptions) -> anyhow::Result<()> {
    let state = options.at.client()?.status().await?.state;
    let node = match &options.node {
        None => None,
        Some(name) => match state.node_named(name) {
            Some((id, _)) => Some(id),
            None => bail!("there is no node `{name}`; `conclave nodes` lists them"),
        },
    };
    let keys = state.model.iter().flat_map(|model| model.keys()).filter(|key| {
        options.layer.is_none_or(|layer| key.layer.0 == layer)
            && node.is_none_or(|node| state.placement.homes(*key).contains(&node))
            && !(options.uncovered && ready(&state, *key) > 0)
            && !(options.pinned && state.pins.homes(*key).is_empty())
    });
    let keys: Vec<ExpertKey> = keys.collect();
    options.at.print(|| as_json(&state, &keys), || as_text(&state, &keys))
}

/// Homes of `key` that answer.
fn ready(state: &ClusterState, key: ExpertKey) -> usize {
    let ready = |home: &&NodeId| state.nodes.get(home).is_some_and(|node| node.state == NodeState::Ready);
    state.placement.homes(key).iter().filter(ready).count()
}

/// Homes that `key` gets with what is being loaded.
fn coming(state: &ClusterState, key: ExpertKey) -> Vec<NodeId> {
    let homes = state.target.as_ref().map_or(&[][..], |target| target.map.homes(key));
    homes.iter().copied().filter(|home| !state.placement.homes(key).contains(home)).collect()
}

pub(super) fn names(state: &ClusterState, nodes: &[NodeId]) -> Vec<String> {
    nodes.iter().map(|node| state.node_name(*node)).collect()
}

fn as_json(state: &ClusterState, keys: &[ExpertKey]) -> Value {
    let expert = |key: &ExpertKey| {
        json!({
            "layer": key.layer.0,
            "expert": key.expert.0,
            "homes": names(state, state.placement.homes(*key)),
            "homes_ready": ready(state, *key),
            "pinned": names(state, state.pins.homes(*key)),
            "loading": names(state, &coming(state, *key)),
        })
    };
    keys.iter().map(expert).collect()
}

fn as_text(state: &ClusterState, keys: &[ExpertKey]) -> String {
    let mut table = Table::new([">layer", ">expert", ">ready", "homes", "pinned to", "being loaded by"]);
    for key in keys {
        let homes = state.placement.homes(*key);
        table.row([
            key.layer.to_string(),
            key.expert.to_string(),
            format!("{} of {}", ready(state, *key), homes.len()),
            names(state, homes).join(", "),
            names(state, state.pins.homes(*key)).join(", "),
            names(state, &coming(state, *key)).join(", "),
        ]);
    }
    if table.is_empty() { "no expert is like that\n".to_owned() } else { table.to_string() }
}
