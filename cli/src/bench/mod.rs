//! `conclave bench`: how fast a whole model is here, in one process, beside what the machine could do.
//!
//! Keeps true: what is measured is the code that serves; a figure is the median of several runs with its
//! extremes beside it. Figures of one process say nothing about another day: compare by alternating.

mod baseline;
mod cost;
mod figure;
mod layers;
mod measure;
mod report;

use crate::model::ModelOptions;
use crate::process::check;
use crate::whole::{Way, Whole, blocks};
use anyhow::{Context, bail};
use baseline::Baseline;
use conclave_gateway::{Overlap, RowsDtype};
use conclave_kernels::limits::Limits;
use conclave_model::KvDtypeChoice;
use figure::{Figure, Test};
use layers::Layers;
use measure::Bench;
use report::Report;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Read from memory to measure how fast that is; far more than the caches of today's machines.
const LIMIT_BYTES: usize = 512 << 20;

/// Settings of `conclave bench`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct BenchOptions {
    #[command(flatten)]
    model: ModelOptions,
    /// What keys and values are stored in: auto (f32 for models computed in f32, else bf16), f32, bf16 or q8.
    #[arg(long, env = "CONCLAVE_KV_DTYPE", default_value = "auto")]
    kv_dtype: KvDtypeChoice,
    /// Prompt lengths to measure, separated by commas. Unit: tokens. Steps take at most 512 of them at once.
    #[arg(long, value_delimiter = ',', default_value = "64,512")]
    prefill: Vec<usize>,
    /// Numbers of sequences to decode at once, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "1,4,8,16,32")]
    batch: Vec<usize>,
    /// Steps of one decode run, each one token for every sequence. Range: 1..=65536.
    #[arg(long, default_value_t = 32)]
    steps: usize,
    /// Tokens in the KV cache of each sequence before it decodes. Range: 1..=1048576.
    #[arg(long, default_value_t = 192)]
    context: usize,
    /// Give every sequence the same context, each in KV blocks of its own, and random tokens after it: they ask for the same
    /// experts more often, as many requests about one document do. llama-batched-bench does so with -pps.
    #[arg(long)]
    same_context: bool,
    /// Runs of each figure; median, least and most are reported. Range: 1..=1000.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Measure these alone, separated by commas: load, settle (until what `--weights-in auto` moves after that has moved; only if
    /// asked for, since it depends on whether memory is at hand), memory, limits, pp512 (a prompt of 512), b8 (decode of 8
    /// sequences), tg (the same as b1).
    #[arg(long, value_delimiter = ',')]
    test: Vec<Test>,
    /// Added to each call to the experts, as if they were on another machine so far away. Unit: milliseconds there and
    /// back. Range: 0..=10000.
    #[arg(long, default_value_t = 0.0)]
    away_ms: f32,
    /// Nodes on loopback sockets that hold the experts, as in a cluster on this machine; 0: this process computes them.
    /// The time of each part of a layer is reported too. Range: 0..=64.
    #[arg(long, default_value_t = 0)]
    nodes: u32,
    /// Call the nodes over TCP, as on other machines, in place of Unix sockets.
    #[arg(long, requires = "nodes")]
    tcp: bool,
    /// What rows are rounded to on their way to the experts and back: auto or q8.
    #[arg(long, env = "CONCLAVE_ROWS_DTYPE", default_value = "auto")]
    rows_dtype: RowsDtype,
    /// Whether steps are cut so that the trunk works while rows are away: auto, off, two or four.
    #[arg(long, default_value = "auto")]
    overlap: Overlap,
    /// Seed of the random tokens.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the figures as JSON to this file; `-`: to the standard output, in place of the table.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Compare with these figures, which `--json` wrote before.
    #[arg(long)]
    baseline: Option<PathBuf>,
    /// Exit with 1 if a figure is below this times the baseline's. Within 0.87 and 1.15 is noise.
    #[arg(long, requires = "baseline")]
    fail_below: Option<f64>,
}

impl BenchOptions {
    fn way(&self) -> Way {
        let delay = Duration::from_secs_f32(self.away_ms / 1000.0);
        Way { delay, overlap: self.overlap, nodes: self.nodes, tcp: self.tcp, rows: self.rows_dtype }
    }

    /// Every problem at once.
    fn validate(&self) -> Vec<String> {
        let mut problems = self.model.validate();
        let mut range = |key: &str, value: usize, max: usize| {
            if !(1..=max).contains(&value) {
                problems.push(format!("{key} is {value}; it can be 1 to {max}"));
            }
        };
        self.prefill.iter().for_each(|tokens| range("prefill", *tokens, 1 << 20));
        self.batch.iter().for_each(|sequences| range("batch", *sequences, 4096));
        range("steps", self.steps, 65_536);
        range("context", self.context, 1 << 20);
        range("runs", self.runs, 1000);
        if self.nodes > 64 {
            problems.push(format!("nodes is {}; it can be 0 to 64", self.nodes));
        }
        if !(0.0..=10_000.0).contains(&self.away_ms) {
            problems.push(format!("away_ms is {}; it can be 0 to 10000", self.away_ms));
        }
        problems
    }

    /// What to measure, in order: prompts come first, since they write over the decoders' KV.
    fn tests(&self) -> Vec<Test> {
        let mut tests = self.test.clone();
        if tests.is_empty() {
            tests.extend([Test::Load, Test::Memory, Test::Limits]);
            tests.extend(self.prefill.iter().map(|tokens| Test::Prefill(*tokens)));
            tests.extend(self.batch.iter().map(|sequences| Test::Decode(*sequences)));
        }
        tests.sort_unstable();
        tests.dedup();
        tests
    }
}

/// `started`: when the process began.
pub(crate) fn run(options: &BenchOptions, started: Instant) -> anyhow::Result<()> {
    check([options.validate()])?;
    // Read first: a wrong file should not show after minutes of measuring.
    let baseline = options.baseline.as_deref().map(Baseline::read).transpose()?;
    let report = measure(options, started)?;
    let compared = baseline.as_ref().map(|baseline| baseline.compare(&report.figures));
    match options.json.as_deref() {
        Some(path) if path == Path::new("-") => writeln!(std::io::stdout().lock(), "{:#}", report.json())?,
        path => {
            write!(std::io::stdout().lock(), "{}", report.text(compared.as_deref()))?;
            if let Some(path) = path {
                let text = format!("{:#}\n", report.json());
                std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
            }
        }
    }
    let (Some(least), Some(compared)) = (options.fail_below, compared) else { return Ok(()) };
    let below: Vec<String> = baseline::below(&compared, least);
    if !below.is_empty() {
        bail!("below {least} times the baseline: {}", below.join(", "));
    }
    Ok(())
}

fn measure(options: &BenchOptions, started: Instant) -> anyhow::Result<Report> {
    let tests = options.tests();
    let folder = options.model.open()?;
    let prompt = |test: &Test| if let Test::Prefill(tokens) = test { *tokens } else { 0 };
    let sequences = |test: &Test| if let Test::Decode(sequences) = test { *sequences } else { 0 };
    let prompt_max = tests.iter().map(prompt).max().unwrap_or(0);
    let sequences_max = tests.iter().map(sequences).max().unwrap_or(0);
    let decode_max = if sequences_max > 0 { options.context + options.steps } else { 0 };
    let context_max = folder.spec.context_max;
    if prompt_max.max(decode_max) > context_max {
        bail!(
            "the model's context is {context_max} tokens, but --prefill asks for {prompt_max} and --context with \
             --steps for {decode_max}; choose less"
        );
    }
    let kv_blocks = blocks(prompt_max).max(sequences_max * blocks(decode_max)).max(1);
    let collected = (options.nodes > 0).then(Layers::collect).transpose()?;
    let whole = Whole::load(&options.model, folder, kv_blocks, options.kv_dtype, options.way())?;
    let loaded = started.elapsed().as_secs_f64();
    whole.folder.settle()?;
    let settled = started.elapsed().as_secs_f64() - loaded;
    let mut bench = Bench::new(whole, options)?;
    let mut figures = Vec::new();
    let mut layers = Vec::new();
    for test in &tests {
        match test {
            Test::Load => figures.push(Figure::seconds(*test, loaded)),
            Test::Settle => figures.push(Figure::seconds(*test, settled)),
            Test::Prefill(tokens) => figures.push(bench.prefill(*tokens)?),
            Test::Decode(sequences) => figures.push(bench.decode(*sequences)?),
            Test::Memory => figures.extend(measure::memory_peak().map(|bytes| Figure::bytes(*test, bytes))),
            Test::Limits => {}
        }
        if let (Some(collected), Test::Prefill(_) | Test::Decode(_)) = (&collected, test) {
            layers.push(collected.take(test.to_string()));
        }
    }
    // Last, for their own memory is no part of the model's.
    let limits = tests.contains(&Test::Limits).then(|| Limits::measure(bench.pool(), LIMIT_BYTES));
    Ok(Report::new(bench.model(), options, figures, layers, limits))
}
