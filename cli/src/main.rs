//! The `conclave` binary: one subcommand per role and chore.
//!
//! The only place that reads the environment and decides exit codes. Knows no model and no protocol.

mod chat;
mod serve;
mod settings;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Serves mixture-of-experts models whose experts live on many machines.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// A TOML file with settings: `key = value` under `[subcommand]`. Flags and environment come first.
    #[arg(long, global = true, env = "CONCLAVE_CONFIG")]
    config: Option<PathBuf>,
    /// What to log, such as `info` or `conclave_gateway=debug`.
    #[arg(long, global = true, env = "CONCLAVE_LOG", default_value = "info")]
    log: String,
    /// Log lines as `text` or `json`.
    #[arg(long, global = true, env = "CONCLAVE_LOG_FORMAT", default_value = "text", value_parser = ["text", "json"])]
    log_format: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a model in this one process.
    Serve(serve::ServeOptions),
    /// Talk to a running server in the terminal.
    Chat(chat::ChatOptions),
}

fn log(cli: &Cli) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&cli.log)
        .map_err(|error| anyhow::anyhow!("log is `{}`: {error}; try `info`", cli.log))?;
    // Logs go to stderr, so that what a command prints can be piped.
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if cli.log_format == "json" {
        lines.json().init()
    } else {
        lines.init()
    }
    Ok(())
}

fn main() -> ExitCode {
    let result = settings::parse::<Cli>().and_then(|cli| {
        log(&cli)?;
        match cli.command {
            Command::Serve(options) => serve::run(options),
            Command::Chat(options) => chat::run(&options),
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("conclave: {error:#}");
            ExitCode::FAILURE
        }
    }
}
