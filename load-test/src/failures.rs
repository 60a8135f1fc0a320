//! What went wrong, grouped so that a thousand equal failures are one line. Pure.

use crate::record::{Failure, Record, Status};
use crate::stats::Distribution;
use std::collections::BTreeMap;

/// Failures of one kind, code and message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FailureGroup {
    /// The first of them; numbers in the messages of the others may differ.
    pub(crate) first: Failure,
    pub(crate) count: usize,
}

/// Requests for which the server had no room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Refused {
    pub(crate) count: usize,
    /// From the scheduled send to the refusal.
    pub(crate) latency_s: Distribution,
    /// How long the server asked to wait, where it did.
    pub(crate) retry_after_s: Option<Distribution>,
}

/// The message with each number as `#`: ids and times must not make a group of each failure.
fn shape(message: &str) -> String {
    let mut shape = String::new();
    for letter in message.chars() {
        match letter.is_ascii_digit() {
            true if shape.ends_with('#') => {}
            true => shape.push('#'),
            false => shape.push(letter),
        }
    }
    shape
}

/// The most frequent first.
pub(crate) fn group<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<FailureGroup> {
    let mut groups: BTreeMap<_, FailureGroup> = BTreeMap::new();
    for record in records {
        if let Status::Failed(failure) = &record.status {
            let key = (failure.kind, &failure.code, shape(&failure.message));
            let group =
                groups.entry(key).or_insert_with(|| FailureGroup { first: failure.clone(), count: 0 });
            group.count += 1;
        }
    }
    let mut groups: Vec<FailureGroup> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

/// `None` if nothing was refused.
pub(crate) fn refused<'a>(records: impl IntoIterator<Item = &'a Record>) -> Option<Refused> {
    let refusals: Vec<(f64, Option<f64>)> = records
        .into_iter()
        .filter_map(|record| match record.status {
            Status::Refused { retry_after_s, .. } => Some((record.e2e_s(), retry_after_s)),
            _ => None,
        })
        .collect();
    Some(Refused {
        count: refusals.len(),
        latency_s: Distribution::of(refusals.iter().map(|(latency, _)| *latency))?,
        retry_after_s: Distribution::of(refusals.iter().filter_map(|(_, after)| *after)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FailureKind;
    use crate::record::made::*;

    #[test]
    fn equal_failures_are_one_group_whatever_their_numbers() {
        let records = [
            ended(0, 0.0, 1.0, failed(FailureKind::Http, "500", "broken")),
            ended(1, 0.0, 1.0, failed(FailureKind::Event, "expert_unavailable", "layer 3 has no expert 17")),
            ended(2, 0.0, 1.0, failed(FailureKind::Event, "expert_unavailable", "layer 12 has no expert 4")),
            ended(3, 0.0, 1.0, failed(FailureKind::Event, "internal", "layer 12 has no expert 4")),
            answered(4, 0.0, &[1.0]),
        ];
        let groups = group(&records);
        let found: Vec<_> =
            groups.iter().map(|g| (g.count, g.first.code.as_str(), g.first.message.as_str())).collect();
        assert_eq!(
            found,
            [
                (2, "expert_unavailable", "layer 3 has no expert 17"),
                (1, "500", "broken"),
                (1, "internal", "layer 12 has no expert 4"),
            ]
        );
    }

    #[test]
    fn refusals_are_no_failures_and_have_latencies_of_their_own() {
        let refusal = |retry_after_s| Status::Refused { code: 429, retry_after_s };
        let records = [ended(0, 1.0, 1.5, refusal(Some(2.0))), ended(1, 1.0, 2.5, refusal(None))];
        assert!(group(&records).is_empty());
        let refused = refused(&records).unwrap();
        assert_eq!((refused.count, refused.latency_s.p50), (2, 1.0));
        assert_eq!(refused.retry_after_s.map(|after| (after.count, after.max)), Some((1, 2.0)));
    }
}
