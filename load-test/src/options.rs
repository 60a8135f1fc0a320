//! The settings of a load test, and what is wrong with them.

use crate::fault::{Action, Fault};
use crate::prompts::exactly;
use crate::schedule::{Load, Pattern, Plan, Stage};
use crate::slo::Slo;
use crate::units::{Cut, Span, percent, seconds, share};
use crate::workload::Endpoint;
use clap::ValueEnum;
use conclave_transport::TrustOptions;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::str::FromStr;

/// How the arrivals of an open loop lie around their rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Arrival {
    /// Each as far from the last.
    Constant,
    /// Independent of each other.
    Poisson,
    /// Gaps of a gamma distribution whose shape is `--burstiness`.
    Gamma,
}

/// The levels of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sweep {
    /// In order; doubled up to `USERS_MAX` if none are given.
    pub(crate) levels: Vec<Load>,
}

/// The last level of a sweep of users that names none.
const USERS_MAX: u32 = 1024;

/// `users`, `users=1,2,4` or `rate=1,2,4`.
impl FromStr for Sweep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "users" {
            let doubled = std::iter::successors(Some(1_u32), |users| Some(users * 2));
            return Ok(Self {
                levels: doubled.take_while(|users| *users <= USERS_MAX).map(Load::users).collect(),
            });
        }
        let (kind, values) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is no sweep; write users, users=1,2,4 or rate=1,2,4"))?;
        let levels = values.split(',').map(|value| format!("{kind}={value}").parse());
        Ok(Self { levels: levels.collect::<Result<_, _>>()? })
    }
}

fn json_object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(format!("`{text}` is no JSON object")),
    }
}

/// Settings of `conclave load-test`.
#[derive(Clone, Debug, clap::Args)]
pub struct LoadTestOptions {
    /// The server, http or https; a `/v1` at its end may be left out.
    #[arg(long, env = "CONCLAVE_URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    /// The API key, if the server asks for one.
    #[arg(long, env = "CONCLAVE_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustOptions,
    /// The model; default: the first that the server names.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Where requests go.
    #[arg(long, value_enum, default_value = "chat")]
    pub(crate) endpoint: Endpoint,
    /// Tokens of an answer at most: 64, or a range of which each request draws: 32..128.
    #[arg(long, default_value = "64")]
    pub(crate) max_tokens: Span,
    /// Ask the server not to end answers by itself, so that each has --max-tokens.
    #[arg(long)]
    pub(crate) ignore_eos: bool,
    /// Sampling temperature; default: the server's.
    #[arg(long)]
    pub(crate) temperature: Option<f64>,
    /// Seed of prompts and arrivals, 1 by default. If given, requests carry a seed of their own that depends on it.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Further fields of each request, as a JSON object: {"top_k": 1}.
    #[arg(long, value_parser = json_object)]
    extra: Option<Map<String, Value>>,
    /// A request that takes longer has failed.
    #[arg(long, default_value = "10m", value_parser = seconds)]
    pub(crate) timeout: f64,

    /// Closed loop: so many users, each with one request at a time. The default, with 1.
    #[arg(long, help_heading = "Load", group = "load")]
    users: Option<u32>,
    /// Open loop: so many requests a second, whatever becomes of them.
    #[arg(long, help_heading = "Load", group = "load")]
    rate: Option<f64>,
    /// A load that runs linearly from one value to another during --duration: rate=1..20, users=1..32.
    #[arg(long, help_heading = "Load", group = "load")]
    ramp: Option<Load>,
    /// Loads one after another: users=4:10s,rate=2:30s,rate=2..8:1m.
    #[arg(long, help_heading = "Load", group = "load", value_delimiter = ',')]
    stages: Vec<Stage>,
    /// Level after level until the server is saturated: users (1, 2, 4, …), users=1,2,4 or rate=1,2,4.
    #[arg(long, help_heading = "Load", group = "load")]
    pub(crate) sweep: Option<Sweep>,
    /// Requests at the times of a JSONL file: timestamp (ms), output_length, and input_length, prompt or messages.
    #[arg(long, help_heading = "Load", group = "load")]
    pub(crate) trace: Option<PathBuf>,
    /// How many times as fast as it was recorded a trace is played.
    #[arg(long, help_heading = "Load", default_value_t = 1.0, requires = "trace")]
    pub(crate) trace_speed: f64,
    /// How open loops arrive.
    #[arg(long, help_heading = "Load", value_enum, default_value = "poisson")]
    arrivals: Arrival,
    /// Shape of --arrivals gamma: 1 is Poisson, less comes in bursts, more is more even.
    #[arg(long, help_heading = "Load", default_value_t = 1.0)]
    burstiness: f64,
    /// How long to send; with --sweep each level. Default: 30s, 10s a level, or until --requests.
    #[arg(long, help_heading = "Load", value_parser = seconds)]
    duration: Option<f64>,
    /// Send so many requests; with --sweep each level.
    #[arg(long, help_heading = "Load")]
    requests: Option<u64>,
    /// Leave out the beginning: 5s, or 20 requests. With --sweep of each level.
    #[arg(long, help_heading = "Load", default_value = "0")]
    pub(crate) warmup: Cut,
    /// Leave out the end: 5s, or 20 requests.
    #[arg(long, help_heading = "Load", default_value = "0")]
    pub(crate) cooldown: Cut,
    /// How long requests may go on when no more are sent.
    #[arg(long, help_heading = "Load", default_value = "30s", value_parser = seconds)]
    pub(crate) grace: f64,
    /// Pause of a user between an answer and the next request.
    #[arg(long, help_heading = "Load", default_value = "0s", value_parser = seconds)]
    pub(crate) think: f64,
    /// At most so many requests at once; those of an open loop wait, and the wait counts.
    #[arg(long, help_heading = "Load", default_value_t = 4096)]
    pub(crate) in_flight_max: usize,

    /// Tokens of a synthetic prompt as the server counts them, with its chat template: 64, or a range.
    #[arg(long, help_heading = "Prompts", default_value = "64")]
    pub(crate) prompt_tokens: Span,
    /// Prompts from a file instead: one a line, JSONL with prompt or messages, or ShareGPT's JSON.
    #[arg(long, help_heading = "Prompts", conflicts_with = "trace")]
    pub(crate) prompts: Option<PathBuf>,
    /// Turns of a conversation; each answer becomes part of the next prompt.
    #[arg(long, help_heading = "Prompts", default_value_t = 1)]
    pub(crate) turns: u32,
    /// So many groups of synthetic prompts with a beginning in common.
    #[arg(long, help_heading = "Prompts", requires = "prefix_tokens", conflicts_with = "prompts")]
    pub(crate) prefix_groups: Option<u64>,
    /// Tokens of that beginning, beside --prompt-tokens.
    #[arg(long, help_heading = "Prompts", requires = "prefix_groups")]
    pub(crate) prefix_tokens: Option<u64>,
    /// Share of the clients that leave before their answer is whole: 10%.
    #[arg(long, help_heading = "Prompts", value_parser = share)]
    pub(crate) cancel_share: Option<f64>,
    /// When they leave: 500ms, or a range: 100ms..2s.
    #[arg(long, help_heading = "Prompts", default_value = "500ms", value_parser = Span::times)]
    pub(crate) cancel_after: Span,

    /// Limits for goodput: ttft=200ms,itl=50ms; also tpot, e2e, ntpot. itl holds every gap, tpot their mean.
    #[arg(long, help_heading = "Results")]
    pub(crate) slo: Option<Slo>,
    /// Exit with 1 if fewer percent of the requests meet --slo.
    #[arg(long, help_heading = "Results", requires = "slo", value_parser = percent)]
    pub(crate) slo_share: Option<f64>,
    /// Write everything as JSON, each request too; `-`: to the standard output, in place of the table.
    #[arg(long, help_heading = "Results")]
    pub(crate) json: Option<PathBuf>,
    /// Write one line a request as CSV.
    #[arg(long, help_heading = "Results")]
    pub(crate) csv: Option<PathBuf>,
    /// Write a page with charts; it needs nothing else.
    #[arg(long, help_heading = "Results")]
    pub(crate) html: Option<PathBuf>,
    /// Compare with an earlier --json.
    #[arg(long, help_heading = "Results")]
    pub(crate) baseline: Option<PathBuf>,
    /// Figures nearer to the baseline's than this are the same.
    #[arg(long, help_heading = "Results", default_value = "5%", value_parser = share)]
    pub(crate) noise: f64,
    /// Exit with 1 if a figure is worse than the baseline's.
    #[arg(long, help_heading = "Results", requires = "baseline")]
    pub(crate) fail_on_regression: bool,
    /// Draw nothing while the test runs.
    #[arg(long, help_heading = "Results")]
    pub(crate) quiet: bool,

    /// What happens when: "10s kill node-2", also pause, resume, pid:4711, or "10s run \"command\"". Repeatable.
    #[arg(long, help_heading = "Faults", conflicts_with = "sweep")]
    pub(crate) fault: Vec<Fault>,
    /// The file of `conclave up --pids-file`; only processes that it names get signals.
    #[arg(long, help_heading = "Faults")]
    pub(crate) up_pids: Option<PathBuf>,
    /// How long a fault is held responsible for what happens.
    #[arg(long, help_heading = "Faults", default_value = "10s", value_parser = seconds)]
    pub(crate) fault_window: f64,
}

impl LoadTestOptions {
    /// Every problem at once.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut refuse = |bad: bool, problem: &str| {
            if bad {
                problems.push(problem.to_owned());
            }
        };
        refuse(
            !["http://", "https://"].iter().any(|scheme| self.url.starts_with(scheme)),
            &format!("url is {}; it must begin with http:// or https://", self.url),
        );
        refuse(self.users == Some(0), "users is 0; it must be 1 or more");
        refuse(self.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())), "rate must be above 0");
        refuse(!(self.burstiness > 0.0 && self.burstiness.is_finite()), "burstiness must be above 0");
        refuse(!(self.trace_speed > 0.0 && self.trace_speed.is_finite()), "trace_speed must be above 0");
        refuse(self.turns == 0 || self.turns > 1000, "turns can be 1 to 1000");
        refuse(self.in_flight_max == 0, "in_flight_max is 0; it must be 1 or more");
        refuse(self.timeout == 0.0, "timeout is 0; no request could be answered");
        refuse(self.requests == Some(0), "requests is 0; it must be 1 or more");
        refuse(self.duration == Some(0.0), "duration is 0; nothing would be sent");
        refuse(self.prefix_groups == Some(0), "prefix_groups is 0; it must be 1 or more");
        refuse(
            !self.stages.is_empty() && self.duration.is_some(),
            "duration: stages have durations of their own",
        );
        refuse(
            self.stages.iter().any(|stage| stage.duration_s == 0.0),
            "stages: each must last longer than 0 s",
        );
        let signals = self.fault.iter().any(|fault| matches!(fault.action, Action::Signal(..)));
        refuse(
            signals && self.up_pids.is_none(),
            "fault: signals need --up-pids, the file of `conclave up --pids-file`",
        );
        problems
    }

    /// The server without a slash or `/v1` at its end.
    pub(crate) fn base(&self) -> String {
        let url = self.url.trim_end_matches('/');
        url.strip_suffix("/v1").unwrap_or(url).trim_end_matches('/').to_owned()
    }

    pub(crate) fn pattern(&self) -> Pattern {
        match self.arrivals {
            Arrival::Constant => Pattern::Constant,
            Arrival::Poisson => Pattern::Gamma { shape: 1.0 },
            Arrival::Gamma => Pattern::Gamma { shape: self.burstiness },
        }
    }

    fn duration_s(&self, default: f64) -> f64 {
        self.duration.unwrap_or(if self.requests.is_some() { f64::INFINITY } else { default })
    }

    /// The plans to run with their names: one, or one for each level of a sweep. Traces bring their own.
    pub(crate) fn plans(&self) -> Vec<(String, Plan)> {
        let named = |load: Load, duration_s| (load.to_string(), Plan::one(load, duration_s));
        if let Some(sweep) = &self.sweep {
            return sweep.levels.iter().map(|load| named(*load, self.duration_s(10.0))).collect();
        }
        if !self.stages.is_empty() {
            let names = self.stages.iter().map(|stage| format!("{}:{}s", stage.load, stage.duration_s));
            return vec![(names.collect::<Vec<_>>().join(","), Plan { stages: self.stages.clone() })];
        }
        let load = match (self.ramp, self.rate) {
            (Some(load), _) => return vec![named(load, self.duration.unwrap_or(30.0))],
            (_, Some(rate)) => Load::rate(rate),
            _ => Load::users(self.users.unwrap_or(1)),
        };
        vec![named(load, self.duration_s(30.0))]
    }

    pub(crate) fn requests_max(&self) -> u64 {
        self.requests.unwrap_or(u64::MAX)
    }

    pub(crate) fn extra(&self) -> Map<String, Value> {
        self.extra.clone().unwrap_or_default()
    }

    /// What the open loop draws from, in words.
    pub(crate) fn arrivals_name(&self) -> String {
        match self.pattern() {
            Pattern::Constant => "constant".to_owned(),
            Pattern::Gamma { shape: 1.0 } => "poisson".to_owned(),
            Pattern::Gamma { shape } => format!("gamma, shape {shape}"),
        }
    }

    /// Whether prompts are made here.
    pub(crate) fn is_synthetic(&self) -> bool {
        self.prompts.is_none()
    }

    /// What prompts are, in words.
    pub(crate) fn prompts_name(&self) -> String {
        let mut name = match (&self.prompts, &self.trace) {
            (Some(file), _) => format!("of {}", file.display()),
            (_, Some(file)) => format!("of the trace {}", file.display()),
            _ => format!("synthetic, {} tokens", self.prompt_tokens),
        };
        if let (Some(groups), Some(tokens)) = (self.prefix_groups, self.prefix_tokens) {
            name.push_str(&format!(" behind one of {groups} beginnings of {tokens} tokens"));
        }
        name
    }

    /// The length of synthetic prompts; unused with a trace.
    pub(crate) fn synthetic_tokens(&self) -> Span {
        if self.trace.is_some() { exactly(1) } else { self.prompt_tokens }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: LoadTestOptions,
    }

    fn options(args: &str) -> LoadTestOptions {
        let args = std::iter::once("load-test").chain(args.split_whitespace());
        Cli::try_parse_from(args).unwrap_or_else(|error| panic!("{error}")).options
    }

    fn plan(args: &str) -> (String, f64) {
        let plans = options(args).plans();
        assert_eq!(plans.len(), 1);
        (plans[0].0.clone(), plans[0].1.duration_s())
    }

    #[test]
    fn every_shape_of_load_becomes_a_plan() {
        assert_eq!(plan(""), ("users=1".to_owned(), 30.0));
        assert_eq!(plan("--users 4 --duration 5s"), ("users=4".to_owned(), 5.0));
        assert_eq!(plan("--rate 2.5 --requests 10"), ("rate=2.5".to_owned(), f64::INFINITY));
        assert_eq!(plan("--ramp rate=1..9"), ("rate=1..9".to_owned(), 30.0));
        assert_eq!(plan("--stages users=2:1s,rate=3:2s"), ("users=2:1s,rate=3:2s".to_owned(), 3.0));
        let sweep: Vec<String> =
            options("--sweep users").plans().into_iter().map(|(name, _)| name).take(4).collect();
        assert_eq!(sweep, ["users=1", "users=2", "users=4", "users=8"]);
        let rates = options("--sweep rate=1,2.5").plans();
        assert_eq!((rates.len(), rates[1].0.as_str(), rates[1].1.duration_s()), (2, "rate=2.5", 10.0));
    }

    #[test]
    fn two_shapes_at_once_are_refused() {
        assert!(Cli::try_parse_from(["load-test", "--users", "1", "--rate", "2"]).is_err());
    }

    #[test]
    fn problems_are_told_together() {
        let problems = options("--url ftp://x --turns 0 --users 0").validate();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].contains("http:// or https://"));
        assert_eq!(options("").validate(), Vec::<String>::new());
        let fault = Cli::try_parse_from(["load-test", "--fault", "1s kill node-1"]).unwrap().options;
        assert!(fault.validate()[0].contains("--up-pids"));
    }

    #[test]
    fn the_url_may_end_in_v1() {
        for url in ["http://a:1", "http://a:1/", "http://a:1/v1", "http://a:1/v1/"] {
            assert_eq!(options(&format!("--url {url}")).base(), "http://a:1");
        }
    }
}
