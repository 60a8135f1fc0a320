//! Shows how far long work is: on a terminal one line that is drawn again and again, elsewhere a log line for every tenth.
//!
//! Keeps true: what takes a moment only shows nothing; what is shown is decided by [`Teller`], which is given the time. A log
//! line of somebody else writes over the bar, not behind it.

use conclave_model::{Progress, Step, Unit};
use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long a piece of work takes before a bar shows.
const BAR_AFTER: Duration = Duration::from_millis(300);
/// How often a bar is drawn.
const BAR_EVERY: Duration = Duration::from_millis(100);
/// How long a piece of work takes before log lines tell of it, and the least time between two of them.
const LINES_EVERY: Duration = Duration::from_secs(1);
/// Characters of the bar itself.
const BAR_WIDTH: u64 = 24;

/// A progress that is shown on the standard error, by a thread that ends with its last clone.
pub(crate) fn shown() -> Progress {
    let (tell, steps) = channel();
    let mut teller = Teller::new(if std::io::stderr().is_terminal() { Way::Bar } else { Way::Lines });
    let started = Instant::now();
    let show = move || {
        loop {
            // Between pieces of work there is nothing to look after.
            let step = match teller.piece {
                None => steps.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => steps.recv_timeout(BAR_EVERY),
            };
            let now = started.elapsed();
            let shown = match step {
                Ok(step) => teller.hear(step, now),
                Err(RecvTimeoutError::Timeout) => teller.look(now),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            match shown {
                Some(Shown::Line { what, percent, done, left_s }) => {
                    tracing::info!(percent, done, left_s, "{what}");
                }
                // Nobody sees it if the terminal is gone.
                Some(Shown::Bar(text)) => drop(write!(std::io::stderr(), "\r\x1b[K{text}\r")),
                Some(Shown::Clear) => drop(write!(std::io::stderr(), "\r\x1b[K")),
                None => {}
            }
        }
    };
    match std::thread::Builder::new().name("progress".to_owned()).spawn(show) {
        Ok(_) => Progress::to(tell),
        // What cannot be shown is done all the same.
        Err(_) => Progress::default(),
    }
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Bar,
    Lines,
}

/// What to show now.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shown {
    /// In place of the bar before.
    Bar(String),
    /// No bar any more.
    Clear,
    /// One log line; `left_s`: seconds that the rest will take.
    Line { what: &'static str, percent: u64, done: String, left_s: Option<u64> },
}

/// The piece of work that is under way.
struct Piece {
    what: &'static str,
    all: u64,
    unit: Unit,
    done: u64,
    began: Duration,
    /// When the last bar or line of it was shown.
    shown: Option<Duration>,
    /// Tenths that were told.
    tenths: Option<u64>,
}

/// Decides what is shown when.
struct Teller {
    way: Way,
    piece: Option<Piece>,
}

impl Teller {
    fn new(way: Way) -> Self {
        Self { way, piece: None }
    }

    /// Takes in what happened at `now`.
    fn hear(&mut self, step: Step, now: Duration) -> Option<Shown> {
        match step {
            Step::Begin { what, all, unit } => {
                self.piece = Some(Piece { what, all, unit, done: 0, began: now, shown: None, tenths: None });
                None
            }
            Step::Done(amount) => {
                let piece = self.piece.as_mut()?;
                piece.done = (piece.done + amount).min(piece.all);
                self.look(now)
            }
            Step::End => {
                let piece = self.piece.take()?;
                match self.way {
                    Way::Bar => piece.shown.map(|_| Shown::Clear),
                    Way::Lines => piece.tenths.filter(|told| *told < 10).map(|_| piece.line(now)),
                }
            }
        }
    }

    /// What to show at `now` if nothing happened.
    fn look(&mut self, now: Duration) -> Option<Shown> {
        let piece = self.piece.as_mut()?;
        let (after, every) = match self.way {
            Way::Bar => (BAR_AFTER, BAR_EVERY),
            Way::Lines => (LINES_EVERY, LINES_EVERY),
        };
        let (since, least) = piece.shown.map_or((piece.began, after), |shown| (shown, every));
        let tenths = piece.percent() / 10;
        let news = self.way == Way::Bar || piece.tenths.is_none_or(|told| told < tenths);
        if now.saturating_sub(since) < least || !news {
            return None;
        }
        (piece.shown, piece.tenths) = (Some(now), Some(tenths));
        Some(match self.way {
            Way::Bar => Shown::Bar(piece.bar(now)),
            Way::Lines => piece.line(now),
        })
    }
}

impl Piece {
    fn percent(&self) -> u64 {
        (self.done * 100).checked_div(self.all).unwrap_or(100)
    }

    /// Seconds that the rest will take at the pace so far; `None`: nothing is done yet.
    fn left_s(&self, now: Duration) -> Option<u64> {
        let age = now.saturating_sub(self.began).as_secs_f64();
        (self.done > 0).then(|| (age * (self.all - self.done) as f64 / self.done as f64).ceil() as u64)
    }

    /// Such as `1.2 of 2.9 GB`.
    fn amount(&self) -> String {
        match self.unit {
            Unit::Experts => format!("{} of {} experts", self.done, self.all),
            Unit::Bytes => {
                let units = [("GB", 1e9), ("MB", 1e6)];
                let (name, unit) =
                    *units.iter().find(|(_, unit)| self.all as f64 >= *unit).unwrap_or(&("kB", 1e3));
                format!("{:.1} of {:.1} {name}", self.done as f64 / unit, self.all as f64 / unit)
            }
        }
    }

    fn line(&self, now: Duration) -> Shown {
        Shown::Line {
            what: self.what,
            percent: self.percent(),
            done: self.amount(),
            left_s: self.left_s(now),
        }
    }

    fn bar(&self, now: Duration) -> String {
        let full = BAR_WIDTH * self.percent() / 100;
        let bar: String = (0..BAR_WIDTH).map(|at| if at < full { '#' } else { '.' }).collect();
        let left = self.left_s(now).map_or_else(String::new, |left| format!(", {left} s left"));
        format!("{} [{bar}] {:>3} %, {}{left}", self.what, self.percent(), self.amount())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Step = Step::Begin { what: "loading", all: 4_000_000_000, unit: Unit::Bytes };

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A teller that heard at 5 s that something begins.
    fn begun(way: Way) -> Teller {
        let mut teller = Teller::new(way);
        assert_eq!(teller.hear(BEGIN, at(5000)), None);
        teller
    }

    #[test]
    fn a_terminal_gets_one_bar_with_what_is_left_and_no_trace_of_it_after() {
        let mut teller = begun(Way::Bar);
        assert_eq!(teller.hear(Step::Done(1_000_000_000), at(5100)), None, "too soon for a bar");
        assert_eq!(
            teller.look(at(6000)),
            Some(Shown::Bar("loading [######..................]  25 %, 1.0 of 4.0 GB, 3 s left".to_owned()))
        );
        assert_eq!(teller.hear(Step::Done(1), at(6050)), None, "drawn a moment ago");
        assert!(matches!(teller.look(at(6100)), Some(Shown::Bar(_))), "it moves though nothing is done");
        assert_eq!(teller.hear(Step::End, at(6110)), Some(Shown::Clear));
        assert_eq!(teller.look(at(9999)), None);
    }

    #[test]
    fn a_log_gets_a_line_for_every_tenth_and_one_at_the_end() {
        let mut teller = begun(Way::Lines);
        let mut told = Vec::new();
        for step in 1..=39 {
            if let Some(Shown::Line { percent, left_s, .. }) =
                teller.hear(Step::Done(100_000_000), at(5000 + 500 * step))
            {
                told.push((percent, left_s.unwrap()));
            }
        }
        // The pace is 0.2 GB a second, and lines begin after one second.
        let tenths =
            [(5, 19), (10, 18), (20, 16), (30, 14), (40, 12), (50, 10), (60, 8), (70, 6), (80, 4), (90, 2)];
        assert_eq!(told, tenths);
        let end = teller.hear(Step::End, at(25_000));
        assert!(matches!(end, Some(Shown::Line { percent: 97, .. })), "{end:?}");
        // What stood still and then runs through.
        let mut teller = begun(Way::Lines);
        let told = (0..40).filter_map(|step| teller.hear(Step::Done(100_000_000), at(9000 + step)));
        assert_eq!(told.count(), 1);
    }

    #[test]
    fn what_takes_a_moment_only_is_not_shown() {
        for way in [Way::Bar, Way::Lines] {
            let mut teller = begun(way);
            assert_eq!(teller.hear(Step::Done(4_000_000_000), at(5200)), None);
            assert_eq!(teller.hear(Step::End, at(5200)), None);
        }
    }

    #[test]
    fn what_stands_still_says_so_without_a_guess() {
        let mut teller = Teller::new(Way::Lines);
        teller.hear(Step::Begin { what: "waiting", all: 96, unit: Unit::Experts }, at(0));
        let line =
            Shown::Line { what: "waiting", percent: 0, done: "0 of 96 experts".to_owned(), left_s: None };
        assert_eq!(teller.look(at(1500)), Some(line));
        assert_eq!(teller.look(at(3000)), None, "told once");
    }
}
