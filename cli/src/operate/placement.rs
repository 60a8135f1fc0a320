//! `conclave placement`: how the experts are spread.

use super::Where;
use super::experts::names;
use crate::table::Table;
use conclave_control::{ClusterState, Event, EventKind};
use conclave_types::NodeId;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Settings of `conclave placement`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PlacementOptions {
    #[command(flatten)]
    at: Where,
}

pub(super) async fn run(options: PlacementOptions) -> anyhow::Result<()> {
    let client = options.at.client()?;
    let state = client.status().await?.state;
    // The decision behind it; forgotten if a thousand things have happened since.
    let events = client.history(0).await?;
    let last = events.iter().rev().find(|event| event.kind == EventKind::Published);
    options.at.print(|| as_json(&state, last), || as_text(&state, last))
}

fn as_json(state: &ClusterState, last: Option<&Event>) -> Value {
    let experts = state.placement.iter().map(
        |(key, homes)| json!({"layer": key.layer.0, "expert": key.expert.0, "homes": names(state, homes)}),
    );
    json!({
        "epoch": state.epoch.0,
        "replicas": state.settings.replicas,
        "published": last.map(|event| json!({"at_ms": event.at.0, "at": event.at.to_string(), "what": event.text})),
        "experts": experts.collect::<Vec<_>>(),
    })
}

fn as_text(state: &ClusterState, last: Option<&Event>) -> String {
    let mut text = match last {
        _ if state.placement.is_empty() => {
            return "nothing is placed yet; `conclave status` tells why\n".to_owned();
        }
        Some(event) => format!("{}, since {}\n", event.text, event.at),
        None => format!("epoch {} is in use\n", state.epoch),
    };
    // Layer to node to experts.
    let mut layers: BTreeMap<u32, BTreeMap<NodeId, usize>> = BTreeMap::new();
    for (key, homes) in state.placement.iter() {
        let layer = layers.entry(key.layer.0).or_default();
        homes.iter().for_each(|home| *layer.entry(*home).or_default() += 1);
    }
    let nodes: Vec<NodeId> = state.placement.nodes().into_iter().collect();
    let heads = nodes.iter().map(|node| format!(">{}", state.node_name(*node)));
    let mut table = Table::new(std::iter::once(">layer".to_owned()).chain(heads));
    for (layer, counts) in &layers {
        let counts = nodes.iter().map(|node| counts.get(node).copied().unwrap_or_default().to_string());
        table.row(std::iter::once(layer.to_string()).chain(counts));
    }
    let all = nodes.iter().map(|node| state.placement.held_by(*node).len().to_string());
    table.row(std::iter::once("all".to_owned()).chain(all));
    text.push_str(&table.to_string());
    text
}
