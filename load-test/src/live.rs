//! What is seen while a test runs: a few lines on the terminal, redrawn once a second.

use crate::client::Clock;
use crate::record::{Record, Status};
use crate::stats::quantile;
use crate::units::short;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard};

/// The newest so many values stand for now.
const RECENT: usize = 1000;
/// Seconds in the sparkline.
const SPARKS: usize = 60;

#[derive(Debug, Default)]
struct State {
    running: usize,
    done: usize,
    refused: usize,
    failed: usize,
    /// Chunks of each second.
    tokens: Vec<u32>,
    ttft: VecDeque<f64>,
    itl: VecDeque<f64>,
}

/// Counts as they grow.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<State>);

fn keep(values: &mut VecDeque<f64>, value: f64) {
    if values.len() == RECENT {
        values.pop_front();
    }
    values.push_back(value);
}

impl Live {
    fn state(&self) -> MutexGuard<'_, State> {
        // Counts stay right whoever panicked.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn sent(&self) {
        self.state().running += 1;
    }

    /// `arrivals_s`: the newest chunk, and the one before it if there is one.
    pub(crate) fn token(&self, scheduled_s: f64, arrivals_s: &[f64]) {
        let mut state = self.state();
        let now = arrivals_s[arrivals_s.len() - 1];
        let second = now as usize;
        if state.tokens.len() <= second {
            state.tokens.resize(second + 1, 0);
        }
        state.tokens[second] += 1;
        match arrivals_s {
            [before, now] => keep(&mut state.itl, now - before),
            _ => keep(&mut state.ttft, now - scheduled_s),
        }
    }

    pub(crate) fn ended(&self, record: &Record) {
        let mut state = self.state();
        state.running -= 1;
        match record.status {
            Status::Ok => state.done += 1,
            Status::Refused { .. } => state.refused += 1,
            Status::Failed(_) => state.failed += 1,
            Status::Cancelled | Status::Unfinished => {}
        }
    }

    /// Three lines.
    fn lines(&self, now_s: f64, what: &str) -> String {
        let state = self.state();
        // The second that runs is not full yet.
        let full = now_s as usize;
        let rates: Vec<u32> =
            (full.saturating_sub(SPARKS)..full).map(|s| state.tokens.get(s).copied().unwrap_or(0)).collect();
        let times = |values: &VecDeque<f64>| {
            let mut sorted: Vec<f64> = values.iter().copied().collect();
            sorted.sort_by(f64::total_cmp);
            match sorted.is_empty() {
                true => "-".to_owned(),
                false => format!(
                    "{} / {}",
                    short(quantile(&sorted, 0.5) * 1e3),
                    short(quantile(&sorted, 0.99) * 1e3)
                ),
            }
        };
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{now_s:5.0} s  {what}: {} running, {} done, {} failed, {} refused",
            state.running, state.done, state.failed, state.refused
        );
        let _ = writeln!(
            out,
            "         {} chunks/s   p50 / p99 in ms: TTFT {}, ITL {}",
            rates.last().unwrap_or(&0),
            times(&state.ttft),
            times(&state.itl)
        );
        let _ = writeln!(out, "         {}", sparkline(&rates));
        out
    }
}

/// A bar for each value, the highest full.
fn sparkline(values: &[u32]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    values.iter().map(|value| BARS[(u64::from(*value) * 7).div_ceil(u64::from(most)) as usize]).collect()
}

/// Redraws until it is dropped by its caller.
pub(crate) async fn draw(live: &Live, clock: Clock, what: impl Fn() -> String) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_secs(1));
    let mut drawn = 0;
    loop {
        ticks.tick().await;
        let lines = live.lines(clock.now_s(), &what());
        let mut text = String::new();
        if drawn > 0 {
            let _ = write!(text, "\x1b[{drawn}A");
        }
        lines.lines().for_each(|line| {
            let _ = writeln!(text, "\x1b[2K{line}");
        });
        drawn = lines.lines().count();
        // A terminal that is gone takes nothing from the test.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::made::*;

    #[test]
    fn the_lines_show_what_runs_and_how_fast() {
        let live = Live::default();
        live.sent();
        live.sent();
        live.token(0.0, &[0.2]);
        live.token(0.0, &[0.2, 0.25]);
        live.ended(&answered(0, 0.0, &[0.2, 0.25]));
        let lines = live.lines(1.5, "users=2");
        assert!(lines.contains("users=2: 1 running, 1 done, 0 failed"), "{lines}");
        assert!(
            lines.contains("2 chunks/s") && lines.contains("TTFT 200.0 / 200.0, ITL 50.0 / 50.0"),
            "{lines}"
        );
    }

    #[test]
    fn a_sparkline_has_a_bar_a_value() {
        assert_eq!(sparkline(&[0, 1, 4, 8]), "▁▂▅█");
    }
}
