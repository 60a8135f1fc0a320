//! How many rows asked for each expert: counted on the way, read by whoever reports them.
//!
//! Keeps true: counting is an addition in an array. Only one thread counts at a time (the engine's), so nothing is
//! lost; were there two, a few counts would be, which a load that fades can bear.

use conclave_control::{ExpertLoads, faded};
use conclave_types::{ExpertIdx, ExpertKey, LayerIdx, Millis};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows by expert since the start.
#[derive(Default)]
pub(crate) struct ExpertCounts {
    layers: BTreeMap<LayerIdx, Vec<AtomicU64>>,
}

impl ExpertCounts {
    /// Of the experts `keys`.
    pub(crate) fn new(keys: impl IntoIterator<Item = ExpertKey>) -> Self {
        let mut layers: BTreeMap<LayerIdx, Vec<AtomicU64>> = BTreeMap::new();
        for key in keys {
            let counts = layers.entry(key.layer).or_default();
            let experts = counts.len().max(key.expert.0 as usize + 1);
            counts.resize_with(experts, AtomicU64::default);
        }
        Self { layers }
    }

    /// One row for each of `experts`.
    pub(super) fn add(&self, layer: LayerIdx, experts: &[ExpertIdx]) {
        let Some(counts) = self.layers.get(&layer) else { return };
        for count in experts.iter().filter_map(|expert| counts.get(expert.0 as usize)) {
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// Rows of each expert, by layer.
    pub(super) fn read(&self) -> BTreeMap<LayerIdx, Vec<u64>> {
        let read = |counts: &Vec<AtomicU64>| counts.iter().map(|c| c.load(Ordering::Relaxed)).collect();
        self.layers.iter().map(|(layer, counts)| (*layer, read(counts))).collect()
    }
}

/// The counts as they fade: what a gateway reports.
#[derive(Default)]
pub(crate) struct FadingCounts {
    last: BTreeMap<LayerIdx, Vec<u64>>,
    faded: BTreeMap<LayerIdx, Vec<f64>>,
}

impl FadingCounts {
    /// Takes what `counts` has grown by in the `passed` time since the last call, and tells what is left of all. `None`:
    /// nothing worth a report.
    pub(crate) fn take(&mut self, counts: &ExpertCounts, passed: Millis) -> Option<ExpertLoads> {
        let left = faded(passed);
        let now = counts.read();
        for (layer, now) in &now {
            let last = self.last.entry(*layer).or_insert_with(|| vec![0; now.len()]);
            let kept = self.faded.entry(*layer).or_insert_with(|| vec![0.0; now.len()]);
            for ((kept, now), last) in kept.iter_mut().zip(now).zip(last) {
                *kept = *kept * left + (now - std::mem::replace(last, *now)) as f64;
            }
        }
        let rounded = |kept: &Vec<f64>| kept.iter().map(|kept| kept.round() as u64).collect();
        let loads: ExpertLoads = self.faded.iter().map(|(layer, kept)| (*layer, rounded(kept))).collect();
        (loads.total() > 0).then_some(loads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_control::LOAD_HALF_LIFE;

    #[test]
    fn counts_grow_by_rows_and_fade_by_the_half_life() {
        let counts = ExpertCounts::new((0..3).map(|expert| ExpertKey::new(1, expert)));
        let mut fading = FadingCounts::default();
        assert_eq!(fading.take(&counts, Millis(0)), None, "nothing was asked yet");
        counts.add(LayerIdx(1), &[2, 0, 2, 2, 9].map(ExpertIdx));
        counts.add(LayerIdx(0), &[ExpertIdx(0)]);
        counts.add(LayerIdx(1), &[2].map(ExpertIdx));
        let loads = |rows: [u64; 3]| Some([(LayerIdx(1), rows.to_vec())].into_iter().collect());
        assert_eq!(fading.take(&counts, Millis(0)), loads([1, 0, 4]));
        counts.add(LayerIdx(1), &[1, 1].map(ExpertIdx));
        assert_eq!(fading.take(&counts, LOAD_HALF_LIFE), loads([1, 2, 2]));
    }
}
