//! `conclave key`: API keys for the gateway's keys file.
//!
//! Keeps true: a key is printed once and kept nowhere.

use anyhow::{Context, ensure};
use conclave_gateway::keys::{KeyLine, Scope};
use conclave_types::Digest;
use std::io::Write;

/// Settings of `conclave key`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct KeyOptions {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum KeyCommand {
    /// Make an API key, and the line of the keys file that makes a gateway take it.
    New(NewOptions),
}

/// Settings of `conclave key new`.
#[derive(Clone, Debug, clap::Args)]
struct NewOptions {
    /// What the key opens, separated by commas: infer (generating), read (what is served), admin (metrics).
    #[arg(long, value_delimiter = ',', required = true)]
    scope: Vec<Scope>,
    /// Whose it is, for the file and the logs.
    #[arg(long, default_value = "unnamed")]
    name: String,
    /// Most requests that generate, begun in a minute; default: no bound.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    requests_per_minute: Option<u32>,
    /// Most requests that generate, under way at a time; default: no bound.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    requests_at_once: Option<u32>,
}

pub(crate) fn run(options: &KeyOptions) -> anyhow::Result<()> {
    let KeyCommand::New(options) = &options.command;
    let name = options.name.clone();
    ensure!(
        !name.is_empty() && !name.starts_with('#') && !name.contains(char::is_whitespace),
        "name is `{name}`; it can have no spaces and no # first"
    );
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("the system's random numbers")?;
    // As long as its 256 bits in hexadecimal, with a beginning by which scanners find leaked ones.
    let key: String = std::iter::once("conclave-".to_owned())
        .chain(bytes.iter().map(|byte| format!("{byte:02x}")))
        .collect();
    let mut scopes = options.scope.clone();
    scopes.sort_unstable();
    scopes.dedup();
    let line = KeyLine {
        name,
        scopes,
        digest: Digest::of(key.as_bytes()),
        requests_per_minute: options.requests_per_minute,
        requests_at_once: options.requests_at_once,
    };
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "The key, which nothing can show again:\n  {key}\n\nIts line for the file that gateways get by --api-keys-file, and \
         read again when it changes:\n  {line}"
    )?;
    Ok(())
}
