//! Figures of before against those of now. Pure.

use crate::summary::Figure;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Better,
    Same,
    Worse,
    /// The baseline has no such figure.
    New,
}

impl Verdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Same => "same",
            Self::Worse => "worse",
            Self::New => "new",
        }
    }
}

/// A figure against the baseline's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Compared {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) now: f64,
    pub(crate) before: Option<f64>,
    /// Now over before.
    pub(crate) ratio: Option<f64>,
    pub(crate) verdict: Verdict,
}

/// The figures of an earlier test.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Baseline(BTreeMap<String, f64>);

impl Baseline {
    /// Of what `--json` wrote; `None` if it is something else.
    pub(crate) fn of(report: &Value) -> Option<Self> {
        let figures = report["figures"].as_array()?.iter();
        let value = |figure: &Value| Some((figure["name"].as_str()?.to_owned(), figure["value"].as_f64()?));
        Some(Self(figures.map(value).collect::<Option<_>>()?))
    }

    /// Each figure of now, in order. Within `noise` (a share) of each other two values are the same.
    pub(crate) fn compare(&self, figures: &[Figure], noise: f64) -> Vec<Compared> {
        let compare = |figure: &Figure| {
            let before = self.0.get(&figure.name).copied();
            let ratio = before.filter(|before| *before > 0.0).map(|before| figure.value / before);
            let gain = ratio.map(|ratio| if figure.higher_is_better { ratio } else { 1.0 / ratio });
            let verdict = match (before, gain) {
                (None, _) => Verdict::New,
                (_, Some(gain)) if gain > 1.0 + noise => Verdict::Better,
                (_, Some(gain)) if gain < 1.0 / (1.0 + noise) => Verdict::Worse,
                // From nothing to something.
                (Some(_), None) if figure.value > 0.0 && figure.higher_is_better => Verdict::Better,
                (Some(_), None) if figure.value > 0.0 => Verdict::Worse,
                _ => Verdict::Same,
            };
            Compared {
                name: figure.name.clone(),
                unit: figure.unit,
                now: figure.value,
                before,
                ratio,
                verdict,
            }
        };
        figures.iter().map(compare).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn figure(name: &str, higher_is_better: bool, value: f64) -> Figure {
        Figure { name: name.to_owned(), unit: "", higher_is_better, value }
    }

    #[test]
    fn outside_the_noise_band_a_figure_is_better_or_worse() {
        let before = json!({"figures": [
            {"name": "tok", "value": 100.0}, {"name": "ttft", "value": 100.0}, {"name": "zero", "value": 0.0},
        ]});
        let baseline = Baseline::of(&before).unwrap();
        let verdict = |name: &str, higher: bool, value: f64| {
            baseline.compare(&[figure(name, higher, value)], 0.05)[0].verdict
        };
        assert_eq!(verdict("tok", true, 106.0), Verdict::Better);
        assert_eq!(verdict("tok", true, 96.0), Verdict::Same);
        assert_eq!(verdict("tok", true, 90.0), Verdict::Worse);
        assert_eq!(verdict("ttft", false, 90.0), Verdict::Better);
        assert_eq!(verdict("ttft", false, 106.0), Verdict::Worse);
        assert_eq!(verdict("other", true, 1.0), Verdict::New);
        assert_eq!(verdict("zero", true, 1.0), Verdict::Better);
        assert_eq!(verdict("zero", false, 0.0), Verdict::Same);
    }

    #[test]
    fn another_file_is_refused() {
        assert_eq!(Baseline::of(&json!({"figures": [{"name": "tok"}]})), None);
        assert_eq!(Baseline::of(&json!([])), None);
    }
}
