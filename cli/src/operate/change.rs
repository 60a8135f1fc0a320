//! `conclave drain`, `undrain`, `pin`, `unpin` and `replicas`: wishes, in the log with who has them.

use super::{Operator, Where, Which, patiently};
use conclave_control::NodeState;
use conclave_control::command::{Command, DrainNode, PinExpert, SetReplicas, UnpinExpert};
use serde_json::json;

/// Settings of `conclave drain` and `conclave undrain`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DrainOptions {
    /// The node's name.
    node: String,
    #[command(flatten)]
    asks: Asks,
}

/// Settings of `conclave pin`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PinOptions {
    #[command(flatten)]
    which: Which,
    /// The node's name.
    node: String,
    #[command(flatten)]
    asks: Asks,
}

/// Settings of `conclave unpin`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct UnpinOptions {
    #[command(flatten)]
    which: Which,
    /// The node's name; default: all that it is pinned to.
    node: Option<String>,
    #[command(flatten)]
    asks: Asks,
}

/// Settings of `conclave replicas`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ReplicasOptions {
    /// Homes of every expert. Range: 1..=16.
    replicas: u32,
    #[command(flatten)]
    asks: Asks,
}

/// Whom to ask, and who asks.
#[derive(Clone, Debug, clap::Args)]
struct Asks {
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    operator: Operator,
}

impl Asks {
    /// Asks for `command` and says what comes of it.
    async fn carry_out(self, user: Option<String>, command: Command, said: String) -> anyhow::Result<()> {
        let client = self.at.client()?;
        let by = self.operator.or(user);
        patiently(async || client.change(&by, &command).await).await?;
        self.at.print(|| json!({"done": true, "by": by}), || format!("{said}\n"))
    }
}

pub(super) async fn drain(options: DrainOptions, user: Option<String>) -> anyhow::Result<()> {
    let DrainOptions { node, asks } = options;
    let said = format!("{node} gives its experts away; `conclave nodes` shows when it holds none");
    asks.carry_out(user, Command::DrainNode(DrainNode { name: node, draining: true }), said).await
}

pub(super) async fn undrain(options: DrainOptions, user: Option<String>) -> anyhow::Result<()> {
    let DrainOptions { node, asks } = options;
    let said = format!("{node} is used again");
    asks.carry_out(user, Command::DrainNode(DrainNode { name: node, draining: false }), said).await
}

pub(super) async fn pin(options: PinOptions, user: Option<String>) -> anyhow::Result<()> {
    let PinOptions { which, node, asks } = options;
    let key = which.key();
    let said = format!(
        "{key} is pinned to {node}; `conclave explain {} {}` tells when it is there",
        key.layer, key.expert
    );
    asks.carry_out(user, Command::PinExpert(PinExpert { key, node }), said).await
}

pub(super) async fn unpin(options: UnpinOptions, user: Option<String>) -> anyhow::Result<()> {
    let UnpinOptions { which, node, asks } = options;
    let key = which.key();
    let said = match &node {
        Some(node) => format!("{key} is no longer pinned to {node}"),
        None => format!("{key} is no longer pinned"),
    };
    asks.carry_out(user, Command::UnpinExpert(UnpinExpert { key, node }), said).await
}

pub(super) async fn replicas(options: ReplicasOptions, user: Option<String>) -> anyhow::Result<()> {
    let ReplicasOptions { replicas, asks } = options;
    let state = asks.at.client()?.status().await?.state;
    let usable = |node: &&conclave_control::Node| !node.draining && node.state != NodeState::Down;
    let usable = state.nodes.values().filter(usable).count();
    let mut said = format!("homes of each expert: {replicas}; `conclave moves` shows what is loaded for it");
    if usable < replicas as usize {
        said.push_str(&format!("\nonly {usable} nodes can be homes now; more homes follow with more nodes"));
    }
    asks.carry_out(user, Command::SetReplicas(SetReplicas { replicas }), said).await
}
