//! Whether reads of the placement fit one placement that only moves on. Only the leader writes it, with a number that grows
//! by each publication, so no search is needed: nobody may see an older one than somebody had seen before he asked, and
//! nobody another one under the same number.

use std::collections::BTreeMap;

/// What a client saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The number of the placement.
    pub(crate) epoch: u64,
    /// The homes of one expert in it.
    pub(crate) homes: Vec<u64>,
    /// When it asked and was answered. Unit: any, the same in all.
    pub(crate) called: u64,
    pub(crate) answered: u64,
}

/// Checks reads that may be in any order; two that contradict each other if they fit no such placement.
pub(crate) fn check_placements(seen: &[Seen]) -> Result<(), [Seen; 2]> {
    let mut first: BTreeMap<u64, &Seen> = BTreeMap::new();
    for one in seen {
        let other = *first.entry(one.epoch).or_insert(one);
        if other.homes != one.homes {
            return Err([other.clone(), one.clone()]);
        }
    }
    let (mut called, mut answered): (Vec<&Seen>, Vec<&Seen>) = (seen.iter().collect(), seen.iter().collect());
    called.sort_by_key(|one| one.called);
    answered.sort_by_key(|one| one.answered);
    let mut answered = answered.into_iter().peekable();
    let mut newest: Option<&Seen> = None;
    for one in called {
        while let Some(before) = answered.next_if(|other| other.answered < one.called) {
            newest = newest.filter(|newest| newest.epoch >= before.epoch).or(Some(before));
        }
        if let Some(newest) = newest.filter(|newest| newest.epoch > one.epoch) {
            return Err([newest.clone(), one.clone()]);
        }
    }
    Ok(())
}

mod tests {
    use super::*;

    fn seen(epoch: u64, home: u64, called: u64, answered: u64) -> Seen {
        Seen { epoch, homes: vec![home], called, answered }
    }

    #[test]
    fn reads_at_once_may_differ_and_later_ones_move_on() {
        let good: [&[Seen]; 3] = [
            &[],
            &[seen(1, 5, 0, 1), seen(1, 5, 2, 3), seen(4, 5, 4, 5), seen(6, 7, 6, 7)],
            &[seen(2, 6, 0, 4), seen(1, 5, 1, 3), seen(2, 6, 5, 6)],
        ];
        for history in good {
            assert_eq!(check_placements(history), Ok(()));
        }
    }

    #[test]
    fn an_older_placement_after_a_newer_and_two_of_one_number_are_found() {
        let stale = [seen(1, 5, 10, 11), seen(2, 6, 0, 9), seen(3, 7, 12, 13)];
        assert_eq!(check_placements(&stale), Err([stale[1].clone(), stale[0].clone()]));
        let split = [seen(2, 6, 0, 9), seen(2, 7, 1, 8)];
        assert_eq!(check_placements(&split), Err([split[0].clone(), split[1].clone()]));
    }
}
