//! The `conclave` binary: one subcommand per role and chore.
//!
//! The only place that reads the environment and decides exit codes. Knows no model and no protocol.

mod announce;
mod balance;
mod bench;
mod ca;
mod chat;
mod eval;
mod health;
mod key;
mod link;
mod load_test;
mod model;
mod nodes;
mod operate;
mod process;
mod progress;
mod reserve;
mod roles;
mod serve;
mod settings;
mod table;
mod up;
mod whole;

use clap::{Parser, Subcommand};
use conclave_telemetry::{LogFormat, Telemetry, TelemetryError, TelemetryOptions};
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
    #[arg(long, global = true, env = "CONCLAVE_LOG", default_value = "info,openraft=warn,object_store=warn")]
    log: String,
    /// Log lines as `text` or `json`.
    #[arg(long, global = true, env = "CONCLAVE_LOG_FORMAT", default_value = "text", value_parser = ["text", "json"])]
    log_format: String,
    /// OTLP endpoint (gRPC) for spans, such as http://127.0.0.1:4317; default: none are made.
    #[arg(long, global = true, env = "CONCLAVE_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
    /// The share of requests that are told as spans, each with its steps; a request whose client traces it is told as that
    /// says. Range: 0..=1.
    #[arg(long, global = true, env = "CONCLAVE_OTLP_SAMPLE", default_value_t = 1.0)]
    otlp_sample: f64,
    /// Also stop when the standard input ends: for processes that another one looks after.
    #[arg(long, global = true, hide = true)]
    stop_with_stdin: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a whole cluster on this machine, one process for each role.
    Up(up::UpOptions),
    /// Serve a model in this one process.
    Serve(serve::ServeOptions),
    /// Run one gateway of a cluster: the API, the trunk, and the way to the experts.
    Gateway(roles::GatewayRole),
    /// Run one expert node of a cluster.
    ExpertNode(roles::NodeRole),
    /// Run one coordinator of a cluster.
    Coordinator(roles::CoordinatorRole),
    /// Put one port before several gateways.
    Balance(balance::BalanceOptions),
    /// Ask a role whether it is ready; the exit code is the answer.
    Health(health::HealthOptions),
    /// Make certificates for the roles of a cluster on several machines.
    Ca(ca::CaOptions),
    /// Make API keys for gateways.
    Key(key::KeyOptions),
    #[command(flatten)]
    Operate(operate::Operate),
    /// Quantise a model's weights once and for all, so that a start takes a second.
    Pack(model::PackOptions),
    /// Fetch models, see what is kept of them and whether it is whole, and tell what a model needs before it is fetched.
    #[command(subcommand)]
    Model(model::Models),
    /// Write a model's manifest: the digest of every tensor, by which each role verifies what it loads.
    Manifest(model::ManifestOptions),
    /// Measure how fast a model is here: prompts, decoding, start, memory, and what the machine could do.
    Bench(bench::BenchOptions),
    /// Measure how well a model knows a text, and what a narrower dtype changes.
    Eval(eval::EvalOptions),
    /// Measure any OpenAI-compatible server under load: latencies, throughput, goodput, what a fault costs.
    LoadTest(Box<conclave_load_test::LoadTestOptions>),
    /// Talk to a running server in the terminal.
    Chat(chat::ChatOptions),
}

impl Command {
    /// The name under which the process's spans appear.
    fn service(&self) -> &'static str {
        match self {
            Self::Gateway(_) => "conclave-gateway",
            Self::ExpertNode(_) => "conclave-expert-node",
            Self::Coordinator(_) => "conclave-coordinator",
            _ => "conclave",
        }
    }
}

fn telemetry(cli: &Cli) -> Result<Telemetry, TelemetryError> {
    conclave_telemetry::start(&TelemetryOptions {
        filter: cli.log.clone(),
        format: if cli.log_format == "json" { LogFormat::Json } else { LogFormat::Text },
        // An empty variable is what deployments set where there is no collector.
        otlp_endpoint: cli.otlp_endpoint.clone().filter(|endpoint| !endpoint.is_empty()),
        otlp_sample: cli.otlp_sample,
        service: cli.command.service().to_owned(),
    })
}

/// What the stores that models are fetched from may know: credentials, endpoints, where the user's files are.
pub(crate) fn environment() -> conclave_delivery::Environment {
    let wanted = |key: &str| {
        ["AWS_", "GOOGLE_", "HF_"].iter().any(|store| key.starts_with(store))
            || ["HOME", "XDG_CACHE_HOME"].contains(&key)
    };
    let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((key.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).filter(|(key, _)| wanted(key)).collect()
}

/// Who runs this process, for the history of what operators did.
fn user() -> Option<String> {
    ["USER", "LOGNAME"].into_iter().find_map(|key| std::env::var(key).ok())
}

fn main() -> ExitCode {
    let started = std::time::Instant::now();
    let result = settings::parse::<Cli>().and_then(|cli| {
        let _telemetry = telemetry(&cli)?;
        let stop = process::Stop { with_stdin: cli.stop_with_stdin };
        match cli.command {
            Command::Up(options) => up::run(
                options,
                &process::Logging {
                    log: cli.log,
                    format: cli.log_format,
                    otlp_endpoint: cli.otlp_endpoint,
                    otlp_sample: cli.otlp_sample,
                },
            ),
            Command::Serve(options) => serve::run(options, stop),
            Command::Gateway(options) => roles::gateway(options, stop),
            Command::ExpertNode(options) => roles::expert_node(options, stop),
            Command::Coordinator(options) => roles::coordinator(options, stop),
            Command::Balance(options) => balance::run(&options, stop),
            Command::Health(options) => health::run(&options),
            Command::Ca(options) => ca::run(&options),
            Command::Key(options) => key::run(&options),
            Command::Operate(command) => operate::run(command, user()),
            Command::Pack(options) => model::pack(&options),
            Command::Model(command) => model::run(&command),
            Command::Manifest(options) => model::manifest(&options),
            Command::Bench(options) => bench::run(&options, started),
            Command::Eval(options) => eval::run(&options),
            Command::LoadTest(options) => load_test::run(*options, stop),
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
