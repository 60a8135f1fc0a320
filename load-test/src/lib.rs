//! A load test for OpenAI-compatible servers: shapes of load, exact figures, faults on the same clock.
//!
//! Keeps true: what decides (schedules, prompts, statistics, reports) reads no clock and opens nothing; `driver`, `client`,
//! `faults` and `live` act. Knows no server but by its API; prompts and answers are in no output.

mod baseline;
mod calibrate;
mod chunk;
mod client;
mod cpu;
mod driver;
mod failures;
mod fault;
mod faults;
mod html;
mod live;
mod options;
mod prompts;
mod random;
mod record;
mod report;
mod saturation;
mod schedule;
mod slo;
mod sse;
mod stats;
mod summary;
mod svg;
mod table;
mod units;
mod words;
mod workload;

pub use options::LoadTestOptions;

use baseline::Baseline;
use client::{Client, Clock};
use driver::{Level, Setup};
use prompts::{Prompt, Times, TraceEntry};
use report::{Generator, LevelReport, Report};
use schedule::{Load, Plan};
use serde_json::{Map, Value, json};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use summary::{Summary, Window};
use tokio_util::sync::CancellationToken;
use words::Costs;
use workload::{Cancellation, SharedPrefix, Source, Workload};

/// After the last arrival of a trace the level goes on so long. Unit: seconds.
const TRACE_TAIL_S: f64 = 0.05;

/// Why a load test has no result, or one that is not good enough.
#[derive(Debug, thiserror::Error)]
pub enum LoadTestError {
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{} cannot be used: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The server did not answer before the test.
    #[error("{url}: {problem}; is the server running, and is this its address?")]
    Server {
        /// Its address.
        url: String,
        /// What it said.
        problem: String,
    },
    /// The report could not be printed.
    #[error("printing the report: {0}")]
    Print(std::io::Error),
    /// The test is over and written; its figures are not what was demanded.
    #[error("{0}")]
    NotMet(String),
}

fn read(path: &Path) -> Result<String, LoadTestError> {
    std::fs::read_to_string(path).map_err(|error| LoadTestError::File { path: path.to_owned(), error })
}

fn parsed<T>(path: &Path, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, LoadTestError> {
    let content = |problem| LoadTestError::Content { path: path.to_owned(), problem };
    parse(&read(path)?).map_err(content)
}

/// What the files of the settings hold; read before anything is sent.
struct Files {
    prompts: Option<Vec<Prompt>>,
    trace: Option<Vec<TraceEntry>>,
    baseline: Option<Baseline>,
}

impl Files {
    fn read(options: &LoadTestOptions) -> Result<Self, LoadTestError> {
        let baseline = |text: &str| {
            let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            Baseline::of(&value).ok_or_else(|| "`conclave load-test --json` writes baselines".to_owned())
        };
        Ok(Self {
            prompts: options.prompts.as_deref().map(|path| parsed(path, prompts::prompts)).transpose()?,
            trace: options
                .trace
                .as_deref()
                .map(|path| parsed(path, |text| prompts::trace(text, options.trace_speed)))
                .transpose()?,
            baseline: options.baseline.as_deref().map(|path| parsed(path, baseline)).transpose()?,
        })
    }
}

/// Runs the test, prints and writes what it found; `stop` ends it early, and what was measured is still told.
///
/// - Errors: `NotMet` when the settings demand more than was found; else whatever kept it from running.
pub async fn run(options: LoadTestOptions, stop: CancellationToken) -> Result<(), LoadTestError> {
    let files = Files::read(&options)?;
    let mut report = measure(&options, &files, &stop).await?;
    if let Some(baseline) = &files.baseline {
        report.compare(baseline, options.noise);
    }
    let write = |path: &Option<PathBuf>, text: &dyn Fn() -> String| match path.as_deref() {
        None => Ok(()),
        Some(path) if path == Path::new("-") => {
            std::io::stdout().lock().write_all(text().as_bytes()).map_err(LoadTestError::Print)
        }
        Some(path) => {
            std::fs::write(path, text()).map_err(|error| LoadTestError::File { path: path.to_owned(), error })
        }
    };
    let table_wanted = [&options.json, &options.csv, &options.html]
        .iter()
        .all(|path| path.as_deref() != Some(Path::new("-")));
    // First: what the terminal does must not cost the file.
    write(&options.json, &|| report.json())?;
    write(&options.csv, &|| report.csv())?;
    write(&options.html, &|| html::page(&report))?;
    if table_wanted {
        write(&Some(PathBuf::from("-")), &|| table::text(&report))?;
    }
    report.verdict(options.fail_on_regression).map_err(LoadTestError::NotMet)
}

/// Learns what the server needs to be asked.
async fn prepare(
    options: &LoadTestOptions,
    files: &Files,
    client: &Client,
    notes: &mut Vec<String>,
) -> Result<Workload, LoadTestError> {
    let server = |problem| LoadTestError::Server { url: options.base(), problem };
    let model = match &options.model {
        Some(model) => model.clone(),
        None => client.first_model().await.map_err(server)?,
    };
    let source = match (&files.prompts, &files.trace) {
        (Some(prompts), _) => Source::Given(prompts.clone()),
        (_, Some(trace)) => Source::Trace(trace.clone()),
        _ => Source::Synthetic(options.synthetic_tokens()),
    };
    let cancellation =
        options.cancel_share.map(|share| Cancellation { share, after_s: options.cancel_after });
    let prefix = match (options.prefix_groups, options.prefix_tokens) {
        (Some(groups), Some(tokens)) => Some(SharedPrefix { groups, tokens }),
        _ => None,
    };
    let mut workload = Workload {
        endpoint: options.endpoint,
        model,
        source,
        costs: Costs::guess(),
        prefix,
        cancellation,
        max_tokens: options.max_tokens,
        turns: options.turns,
        seed: options.seed.unwrap_or(1),
        sampling_seed: options.seed,
        temperature: options.temperature,
        ignore_eos: options.ignore_eos,
        extra: options.extra(),
    };
    if options.is_synthetic() {
        match calibrate::costs(client, &workload).await.map_err(server)? {
            Some(costs) => workload.costs = costs,
            None => notes.push("the server counts no prompt tokens: a word is taken for a token".to_owned()),
        }
    }
    Ok(workload)
}

async fn measure(
    options: &LoadTestOptions,
    files: &Files,
    stop: &CancellationToken,
) -> Result<Report, LoadTestError> {
    let server = |problem| LoadTestError::Server { url: options.base(), problem };
    let timeout = Duration::from_secs_f64(options.timeout);
    let client =
        Client::new(options.base(), options.api_key.as_deref(), timeout, &options.trust).map_err(server)?;
    let mut notes = Vec::new();
    let workload = prepare(options, files, &client, &mut notes).await?;
    let settings = settings(options, &workload.model);
    let setup = Arc::new(Setup {
        client,
        workload,
        clock: Clock::start(),
        live: live::Live::default(),
        think: Duration::from_secs_f64(options.think),
        grace: Duration::from_secs_f64(options.grace),
        in_flight_max: options.in_flight_max,
        sessions: AtomicU64::new(0),
        ids: AtomicU64::new(0),
    });
    let cpu_before = cpu::seconds();
    let shown = Arc::new(Mutex::new(String::new()));
    let drawing = (std::io::stderr().is_terminal() && !options.quiet).then(|| {
        let (setup, shown) = (setup.clone(), shown.clone());
        tokio::spawn(async move {
            let what = || shown.lock().map(|shown| shown.clone()).unwrap_or_default();
            live::draw(&setup.live, setup.clock, what).await;
        })
    });
    let (faults, up_pids, clock) = (options.fault.clone(), options.up_pids.clone(), setup.clock);
    let faults = tokio::spawn(async move { faults::carry_out(faults, up_pids.as_deref(), clock).await });

    let plans = match &files.trace {
        Some(trace) => {
            let last = trace.last().map_or(0.0, |entry| entry.at_s);
            vec![(
                format!("trace of {} requests", trace.len()),
                Plan::one(Load::rate(1.0), last + TRACE_TAIL_S),
            )]
        }
        None => options.plans(),
    };
    let (mut levels, mut records, mut stopped) = (Vec::new(), Vec::new(), None);
    let mut points = Vec::new();
    for (number, (name, plan)) in plans.into_iter().enumerate() {
        if let Ok(mut shown) = shown.lock() {
            name.clone_into(&mut shown);
        }
        let times = match &files.trace {
            Some(trace) => Times::Trace(trace.iter().map(|entry| entry.at_s).collect::<Vec<_>>().into_iter()),
            None => Times::Drawn(
                plan.arrivals(options.pattern(), setup.workload.seed.wrapping_add(number as u64)),
            ),
        };
        let level = Level { number, plan, times, requests_max: options.requests_max() };
        let done = driver::run(&setup, level, stop).await;
        let window = Window::of(&done.records, done.begin_s, done.end_s, options.warmup, options.cooldown);
        let summary = Summary::of(&done.records, window, options.slo.as_ref());
        points.push(saturation::Level {
            output_tok_s: summary.output_tok_s,
            ttft_p50_s: summary.ttft.map(|ttft| ttft.p50),
        });
        levels.push(LevelReport { name, begin_s: done.begin_s, end_s: done.end_s, summary });
        records.extend(done.records);
        if stop.is_cancelled() {
            notes.push("the test was stopped before its end".to_owned());
            break;
        }
        if options.sweep.is_some() {
            stopped = saturation::saturated(&points);
            if stopped.is_some() {
                break;
            }
        }
    }
    let elapsed_s = setup.clock.now_s();
    if let Some(drawing) = drawing {
        drawing.abort();
    }
    let (begin_s, end_s) = (levels[0].begin_s, levels[levels.len() - 1].end_s);
    if !faults.is_finished() && options.fault.iter().any(|fault| fault.at_s > end_s) {
        notes.push("the load ended before the last fault".to_owned());
        faults.abort();
    }
    let events = faults.await.unwrap_or_default();
    let cpu_s = cpu::seconds().zip(cpu_before).map(|(now, before)| now - before);
    Ok(Report {
        settings,
        faults: fault::costs(&records, &events, begin_s, end_s, options.fault_window),
        levels,
        is_sweep: options.sweep.is_some(),
        stopped,
        generator: Generator {
            cpu_s,
            elapsed_s,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        },
        notes,
        compared: None,
        slo_share: options.slo_share,
        records,
    })
}

/// What was asked for, as reports show it. Without the key.
fn settings(options: &LoadTestOptions, model: &str) -> Map<String, Value> {
    let plans = options.plans();
    let load = match (&options.trace, &options.sweep) {
        (Some(_), _) => format!("trace, {} times as fast", options.trace_speed),
        (_, Some(_)) => format!("sweep from {}", plans[0].0),
        _ => plans[0].0.clone(),
    };
    let duration = plans[0].1.duration_s();
    let mut settings = Map::new();
    let mut set = |name: &str, value: Value| settings.insert(name.to_owned(), value);
    set("url", json!(options.base()));
    set("model", json!(model));
    set("endpoint", json!(options.endpoint.path()));
    set("load", json!(load));
    if plans.iter().any(|(_, plan)| plan.is_open()) && options.trace.is_none() {
        set("arrivals", json!(options.arrivals_name()));
    }
    if duration.is_finite() && options.trace.is_none() {
        set("duration_s", json!(duration));
    }
    if options.requests_max() < u64::MAX {
        set("requests", json!(options.requests_max()));
    }
    set("prompts", json!(options.prompts_name()));
    set("max_tokens", json!(options.max_tokens.to_string()));
    let given = [
        ("turns", (options.turns > 1).then(|| json!(options.turns))),
        ("ignore_eos", options.ignore_eos.then(|| json!(true))),
        ("temperature", options.temperature.map(|temperature| json!(temperature))),
        ("seed", options.seed.map(|seed| json!(seed))),
        ("think_s", (options.think > 0.0).then(|| json!(options.think))),
        ("cancel", options.cancel_share.map(|share| json!(format!("{} % leave", share * 100.0)))),
        ("slo", options.slo.as_ref().map(|slo| json!(slo.to_string()))),
    ];
    given.into_iter().for_each(|(name, value)| {
        value.map(|value| set(name, value));
    });
    settings
}
