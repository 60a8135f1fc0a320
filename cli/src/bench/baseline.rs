//! Figures of before against those of now. Pure, but for reading the file.

use super::figure::Figure;
use anyhow::Context;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Figures whose ratio is within `1 / NOISE ..= NOISE` count as equal: machines move by so much by themselves.
const NOISE: f64 = 1.15;

/// The medians of an earlier run by figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Baseline {
    medians: BTreeMap<String, f64>,
}

/// A figure against the baseline's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Compared {
    pub(crate) name: String,
    /// Above 1 is better, whatever the figure; `None`: the baseline has no such figure.
    pub(crate) ratio: Option<f64>,
}

impl Compared {
    /// What the ratio means.
    pub(crate) fn verdict(&self) -> &'static str {
        match self.ratio {
            None => "new",
            Some(ratio) if ratio > NOISE => "better",
            Some(ratio) if ratio < 1.0 / NOISE => "worse",
            Some(_) => "same",
        }
    }
}

impl Baseline {
    /// Reads what `--json` wrote.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let value = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))?;
        Self::of(&value).with_context(|| {
            format!(
                "{} has no `figures` with name and median; `conclave bench --json` writes them",
                path.display()
            )
        })
    }

    fn of(report: &Value) -> Option<Self> {
        let figures = report["figures"].as_array()?.iter();
        let median = |figure: &Value| Some((figure["name"].as_str()?.to_owned(), figure["median"].as_f64()?));
        Some(Self { medians: figures.map(median).collect::<Option<_>>()? })
    }

    /// Each figure of now in order.
    pub(crate) fn compare(&self, figures: &[Figure]) -> Vec<Compared> {
        let compare = |figure: &Figure| {
            let ratio = self.medians.get(&figure.name).map(|before| {
                let now = figure.spread()[0];
                if figure.higher_is_better() { now / before } else { before / now }
            });
            Compared { name: figure.name.clone(), ratio }
        };
        figures.iter().map(compare).collect()
    }
}

/// The figures below `least` times the baseline's, as a person reads them.
pub(crate) fn below(compared: &[Compared], least: f64) -> Vec<String> {
    let below = |compared: &Compared| {
        let ratio = compared.ratio.filter(|ratio| *ratio < least)?;
        Some(format!("{} is {ratio:.2}", compared.name))
    };
    compared.iter().filter_map(below).collect()
}

#[cfg(test)]
mod tests {
    use super::super::figure::{Test, Work};
    use super::*;
    use serde_json::json;

    fn rate(sequences: usize, rate: f64) -> Figure {
        Figure::rate(Test::Decode(sequences), Work { tokens: rate, ..Work::default() }, &[1.0])
    }

    fn compared() -> Vec<Compared> {
        let before = json!({"figures": [
            {"name": "b1", "median": 100.0}, {"name": "b4", "median": 100.0},
            {"name": "b8", "median": 100.0}, {"name": "load", "median": 2.0}, {"name": "gone", "median": 1.0},
        ]});
        let now =
            [rate(1, 86.0), rate(4, 130.0), rate(8, 88.0), rate(16, 9.0), Figure::seconds(Test::Load, 4.0)];
        Baseline::of(&before).unwrap().compare(&now)
    }

    #[test]
    fn above_one_is_better_and_fifteen_percent_is_noise() {
        let found: Vec<_> = compared().iter().map(|c| (c.ratio, c.verdict())).collect();
        let expected = [
            (Some(0.86), "worse"),
            (Some(1.3), "better"),
            (Some(0.88), "same"),
            (None, "new"),
            // Twice the seconds is half as good.
            (Some(0.5), "worse"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn only_what_is_below_the_bar_fails_and_is_named() {
        assert_eq!(below(&compared(), 0.85), ["load is 0.50"]);
        assert_eq!(below(&compared(), 0.87), ["b1 is 0.86", "load is 0.50"]);
        assert!(below(&compared(), 0.1).is_empty());
    }

    #[test]
    fn another_file_is_refused() {
        assert_eq!(Baseline::of(&json!({"figures": [{"name": "b1"}]})), None);
        assert_eq!(Baseline::of(&json!([])), None);
    }
}
