//! What words cost on this server, by asking it.

use crate::client::{Client, Clock};
use crate::record::Status;
use crate::words::{ANCHOR, Costs, WORDS, probe};
use crate::workload::Workload;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A server that is full or just starts gets so many chances.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// Prompt tokens of a text; `None`: the server does not say.
async fn tokens(client: &Client, workload: &Workload, text: &str) -> Result<Option<u64>, String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        let reply =
            client.ask(&workload.probe(text), Clock::start(), &CancellationToken::new(), |_| {}).await;
        match reply.status {
            Status::Ok => return Ok(reply.usage.map(|usage| usage.prompt_tokens)),
            Status::Failed(failure) => {
                last = format!("{} {} {}", failure.kind.name(), failure.code, failure.message);
            }
            other => other.name().clone_into(&mut last),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(last)
}

/// Asks for the anchor and each word; `None` if the server counts no prompt tokens.
pub(crate) async fn costs(client: &Client, workload: &Workload) -> Result<Option<Costs>, String> {
    let Some(base) = tokens(client, workload, ANCHOR).await? else { return Ok(None) };
    let mut probes = Vec::new();
    for word in WORDS {
        if let Some(tokens) = tokens(client, workload, &probe(word)).await? {
            probes.push((word, tokens));
        }
    }
    Ok(Costs::learn(base, &probes))
}
