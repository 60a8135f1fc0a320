//! `conclave status`, `drain` and `undrain`: what operators see and ask for.

use crate::process::{CredentialOptions, check, runtime};
use conclave_control::NodeState;
use conclave_control_rpc::{ClusterStatus, ControlError, CoordinatorClient};
use conclave_transport::Role;
use conclave_types::{Bytes, Millis};
use serde_json::{Value, json};
use std::io::Write;
use std::time::{Duration, Instant};

/// How long a command waits for a leader.
const ELECTION: Duration = Duration::from_secs(10);

/// Where the cluster is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Where {
    /// The coordinators, HOST:PORT separated by commas.
    #[arg(long, env = "CONCLAVE_COORDINATORS", value_delimiter = ',', required = true)]
    coordinators: Vec<String>,
    #[command(flatten)]
    credentials: CredentialOptions,
}

impl Where {
    fn validate(&self) -> anyhow::Result<()> {
        let addresses = self.coordinators.iter().map(|address| ("coordinators", address.clone())).collect();
        check([self.credentials.validate(Role::Operator, addresses)])
    }

    /// Needs a runtime.
    fn client(&self) -> anyhow::Result<CoordinatorClient> {
        Ok(CoordinatorClient::new(self.coordinators.clone(), self.credentials.load(Role::Operator)?))
    }
}

/// Settings of `conclave status`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct StatusOptions {
    #[command(flatten)]
    at: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Settings of `conclave drain` and `conclave undrain`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DrainOptions {
    #[command(flatten)]
    at: Where,
    /// The node's name.
    node: String,
}

pub(crate) fn status(options: &StatusOptions) -> anyhow::Result<()> {
    options.at.validate()?;
    let status = runtime(1)?.block_on(async { anyhow::Ok(options.at.client()?.status().await?) })?;
    let mut out = std::io::stdout().lock();
    if options.json {
        writeln!(out, "{:#}", as_json(&status))?;
    } else {
        write!(out, "{}", as_text(&status))?;
    }
    Ok(())
}

pub(crate) fn drain(options: &DrainOptions, draining: bool) -> anyhow::Result<()> {
    options.at.validate()?;
    runtime(1)?.block_on(async {
        let client = options.at.client()?;
        let start = Instant::now();
        loop {
            match client.drain(&options.node, draining).await {
                // An election takes about a second; an operator should not have to know.
                Err(ControlError::Unavailable { .. }) if start.elapsed() < ELECTION => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                result => return anyhow::Ok(result?),
            }
        }
    })?;
    let mut out = std::io::stdout().lock();
    if draining {
        writeln!(out, "{} gives its experts away; `conclave status` shows when it holds none", options.node)?;
    } else {
        writeln!(out, "{} is used again", options.node)?;
    }
    Ok(())
}

fn as_json(status: &ClusterStatus) -> Value {
    let state = &status.state;
    let (uncovered, experts) = state.uncovered();
    let node = |(id, node): (&conclave_types::NodeId, &conclave_control::Node)| {
        let told = status.nodes.iter().find(|told| told.node == id.0);
        json!({
            "id": id.0,
            "name": node.name,
            "address": node.address,
            "state": node.state.name(),
            "draining": node.draining,
            "zone": node.zone,
            "numerics": node.numerics,
            "experts_placed": state.placement.held_by(*id).len(),
            "experts_held": told.map(|told| told.experts),
            "bytes_held": told.map(|told| told.bytes),
            "calls": told.map(|told| told.calls),
            "silence_ms": told.and_then(|told| told.silence_ms),
            "trouble": told.map(|told| told.trouble.clone()).filter(|trouble| !trouble.is_empty()),
        })
    };
    json!({
        "model": state.model.as_ref().map(|model| json!({"name": model.name, "digest": model.digest.to_string()})),
        "epoch": state.epoch.0,
        "replicas": state.settings.replicas,
        "experts": experts,
        "experts_uncovered": uncovered,
        "loading": state.target.as_ref().map(|target| target.why.clone()),
        "waiting": (!status.waiting.is_empty()).then_some(&status.waiting),
        "term": status.term,
        "coordinators": status.coordinators.iter().map(|c| json!({
            "id": c.id, "address": c.address, "leader": c.leader, "matched": c.matched,
        })).collect::<Vec<_>>(),
        "nodes": state.nodes.iter().map(node).collect::<Vec<_>>(),
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
    line(format!("placement     epoch {}, {} homes for each expert", state.epoch, state.settings.replicas));
    let (uncovered, experts) = state.uncovered();
    line(format!("coverage      {} of {experts} experts have a ready home", experts - uncovered));
    if let Some(target) = &state.target {
        line(format!("loading       {}", target.why));
    }
    if !status.waiting.is_empty() {
        line(format!("waiting for   {}", status.waiting));
    }
    line(format!("coordinators  term {}", status.term));
    for coordinator in &status.coordinators {
        let role = match (coordinator.leader, coordinator.matched) {
            (true, _) => "leader".to_owned(),
            (false, Some(matched)) => format!("follower, has log {matched}"),
            (false, None) => "follower".to_owned(),
        };
        line(format!("  {:<4}{:<24}{role}", coordinator.id, coordinator.address));
    }
    if !status.coordinators.iter().any(|coordinator| coordinator.leader) {
        line("  no leader: placement cannot change; tokens are not affected".to_owned());
    }
    line("nodes".to_owned());
    line(format!(
        "  {:<16}{:<10}{:<24}{:>8}{:>8}{:>12}{:>10}  heard",
        "name", "state", "address", "placed", "held", "memory", "calls"
    ));
    for (id, node) in &state.nodes {
        let told = status.nodes.iter().find(|told| told.node == id.0).cloned().unwrap_or_default();
        let heard = told.silence_ms.map_or("never".to_owned(), |silence| format!("{} ago", Millis(silence)));
        let word = match (node.draining, node.state) {
            (true, NodeState::Ready) => "draining",
            (_, node_state) => node_state.name(),
        };
        line(format!(
            "  {:<16}{word:<10}{:<24}{:>8}{:>8}{:>12}{:>10}  {heard}",
            node.name,
            node.address,
            state.placement.held_by(*id).len(),
            told.experts,
            Bytes(told.bytes).to_string(),
            told.calls,
        ));
        if !told.trouble.is_empty() {
            line(format!("    {}", told.trouble));
        }
    }
    text
}
