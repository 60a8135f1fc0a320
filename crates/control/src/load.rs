//! How much each expert is asked for: what gateways report, merged and fading.
//!
//! Keeps true: a report replaces the last one of the same gateway, so one that is sent twice counts once, and a new
//! leader knows the load after one round of reports. Knows no clock.

use conclave_types::{ExpertKey, LayerIdx, Millis};
use std::collections::BTreeMap;

/// Time in which a count fades to half of its weight. Long enough to see through single requests, short enough to follow
/// the day; gateways fade what they report by the same.
pub const LOAD_HALF_LIFE: Millis = Millis(300_000);

/// A gateway that has not reported for so many half-lives is forgotten: a thousandth of its counts would be left.
const FORGET_HALF_LIVES: u64 = 10;

/// What is left of a count after `age`, 0 to 1.
pub fn faded(age: Millis) -> f64 {
    (-(age.0 as f64) / LOAD_HALF_LIFE.0 as f64).exp2()
}

/// Recorded load: rows that asked for each expert, by layer, in any one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpertLoads {
    layers: BTreeMap<LayerIdx, Vec<u64>>,
}

impl ExpertLoads {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the rows of each expert of `layer`, by expert index.
    pub fn set(&mut self, layer: LayerIdx, rows: Vec<u64>) {
        self.layers.insert(layer, rows);
    }

    /// Rows that asked for `key`; 0 for an expert that was never reported.
    pub fn rows(&self, key: ExpertKey) -> u64 {
        let rows = self.layers.get(&key.layer).and_then(|rows| rows.get(key.expert.0 as usize));
        rows.copied().unwrap_or(0)
    }

    /// The layers in ascending order, each with the rows of its experts.
    pub fn layers(&self) -> impl Iterator<Item = (LayerIdx, &[u64])> {
        self.layers.iter().map(|(layer, rows)| (*layer, rows.as_slice()))
    }

    /// Rows of all experts together.
    pub fn total(&self) -> u64 {
        self.layers.values().flatten().fold(0, |sum: u64, rows| sum.saturating_add(*rows))
    }
}

impl FromIterator<(LayerIdx, Vec<u64>)> for ExpertLoads {
    fn from_iter<I: IntoIterator<Item = (LayerIdx, Vec<u64>)>>(iter: I) -> Self {
        Self { layers: iter.into_iter().collect() }
    }
}

/// The last reports of all gateways.
#[derive(Clone, Debug, Default)]
pub struct LoadWindow {
    /// By the gateway's own random number: when it came, and what it said.
    reports: BTreeMap<u64, (Millis, ExpertLoads)>,
}

impl LoadWindow {
    /// Takes the report of `gateway`: its rows by expert, faded by [`LOAD_HALF_LIFE`] up to `now`.
    pub fn report(&mut self, now: Millis, gateway: u64, rows: ExpertLoads) {
        let kept = |at: Millis| now.since(at).0 < FORGET_HALF_LIVES * LOAD_HALF_LIFE.0;
        self.reports.retain(|_, (at, _)| kept(*at));
        self.reports.insert(gateway, (now, rows));
    }

    /// The load of all gateways together, faded up to `now`; what was not reported is missing.
    pub fn loads(&self, now: Millis) -> ExpertLoads {
        let mut sums: BTreeMap<LayerIdx, Vec<f64>> = BTreeMap::new();
        for (at, report) in self.reports.values() {
            let left = faded(now.since(*at));
            for (layer, rows) in report.layers() {
                let sum = sums.entry(layer).or_default();
                sum.resize(sum.len().max(rows.len()), 0.0);
                sum.iter_mut().zip(rows).for_each(|(sum, rows)| *sum += left * *rows as f64);
            }
        }
        let rounded = |sum: Vec<f64>| sum.into_iter().map(|sum| sum.round() as u64).collect();
        sums.into_iter().map(|(layer, sum)| (layer, rounded(sum))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[u64]) -> ExpertLoads {
        [(LayerIdx(0), rows.to_vec())].into_iter().collect()
    }

    #[test]
    fn reports_add_up_over_gateways_and_fade_with_time() {
        let mut window = LoadWindow::default();
        window.report(Millis(0), 1, rows(&[800, 400]));
        window.report(Millis(0), 2, rows(&[0, 400, 80]));
        assert_eq!(window.loads(Millis(0)), rows(&[800, 800, 80]));
        assert_eq!(window.loads(LOAD_HALF_LIFE), rows(&[400, 400, 40]));
    }

    #[test]
    fn a_report_replaces_the_last_one_of_its_gateway() {
        let mut window = LoadWindow::default();
        window.report(Millis(0), 1, rows(&[800]));
        window.report(LOAD_HALF_LIFE, 1, rows(&[600]));
        window.report(LOAD_HALF_LIFE, 1, rows(&[600]));
        assert_eq!(window.loads(LOAD_HALF_LIFE), rows(&[600]));
    }

    #[test]
    fn a_gateway_that_is_gone_is_forgotten() {
        let mut window = LoadWindow::default();
        window.report(Millis(0), 1, rows(&[1 << 20]));
        let later = Millis(FORGET_HALF_LIVES * LOAD_HALF_LIFE.0);
        assert_eq!(window.loads(later), rows(&[1 << 10]));
        window.report(later, 2, rows(&[5]));
        assert_eq!(window.loads(later), rows(&[5]));
    }
}
