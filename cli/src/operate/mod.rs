//! What operators see and ask for: one subcommand each, for people and with `--json` for programs.
//!
//! Keeps true: an election costs a pause, not an error. Decides nothing: the coordinators do.

mod change;
mod coordinators;
mod events;
mod experts;
mod explain;
mod moves;
mod nodes;
mod placement;
mod status;
mod what_if;

use crate::process::{CredentialOptions, check, runtime};
use conclave_control_rpc::{ControlError, CoordinatorClient};
use conclave_transport::Role;
use conclave_types::{ExpertKey, Millis};
use serde_json::Value;
use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

/// How long a command waits for a leader.
const ELECTION: Duration = Duration::from_secs(10);
/// Pause before a question is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// The operators' subcommands.
#[derive(clap::Subcommand)]
pub(crate) enum Operate {
    /// Show a cluster: its nodes, placement, coverage and leader.
    Status(status::StatusOptions),
    /// Show the expert nodes: where they are, what they hold, when they were heard of.
    Nodes(nodes::NodesOptions),
    /// Show experts with their homes, all or those that a filter names.
    Experts(experts::ExpertsOptions),
    /// Show how many experts of each layer lie on each node.
    Placement(placement::PlacementOptions),
    /// Tell why an expert is where it is, and what would be done with it now.
    Explain(explain::ExplainOptions),
    /// Show what is being loaded, and by whom.
    Moves(moves::MovesOptions),
    /// Show what happened: registrations, verdicts, placements, and what operators did.
    Events(events::EventsOptions),
    /// Empty a node: its experts move to others before it lets go of them.
    Drain(change::DrainOptions),
    /// Use a drained node again.
    Undrain(change::DrainOptions),
    /// Give an expert a home on a certain node, wherever its other homes are.
    Pin(change::PinOptions),
    /// Take a pin back; the expert stays until there is a reason to move it.
    Unpin(change::UnpinOptions),
    /// Change how many homes each expert has.
    Replicas(change::ReplicasOptions),
    /// Plan now, and show what moves.
    Rebalance(moves::RebalanceOptions),
    /// Tell what would happen if some nodes died; changes nothing.
    WhatIf(what_if::WhatIfOptions),
    /// Show the coordinators; add or remove one while the cluster works.
    Coordinators(coordinators::CoordinatorsOptions),
}

/// Carries out `command`; `user` is who asks unless a flag says otherwise.
pub(crate) fn run(command: Operate, user: Option<String>) -> anyhow::Result<()> {
    // One thread: everything is waiting.
    runtime(1)?.block_on(async {
        match command {
            Operate::Status(options) => status::run(options).await,
            Operate::Nodes(options) => nodes::run(options).await,
            Operate::Experts(options) => experts::run(options).await,
            Operate::Placement(options) => placement::run(options).await,
            Operate::Explain(options) => explain::run(options).await,
            Operate::Moves(options) => moves::show(options).await,
            Operate::Events(options) => events::run(options).await,
            Operate::Drain(options) => change::drain(options, user).await,
            Operate::Undrain(options) => change::undrain(options, user).await,
            Operate::Pin(options) => change::pin(options, user).await,
            Operate::Unpin(options) => change::unpin(options, user).await,
            Operate::Replicas(options) => change::replicas(options, user).await,
            Operate::Rebalance(options) => moves::rebalance(options, user).await,
            Operate::WhatIf(options) => what_if::run(options).await,
            Operate::Coordinators(options) => coordinators::run(options, user).await,
        }
    })
}

/// Where the cluster is, and how to show it.
#[derive(Clone, Debug, clap::Args)]
struct Where {
    /// The coordinators, HOST:PORT separated by commas; some of them will do.
    #[arg(long, env = "CONCLAVE_COORDINATORS", value_delimiter = ',', required = true)]
    coordinators: Vec<String>,
    #[command(flatten)]
    credentials: CredentialOptions,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Where {
    /// Needs a runtime.
    fn client(&self) -> anyhow::Result<CoordinatorClient> {
        let addresses = self.coordinators.iter().map(|address| ("coordinators", address.clone())).collect();
        check([self.credentials.validate(Role::Operator, addresses)])?;
        Ok(CoordinatorClient::new(self.coordinators.clone(), self.credentials.load(Role::Operator)?))
    }

    /// Prints one of the two.
    fn print(&self, json: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        let said = if self.json { format!("{:#}\n", json()) } else { text() };
        let mut out = std::io::stdout().lock();
        match out.write_all(said.as_bytes()).and_then(|()| out.flush()) {
            // A pager that was left early has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            result => Ok(result?),
        }
    }
}

/// Who asks for a change.
#[derive(Clone, Debug, clap::Args)]
struct Operator {
    /// Who asks, for the cluster's history; default: the user's name, or `unknown`.
    #[arg(long = "as", env = "CONCLAVE_OPERATOR", value_name = "NAME")]
    name: Option<String>,
}

impl Operator {
    fn or(self, user: Option<String>) -> String {
        self.name.or(user).filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "unknown".to_owned())
    }
}

/// An expert, as two numbers.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Which {
    /// The layer, from 0.
    layer: u32,
    /// The expert within the layer, from 0.
    expert: u32,
}

impl Which {
    fn key(self) -> ExpertKey {
        ExpertKey::new(self.layer, self.expert)
    }
}

/// Asks again while there is no leader: an election takes about a second, and an operator should not have to know.
async fn patiently<T>(call: impl AsyncFn() -> Result<T, ControlError>) -> Result<T, ControlError> {
    let start = Instant::now();
    loop {
        match call().await {
            Err(ControlError::Unavailable { .. }) if start.elapsed() < ELECTION => {
                tokio::time::sleep(AGAIN).await;
            }
            result => return result,
        }
    }
}

/// A stretch of time at the precision that a person reads.
fn span(millis: Millis) -> String {
    match millis.0 {
        ms @ 0..1_000 => format!("{ms} ms"),
        ms @ 1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        ms @ 60_000..7_200_000 => format!("{} min", ms / 60_000),
        ms @ 7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        ms => format!("{} days", ms / 86_400_000),
    }
}

fn ago(silence_ms: Option<u64>) -> String {
    silence_ms.map_or_else(|| "never".to_owned(), |silence| format!("{} ago", span(Millis(silence))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_say_them() {
        let shown = [999, 1_250, 59_999, 60_000, 7_200_000, 200_000_000].map(|ms| span(Millis(ms)));
        assert_eq!(shown, ["999 ms", "1.2 s", "59.9 s", "1 min", "2 h", "2 days"]);
    }

    #[test]
    fn an_operator_is_the_flag_else_the_user_else_unknown() {
        let name = |flag: Option<&str>, user: Option<&str>| {
            Operator { name: flag.map(str::to_owned) }.or(user.map(str::to_owned))
        };
        assert_eq!(name(Some("anna"), Some("root")), "anna");
        assert_eq!(name(None, Some("root")), "root");
        assert_eq!((name(None, None), name(Some(" "), None)), ("unknown".to_owned(), "unknown".to_owned()));
    }
}
