//! One measured figure: what was measured, how often, with what result.

use std::fmt;
use std::str::FromStr;

/// What can be measured, in the order in which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Test {
    /// From the start of the process until the model could answer.
    Load,
    /// After that, until what is loaded is in memory of its own, if it is moved there; a server answers meanwhile.
    Settle,
    /// A prompt of so many tokens.
    Prefill(usize),
    /// So many sequences that decode at once.
    Decode(usize),
    /// The most memory that the process held.
    Memory,
    /// What the machine can do.
    Limits,
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load => f.write_str("load"),
            Self::Settle => f.write_str("settle"),
            Self::Prefill(tokens) => write!(f, "pp{tokens}"),
            Self::Decode(sequences) => write!(f, "b{sequences}"),
            Self::Memory => f.write_str("memory"),
            Self::Limits => f.write_str("limits"),
        }
    }
}

impl FromStr for Test {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = |prefix: &str| {
            let count = text.strip_prefix(prefix)?.parse().ok()?;
            (1..=1 << 20).contains(&count).then_some(count)
        };
        match text {
            "load" => Ok(Self::Load),
            "settle" => Ok(Self::Settle),
            "memory" => Ok(Self::Memory),
            "limits" => Ok(Self::Limits),
            "tg" => Ok(Self::Decode(1)),
            _ => count("pp").map(Self::Prefill).or_else(|| count("b").map(Self::Decode)).ok_or_else(|| {
                format!("test is `{text}`; it can be load, settle, memory, limits, tg, pp512 or b8, with other numbers too")
            }),
        }
    }
}

/// What one run did, to be held against the machine's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Work {
    /// Forward passes.
    pub(crate) steps: f64,
    /// Tokens.
    pub(crate) tokens: f64,
    /// Bytes of weights and KV that had to be read at least once a step.
    pub(crate) bytes: f64,
    /// Multiplications and additions in f32.
    pub(crate) f32_operations: f64,
    /// Multiplications and additions in int8: products with quantised weights.
    pub(crate) int8_operations: f64,
}

/// A figure with its runs.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) name: String,
    /// `tok/s`, `s` or `bytes`.
    pub(crate) unit: &'static str,
    /// One for each run, in order.
    pub(crate) values: Vec<f64>,
    /// Of one run; `None` where no limit applies.
    pub(crate) work: Option<Work>,
}

impl Figure {
    /// Tokens a second, from the seconds of each run.
    pub(crate) fn rate(test: Test, work: Work, seconds: &[f64]) -> Self {
        let values = seconds.iter().map(|seconds| work.tokens / seconds).collect();
        Self { name: test.to_string(), unit: "tok/s", values, work: Some(work) }
    }

    pub(crate) fn seconds(test: Test, seconds: f64) -> Self {
        Self { name: test.to_string(), unit: "s", values: vec![seconds], work: None }
    }

    pub(crate) fn bytes(test: Test, bytes: f64) -> Self {
        Self { name: test.to_string(), unit: "bytes", values: vec![bytes], work: None }
    }

    /// Whether more is better; time and memory are better when less.
    pub(crate) fn higher_is_better(&self) -> bool {
        self.unit == "tok/s"
    }

    /// Median, least and most.
    pub(crate) fn spread(&self) -> [f64; 3] {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let (middle, last) = (sorted.len() / 2, sorted.len() - 1);
        let median = if sorted.len().is_multiple_of(2) {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        } else {
            sorted[middle]
        };
        [median, sorted[0], sorted[last]]
    }

    /// Seconds of the median run and of one of its steps, where there are steps.
    pub(crate) fn median_times(&self) -> Option<(f64, f64)> {
        let work = self.work?;
        let run = work.tokens / self.spread()[0];
        Some((run, run / work.steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tests_read_back() {
        for name in ["load", "memory", "limits", "pp64", "b32"] {
            assert_eq!(name.parse::<Test>().unwrap().to_string(), name);
        }
        assert_eq!("tg".parse(), Ok(Test::Decode(1)));
        for name in ["pp", "b0", "pp-1", "x8", "b8x"] {
            assert!(name.parse::<Test>().unwrap_err().contains(name));
        }
    }

    #[test]
    fn a_rate_has_median_least_and_most() {
        let work = Work { steps: 4.0, tokens: 100.0, ..Work::default() };
        let figure = Figure::rate(Test::Decode(25), work, &[2.0, 1.0, 4.0]);
        assert_eq!(figure.spread(), [50.0, 25.0, 100.0]);
        assert_eq!(figure.median_times(), Some((2.0, 0.5)));
        assert_eq!(Figure::rate(Test::Decode(25), work, &[1.0, 2.0]).spread()[0], 75.0);
    }
}
