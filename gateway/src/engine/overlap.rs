//! Into how many micro-batches a step is cut, so that the trunk works on one while the rows of others are away.
//!
//! Keeps true: the choice changes no bit, since a row's result depends on its own sequence alone; it follows from times
//! that were measured here, so what does not pay is not done. Told times, reads no clock.

use std::collections::BTreeMap;

/// What a step may be cut into. More parts hide a longer way to the experts; each part reads the weights again.
const PARTS: [usize; 3] = [1, 2, 4];
/// Fewer rows than this for a part are not worth a call.
const ROWS_MIN: usize = 4;
/// Steps that each number of parts is tried for before one is preferred.
const TRIALS: u32 = 4;
/// Every so many steps another number is tried again: links and loads change.
const RETRY: u64 = 128;
/// Weight of the newest time in the mean.
const NEWEST: f64 = 0.2;
/// What one part more has to save, so that noise alone decides nothing.
const GAIN: f64 = 0.97;

#[derive(Clone, Copy, Debug, Default)]
struct Tried {
    steps: u32,
    seconds_per_row: f64,
}

/// `--overlap`: when steps are cut into micro-batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Overlap {
    /// Where experts are away and it was measured to pay.
    #[default]
    Auto,
    /// Never.
    Off,
    /// In two, whatever it costs.
    Two,
    /// In four, whatever it costs.
    Four,
}

/// Remembers what cutting has cost or saved, by the size of steps.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    overlap: Overlap,
    /// For each power of two of rows what was tried.
    sizes: BTreeMap<u32, [Tried; PARTS.len()]>,
    steps: u64,
}

impl Cutter {
    pub(super) fn new(overlap: Overlap) -> Self {
        Self { overlap, ..Self::default() }
    }

    /// Into how many parts to cut a step of `rows`; `away`: whether experts are computed elsewhere.
    pub(super) fn parts(&mut self, rows: usize, away: bool) -> usize {
        let most = (rows / ROWS_MIN).max(1);
        match self.overlap {
            Overlap::Off => 1,
            Overlap::Two => most.min(2),
            Overlap::Four => most.min(4),
            Overlap::Auto if !away => 1,
            Overlap::Auto => {
                self.steps += 1;
                let tried = self.sizes.entry(rows.ilog2()).or_default();
                let choices = || (0..PARTS.len()).filter(|at| PARTS[*at] <= most);
                let fewest = choices().min_by_key(|at| tried[*at].steps).unwrap_or(0);
                if tried[fewest].steps < TRIALS || self.steps.is_multiple_of(RETRY) {
                    return PARTS[fewest];
                }
                let best = choices().reduce(|best, other| {
                    let saves = tried[other].seconds_per_row < tried[best].seconds_per_row * GAIN;
                    if saves { other } else { best }
                });
                PARTS[best.unwrap_or(0)]
            }
        }
    }

    /// A step of `rows` in `parts` took `seconds`.
    pub(super) fn took(&mut self, rows: usize, parts: usize, seconds: f64) {
        let Some(at) = PARTS.iter().position(|other| *other == parts) else { return };
        let tried = &mut self.sizes.entry(rows.ilog2()).or_default()[at];
        let now = seconds / rows as f64;
        let weight = if tried.steps == 0 { 1.0 } else { NEWEST };
        tried.seconds_per_row += (now - tried.seconds_per_row) * weight;
        tried.steps = tried.steps.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of the last of many steps of 32 rows that take `seconds(parts)`.
    fn settled(seconds: impl Fn(usize) -> f64) -> usize {
        let mut cutter = Cutter::default();
        (0..100).fold(0, |_, _| {
            let parts = cutter.parts(32, true);
            cutter.took(32, parts, seconds(parts));
            parts
        })
    }

    #[test]
    fn what_was_fastest_is_used() {
        assert_eq!(settled(|parts| if parts == 2 { 0.5 } else { 1.0 }), 2);
        assert_eq!(settled(|parts| 1.0 / parts as f64), 4);
        assert_eq!(settled(|parts| parts as f64), 1);
    }

    #[test]
    fn a_saving_within_the_noise_is_none() {
        assert_eq!(settled(|parts| 1.0 - parts as f64 * 0.005), 1);
    }

    #[test]
    fn a_change_is_noticed() {
        let mut cutter = Cutter::default();
        let mut run = |steps: usize, seconds: &dyn Fn(usize) -> f64| {
            (0..steps).fold(0, |_, _| {
                let parts = cutter.parts(32, true);
                cutter.took(32, parts, seconds(parts));
                parts
            })
        };
        assert_eq!(run(100, &|parts| parts as f64), 1);
        assert_eq!(run(20_000, &|parts| 1.0 / parts as f64), 4);
    }

    #[test]
    fn few_rows_and_local_experts_are_not_cut() {
        let mut cutter = Cutter::default();
        assert!((0..50).all(|_| cutter.parts(7, true) == 1));
        assert!((0..50).all(|_| cutter.parts(64, false) == 1));
        assert_eq!(Cutter::new(Overlap::Four).parts(9, false), 2);
    }
}
