//! What a test found, and how it is written for programs: JSON and CSV. Pure.
//!
//! Keeps true: no prompt, no answer and no key is in it.

use crate::baseline::{Baseline, Compared, Verdict};
use crate::fault::Cost;
use crate::record::{Record, Status};
use crate::summary::{DEFINITIONS, Figure, Summary};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// One level of a sweep, or the whole test.
#[derive(Clone, Debug)]
pub(crate) struct LevelReport {
    /// Such as `users=4`.
    pub(crate) name: String,
    pub(crate) begin_s: f64,
    pub(crate) end_s: f64,
    pub(crate) summary: Summary,
}

/// What the generator itself used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generator {
    /// `None`: unknown.
    pub(crate) cpu_s: Option<f64>,
    pub(crate) elapsed_s: f64,
    pub(crate) cores: usize,
}

impl Generator {
    pub(crate) fn text(&self) -> String {
        match self.cpu_s {
            None => "CPU unknown".to_owned(),
            Some(cpu) => format!(
                "{:.2} s of CPU in {:.1} s, {:.1} % of one core of {}",
                cpu,
                self.elapsed_s,
                cpu / self.elapsed_s * 100.0,
                self.cores
            ),
        }
    }
}

/// Everything of one test.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// Model, URL, load and so on, in the order in which they are shown.
    pub(crate) settings: Map<String, Value>,
    /// One without a sweep.
    pub(crate) levels: Vec<LevelReport>,
    pub(crate) is_sweep: bool,
    /// Why the sweep ended before its last level.
    pub(crate) stopped: Option<String>,
    pub(crate) faults: Vec<Cost>,
    pub(crate) generator: Generator,
    /// What a reader should know before believing the figures.
    pub(crate) notes: Vec<String>,
    /// `None`: no baseline was given.
    pub(crate) compared: Option<Vec<Compared>>,
    /// Percent that `--slo-share` demands.
    pub(crate) slo_share: Option<f64>,
    pub(crate) records: Vec<Record>,
}

impl Report {
    /// What a baseline is compared by.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        let prefix =
            |level: &LevelReport| if self.is_sweep { format!("{}/", level.name) } else { String::new() };
        self.levels.iter().flat_map(|level| level.summary.figures(&prefix(level))).collect()
    }

    /// Holds the figures against those of an earlier test.
    pub(crate) fn compare(&mut self, baseline: &Baseline, noise: f64) {
        self.compared = Some(baseline.compare(&self.figures(), noise));
    }

    /// The last level of which enough requests met the limits.
    pub(crate) fn last_good_level(&self) -> Option<&LevelReport> {
        let share = self.slo_share.unwrap_or(99.0);
        self.levels
            .iter()
            .rev()
            .find(|level| level.summary.goodput.is_some_and(|good| good.met_percent >= share))
    }

    /// Why the exit code is 1, if so.
    pub(crate) fn verdict(&self, fail_on_regression: bool) -> Result<(), String> {
        let mut reasons = Vec::new();
        if let Some(share) = self.slo_share
            && self.last_good_level().is_none()
        {
            let best =
                self.levels.iter().filter_map(|level| level.summary.goodput).map(|good| good.met_percent);
            reasons
                .push(format!("{:.1} % of the requests met --slo, not {share} %", best.fold(0.0, f64::max)));
        }
        let worse = self.compared.iter().flatten().filter(|compared| compared.verdict == Verdict::Worse);
        let worse: Vec<&str> = worse.map(|compared| compared.name.as_str()).collect();
        if fail_on_regression && !worse.is_empty() {
            reasons.push(format!("worse than the baseline: {}", worse.join(", ")));
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons.join("; ")) }
    }

    /// Everything; a request is a line.
    pub(crate) fn json(&self) -> String {
        let figures = self.figures().into_iter().map(|figure| {
            json!({
                "name": figure.name, "unit": figure.unit,
                "better": if figure.higher_is_better { "higher" } else { "lower" }, "value": figure.value,
            })
        });
        let levels = self.levels.iter().map(|level| {
            let mut value = json!({"name": level.name, "begin_s": level.begin_s, "end_s": level.end_s});
            if let (Some(value), Value::Object(summary)) = (value.as_object_mut(), level.summary.json()) {
                value.extend(summary);
            }
            value
        });
        let compared = self.compared.as_ref().map(|compared| {
            let one = |compared: &Compared| {
                json!({
                    "name": compared.name, "unit": compared.unit, "now": compared.now, "before": compared.before,
                    "ratio": compared.ratio, "verdict": compared.verdict.name(),
                })
            };
            compared.iter().map(one).collect::<Vec<_>>()
        });
        let definitions: Map<String, Value> =
            DEFINITIONS.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        let head = json!({
            "tool": "conclave load-test", "format": 1, "version": env!("CARGO_PKG_VERSION"),
            "settings": self.settings, "definitions": definitions,
            "figures": figures.collect::<Vec<_>>(), "levels": levels.collect::<Vec<_>>(),
            "sweep_stopped": self.stopped, "faults": self.faults.iter().map(Cost::json).collect::<Vec<_>>(),
            "baseline": compared, "notes": self.notes,
            "generator": {
                "cpu_s": self.generator.cpu_s, "elapsed_s": self.generator.elapsed_s, "cores": self.generator.cores,
            },
        });
        // Requests are added one by one: as one value they would take many times their text.
        let mut text = format!("{head:#}");
        text.truncate(text.len() - "\n}".len());
        text.push_str(",\n  \"records\": [");
        for (index, record) in self.records.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}\n    {}", if index > 0 { "," } else { "" }, record.json());
        }
        text.push_str("\n  ]\n}\n");
        text
    }

    /// A line for each request.
    pub(crate) fn csv(&self) -> String {
        let mut text =
            "id,level,session,turn,status,scheduled_s,sent_s,first_s,done_s,prompt_tokens,output_tokens,\
                        ttft_ms,tpot_ms,e2e_ms,itl_max_ms,failure_kind,failure_code\n"
                .to_owned();
        let some = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.6}"));
        let ms = |value: Option<f64>| value.map_or(String::new(), |value| format!("{:.3}", value * 1e3));
        for record in &self.records {
            let (kind, code) = match &record.status {
                Status::Failed(failure) => (failure.kind.name(), failure.code.replace(['"', ',', '\n'], " ")),
                Status::Refused { code, .. } => ("refused", code.to_string()),
                _ => ("", String::new()),
            };
            let _ = writeln!(
                text,
                "{},{},{},{},{},{:.6},{:.6},{},{:.6},{},{},{},{},{},{},{kind},{code}",
                record.id,
                self.levels.get(record.level).map_or("", |level| if self.is_sweep {
                    &level.name
                } else {
                    ""
                }),
                record.session,
                record.turn,
                record.status.name(),
                record.scheduled_s,
                record.sent_s,
                some(record.first_s()),
                record.done_s,
                record.prompt_tokens.map_or(String::new(), |tokens| tokens.to_string()),
                record.output_tokens(),
                ms(record.ttft_s()),
                ms(record.tpot_s()),
                ms(Some(record.e2e_s())),
                ms(record.itl_s().reduce(f64::max)),
            );
        }
        text
    }
}

/// A report made by hand, for tests.
#[cfg(test)]
pub(crate) mod made {
    use super::*;
    use crate::record::FailureKind;
    use crate::record::made::*;
    use crate::summary::Window;

    pub(crate) fn report() -> Report {
        let mut records: Vec<Record> = (0..20)
            .map(|i| answered(i, i as f64 * 0.5, &[1, 2, 4].map(|t| i as f64 * 0.5 + f64::from(t) * 0.1)))
            .collect();
        records.push(ended(
            20,
            5.0,
            5.1,
            failed(FailureKind::Http, "500 internal", "a <b> \"broken\" thing"),
        ));
        let slo = "ttft=200ms".parse().unwrap();
        let window = Window { from_s: 0.0, to_s: 10.0 };
        let summary = Summary::of(&records, window, Some(&slo));
        let event = crate::fault::Event { at_s: 5.0, label: "kill node-1".to_owned(), problem: None };
        let settings = json!({"model": "tiny", "url": "http://127.0.0.1:1", "load": "users=1"});
        Report {
            settings: settings.as_object().unwrap().clone(),
            faults: crate::fault::costs(&records, &[event], 0.0, 10.0, 3.0),
            levels: vec![LevelReport { name: "users=1".to_owned(), begin_s: 0.0, end_s: 10.0, summary }],
            is_sweep: false,
            stopped: None,
            generator: Generator { cpu_s: Some(0.1), elapsed_s: 10.0, cores: 2 },
            notes: vec!["a note".to_owned()],
            compared: None,
            slo_share: Some(99.0),
            records,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::made::report;
    use super::*;

    #[test]
    fn what_is_written_reads_back_as_its_own_baseline() {
        let mut report = report();
        let value: Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(value["records"].as_array().unwrap().len(), 21);
        assert_eq!(value["records"][0]["itl_ms"], json!([100.0, 200.0]));
        assert_eq!(value["levels"][0]["failures"][0]["code"], "500 internal");
        report.compare(&Baseline::of(&value).unwrap(), 0.05);
        let compared = report.compared.as_ref().unwrap();
        assert!(
            compared.len() > 10
                && compared.iter().all(|c| c.verdict == Verdict::Same && c.ratio == Some(1.0))
        );
        assert!(report.verdict(true).unwrap_err().starts_with("95.2 % of the requests met --slo"));
    }

    #[test]
    fn a_regression_fails_only_if_asked() {
        let mut report = report();
        report.slo_share = Some(90.0);
        let mut before: Value = serde_json::from_str(&report.json()).unwrap();
        let fast =
            before["figures"].as_array_mut().unwrap().iter_mut().find(|f| f["name"] == "ttft_p50").unwrap();
        fast["value"] = json!(50.0);
        report.compare(&Baseline::of(&before).unwrap(), 0.05);
        assert_eq!(report.verdict(false), Ok(()));
        assert_eq!(report.verdict(true), Err("worse than the baseline: ttft_p50".to_owned()));
    }

    #[test]
    fn a_sweep_fails_if_no_level_is_good_enough() {
        let mut report = report();
        report.is_sweep = true;
        report.slo_share = Some(90.0);
        assert_eq!(report.last_good_level().map(|level| level.name.as_str()), Some("users=1"));
        assert!(report.figures()[0].name.starts_with("users=1/"));
        report.slo_share = Some(99.0);
        assert!(report.verdict(false).is_err());
    }

    #[test]
    fn csv_has_a_line_a_request_and_as_many_cells_in_each() {
        let csv = report().csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 22);
        assert!(lines.iter().all(|line| line.split(',').count() == 17), "{csv}");
        assert!(lines[21].ends_with("http,500 internal"));
    }
}
