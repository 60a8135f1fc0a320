//! When requests are sent: stages of users or rates, and the arrivals of an open loop. Pure.
//!
//! Keeps true: the same plan and seed give the same arrivals; an arrival never depends on how fast the server is.

use crate::random::Random;
use crate::units::{number, seconds};
use std::str::FromStr;

/// What is held up during a stage; it runs linearly from the first value to the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Load {
    /// Closed loop: so many users, each with one request at a time.
    Users { from: f64, to: f64 },
    /// Open loop: so many requests (or conversations) a second, whatever becomes of them.
    Rate { from: f64, to: f64 },
}

impl Load {
    pub(crate) fn users(users: u32) -> Self {
        Self::Users { from: users.into(), to: users.into() }
    }

    pub(crate) fn rate(rate: f64) -> Self {
        Self::Rate { from: rate, to: rate }
    }

    fn ends(self) -> (f64, f64) {
        match self {
            Self::Users { from, to } | Self::Rate { from, to } => (from, to),
        }
    }
}

/// `users=8`, `rate=2.5`, `rate=1..20`.
impl FromStr for Load {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, values) =
            text.split_once('=').ok_or_else(|| format!("`{text}` is no load; write users=8 or rate=2.5"))?;
        let (from, to) = values.split_once("..").unwrap_or((values, values));
        let (from, to) = (number(from)?, number(to)?);
        match kind.trim() {
            "users" if from.fract() == 0.0 && to.fract() == 0.0 => Ok(Self::Users { from, to }),
            "users" => Err(format!("`{text}`: users are whole")),
            "rate" => Ok(Self::Rate { from, to }),
            _ => Err(format!("`{text}` is no load; write users=8 or rate=2.5")),
        }
    }
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = if matches!(self, Self::Users { .. }) { "users" } else { "rate" };
        match self.ends() {
            (from, to) if from == to => write!(f, "{name}={from}"),
            (from, to) => write!(f, "{name}={from}..{to}"),
        }
    }
}

/// A load for a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stage {
    pub(crate) load: Load,
    /// Infinite if only the number of requests ends it.
    pub(crate) duration_s: f64,
}

/// `users=8:30s`, `rate=1..20:1m`.
impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (load, duration) =
            text.split_once(':').ok_or_else(|| format!("`{text}` has no duration; write users=8:30s"))?;
        Ok(Self { load: load.parse()?, duration_s: seconds(duration)? })
    }
}

/// How the arrivals of an open loop lie around their rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pattern {
    /// Each as far from the last.
    Constant,
    /// Gaps of a gamma distribution of this shape; 1 is Poisson, below 1 comes in bursts.
    Gamma { shape: f64 },
}

/// Stages one after another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) stages: Vec<Stage>,
}

impl Plan {
    pub(crate) fn one(load: Load, duration_s: f64) -> Self {
        Self { stages: vec![Stage { load, duration_s }] }
    }

    pub(crate) fn duration_s(&self) -> f64 {
        self.stages.iter().map(|stage| stage.duration_s).sum()
    }

    /// The most users of any stage.
    pub(crate) fn users_max(&self) -> u32 {
        let users = |stage: &Stage| match stage.load {
            Load::Users { from, to } => from.max(to) as u32,
            Load::Rate { .. } => 0,
        };
        self.stages.iter().map(users).max().unwrap_or(0)
    }

    /// Whether some stage is an open loop.
    pub(crate) fn is_open(&self) -> bool {
        self.stages.iter().any(|stage| matches!(stage.load, Load::Rate { .. }))
    }

    /// The earliest time from `now_s` on at which user number `user` (from 0) is there; `None`: never again.
    pub(crate) fn user_next(&self, user: u32, now_s: f64) -> Option<f64> {
        let needed = f64::from(user) + 1.0;
        let mut begin = 0.0;
        for stage in &self.stages {
            let end = begin + stage.duration_s;
            let from_s = now_s.max(begin);
            if let Load::Users { from, to } = stage.load
                && from_s < end
            {
                let at = |t: f64| {
                    if from == to { from } else { from + (to - from) * (t - begin) / stage.duration_s }
                };
                if at(from_s) >= needed - 1e-9 {
                    return Some(from_s);
                }
                let joins = begin + (needed - from) / (to - from) * stage.duration_s;
                if to > from && joins >= from_s && joins < end {
                    return Some(joins);
                }
            }
            begin = end;
        }
        None
    }

    /// The arrivals of the open loop, in seconds from the start.
    pub(crate) fn arrivals(&self, pattern: Pattern, seed: u64) -> Arrivals {
        Arrivals {
            stages: self.stages.clone(),
            pattern,
            random: Random::new(seed, 1),
            begin_s: 0.0,
            mass: 0.0,
            first: true,
        }
    }
}

/// Arrival times, ascending.
///
/// Gaps are drawn for a rate of 1 and mapped through the integral of the rate, so that a ramp is exact.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    /// Those that are left; the first is the one being walked.
    stages: Vec<Stage>,
    pattern: Pattern,
    random: Random,
    begin_s: f64,
    /// Arrivals expected so far in the first stage.
    mass: f64,
    first: bool,
}

impl Iterator for Arrivals {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let mut gap = match self.pattern {
            Pattern::Constant if self.first => 0.0,
            Pattern::Constant => 1.0,
            Pattern::Gamma { shape } => self.random.gamma(shape),
        };
        self.first = false;
        loop {
            let Stage { load, duration_s } = *self.stages.first()?;
            if let Load::Rate { from, to } = load {
                let total =
                    if from == to && from > 0.0 { from * duration_s } else { (from + to) / 2.0 * duration_s };
                // Rounding must not add an arrival at the very end.
                if self.mass + gap < total - 1e-9 {
                    self.mass += gap;
                    let slope = if from == to { 0.0 } else { (to - from) / duration_s };
                    let rate = (from * from + 2.0 * slope * self.mass).max(0.0).sqrt();
                    let at = if self.mass == 0.0 { 0.0 } else { 2.0 * self.mass / (from + rate) };
                    return Some(self.begin_s + at);
                }
                gap -= total - self.mass;
            }
            self.mass = 0.0;
            self.begin_s += duration_s;
            self.stages.remove(0);
            gap = gap.max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Plan {
        Plan { stages: text.split(',').map(|stage| stage.parse().unwrap()).collect() }
    }

    const POISSON: Pattern = Pattern::Gamma { shape: 1.0 };

    #[test]
    fn a_constant_rate_begins_at_once_and_keeps_its_distance() {
        let times: Vec<f64> = plan("rate=4:1s").arrivals(Pattern::Constant, 1).collect();
        assert_eq!(times, [0.0, 0.25, 0.5, 0.75]);
    }

    #[test]
    fn poisson_arrivals_have_their_rate_and_repeat_by_seed() {
        let times: Vec<f64> = plan("rate=50:200s").arrivals(POISSON, 1).collect();
        assert!((times.len() as f64 - 10_000.0).abs() < 300.0, "{}", times.len());
        assert_eq!(times, plan("rate=50:200s").arrivals(POISSON, 1).collect::<Vec<_>>());
        assert_ne!(times[0], plan("rate=50:200s").arrivals(POISSON, 2).next().unwrap());
        assert!(times.is_sorted() && *times.last().unwrap() < 200.0);
    }

    #[test]
    fn burstiness_changes_the_spread_of_gaps_and_not_the_rate() {
        for (shape, expected) in [(0.25, 2.0), (1.0, 1.0), (4.0, 0.5)] {
            let times: Vec<f64> = plan("rate=100:300s").arrivals(Pattern::Gamma { shape }, 3).collect();
            let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let deviation =
                (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
            assert!((mean * 100.0 - 1.0).abs() < 0.05, "shape {shape}: mean {mean}");
            assert!((deviation / mean / expected - 1.0).abs() < 0.05, "shape {shape}: {}", deviation / mean);
        }
    }

    #[test]
    fn a_ramp_has_the_integral_of_its_rate() {
        let times: Vec<f64> = plan("rate=0..20:10s").arrivals(Pattern::Constant, 1).collect();
        assert_eq!(times.len(), 100);
        // Half of the time is a quarter of the arrivals.
        assert_eq!(times.iter().filter(|t| **t < 5.0).count(), 25);
    }

    #[test]
    fn stages_follow_each_other_and_users_have_no_arrivals() {
        let times: Vec<f64> = plan("rate=2:1s,users=3:5s,rate=4:1s").arrivals(Pattern::Constant, 1).collect();
        assert_eq!(times, [0.0, 0.5, 6.0, 6.25, 6.5, 6.75]);
    }

    #[test]
    fn an_endless_rate_never_ends() {
        let endless = Plan::one(Load::rate(10.0), f64::INFINITY);
        assert_eq!(endless.arrivals(Pattern::Constant, 1).nth(1000), Some(100.0));
    }

    #[test]
    fn users_come_and_go_with_their_stages() {
        let plan = plan("users=1..5:4s,rate=1:1s,users=2:5s");
        assert_eq!(plan.users_max(), 5);
        assert_eq!(plan.user_next(0, 0.0), Some(0.0));
        assert_eq!(plan.user_next(2, 0.0), Some(2.0));
        assert_eq!(plan.user_next(2, 3.0), Some(3.0));
        assert_eq!(plan.user_next(1, 4.5), Some(5.0));
        assert_eq!(plan.user_next(2, 4.5), None);
        assert_eq!(plan.user_next(0, 10.0), None);
        let falling = super::Plan { stages: vec!["users=4..0:4s".parse().unwrap()] };
        assert_eq!((falling.user_next(2, 0.5), falling.user_next(2, 1.5)), (Some(0.5), None));
    }

    #[test]
    fn loads_print_as_they_are_written() {
        for text in ["users=8", "rate=2.5", "rate=1..20"] {
            assert_eq!(text.parse::<Load>().unwrap().to_string(), text);
        }
        for text in ["users", "users=1.5", "rate=-1", "speed=3", "users=3"] {
            assert!(text.parse::<Stage>().is_err(), "{text}");
        }
    }
}
