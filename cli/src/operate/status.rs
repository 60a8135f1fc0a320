//! `conclave status`: the cluster on one screen.

use super::nodes::{self, word};
use super::{Where, ago, coordinators};
use crate::table::Table;
use conclave_control_rpc::ClusterStatus;
use conclave_types::Bytes;
use serde_json::{Value, json};

/// Settings of `conclave status`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct StatusOptions {
    #[command(flatten)]
    at: Where,
}

pub(super) async fn run(options: StatusOptions) -> anyhow::Result<()> {
    let status = options.at.client()?.status().await?;
    options.at.print(|| as_json(&status), || as_text(&status))
}

fn as_json(status: &ClusterStatus) -> Value {
    let state = &status.state;
    let (uncovered, experts) = state.uncovered();
    json!({
        "model": state.model.as_ref().map(|model| json!({"name": model.name, "digest": model.digest.to_string()})),
        "epoch": state.epoch.0,
        "replicas": state.settings.replicas,
        "experts": experts,
        "experts_uncovered": uncovered,
        "experts_pinned": state.pins.len(),
        "loading": state.target.as_ref().map(|target| target.why.clone()),
        "waiting": (!status.waiting.is_empty()).then_some(&status.waiting),
        "term": status.term,
        "coordinators": coordinators::as_json(status),
        "log": {
            "coordinator": status.log.coordinator, "applied": status.log.applied, "snapshot": status.log.snapshot,
            "purged": status.log.purged,
        },
        "nodes": nodes::as_json(status),
    })
}

fn as_text(status: &ClusterStatus) -> String {
    use std::fmt::Write;
    let state = &status.state;
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a String takes everything");
    match &state.model {
        Some(model) => line(format!("model         {} (digest {})", model.name, model.digest.short())),
        None => line("model         none yet: no expert node has registered".to_owned()),
    }
    let homes = match state.settings.replicas {
        1 => "1 home".to_owned(),
        replicas => format!("{replicas} homes"),
    };
    line(format!("placement     epoch {}, {homes} for each expert", state.epoch));
    let (uncovered, experts) = state.uncovered();
    line(format!("coverage      {} of {experts} experts have a ready home", experts - uncovered));
    if !state.pins.is_empty() {
        line(format!("pinned        {} experts", state.pins.len()));
    }
    if let Some(target) = &state.target {
        line(format!("loading       {}", target.why));
    }
    if !status.waiting.is_empty() {
        line(format!("waiting for   {}", status.waiting));
    }
    line(format!("coordinators  term {}", status.term));
    text.push_str(&coordinators::as_text(status));
    text.push_str("nodes\n");
    let mut table =
        Table::new(["name", "state", "address", ">placed", ">held", ">memory", ">calls", "heard"]);
    for (id, node) in &state.nodes {
        let told = status.nodes.iter().find(|told| told.node == id.0).cloned().unwrap_or_default();
        table.row([
            node.name.clone(),
            word(node).to_owned(),
            node.address.clone(),
            state.placement.held_by(*id).len().to_string(),
            told.experts.to_string(),
            Bytes(told.bytes).to_string(),
            told.calls.to_string(),
            ago(told.silence_ms),
        ]);
    }
    match table.is_empty() {
        true => text.push_str("  none\n"),
        false => text.push_str(&table.to_string()),
    }
    text.push_str(&nodes::troubles(status));
    text
}
