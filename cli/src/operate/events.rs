//! `conclave events`: what happened.

use super::Where;
use crate::table::Table;
use conclave_control::Event;
use serde_json::json;

/// Settings of `conclave events`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct EventsOptions {
    #[command(flatten)]
    at: Where,
    /// How many, the newest; 0: all that are kept, which is the last 1000.
    #[arg(long, default_value_t = 40)]
    last: u32,
}

pub(super) async fn run(options: EventsOptions) -> anyhow::Result<()> {
    let events = options.at.client()?.history(options.last).await?;
    let json = |event: &Event| {
        json!({
            "index": event.index.0,
            "at_ms": event.at.0,
            "at": event.at.to_string(),
            "by": event.by,
            "kind": event.kind.name(),
            "what": event.text,
        })
    };
    let text = || {
        let mut table = Table::new(["when", ">index", "kind", "by", "what"]);
        for event in &events {
            table.row([
                event.at.to_string(),
                event.index.to_string(),
                event.kind.name().to_owned(),
                event.by.clone().unwrap_or_else(|| "-".to_owned()),
                event.text.clone(),
            ]);
        }
        if table.is_empty() { "nothing has happened yet\n".to_owned() } else { table.to_string() }
    };
    options.at.print(|| events.iter().map(json).collect(), text)
}
