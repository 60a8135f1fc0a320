//! `conclave coordinators`: the group that keeps the truth, shown and changed while it works.
//!
//! The plural, because `conclave coordinator` runs one: its flags are required, which a subcommand beside them could not
//! be free of.

use super::{AGAIN, Operator, Where, ago, patiently};
use crate::table::Table;
use anyhow::bail;
use conclave_control_rpc::{ClusterStatus, ControlError, CoordinatorClient, Joining};
use conclave_coordinator::Peer;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Settings of `conclave coordinators`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CoordinatorsOptions {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Chore {
    /// Show the coordinators: who leads, who votes, and how much of the log each has.
    List(ListOptions),
    /// Add a coordinator that runs with --join: it gets the log, then its vote.
    Add(AddOptions),
    /// Take a coordinator out of the group, also one that is gone for good.
    Remove(RemoveOptions),
}

#[derive(Clone, Debug, clap::Args)]
struct ListOptions {
    #[command(flatten)]
    at: Where,
}

#[derive(Clone, Debug, clap::Args)]
struct AddOptions {
    /// The new one: ID=HOST:PORT, with an id that the group never had.
    coordinator: Peer,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    operator: Operator,
    /// How long to wait until it votes. Unit: seconds.
    #[arg(long, default_value_t = 60)]
    timeout_s: u64,
}

#[derive(Clone, Debug, clap::Args)]
struct RemoveOptions {
    /// Its id.
    id: u64,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    operator: Operator,
}

pub(super) async fn run(options: CoordinatorsOptions, user: Option<String>) -> anyhow::Result<()> {
    match options.chore {
        Chore::List(options) => {
            let status = options.at.client()?.status().await?;
            options.at.print(|| as_json(&status), || format!("term {}\n{}", status.term, as_text(&status)))
        }
        Chore::Add(options) => add(options, user).await,
        Chore::Remove(options) => remove(options, user).await,
    }
}

async fn add(options: AddOptions, user: Option<String>) -> anyhow::Result<()> {
    let AddOptions { coordinator: Peer { id, address }, at, operator, timeout_s } = options;
    let client = at.client()?;
    let by = operator.or(user);
    let start = Instant::now();
    let mut told = String::new();
    loop {
        let how_far = match client.add_coordinator(&by, id, &address).await {
            Ok(Joining::Votes) => break,
            Ok(Joining::Learns { matched: None, .. }) => format!("waiting for coordinator {id} at {address}"),
            Ok(Joining::Learns { matched: Some(matched), last }) => {
                format!("coordinator {id} has {matched} of {last} entries of the log")
            }
            Err(error @ ControlError::Unavailable { .. }) => error.to_string(),
            Err(refused) => return Err(refused.into()),
        };
        if start.elapsed() > Duration::from_secs(timeout_s) {
            bail!(
                "coordinator {id} does not vote after {timeout_s} s: {how_far}; the same command goes on, `conclave \
                 coordinators remove {id}` gives up"
            );
        }
        if how_far != told {
            if !told.is_empty() {
                eprintln!("{how_far}");
            }
            told = how_far;
        }
        tokio::time::sleep(AGAIN).await;
    }
    let text = || {
        format!(
            "coordinator {id} at {address} votes; name it in --coordinators of nodes and gateways when they next start\n"
        )
    };
    at.print(|| json!({"done": true, "by": by}), text)
}

async fn remove(options: RemoveOptions, user: Option<String>) -> anyhow::Result<()> {
    let RemoveOptions { id, at, operator } = options;
    let client = at.client()?;
    let by = operator.or(user);
    let was = member(&client, id).await;
    match patiently(async || client.remove_coordinator(&by, id).await).await {
        Ok(()) => {}
        // The answer to an earlier try may have been lost; what was wanted is so.
        Err(ControlError::Refused(_)) if was && !member(&client, id).await => {}
        Err(error) => return Err(error.into()),
    }
    let text = || {
        format!(
            "coordinator {id} has left the group; its process ends by itself once it reaches the others\n"
        )
    };
    at.print(|| json!({"done": true, "by": by}), text)
}

/// Whether `id` is part of the group, as far as can be told.
async fn member(client: &CoordinatorClient, id: u64) -> bool {
    let status = client.status().await;
    status.is_ok_and(|status| status.coordinators.iter().any(|coordinator| coordinator.id == id))
}

pub(super) fn as_json(status: &ClusterStatus) -> Value {
    let coordinator = |c: &conclave_control_rpc::CoordinatorStatus| {
        json!({
            "id": c.id, "address": c.address, "leader": c.leader, "voter": c.voter, "matched": c.matched,
            "silence_ms": c.silence_ms,
        })
    };
    status.coordinators.iter().map(coordinator).collect()
}

pub(super) fn as_text(status: &ClusterStatus) -> String {
    let leads = status.coordinators.iter().any(|coordinator| coordinator.leader);
    let mut table = Table::new([">id", "address", "role", ">log", "heard"]);
    for coordinator in &status.coordinators {
        let role = match (coordinator.leader, coordinator.voter) {
            (true, _) => "leader",
            (false, true) => "follower",
            (false, false) => "learner",
        };
        let known = leads && status.coordinators.iter().any(|other| other.silence_ms.is_some());
        table.row([
            coordinator.id.to_string(),
            coordinator.address.clone(),
            role.to_owned(),
            coordinator.matched.map_or("-".to_owned(), |matched| matched.to_string()),
            match (coordinator.leader, known) {
                (true, _) | (_, false) => "-".to_owned(),
                (false, true) => ago(coordinator.silence_ms),
            },
        ]);
    }
    let mut text = table.to_string();
    if !leads {
        text.push_str("  no leader: placement cannot change; tokens are not affected\n");
    }
    text
}
