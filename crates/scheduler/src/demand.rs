//! How many KV blocks sequences will need until their end, what several of them share counted once.
//!
//! Keeps true: what was added and taken out again leaves nothing behind; the sum is that of any order. An estimate: an
//! answer may end early, and what is cached may be found again. Does not know which blocks these will be.

use crate::BlockHash;
use std::collections::BTreeMap;

/// What one sequence needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need<'a> {
    /// Blocks for prompt and whole answer, those of `hashes` included.
    pub blocks: u32,
    /// The names of its first full blocks; another sequence with the same ones shares them.
    pub hashes: &'a [BlockHash],
}

/// The need of several sequences together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Blocks that nobody can share.
    own: u64,
    /// How many sequences begin with each block.
    shared: BTreeMap<BlockHash, u32>,
}

impl Demand {
    /// That of `needs`.
    pub fn of<'a>(needs: impl IntoIterator<Item = Need<'a>>) -> Self {
        let mut demand = Self::default();
        needs.into_iter().for_each(|need| demand.add(need));
        demand
    }

    /// KV blocks for all.
    pub fn blocks(&self) -> u64 {
        self.own + self.shared.len() as u64
    }

    /// How many blocks more it would be with `needs`.
    pub fn more(&self, needs: &[Need<'_>]) -> u64 {
        let added = Self::of(needs.iter().copied());
        added.own + added.shared.keys().filter(|hash| !self.shared.contains_key(hash)).count() as u64
    }

    pub(crate) fn add(&mut self, need: Need<'_>) {
        self.own += u64::from(need.blocks) - need.hashes.len() as u64;
        for hash in need.hashes {
            *self.shared.entry(*hash).or_default() += 1;
        }
    }

    /// Takes out what was added.
    pub(crate) fn remove(&mut self, need: Need<'_>) {
        self.own -= u64::from(need.blocks) - need.hashes.len() as u64;
        for hash in need.hashes {
            let sequences = self.shared.get_mut(hash).expect("it was added");
            *sequences -= 1;
            if *sequences == 0 {
                self.shared.remove(hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_prefix_counts_once_for_as_long_as_anybody_has_it() {
        let story: Vec<BlockHash> = [1, 2, 3].into_iter().map(BlockHash).collect();
        let long = Need { blocks: 5, hashes: &story };
        let short = Need { blocks: 4, hashes: &story[..2] };
        let alone = Need { blocks: 7, hashes: &[] };
        let mut demand = Demand::of([long, alone]);
        assert_eq!(demand.blocks(), 12);
        assert_eq!((demand.more(&[short]), demand.more(&[long, long]), demand.more(&[alone])), (2, 4, 7));
        demand.add(short);
        demand.remove(long);
        assert_eq!(demand, Demand::of([alone, short]));
        demand.remove(alone);
        demand.remove(short);
        assert_eq!(demand, Demand::default());
    }
}
