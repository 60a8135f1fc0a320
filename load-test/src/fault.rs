//! Faults on the test's clock, and what each of them cost. Pure; `faults.rs` sends the signals.

use crate::record::{Record, Status};
use crate::units::seconds;
use serde_json::{Value, json};
use std::str::FromStr;

/// Throughput before a fault is taken from at most so many seconds.
const BASELINE_S: f64 = 10.0;
/// Throughput after a fault is the mean of so many seconds.
const SMOOTH_S: f64 = 1.0;
/// How finely the return to the baseline is looked for.
const LOOK_S: f64 = 0.05;
/// Recovered is so much of the baseline.
const RECOVERED: f64 = 0.95;

/// What is done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    Kill,
    Pause,
    Resume,
}

/// Whom it hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Name(String),
    Pid(i32),
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Signal(Blow, Target),
    /// A shell command.
    Run(String),
}

/// What happens when.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// Since the test began.
    pub(crate) at_s: f64,
    pub(crate) action: Action,
    /// As it was written.
    pub(crate) label: String,
}

/// `10s kill node-2`, `12s pause pid:4711`, `20s run "ip link set veth1 down"`.
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || {
            format!(
                "`{text}` is no fault; write `10s kill node-2`, also pause, resume, or `10s run \"command\"`"
            )
        };
        let (at, rest) = text.trim().split_once(char::is_whitespace).ok_or_else(usage)?;
        let (verb, object) = rest.trim().split_once(char::is_whitespace).ok_or_else(usage)?;
        let object = object.trim();
        let target = || match object.strip_prefix("pid:") {
            Some(pid) => pid.parse().map(Target::Pid).map_err(|_| usage()),
            None => Ok(Target::Name(object.to_owned())),
        };
        let unquoted = |text: &str| {
            let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            inner.unwrap_or(text).to_owned()
        };
        let action = match verb {
            "kill" => Action::Signal(Blow::Kill, target()?),
            "pause" => Action::Signal(Blow::Pause, target()?),
            "resume" => Action::Signal(Blow::Resume, target()?),
            "run" => Action::Run(unquoted(object)),
            _ => return Err(usage()),
        };
        Ok(Self { at_s: seconds(at)?, action, label: format!("{verb} {object}") })
    }
}

/// A fault as it happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) at_s: f64,
    pub(crate) label: String,
    /// Why it did not take place, if so.
    pub(crate) problem: Option<String>,
}

/// What a fault cost.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cost {
    pub(crate) event: Event,
    /// How long it is held responsible: until the next event, or the window of `--fault-window`.
    pub(crate) until_s: f64,
    /// Requests that failed, of those in flight at the event or sent before `until_s`.
    pub(crate) lost: usize,
    /// Those that were refused.
    pub(crate) refused: usize,
    /// All of them.
    pub(crate) touched: usize,
    /// The longest gap between two chunks of one stream that was open at the event or later.
    pub(crate) longest_stall_s: Option<f64>,
    /// Output tokens a second before the event.
    pub(crate) baseline_tok_s: f64,
    /// The least share of the baseline that a second after the event had.
    pub(crate) lowest_share: Option<f64>,
    /// From the event until a second begins that has 95 % of the baseline; `None`: not before `until_s`.
    pub(crate) recovered_after_s: Option<f64>,
}

/// What each event cost, in order. `end_s`: when the load ended, after which nothing is blamed on a fault.
pub(crate) fn costs(
    records: &[Record],
    events: &[Event],
    begin_s: f64,
    end_s: f64,
    window_s: f64,
) -> Vec<Cost> {
    let mut tokens: Vec<(f64, f64)> = records
        .iter()
        .flat_map(|record| record.arrivals_s.iter().map(|at| (*at, record.tokens_per_chunk())))
        .collect();
    tokens.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rate = |from_s: f64, to_s: f64| {
        let from = tokens.partition_point(|(at, _)| *at < from_s);
        let to = tokens.partition_point(|(at, _)| *at < to_s);
        tokens[from..to].iter().map(|(_, tokens)| tokens).sum::<f64>() / (to_s - from_s)
    };
    let cost = |(index, event): (usize, &Event)| {
        let at = event.at_s;
        let next = events.get(index + 1).map_or(f64::INFINITY, |next| next.at_s);
        let until_s = (at + window_s).min(next).min(end_s).max(at);
        let earlier = if index > 0 { events[index - 1].at_s } else { begin_s };
        let base_from = (at - BASELINE_S).max(begin_s).max(earlier.min(at));
        let baseline_tok_s = if at > base_from { rate(base_from, at) } else { 0.0 };
        let touched: Vec<&Record> =
            records.iter().filter(|record| record.done_s >= at && record.sent_s < until_s).collect();
        let stalls = touched.iter().flat_map(|record| {
            // A gap that lasts over the next event is that one's.
            let blamed = |pair: &&[f64]| pair[1] >= at && pair[0] < until_s && pair[1] < next;
            let pairs = record.arrivals_s.windows(2).filter(blamed);
            pairs.map(|pair| pair[1] - pair[0])
        });
        let steps = (((until_s - SMOOTH_S - at) / LOOK_S).floor() + 1.0).max(0.0) as usize;
        let shares = || {
            (0..steps)
                .map(|step| step as f64 * LOOK_S)
                .map(|after| (after, rate(at + after, at + after + SMOOTH_S) / baseline_tok_s))
        };
        let known = baseline_tok_s > 0.0;
        Cost {
            event: event.clone(),
            until_s,
            lost: touched.iter().filter(|record| matches!(record.status, Status::Failed(_))).count(),
            refused: touched.iter().filter(|record| matches!(record.status, Status::Refused { .. })).count(),
            touched: touched.len(),
            longest_stall_s: stalls.reduce(f64::max),
            baseline_tok_s,
            lowest_share: shares().map(|(_, share)| share).reduce(f64::min).filter(|_| known),
            recovered_after_s: shares()
                .find(|(_, share)| known && *share >= RECOVERED)
                .map(|(after, _)| after),
        }
    };
    events.iter().enumerate().map(cost).collect()
}

impl Cost {
    pub(crate) fn json(&self) -> Value {
        json!({
            "at_s": self.event.at_s, "event": self.event.label, "problem": self.event.problem,
            "until_s": self.until_s, "touched_requests": self.touched, "lost_requests": self.lost,
            "refused_requests": self.refused, "longest_stall_ms": self.longest_stall_s.map(|stall| stall * 1e3),
            "baseline_tok_s": self.baseline_tok_s, "lowest_share": self.lowest_share,
            "recovered_after_s": self.recovered_after_s,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FailureKind;
    use crate::record::made::*;

    fn event(at_s: f64) -> Event {
        Event { at_s, label: "kill node-1".to_owned(), problem: None }
    }

    /// One endless stream with ten tokens a second, silent from 10 s for `silence_s`.
    fn stream(silence_s: f64) -> Record {
        let times = (0..300).map(|i| f64::from(i) * 0.1 + 0.05);
        let shifted = times.map(|t| if t < 10.0 { t } else { t + silence_s });
        answered(0, 0.0, &shifted.collect::<Vec<_>>())
    }

    #[test]
    fn a_fault_is_written_as_time_action_and_target() {
        let parsed = |text: &str| text.parse::<Fault>().map(|fault| (fault.at_s, fault.action));
        let named = Target::Name("node-2".to_owned());
        assert_eq!(parsed("10s kill node-2"), Ok((10.0, Action::Signal(Blow::Kill, named))));
        assert_eq!(parsed(" 500ms pause pid:12"), Ok((0.5, Action::Signal(Blow::Pause, Target::Pid(12)))));
        assert_eq!(parsed("1s run \"echo a b\""), Ok((1.0, Action::Run("echo a b".to_owned()))));
        for text in ["kill node-2", "10s kill", "10s hit node-2", "10s kill pid:x", "10 kill node-2"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_stall_is_the_longest_gap_at_or_after_the_event() {
        let cost = &costs(&[stream(2.0)], &[event(10.0)], 0.0, 30.0, 10.0)[0];
        assert!((cost.longest_stall_s.unwrap() - 2.1).abs() < 1e-9, "{cost:?}");
        assert!((cost.baseline_tok_s - 10.0).abs() < 1e-9);
        assert_eq!(cost.lowest_share, Some(0.0));
        // From 2.0 s on each second has its ten tokens.
        assert!((cost.recovered_after_s.unwrap() - 2.05).abs() < 0.051, "{cost:?}");
        let before = &costs(&[stream(2.0)], &[event(20.0)], 0.0, 30.0, 10.0)[0];
        assert!(before.longest_stall_s.unwrap() < 0.11, "the earlier stall is not this event's");
    }

    #[test]
    fn without_a_dip_recovery_takes_no_time() {
        let cost = &costs(&[stream(0.0)], &[event(10.0)], 0.0, 30.0, 10.0)[0];
        assert_eq!((cost.recovered_after_s, cost.lost), (Some(0.0), 0));
    }

    #[test]
    fn what_never_comes_back_has_no_recovery() {
        let cost = &costs(&[stream(15.0)], &[event(10.0)], 0.0, 20.0, 8.0)[0];
        assert_eq!((cost.recovered_after_s, cost.until_s), (None, 18.0));
    }

    #[test]
    fn lost_are_those_in_flight_or_sent_within_the_window() {
        let broken = || failed(FailureKind::Stream, "", "the stream broke off");
        let records = [
            stream(0.0),
            ended(1, 9.0, 9.5, broken()),
            ended(2, 9.0, 10.5, broken()),
            ended(3, 12.0, 12.1, broken()),
            ended(4, 12.0, 12.1, Status::Refused { code: 429, retry_after_s: None }),
            ended(5, 21.0, 21.1, broken()),
        ];
        let cost = &costs(&records, &[event(10.0)], 0.0, 30.0, 10.0)[0];
        assert_eq!((cost.lost, cost.refused, cost.touched), (2, 1, 4));
    }

    #[test]
    fn the_next_event_takes_over_the_blame() {
        let found = costs(&[stream(0.0)], &[event(10.0), event(13.0)], 0.0, 14.0, 10.0);
        assert_eq!(found.iter().map(|cost| cost.until_s).collect::<Vec<_>>(), [13.0, 14.0]);
        assert!((found[1].baseline_tok_s - 10.0).abs() < 0.5, "taken between the two");
        let stalls = costs(&[stream(2.0)], &[event(5.0), event(10.0)], 0.0, 30.0, 10.0);
        assert!(
            stalls[0].longest_stall_s.unwrap() < 0.11,
            "the stall that begins just before the second is the second's"
        );
        assert!(stalls[1].longest_stall_s.unwrap() > 2.0);
    }
}
