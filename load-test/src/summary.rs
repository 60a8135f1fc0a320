//! The figures of one run, from its records. Pure.
//!
//! Keeps true: latencies are those of requests *scheduled* in the measured window, also when they end after it, so
//! that slow ones are not forgotten; rates count what *happened* in the window, whoever began it.

use crate::failures::{FailureGroup, Refused, group, refused};
use crate::record::{Record, Status};
use crate::slo::Slo;
use crate::stats::Distribution;
use crate::units::Cut;
use serde_json::{Value, json};

/// What each figure means, as it is printed beside the figures.
pub(crate) const DEFINITIONS: [(&str, &str); 11] = [
    ("ttft", "ms: first chunk with text - scheduled send (a closed loop is scheduled when it sends)"),
    ("itl", "ms: each gap between chunks with text"),
    ("tpot", "ms: (e2e - ttft) / (output tokens - 1), one a request"),
    ("e2e", "ms: end of the stream - scheduled send"),
    ("ntpot", "ms: e2e / output tokens"),
    ("output_tok_s", "tokens/s: output tokens that came in the measured window / its length"),
    ("total_tok_s", "tokens/s: the same and the prompt tokens of requests whose first token came in it"),
    ("req_s", "requests/s: answered wholly in the measured window / its length"),
    ("goodput", "requests/s: those of them within every limit of --slo; goodput_tok_s: their output tokens"),
    ("send_lag", "ms: sent - scheduled; what the generator, or its --in-flight-max, was late by"),
    ("refused", "429, or 503 with Retry-After; neither answered nor failed"),
];

/// The part of a run that is measured. Unit: seconds since the test began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
}

impl Window {
    /// Of a run from `begin_s` until `end_s`, when no more was sent (or, if only a number of requests ended it, when
    /// the last was done), without what `warmup` and `cooldown` cut off.
    pub(crate) fn of(records: &[Record], begin_s: f64, end_s: f64, warmup: Cut, cooldown: Cut) -> Self {
        let from_s = match warmup {
            Cut::Seconds(seconds) => begin_s + seconds,
            Cut::Requests(0) => begin_s,
            Cut::Requests(count) => {
                let mut scheduled: Vec<f64> = records.iter().map(|record| record.scheduled_s).collect();
                scheduled.sort_by(f64::total_cmp);
                scheduled.get(count).copied().unwrap_or(end_s)
            }
        };
        let to_s = match cooldown {
            Cut::Seconds(seconds) => end_s - seconds,
            Cut::Requests(0) => end_s,
            Cut::Requests(count) => {
                let mut done: Vec<f64> = records.iter().map(|record| record.done_s).collect();
                done.sort_by(f64::total_cmp);
                done.len().checked_sub(count + 1).map_or(from_s, |at| done[at].min(end_s))
            }
        };
        Self { from_s, to_s: to_s.max(from_s) }
    }

    pub(crate) fn length_s(self) -> f64 {
        self.to_s - self.from_s
    }

    fn contains(self, at_s: f64) -> bool {
        (self.from_s..=self.to_s).contains(&at_s)
    }
}

/// How the counted requests ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) ok: usize,
    pub(crate) failed: usize,
    pub(crate) refused: usize,
    pub(crate) cancelled: usize,
    pub(crate) unfinished: usize,
}

impl Counts {
    fn add(&mut self, status: &Status) {
        *match status {
            Status::Ok => &mut self.ok,
            Status::Failed(_) => &mut self.failed,
            Status::Refused { .. } => &mut self.refused,
            Status::Cancelled => &mut self.cancelled,
            Status::Unfinished => &mut self.unfinished,
        } += 1;
    }
}

/// How much was good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Goodput {
    /// Requests a second.
    pub(crate) req_s: f64,
    /// Their output tokens a second.
    pub(crate) tok_s: f64,
    /// Percent of the requests of the window that met every limit; failed and refused ones did not.
    pub(crate) met_percent: f64,
}

/// The figures of one run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) window: Window,
    pub(crate) counts: Counts,
    /// Requests scheduled and sent in the window, a second; apart where the generator was late.
    pub(crate) scheduled_req_s: f64,
    pub(crate) sent_req_s: f64,
    pub(crate) req_s: f64,
    pub(crate) output_tok_s: f64,
    pub(crate) total_tok_s: f64,
    pub(crate) goodput: Option<Goodput>,
    /// In seconds, as all times here.
    pub(crate) ttft: Option<Distribution>,
    pub(crate) itl: Option<Distribution>,
    pub(crate) tpot: Option<Distribution>,
    pub(crate) e2e: Option<Distribution>,
    pub(crate) ntpot: Option<Distribution>,
    pub(crate) send_lag: Option<Distribution>,
    /// In tokens.
    pub(crate) prompt_tokens: Option<Distribution>,
    pub(crate) output_tokens: Option<Distribution>,
    pub(crate) failures: Vec<FailureGroup>,
    pub(crate) refused: Option<Refused>,
}

/// A figure that two runs can be compared by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) higher_is_better: bool,
    pub(crate) value: f64,
}

impl Summary {
    pub(crate) fn of(records: &[Record], window: Window, slo: Option<&Slo>) -> Self {
        let counted: Vec<&Record> =
            records.iter().filter(|record| window.contains(record.scheduled_s)).collect();
        let answered: Vec<&Record> = counted.iter().copied().filter(|record| record.is_ok()).collect();
        let ended: Vec<&Record> =
            records.iter().filter(|record| record.is_ok() && window.contains(record.done_s)).collect();
        // A window of no length has no rates.
        let per_second = |count: f64| if window.length_s() > 0.0 { count / window.length_s() } else { 0.0 };
        let output: f64 = records.iter().map(|record| record.tokens_within(window.from_s, window.to_s)).sum();
        let begun = records.iter().filter(|record| record.first_s().is_some_and(|at| window.contains(at)));
        let prompts: f64 = begun.filter_map(|record| record.prompt_tokens).map(|tokens| tokens as f64).sum();
        let mut counts = Counts::default();
        counted.iter().for_each(|record| counts.add(&record.status));
        let goodput = slo.map(|slo| {
            let good = ended.iter().filter(|record| slo.met(record));
            let (requests, tokens) = good
                .fold((0.0, 0.0), |(n, tokens), record| (n + 1.0, tokens + record.output_tokens() as f64));
            // What the test itself cut off says nothing about the server.
            let judged = counts.ok + counts.failed + counts.refused;
            let met = answered.iter().filter(|record| slo.met(record)).count();
            Goodput {
                req_s: per_second(requests),
                tok_s: per_second(tokens),
                met_percent: if judged == 0 { 0.0 } else { met as f64 / judged as f64 * 100.0 },
            }
        });
        let of = |time: fn(&Record) -> Option<f64>| {
            Distribution::of(answered.iter().filter_map(|record| time(record)))
        };
        Self {
            window,
            counts,
            scheduled_req_s: per_second(counted.len() as f64),
            sent_req_s: per_second(
                records.iter().filter(|record| window.contains(record.sent_s)).count() as f64
            ),
            req_s: per_second(ended.len() as f64),
            output_tok_s: per_second(output),
            total_tok_s: per_second(output + prompts),
            goodput,
            ttft: of(Record::ttft_s),
            itl: Distribution::of(answered.iter().flat_map(|record| record.itl_s())),
            tpot: of(Record::tpot_s),
            e2e: of(|record| Some(record.e2e_s())),
            ntpot: of(Record::ntpot_s),
            send_lag: Distribution::of(counted.iter().map(|record| record.sent_s - record.scheduled_s)),
            prompt_tokens: of(|record| record.prompt_tokens.map(|tokens| tokens as f64)),
            output_tokens: of(|record| Some(record.output_tokens() as f64)),
            failures: group(counted.iter().copied()),
            refused: refused(counted.iter().copied()),
        }
    }

    /// Times with their names.
    pub(crate) fn times(&self) -> [(&'static str, Option<Distribution>); 6] {
        [
            ("ttft", self.ttft),
            ("itl", self.itl),
            ("tpot", self.tpot),
            ("e2e", self.e2e),
            ("ntpot", self.ntpot),
            ("send_lag", self.send_lag),
        ]
    }

    /// What a baseline is compared by; names begin with `prefix`.
    pub(crate) fn figures(&self, prefix: &str) -> Vec<Figure> {
        let figure = |name: &str, unit, higher_is_better, value| Figure {
            name: format!("{prefix}{name}"),
            unit,
            higher_is_better,
            value,
        };
        let mut figures = vec![
            figure("output_tok_s", "tokens/s", true, self.output_tok_s),
            figure("total_tok_s", "tokens/s", true, self.total_tok_s),
            figure("req_s", "requests/s", true, self.req_s),
        ];
        if let Some(goodput) = self.goodput {
            figures.push(figure("goodput", "requests/s", true, goodput.req_s));
            figures.push(figure("goodput_tok_s", "tokens/s", true, goodput.tok_s));
        }
        for (name, times) in self.times().into_iter().filter(|(name, _)| *name != "send_lag") {
            if let Some(times) = times {
                figures.push(figure(&format!("{name}_p50"), "ms", false, times.p50 * 1e3));
                figures.push(figure(&format!("{name}_p99"), "ms", false, times.p99 * 1e3));
            }
        }
        figures
    }

    pub(crate) fn json(&self) -> Value {
        let ms = |times: Option<Distribution>| times.map(|times| times.scaled(1e3).json());
        let failures = self.failures.iter().map(|group| {
            json!({
                "kind": group.first.kind.name(), "code": group.first.code, "message": group.first.message,
                "count": group.count,
            })
        });
        let refused = self.refused.map(|refused| {
            json!({
                "count": refused.count, "latency_ms": ms(Some(refused.latency_s)),
                "retry_after_s": refused.retry_after_s.map(|after| after.json()),
            })
        });
        let mut value = json!({
            "window_s": [self.window.from_s, self.window.to_s],
            "requests": {
                "ok": self.counts.ok, "failed": self.counts.failed, "refused": self.counts.refused,
                "cancelled": self.counts.cancelled, "unfinished": self.counts.unfinished,
            },
            "scheduled_req_s": self.scheduled_req_s, "sent_req_s": self.sent_req_s, "req_s": self.req_s,
            "output_tok_s": self.output_tok_s, "total_tok_s": self.total_tok_s,
            "goodput": self.goodput.map(|goodput| json!({
                "req_s": goodput.req_s, "tok_s": goodput.tok_s, "met_percent": goodput.met_percent,
            })),
        });
        for (name, times) in self.times() {
            value[format!("{name}_ms")] = json!(ms(times));
        }
        value["prompt_tokens"] = json!(self.prompt_tokens.map(|tokens| tokens.json()));
        value["output_tokens"] = json!(self.output_tokens.map(|tokens| tokens.json()));
        value["failures"] = failures.collect();
        value["refused"] = json!(refused);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FailureKind;
    use crate::record::made::*;

    const NONE: Cut = Cut::Seconds(0.0);

    /// A request a second, each answered with 3 tokens: 0.1, 0.2 and 0.4 s after it was sent.
    fn ten() -> Vec<Record> {
        (0..10)
            .map(|i| {
                let at = f64::from(i);
                answered(i as u64, at, &[at + 0.1, at + 0.2, at + 0.4])
            })
            .collect()
    }

    #[test]
    fn rates_count_what_happened_in_the_window() {
        let records = ten();
        let window = Window::of(&records, 0.0, 10.0, NONE, NONE);
        let summary = Summary::of(&records, window, None);
        assert_eq!((summary.output_tok_s, summary.total_tok_s, summary.req_s), (3.0, 13.0, 1.0));
        assert_eq!((summary.scheduled_req_s, summary.sent_req_s), (1.0, 1.0));
        let half = Summary::of(&records, Window { from_s: 0.15, to_s: 1.15 }, None);
        assert!(
            (half.output_tok_s - 3.0).abs() < 1e-9,
            "the last two tokens of one request and the first of the next"
        );
    }

    #[test]
    fn warm_up_and_cool_down_are_cut_by_seconds_or_requests() {
        let records = ten();
        let window = Window::of(&records, 0.0, 10.0, Cut::Seconds(2.0), Cut::Seconds(3.0));
        assert_eq!(window, Window { from_s: 2.0, to_s: 7.0 });
        let by_requests = Window::of(&records, 0.0, 10.0, Cut::Requests(2), Cut::Requests(3));
        assert_eq!(by_requests, Window { from_s: 2.0, to_s: 6.4 });
        assert_eq!(Summary::of(&records, by_requests, None).counts.ok, 5);
        let nothing = Window::of(&records, 0.0, 10.0, Cut::Requests(20), Cut::Seconds(20.0));
        assert_eq!(nothing.length_s(), 0.0);
        assert_eq!(Summary::of(&records, nothing, None).req_s, 0.0);
    }

    #[test]
    fn a_slow_request_counts_though_it_ends_after_the_window() {
        let mut records = ten();
        records.push(answered(10, 9.5, &[99.0]));
        let summary = Summary::of(&records, Window { from_s: 0.0, to_s: 10.0 }, None);
        assert_eq!(summary.ttft.unwrap().max, 89.5);
        assert_eq!(summary.req_s, 1.0, "but it was not answered in time to count as throughput");
    }

    #[test]
    fn an_overloaded_generator_shows_as_sent_below_scheduled() {
        let late = |i: u32| Record {
            scheduled_s: f64::from(i),
            sent_s: 2.0 * f64::from(i),
            ..answered(i.into(), 0.0, &[30.0])
        };
        let records: Vec<Record> = (0..10).map(late).collect();
        let summary = Summary::of(&records, Window { from_s: 0.0, to_s: 9.5 }, None);
        assert!(summary.sent_req_s < 0.6 * summary.scheduled_req_s);
        assert_eq!(summary.send_lag.unwrap().max, 9.0);
    }

    #[test]
    fn goodput_is_what_ended_within_every_limit() {
        let mut records = ten();
        records[3] = answered(3, 3.0, &[3.3, 3.4, 3.5]);
        records[4] = ended(4, 4.0, 4.1, failed(FailureKind::Http, "500", "broken"));
        records[5] = ended(5, 5.0, 5.1, Status::Cancelled);
        records[6] = ended(6, 6.0, 6.1, Status::Refused { code: 429, retry_after_s: None });
        let slo = "ttft=200ms".parse().unwrap();
        let summary = Summary::of(&records, Window { from_s: 0.0, to_s: 10.0 }, Some(&slo));
        let goodput = summary.goodput.unwrap();
        assert!((goodput.req_s - 0.6).abs() < 1e-9 && (goodput.tok_s - 1.8).abs() < 1e-9, "{goodput:?}");
        assert!((goodput.met_percent - 6.0 / 9.0 * 100.0).abs() < 1e-9, "the cancelled one is not judged");
        let counts = Counts { ok: 7, failed: 1, refused: 1, cancelled: 1, unfinished: 0 };
        assert_eq!(summary.counts, counts);
    }

    #[test]
    fn figures_know_their_better_side() {
        let records = ten();
        let figures = Summary::of(&records, Window { from_s: 0.0, to_s: 10.0 }, None).figures("users=4/");
        let ttft = figures.iter().find(|figure| figure.name == "users=4/ttft_p50").unwrap();
        assert!(!ttft.higher_is_better && (ttft.value - 100.0).abs() < 1e-6);
        assert!(figures[0].name == "users=4/output_tok_s" && figures[0].higher_is_better);
    }
}
