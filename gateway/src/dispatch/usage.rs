//! How many rows each expert was routed, for the heat map.
//!
//! Keeps true: it is counted in plain integers on the engine's thread and turned into metrics only when somebody reads
//! them; there are never more than [`SERIES_MAX`] series, whatever the model.

use conclave_types::{ExpertIdx, LayerIdx};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Most series. A model with more experts has neighbours counted together.
const SERIES_MAX: usize = 2048;

/// Rows by layer and expert.
#[derive(Default)]
pub(super) struct Usage(Mutex<BTreeMap<LayerIdx, Vec<u64>>>);

impl Usage {
    /// Counts one layer's routing.
    pub(super) fn count(&self, layer: LayerIdx, experts: &[ExpertIdx]) {
        let mut rows = self.0.lock().expect("no panic holds this lock");
        let rows = rows.entry(layer).or_default();
        for ExpertIdx(expert) in experts {
            let expert = *expert as usize;
            if rows.len() <= expert {
                rows.resize(expert + 1, 0);
            }
            rows[expert] += 1;
        }
    }

    /// Layer, the experts' name and their rows.
    fn series(&self) -> Vec<(LayerIdx, String, u64)> {
        let rows = self.0.lock().expect("no panic holds this lock");
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

    /// Makes metrics of it.
    pub(super) fn tell(&self) {
        for (layer, experts, rows) in self.series() {
            let labels = [("layer", layer.0.to_string()), ("expert", experts)];
            metrics::counter!("conclave_expert_rows_total", &labels).absolute(rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_layer_and_expert() {
        let usage = Usage::default();
        usage.count(LayerIdx(1), &[0, 2, 2].map(ExpertIdx));
        usage.count(LayerIdx(1), &[2].map(ExpertIdx));
        let series: Vec<(u32, String, u64)> =
            usage.series().into_iter().map(|(layer, name, rows)| (layer.0, name, rows)).collect();
        assert_eq!(series, [(1, "0".to_owned(), 1), (1, "1".to_owned(), 0), (1, "2".to_owned(), 3)]);
    }

    #[test]
    fn a_large_model_has_neighbours_counted_together() {
        let usage = Usage::default();
        (0..60).for_each(|layer| usage.count(LayerIdx(layer), &[0, 1, 255].map(ExpertIdx)));
        let series = usage.series();
        assert!(series.len() <= SERIES_MAX + 60, "{}", series.len());
        assert_eq!(series[0], (LayerIdx(0), "0-7".to_owned(), 2));
        assert_eq!(series.iter().map(|(_, _, rows)| rows).sum::<u64>(), 180);
    }
}
