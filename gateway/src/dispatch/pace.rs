//! How fast calls are answered: time a unit of work, as quantiles that fade and as a trend. Pure.
//!
//! Keeps true: what a call asked for is divided out, so that a large one does not look slow; one outlier moves neither
//! the quantiles nor the trend far; what is old is forgotten by newer answers, not by time.

use std::time::Duration;

/// Buckets of an octave: a bucket is 19 % wide.
const STEPS: f32 = 4.0;
/// From 1 ns to 4 s a unit.
const BUCKETS: usize = 128;
/// At so many answers all counts are halved.
const KEPT: u32 = 512;
/// Weight of the newest answer in the trend.
const NEWEST: f32 = 1.0 / 16.0;
/// Before so many answers nothing is said.
const ENOUGH: u32 = 16;

/// The answers of one node in one lane.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    counts: [u16; BUCKETS],
    total: u32,
    /// Mean of log2 of the nanoseconds a unit, the newest weighted most.
    trend: f32,
    samples: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], total: 0, trend: 0.0, samples: 0 }
    }
}

impl Pace {
    /// A call of `work` units was answered after `took`, or was given up then.
    pub(super) fn add(&mut self, work: f32, took: Duration) {
        let log = (took.as_nanos() as f32 / work).max(1.0).log2();
        let bucket = ((log * STEPS) as usize).min(BUCKETS - 1);
        self.counts[bucket] += 1;
        self.total += 1;
        if self.total >= KEPT {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().map(|count| u32::from(*count)).sum();
        }
        self.samples = self.samples.saturating_add(1);
        self.trend += (log - self.trend) * NEWEST.max(1.0 / self.samples as f32);
    }

    /// Nanoseconds a unit that a `share` of the answers did not exceed, rounded up to a bucket's end; `None`: too few.
    pub(super) fn quantile(&self, share: f32) -> Option<f32> {
        if self.total < ENOUGH {
            return None;
        }
        let rank = (self.total as f32 * share).ceil() as u32;
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += u32::from(*count);
            seen >= rank
        });
        bucket.map(|bucket| ((bucket + 1) as f32 / STEPS).exp2())
    }

    /// log2 of the nanoseconds a unit of late; `None`: too few answers.
    pub(super) fn trend(&self) -> Option<f32> {
        (self.samples >= ENOUGH).then_some(self.trend)
    }
}

/// `work` units at `nanos` each.
pub(super) fn time(nanos: f32, work: f32) -> Duration {
    Duration::from_nanos((nanos * work) as u64)
}

/// The middle one, of an even number the lower.
pub(super) fn lower_median(mut values: Vec<f32>) -> Option<f32> {
    values.sort_by(f32::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: fn(u64) -> Duration = Duration::from_micros;

    fn within(found: Option<f32>, low: f32, high: f32) -> bool {
        found.is_some_and(|found| (low..=high).contains(&found))
    }

    #[test]
    fn quantiles_are_of_a_unit_whatever_calls_ask_for() {
        let mut pace = Pace::default();
        for work in [10, 1_000].into_iter().cycle().take(100) {
            pace.add(work as f32, US(work));
        }
        assert!(within(pace.quantile(0.5), 1_000.0, 1_200.0), "{:?}", pace.quantile(0.5));
        assert!(within(pace.quantile(0.99), 1_000.0, 1_200.0), "a call of much work is not a slow one");
    }

    #[test]
    fn nothing_is_said_of_a_few_answers() {
        let mut pace = Pace::default();
        (0..ENOUGH - 1).for_each(|_| pace.add(1.0, US(1)));
        assert_eq!((pace.quantile(0.5), pace.trend()), (None, None));
        pace.add(1.0, US(1));
        assert!(pace.quantile(0.5).is_some() && pace.trend().is_some());
    }

    #[test]
    fn an_outlier_moves_neither_the_tail_nor_the_trend_and_what_lasts_moves_both() {
        let mut pace = Pace::default();
        (0..400).for_each(|_| pace.add(1.0, US(1)));
        pace.add(1.0, Duration::from_secs(1));
        assert!(within(pace.quantile(0.99), 1_000.0, 1_200.0));
        // A million times as slow is one sixteenth of twenty octaves.
        assert!(within(pace.trend(), 9.9, 11.3), "{:?}", pace.trend());
        (0..32).for_each(|_| pace.add(1.0, US(10)));
        assert!(within(pace.quantile(0.99), 10_000.0, 12_000.0));
        (0..600).for_each(|_| pace.add(1.0, US(10)));
        assert!(within(pace.quantile(0.5), 10_000.0, 12_000.0), "the old is forgotten");
        assert!(within(pace.trend(), 13.2, 13.4), "{:?}", pace.trend());
    }

    #[test]
    fn the_extremes_have_buckets() {
        let mut pace = Pace::default();
        (0..ENOUGH).for_each(|_| pace.add(1e9, Duration::ZERO));
        (0..ENOUGH).for_each(|_| pace.add(1.0, Duration::from_secs(3_600)));
        assert!(within(pace.quantile(0.5), 1.0, 1.2) && pace.quantile(1.0).unwrap() > 4e9);
    }

    #[test]
    fn the_median_of_an_even_number_is_the_lower() {
        assert_eq!(lower_median(vec![]), None);
        assert_eq!(lower_median(vec![9.0, 1.0]), Some(1.0));
        assert_eq!(lower_median(vec![9.0, 1.0, 5.0]), Some(5.0));
    }
}
