//! When a sweep has gone far enough. Pure.

/// A level has grown if its throughput is so much above the best before it.
const GROWTH: f64 = 1.05;
/// The time to the first token has risen if it is so many times that of the best level before.
const RISE: f64 = 1.5;

/// What a level of a sweep found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Level {
    pub(crate) output_tok_s: f64,
    /// `None`: no request was answered.
    pub(crate) ttft_p50_s: Option<f64>,
}

/// Why the next level would only queue, if so.
///
/// Throughput no longer grows and the time to the first token rises; or throughput has not grown for two levels; or
/// nothing is answered any more.
pub(crate) fn saturated(levels: &[Level]) -> Option<String> {
    let (last, before) = levels.split_last()?;
    let Some(ttft) = last.ttft_p50_s else {
        return Some("no request of this level was answered".to_owned());
    };
    let best =
        |levels: &[Level]| levels.iter().copied().max_by(|a, b| a.output_tok_s.total_cmp(&b.output_tok_s));
    let grew = |level: &Level, before: &[Level]| {
        best(before).is_none_or(|best| level.output_tok_s > best.output_tok_s * GROWTH)
    };
    let best = best(before)?;
    let risen = best.ttft_p50_s.is_some_and(|best| ttft > best * RISE);
    if grew(last, before) {
        return None;
    }
    if risen {
        return Some(format!(
            "{:.0} tokens/s are no more than {:.0} before, and the first token takes {:.1} times as long",
            last.output_tok_s,
            best.output_tok_s,
            ttft / best.ttft_p50_s.unwrap_or(ttft)
        ));
    }
    let (previous, earlier) = before.split_last()?;
    (!earlier.is_empty() && !grew(previous, earlier))
        .then(|| "throughput has not grown for two levels".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(levels: &[(f64, f64)]) -> Option<String> {
        let level = |(output_tok_s, ttft): &(f64, f64)| Level {
            output_tok_s: *output_tok_s,
            ttft_p50_s: Some(*ttft),
        };
        saturated(&levels.iter().map(level).collect::<Vec<_>>())
    }

    #[test]
    fn a_sweep_goes_on_while_throughput_grows() {
        assert_eq!(stops(&[(100.0, 0.1)]), None);
        assert_eq!(stops(&[(100.0, 0.1), (190.0, 0.12), (300.0, 0.9)]), None);
    }

    #[test]
    fn it_stops_when_more_load_only_waits() {
        assert!(stops(&[(100.0, 0.1), (300.0, 0.2), (305.0, 0.4)]).unwrap().contains("2.0 times as long"));
    }

    #[test]
    fn one_flat_level_may_be_noise_and_two_are_not() {
        assert_eq!(stops(&[(100.0, 0.1), (300.0, 0.2), (301.0, 0.2)]), None);
        assert!(
            stops(&[(100.0, 0.1), (300.0, 0.2), (301.0, 0.2), (299.0, 0.25)]).unwrap().contains("two levels")
        );
    }

    #[test]
    fn a_level_without_answers_is_the_last() {
        let dead = Level { output_tok_s: 0.0, ttft_p50_s: None };
        assert!(saturated(&[dead]).unwrap().contains("no request"));
        assert_eq!(saturated(&[]), None);
    }
}
