//! The rows of each expert as metrics, for the heat map.
//!
//! Keeps true: metrics are made only when somebody reads them; there are never more than [`SERIES_MAX`] series and one a
//! layer, whatever the model.

use super::counts::ExpertCounts;
use conclave_types::LayerIdx;

/// Most series. A model with more experts has neighbours counted together.
const SERIES_MAX: usize = 2048;

/// Makes metrics of `counts`.
pub(super) fn tell(counts: &ExpertCounts) {
    for (layer, experts, rows) in series(counts) {
        let labels = [("layer", layer.0.to_string()), ("expert", experts)];
        metrics::counter!("conclave_expert_rows_total", &labels).absolute(rows);
    }
}

/// Layer, the experts' name and their rows.
fn series(counts: &ExpertCounts) -> Vec<(LayerIdx, String, u64)> {
    let rows = counts.read();
    let experts = rows.values().map(Vec::len).max().unwrap_or(0);
    let group = (rows.len() * experts).div_ceil(SERIES_MAX).max(1);
    let mut series = Vec::new();
    for (layer, rows) in rows.iter() {
        for (at, part) in rows.chunks(group).enumerate() {
            let first = at * group;
            let name = match part.len() {
                1 => first.to_string(),
                experts => format!("{first}-{}", first + experts - 1),
            };
            series.push((*layer, name, part.iter().sum()));
        }
    }
    series
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_types::{ExpertIdx, ExpertKey};

    #[test]
    fn rows_are_told_by_layer_and_expert() {
        let counts = ExpertCounts::new((0..3).map(|expert| ExpertKey::new(1, expert)));
        counts.add(LayerIdx(1), &[0, 2, 2, 2].map(ExpertIdx));
        let series: Vec<(u32, String, u64)> =
            series(&counts).into_iter().map(|(layer, name, rows)| (layer.0, name, rows)).collect();
        assert_eq!(series, [(1, "0".to_owned(), 1), (1, "1".to_owned(), 0), (1, "2".to_owned(), 3)]);
    }

    #[test]
    fn a_large_model_has_neighbours_counted_together() {
        let keys = (0..60).flat_map(|layer| (0..256).map(move |expert| ExpertKey::new(layer, expert)));
        let counts = ExpertCounts::new(keys);
        (0..60).for_each(|layer| counts.add(LayerIdx(layer), &[0, 1, 255].map(ExpertIdx)));
        let series = series(&counts);
        assert!(series.len() <= SERIES_MAX + 60, "{}", series.len());
        assert_eq!(series[0], (LayerIdx(0), "0-7".to_owned(), 2));
        assert_eq!(series.iter().map(|(_, _, rows)| rows).sum::<u64>(), 180);
    }
}
