//! Whether a history of concurrent reads and writes can be explained by one order in which each took effect at a moment
//! between its call and its answer: linearizability, of registers. A search with memory in the manner of Wing and Gong,
//! with Lowe's improvement: a set of operations that were ordered once, with the value they leave, is not tried again.
//!
//! Registers are independent of one another, so each key is checked on its own.

use std::collections::{BTreeMap, HashSet};

/// What a client did, as it saw it. `V` identifies a write; nobody writes the same twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation<V> {
    /// The register.
    pub(crate) key: &'static str,
    pub(crate) kind: Kind<V>,
    /// When it was called. Unit: any, the same in all operations.
    pub(crate) called: u64,
    /// When its answer came; `None`: none came, so that it may take effect at any time after the call, or never.
    pub(crate) answered: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind<V> {
    Write(V),
    /// `None`: what was there before the first write.
    Read(Option<V>),
}

/// A register for which there is no such order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation<V> {
    pub(crate) key: &'static str,
    /// What could be ordered, at most, before the search was stuck.
    pub(crate) longest: Vec<Operation<V>>,
    /// The operation that fits nowhere after that, of those whose answer came first.
    pub(crate) stuck: Operation<V>,
}

/// Checks every register of `history`, which may be in any order.
pub(crate) fn check<V: Clone + Eq>(history: &[Operation<V>]) -> Result<(), Violation<V>> {
    let mut registers: BTreeMap<&'static str, Vec<&Operation<V>>> = BTreeMap::new();
    history.iter().for_each(|operation| registers.entry(operation.key).or_default().push(operation));
    registers.into_iter().try_for_each(|(key, operations)| check_register(key, operations))
}

fn check_register<V: Clone + Eq>(
    key: &'static str,
    mut operations: Vec<&Operation<V>>,
) -> Result<(), Violation<V>> {
    // A write without an answer that nobody read may as well never have happened; a read without an answer says nothing.
    let seen = |value: &V, all: &[&Operation<V>]| {
        all.iter().any(|other| matches!(&other.kind, Kind::Read(Some(read)) if read == value))
    };
    let all = operations.clone();
    operations.retain(|operation| match (&operation.kind, operation.answered) {
        (_, Some(_)) => true,
        (Kind::Write(value), None) => seen(value, &all),
        (Kind::Read(_), None) => false,
    });
    operations.sort_by_key(|operation| operation.called);
    let mut search = Search {
        taken: vec![false; operations.len()],
        operations,
        order: Vec::new(),
        longest: Vec::new(),
        known: HashSet::new(),
    };
    if search.go_on(None) {
        return Ok(());
    }
    let Search { operations, longest, .. } = search;
    let left = (0..operations.len()).filter(|at| !longest.contains(at));
    let stuck =
        left.min_by_key(|at| operations[*at].answered.unwrap_or(u64::MAX)).expect("something is left");
    Err(Violation {
        key,
        longest: longest.iter().map(|at| operations[*at].clone()).collect(),
        stuck: operations[stuck].clone(),
    })
}

struct Search<'a, V> {
    /// By the time of the call.
    operations: Vec<&'a Operation<V>>,
    taken: Vec<bool>,
    /// Indices, in the order found so far.
    order: Vec<usize>,
    longest: Vec<usize>,
    /// What was taken and which write was last, whenever the search came by: all before the first number, and of those
    /// after it the ones that say so.
    known: HashSet<(usize, Vec<bool>, Option<usize>)>,
}

impl<V: Clone + Eq> Search<'_, V> {
    /// Orders what is left after the write `last`; whether that can be done.
    fn go_on(&mut self, last: Option<usize>) -> bool {
        let first = self.taken.iter().position(|taken| !taken).unwrap_or(self.taken.len());
        let free = (first..self.operations.len()).filter(|at| !self.taken[*at]);
        // Nothing may come after an operation whose answer was there before it was called.
        let Some(first_answer) = free.filter_map(|at| self.operations[at].answered).min() else {
            return true;
        };
        let beyond = self.taken.iter().rposition(|taken| *taken).map_or(first, |at| first.max(at + 1));
        if !self.known.insert((first, self.taken[first..beyond].to_vec(), last)) {
            return false;
        }
        for at in first..self.operations.len() {
            let operation = self.operations[at];
            if operation.called > first_answer {
                break;
            }
            if self.taken[at] {
                continue;
            }
            let next = match &operation.kind {
                Kind::Write(_) => Some(at),
                Kind::Read(read) => {
                    let there = last.map(|last| match &self.operations[last].kind {
                        Kind::Write(value) => value,
                        Kind::Read(_) => unreachable!("only writes are last"),
                    });
                    if read.as_ref() != there {
                        continue;
                    }
                    last
                }
            };
            self.taken[at] = true;
            self.order.push(at);
            if self.order.len() > self.longest.len() {
                self.longest.clone_from(&self.order);
            }
            if self.go_on(next) {
                return true;
            }
            self.order.pop();
            self.taken[at] = false;
        }
        false
    }
}

mod tests {
    use super::*;
    use crate::random::Random;

    fn write(value: u32, called: u64, answered: u64) -> Operation<u32> {
        Operation { key: "x", kind: Kind::Write(value), called, answered: Some(answered) }
    }

    fn lost(value: u32, called: u64) -> Operation<u32> {
        Operation { key: "x", kind: Kind::Write(value), called, answered: None }
    }

    fn read(value: impl Into<Option<u32>>, called: u64, answered: u64) -> Operation<u32> {
        Operation { key: "x", kind: Kind::Read(value.into()), called, answered: Some(answered) }
    }

    #[test]
    fn histories_that_one_order_explains_are_accepted() {
        let good: [&[Operation<u32>]; 7] = [
            &[],
            &[read(None, 0, 1), write(1, 2, 3), read(1, 4, 5)],
            // While a write is under way, both values may be read; the older one first.
            &[write(1, 0, 1), write(2, 2, 9), read(1, 3, 4), read(2, 5, 6), read(2, 7, 8)],
            // Two writes at once: either may be last.
            &[write(1, 0, 9), write(2, 0, 9), read(1, 10, 11)],
            &[write(1, 0, 9), write(2, 0, 9), read(2, 10, 11)],
            // A write without an answer: never, or much later.
            &[write(1, 0, 1), lost(2, 2), read(1, 3, 4), read(1, 5, 6)],
            &[write(1, 0, 1), lost(2, 2), read(1, 3, 4), read(2, 50, 60), read(2, 61, 62)],
        ];
        for history in good {
            assert_eq!(check(history), Ok(()), "{history:?}");
        }
    }

    #[test]
    fn histories_that_no_order_explains_are_refused() {
        let bad: [(&str, &[Operation<u32>]); 7] = [
            ("a stale read", &[write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)]),
            ("an acknowledged write that is lost", &[write(1, 0, 1), read(None, 2, 3)]),
            ("a value that nobody wrote", &[write(1, 0, 1), read(7, 2, 3)]),
            ("a value from the future", &[read(1, 0, 1), write(1, 2, 3)]),
            (
                "back and forth, as with two leaders",
                &[write(1, 0, 9), write(2, 0, 9), read(1, 10, 11), read(2, 12, 13), read(1, 14, 15)],
            ),
            ("seen, then unseen", &[write(1, 0, 1), write(2, 2, 20), read(2, 3, 4), read(1, 5, 6)]),
            ("a lost write that is undone", &[write(1, 0, 1), lost(2, 2), read(2, 3, 4), read(1, 5, 6)]),
        ];
        for (what, history) in bad {
            let violation = check(history).expect_err(what);
            assert_eq!(violation.key, "x", "{what}");
        }
    }

    #[test]
    fn a_violation_of_one_register_is_found_among_others() {
        let other = |mut operation: Operation<u32>| {
            operation.key = "y";
            operation
        };
        let history = [write(1, 0, 1), read(1, 2, 3), other(write(2, 0, 1)), other(read(None, 4, 5))];
        assert_eq!(check(&history).expect_err("y is stale").stuck, history[3]);
    }

    /// Every order, tried one by one.
    fn explained(left: &[Operation<u32>], value: Option<u32>) -> bool {
        let must: Vec<&Operation<u32>> = left.iter().filter(|one| one.answered.is_some()).collect();
        if must.is_empty() {
            return true;
        }
        (0..left.len()).any(|at| {
            let one = &left[at];
            if must.iter().any(|other| other.answered.is_some_and(|answered| answered < one.called)) {
                return false;
            }
            let next = match &one.kind {
                Kind::Write(written) => Some(*written),
                Kind::Read(read) if *read == value => value,
                Kind::Read(_) => return false,
            };
            let rest: Vec<_> =
                left.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, o)| o.clone()).collect();
            explained(&rest, next)
        })
    }

    #[test]
    fn it_judges_small_random_histories_as_trying_every_order_does() {
        let seed = 7;
        let mut random = Random::new(seed);
        let mut verdicts = [0, 0];
        for round in 0..4_000 {
            let count = 2 + random.below(5);
            let history: Vec<Operation<u32>> = (0..count)
                .map(|at| {
                    let called = random.below(12);
                    let answered = called + 1 + random.below(6);
                    let (value, lost_one) = (random.below(count) as u32, random.below(6) == 0);
                    let kind = match random.below(2) {
                        0 => Kind::Write(at as u32),
                        _ => Kind::Read(Some(value)),
                    };
                    Operation { key: "x", kind, called, answered: (!lost_one).then_some(answered) }
                })
                .collect();
            let truth = explained(
                &history
                    .iter()
                    .filter(|one| one.answered.is_some() || matches!(one.kind, Kind::Write(_)))
                    .cloned()
                    .collect::<Vec<_>>(),
                None,
            );
            verdicts[usize::from(truth)] += 1;
            assert_eq!(check(&history).is_ok(), truth, "seed {seed}, round {round}: {history:?}");
        }
        assert!(verdicts.iter().all(|count| *count > 400), "one-sided: {verdicts:?}");
    }
}
