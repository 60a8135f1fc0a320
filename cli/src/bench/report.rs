//! What `bench` found, for people and for programs.

use super::BenchOptions;
use super::baseline::Compared;
use super::figure::Figure;
use super::layers::LayerCost;
use crate::whole::Whole;
use conclave_kernels::Isa;
use conclave_kernels::limits::Limits;
use serde_json::{Value, json};
use std::fmt::Write;

/// Everything of one call of `conclave bench`.
pub(crate) struct Report {
    model: String,
    digest: String,
    form: String,
    cpu: String,
    threads: usize,
    seed: u64,
    context: usize,
    same_context: bool,
    steps: usize,
    runs: usize,
    nodes: u32,
    pub(crate) figures: Vec<Figure>,
    layers: Vec<LayerCost>,
    limits: Option<Limits>,
}

/// Which limit binds, and the share of it that was reached.
struct Share {
    limit: &'static str,
    share: f64,
}

impl Report {
    pub(crate) fn new(
        whole: &Whole,
        options: &BenchOptions,
        figures: Vec<Figure>,
        layers: Vec<LayerCost>,
        limits: Option<Limits>,
    ) -> Self {
        Self {
            model: whole.folder.name(),
            digest: whole.digest.short(),
            form: whole.form(),
            cpu: cpu(),
            threads: whole.pool.threads(),
            seed: options.seed,
            context: options.context,
            same_context: options.same_context,
            steps: options.steps,
            runs: options.runs,
            nodes: options.nodes,
            figures,
            layers,
            limits,
        }
    }

    /// The least time that the work of a run could take here, over the time it took.
    ///
    /// Weights that stay in the caches can be read faster than memory: then the share is above 1.
    fn share(&self, figure: &Figure) -> Option<Share> {
        let (limits, work, (seconds, _)) = (self.limits?, figure.work?, figure.median_times()?);
        let memory = work.bytes / limits.memory_bytes;
        let int8 = work.int8_operations / limits.int8_operations.unwrap_or(limits.f32_operations);
        let compute = work.f32_operations / limits.f32_operations + int8;
        let (limit, least) = if memory > compute { ("memory", memory) } else { ("compute", compute) };
        Some(Share { limit, share: least / seconds })
    }

    /// For programs; SI units, no prefixes.
    pub(crate) fn json(&self) -> Value {
        let figures = self.figures.iter().map(|figure| {
            let [median, min, max] = figure.spread();
            let mut value = json!({
                "name": figure.name, "unit": figure.unit,
                "better": if figure.higher_is_better() { "higher" } else { "lower" },
                "median": median, "min": min, "max": max, "runs": figure.values,
            });
            if let (Some(work), Some((_, step))) = (figure.work, figure.median_times()) {
                value["step_seconds"] = json!(step);
                value["step_bytes"] = json!(work.bytes / work.steps);
                value["step_f32_operations"] = json!(work.f32_operations / work.steps);
                value["step_int8_operations"] = json!(work.int8_operations / work.steps);
            }
            if let Some(Share { limit, share }) = self.share(figure) {
                value["limit"] = json!(limit);
                value["share_of_limit"] = json!(share);
            }
            value
        });
        let limits = self.limits.map(|limits| {
            json!({
                "memory_bytes_per_second": limits.memory_bytes,
                "f32_operations_per_second": limits.f32_operations,
                "int8_operations_per_second": limits.int8_operations,
            })
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "model": {"name": self.model, "digest": self.digest, "form": self.form},
            "machine": {"cpu": self.cpu, "isa": format!("{:?}", Isa::best()), "threads": self.threads},
            "settings": {"seed": self.seed, "context": self.context, "same_context": self.same_context, "steps": self.steps, "runs": self.runs,
                "nodes": self.nodes},
            "figures": figures.collect::<Vec<_>>(),
            "layers": self.layers.iter().map(LayerCost::json).collect::<Vec<_>>(),
            "limits": limits,
        })
    }

    /// For people. `compared`: one for each figure.
    pub(crate) fn text(&self, compared: Option<&[Compared]>) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{} {} in {}", self.model, self.digest, self.form);
        let _ = writeln!(out, "{}, {:?}, {} threads", self.cpu, Isa::best(), self.threads);
        let of = if self.same_context { "the same context" } else { "a context" };
        let _ = writeln!(
            out,
            "seed {}; decode: {} steps after {of} of {}; medians of {} runs\n",
            self.seed, self.steps, self.context, self.runs
        );
        let mut rows = vec![
            ["figure", "unit", "median", "min", "max", "ms/step", "MB/step", "of the limit", ""]
                .map(str::to_owned),
        ];
        if compared.is_some() {
            rows[0][8] = "baseline".to_owned();
        }
        rows.extend(self.figures.iter().enumerate().map(|(at, figure)| {
            let scale = if figure.unit == "bytes" { 1e-6 } else { 1.0 };
            let [median, min, max] = figure.spread().map(|value| short(value * scale));
            let unit = if figure.unit == "bytes" { "MB" } else { figure.unit };
            let step = figure.median_times().map_or(String::new(), |(_, step)| short(step * 1e3));
            let bytes = figure.work.map_or(String::new(), |work| short(work.bytes / work.steps * 1e-6));
            let share = self.share(figure);
            let share = share.map_or(String::new(), |s| format!("{:.0} % {}", s.share * 100.0, s.limit));
            let compared = compared.map_or(String::new(), |compared| match compared[at].ratio {
                Some(ratio) => format!("{ratio:.2}x {}", compared[at].verdict()),
                None => compared[at].verdict().to_owned(),
            });
            [figure.name.clone(), unit.to_owned(), median, min, max, step, bytes, share, compared]
        }));
        out.push_str(&table(&rows));
        if !self.layers.is_empty() {
            let _ = writeln!(out, "\none layer with its experts at {} nodes of this machine:", self.nodes);
            let mut rows = vec![LayerCost::heads()];
            rows.extend(self.layers.iter().flat_map(LayerCost::cells));
            out.push_str(&table(&rows));
        }
        if let Some(limits) = self.limits {
            let int8 = limits
                .int8_operations
                .map_or("not measured".to_owned(), |int8| format!("{:.0} GOP/s", int8 * 1e-9));
            let _ = writeln!(
                out,
                "\nthis machine now: memory {:.1} GB/s, f32 {:.0} GFLOP/s, int8 {int8}",
                limits.memory_bytes * 1e-9,
                limits.f32_operations * 1e-9,
            );
        }
        out
    }
}

/// About four digits.
fn short(value: f64) -> String {
    let digits = match value {
        value if value >= 1000.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 0.1 => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// Columns as wide as their widest cell; names to the left, numbers to the right.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
    let mut out = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            0 | 1 => format!("{cell:width$}"),
            _ => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The processor's name, where the system tells.
fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
