//! `conclave explain`: why an expert is where it is.

use super::nodes::word;
use super::{Where, Which, patiently};
use crate::table::Table;
use conclave_control::{Explanation, Intent, Since};
use conclave_types::NodeId;
use serde_json::{Value, json};

/// Settings of `conclave explain`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ExplainOptions {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    at: Where,
}

pub(super) async fn run(options: ExplainOptions) -> anyhow::Result<()> {
    let client = options.at.client()?;
    let told = patiently(async || client.explain(options.which.key()).await).await?;
    options.at.print(|| as_json(&told), || as_text(&told))
}

fn name(told: &Explanation, node: NodeId) -> String {
    told.nodes.get(&node).map_or_else(|| format!("node {node}"), |known| known.name.clone())
}

fn names(told: &Explanation, nodes: &[NodeId]) -> Vec<String> {
    nodes.iter().map(|node| name(told, *node)).collect()
}

fn as_json(told: &Explanation) -> Value {
    let since = |since: &Since| json!({"epoch": since.epoch.0, "at_ms": since.at.0, "at": since.at.to_string(), "why": since.why});
    let intent = |intent: &Intent| json!({"homes": names(told, &intent.homes), "why": intent.why});
    let homes = told.homes.iter().map(|home| {
        let node = told.nodes.get(&home.node);
        json!({
            "node": name(told, home.node),
            "state": node.map(|node| node.state.name()),
            "draining": node.map(|node| node.draining),
            "zone": node.map(|node| node.zone.clone()),
            "numerics": node.map(|node| node.numerics.clone()),
            "since": home.since.as_ref().map(since),
        })
    });
    let pins = told.pins.iter().map(
        |pin| json!({"node": name(told, pin.node), "rests": (!pin.rests.is_empty()).then_some(&pin.rests)}),
    );
    json!({
        "layer": told.key.layer.0,
        "expert": told.key.expert.0,
        "epoch": told.epoch.0,
        "replicas": told.replicas,
        "homes": homes.collect::<Vec<_>>(),
        "pins": pins.collect::<Vec<_>>(),
        "loading": told.loading.as_ref().map(|(_, loading)| intent(loading)),
        "planned": told.planned.as_ref().ok().map(intent),
        "waiting": told.planned.as_ref().err(),
    })
}

fn as_text(told: &Explanation) -> String {
    let mut text = format!("{} at epoch {}, {} homes wanted\n", told.key, told.epoch, told.replicas);
    let mut table = Table::new(["home", "state", "zone", "numerics", "since", "put there by"]);
    for home in &told.homes {
        let node = told.nodes.get(&home.node);
        let dash = |text: Option<&String>| {
            text.filter(|text| !text.is_empty()).map_or("-".to_owned(), String::clone)
        };
        let (since, why) = match &home.since {
            Some(Since { epoch, at, why }) => (format!("epoch {epoch}, {at}"), why.clone()),
            None => ("-".to_owned(), "a decision older than the record".to_owned()),
        };
        table.row([
            name(told, home.node),
            node.map_or("-", word).to_owned(),
            dash(node.map(|node| &node.zone)),
            dash(node.map(|node| &node.numerics)),
            since,
            why,
        ]);
    }
    match table.is_empty() {
        true => text.push_str("  it has no home yet\n"),
        false => text.push_str(&table.to_string()),
    }
    match &told.pins[..] {
        [] => text.push_str("pinned        no\n"),
        pins => pins.iter().for_each(|pin| {
            let rests = if pin.rests.is_empty() { String::new() } else { format!(": {}", pin.rests) };
            text.push_str(&format!("pinned        to {}{rests}\n", name(told, pin.node)));
        }),
    }
    if let Some((target, loading)) = &told.loading {
        let homes = names(told, &loading.homes).join(", ");
        text.push_str(&format!("loading       homes {homes} with target {target}: {}\n", loading.why));
    }
    let current: Vec<NodeId> = told.homes.iter().map(|home| home.node).collect();
    let planner = match &told.planned {
        Ok(plan) if plan.homes == current && plan.why.is_empty() => "leaves everything as it is".to_owned(),
        Ok(plan) if plan.homes == current => format!("leaves it here, and moves others: {}", plan.why),
        Ok(plan) => format!("would make its homes {}: {}", names(told, &plan.homes).join(", "), plan.why),
        Err(waiting) => format!("has no plan; it waits for {waiting}"),
    };
    text.push_str(&format!("the planner   {planner}\n"));
    text
}
