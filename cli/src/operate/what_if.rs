//! `conclave what-if`: what would happen if some nodes died, by the planner's own answer. Changes nothing.

use super::moves::{Part, list, size};
use super::{Where, patiently};
use crate::table::Table;
use conclave_types::ExpertKey;
use serde_json::{Value, json};
use std::fmt::Write;

/// Experts that are named one by one; of more only the number is told.
const NAMED_MAX: usize = 12;

/// Settings of `conclave what-if`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WhatIfOptions {
    #[command(flatten)]
    at: Where,
    /// The nodes that are thought dead, by name, separated by commas.
    #[arg(long, value_name = "NODE", value_delimiter = ',', required = true)]
    kill: Vec<String>,
}

pub(super) async fn run(options: WhatIfOptions) -> anyhow::Result<()> {
    let client = options.at.client()?;
    let told = patiently(async || client.what_if(&options.kill).await).await?;
    // For the nodes' names.
    let state = client.status().await?.state;
    let keys = |keys: &[ExpertKey]| -> Value {
        keys.iter().map(|key| json!({"layer": key.layer.0, "expert": key.expert.0})).collect()
    };
    let json = || {
        let plan = match &told.plan {
            Ok((moves, bytes)) => json!({"moves": list(&state, moves), "bytes": bytes.0}),
            Err(why) => json!({"impossible": why}),
        };
        json!({
            "kill": options.kill,
            "experts": told.experts,
            "lost": keys(&told.lost),
            "single": keys(&told.single),
            "short": told.short,
            "imbalance": told.imbalances.map(|[now, after, planned]| json!({
                "now": now, "after": after, "planned": planned,
            })),
            "plan": plan,
        })
    };
    let text = || {
        let mut text = format!("without {}, of {} experts:\n", options.kill.join(", "), told.experts);
        let mut table = Table::new(["", ">experts", "", ""]);
        let wanted = state.settings.replicas;
        table.row([
            "have no home".to_owned(),
            told.lost.len().to_string(),
            named(&told.lost),
            match told.lost.len() {
                0 => "no request fails".to_owned(),
                _ => "requests that need one fail until it is loaded elsewhere".to_owned(),
            },
        ]);
        table.row([
            "have one home".to_owned(),
            told.single.len().to_string(),
            named(&told.single),
            String::new(),
        ]);
        table.row([
            format!("have fewer than {wanted}"),
            told.short.to_string(),
            String::new(),
            String::new(),
        ]);
        text.push_str(&table.to_string());
        let written = match told.imbalances {
            Some([now, after, planned]) => writeln!(
                text,
                "predicted imbalance {now:.2} now, {after:.2} without them, {planned:.2} after what is planned"
            ),
            None => writeln!(text, "no load is recorded, so no balance is predicted"),
        };
        written.expect("a string takes all");
        match &told.plan {
            Err(why) => text.push_str(&format!("then nothing could be planned: {why}\n")),
            Ok((moves, _)) if moves.is_empty() => text.push_str("then nothing would be loaded\n"),
            Ok((moves, bytes)) => {
                text.push_str(&format!("then {bytes} would be loaded:\n"));
                let mut table = Table::new(["node", ">loads", ">memory"]);
                for (node, part) in Part::of(moves).into_iter().filter(|(_, part)| part.loads > 0) {
                    table.row([
                        state.node_name(node),
                        part.loads.to_string(),
                        size(&state, part.loads).to_string(),
                    ]);
                }
                text.push_str(&table.to_string());
            }
        }
        text
    };
    options.at.print(json, text)
}

/// The experts by name, if they are few.
fn named(keys: &[ExpertKey]) -> String {
    if keys.len() > NAMED_MAX {
        return String::new();
    }
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
