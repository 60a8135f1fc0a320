//! `conclave moves` and `conclave rebalance`: what is on its way, and what would be.

use super::experts::names;
use super::{Operator, Where, patiently};
use crate::table::Table;
use conclave_control::{ClusterState, EventKind, Move, moves};
use conclave_control_rpc::{ClusterStatus, Rebalance};
use conclave_types::{Bytes, NodeId};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Settings of `conclave moves`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct MovesOptions {
    #[command(flatten)]
    at: Where,
    /// Also list each expert that moves.
    #[arg(long)]
    each: bool,
}

/// Settings of `conclave rebalance`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RebalanceOptions {
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    operator: Operator,
    /// Only show what would move.
    #[arg(long)]
    dry_run: bool,
    /// Also list each expert that moves.
    #[arg(long)]
    each: bool,
}

pub(super) async fn show(options: MovesOptions) -> anyhow::Result<()> {
    let client = options.at.client()?;
    let status = client.status().await?;
    let state = &status.state;
    let Some(target) = &state.target else {
        let events = client.history(0).await?;
        let last = events.iter().rev().find(|event| event.kind == EventKind::Published);
        let last = last.map(|event| format!("; {}, since {}", event.text, event.at)).unwrap_or_default();
        let json = || json!({"target": null, "waiting": waiting(&status), "moves": []});
        let waits = waiting(&status).map(|why| format!("\nwaiting for {why}")).unwrap_or_default();
        return options.at.print(json, || format!("nothing is being loaded{last}{waits}\n"));
    };
    let moves = moves(&state.placement, &target.map);
    let json = || {
        json!({
            "target": target.id.0,
            "why": target.why,
            "waiting": waiting(&status),
            "nodes": Part::of(&moves).iter().map(|(node, part)| json!({
                "node": state.node_name(*node),
                "loads": part.loads,
                "leaves": part.leaves,
                "loaded": loaded(&status, *node),
            })).collect::<Vec<_>>(),
            "moves": list(state, &moves),
        })
    };
    let text = || {
        let mut text = format!("target {}: {}\n", target.id, target.why);
        let mut table = Table::new(["node", ">loads", ">memory", ">lets go", "", "trouble"]);
        for (node, part) in Part::of(&moves) {
            let told = status.nodes.iter().find(|told| told.node == node.0);
            let word = match loaded(&status, node) {
                true => "loaded",
                false => "loading",
            };
            table.row([
                state.node_name(node),
                part.loads.to_string(),
                size(state, part.loads).to_string(),
                part.leaves.to_string(),
                word.to_owned(),
                told.map(|told| told.trouble.clone()).unwrap_or_default(),
            ]);
        }
        text.push_str(&table.to_string());
        if options.each {
            text.push_str(&each(state, &moves));
        }
        text
    };
    options.at.print(json, text)
}

pub(super) async fn rebalance(options: RebalanceOptions, user: Option<String>) -> anyhow::Result<()> {
    let client = options.at.client()?;
    let by = options.operator.clone().or(user);
    let planned = patiently(async || client.rebalance(&by, options.dry_run).await).await?;
    // For the nodes' names.
    let state = client.status().await?.state;
    let Rebalance { why, moves, bytes, target, load } = &planned;
    let json = || {
        json!({
            "dry_run": options.dry_run,
            "why": (!why.is_empty()).then_some(why),
            "load": (!load.is_empty()).then_some(load),
            "bytes": bytes.0,
            "target": target.map(|target| target.0),
            "moves": list(&state, moves),
        })
    };
    let text = || {
        if moves.is_empty() {
            // A leader of an older version does not say.
            let load =
                if load.is_empty() { String::new() } else { format!(", and of the recorded load: {load}") };
            return format!("nothing would move: the placement is what the planner would choose{load}\n");
        }
        let mut text = match target {
            Some(target) => format!("target {target} is being loaded: {why}; `conclave moves` follows it\n"),
            None => format!("would move: {why}\n"),
        };
        let mut table = Table::new(["node", ">loads", ">memory", ">lets go"]);
        for (node, part) in Part::of(moves) {
            table.row([
                state.node_name(node),
                part.loads.to_string(),
                size(&state, part.loads).to_string(),
                part.leaves.to_string(),
            ]);
        }
        text.push_str(&table.to_string());
        if options.each {
            text.push_str(&each(&state, moves));
        }
        text
    };
    options.at.print(json, text)
}

/// A node's part of the moves.
#[derive(Default)]
pub(super) struct Part {
    pub(super) loads: usize,
    leaves: usize,
}

impl Part {
    pub(super) fn of(moves: &[Move]) -> BTreeMap<NodeId, Self> {
        let mut parts: BTreeMap<NodeId, Self> = BTreeMap::new();
        for change in moves {
            change.loads.iter().for_each(|node| parts.entry(*node).or_default().loads += 1);
            change.leaves.iter().for_each(|node| parts.entry(*node).or_default().leaves += 1);
        }
        parts
    }
}

fn waiting(status: &ClusterStatus) -> Option<&str> {
    Some(status.waiting.as_str()).filter(|waiting| !waiting.is_empty())
}

/// Whether `node` has said that it has loaded all that the target gives it.
fn loaded(status: &ClusterStatus, node: NodeId) -> bool {
    let target = status.state.target.as_ref().map_or(0, |target| target.id.0);
    status.nodes.iter().any(|told| told.node == node.0 && told.ready_target >= target)
}

pub(super) fn size(state: &ClusterState, experts: usize) -> Bytes {
    let bytes = state.model.as_ref().map_or(0, |model| model.expert_bytes.0);
    Bytes(bytes * experts as u64)
}

pub(super) fn list(state: &ClusterState, moves: &[Move]) -> Value {
    let change = |change: &Move| {
        json!({
            "layer": change.key.layer.0,
            "expert": change.key.expert.0,
            "loads": names(state, &change.loads),
            "leaves": names(state, &change.leaves),
        })
    };
    moves.iter().map(change).collect()
}

fn each(state: &ClusterState, moves: &[Move]) -> String {
    let mut table = Table::new([">layer", ">expert", "is loaded by", "leaves"]);
    for change in moves {
        table.row([
            change.key.layer.to_string(),
            change.key.expert.to_string(),
            names(state, &change.loads).join(", "),
            names(state, &change.leaves).join(", "),
        ]);
    }
    table.to_string()
}
