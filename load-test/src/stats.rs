//! Distributions, exactly: every value is kept and sorted. Pure.

use serde_json::{Value, json};

/// What is said of many values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Distribution {
    pub(crate) count: usize,
    pub(crate) mean: f64,
    pub(crate) min: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

/// The value below which `share` of the sorted values lie, interpolated linearly between neighbours.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

impl Distribution {
    /// `None` of nothing.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        Some(Self {
            count: sorted.len(),
            mean: sorted.iter().sum::<f64>() / sorted.len() as f64,
            min,
            p50: quantile(&sorted, 0.5),
            p90: quantile(&sorted, 0.9),
            p95: quantile(&sorted, 0.95),
            p99: quantile(&sorted, 0.99),
            p999: quantile(&sorted, 0.999),
            max,
        })
    }

    /// Each figure times `scale`.
    pub(crate) fn scaled(self, scale: f64) -> Self {
        let Self { count, mean, min, p50, p90, p95, p99, p999, max } = self;
        let [mean, min, p50, p90, p95, p99, p999, max] =
            [mean, min, p50, p90, p95, p99, p999, max].map(|value| value * scale);
        Self { count, mean, min, p50, p90, p95, p99, p999, max }
    }

    pub(crate) fn json(&self) -> Value {
        let Self { count, mean, min, p50, p90, p95, p99, p999, max } = self;
        json!({
            "count": count, "mean": mean, "min": min, "p50": p50, "p90": p90, "p95": p95, "p99": p99,
            "p99.9": p999, "max": max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_hundred_and_one_are_the_values_themselves() {
        let found = Distribution::of((0..=100).rev().map(f64::from)).unwrap();
        assert_eq!((found.count, found.min, found.max, found.mean), (101, 0.0, 100.0, 50.0));
        assert_eq!((found.p50, found.p90, found.p95, found.p99), (50.0, 90.0, 95.0, 99.0));
        assert!((found.p999 - 99.9).abs() < 1e-9);
    }

    #[test]
    fn between_two_values_lies_a_line() {
        assert_eq!(quantile(&[1.0, 2.0], 0.5), 1.5);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
    }

    #[test]
    fn nothing_has_no_distribution() {
        assert_eq!(Distribution::of([]), None);
    }
}
