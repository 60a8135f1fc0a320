//! The pool of KV blocks and the prefix index: who holds a block, and what full blocks contain.
//!
//! Keeps true: a block is either held, or free; free ones that still contain something go last, the longest unused
//! first. Ids and hashes only: equal hashes are taken to mean equal tokens from the first position on.

use conclave_types::BlockId;
use std::collections::{BTreeMap, BTreeSet};

/// Names the content of a full KV block: its tokens and, by chaining, all before it and whose cache it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockHash(pub u128);

#[derive(Clone, Debug, Default)]
struct Block {
    holders: u32,
    content: Option<BlockHash>,
    /// When the last holder let go of it; its place in `idle`.
    released: u64,
}

/// Which KV blocks are free, and which contain what.
#[derive(Debug)]
pub struct BlockPool {
    blocks: Vec<Block>,
    /// Free and of no value; the lowest goes first.
    empty: BTreeSet<BlockId>,
    /// Free but full, by the time of release.
    idle: BTreeMap<u64, BlockId>,
    index: BTreeMap<BlockHash, BlockId>,
    /// Counts releases.
    clock: u64,
}

impl BlockPool {
    /// A pool of `total` free blocks.
    pub fn new(total: u32) -> Self {
        Self {
            blocks: vec![Block::default(); total as usize],
            empty: (0..total).map(BlockId).collect(),
            idle: BTreeMap::new(),
            index: BTreeMap::new(),
            clock: 0,
        }
    }

    /// Blocks that nobody holds.
    pub fn free(&self) -> u32 {
        (self.empty.len() + self.idle.len()) as u32
    }

    /// Free blocks whose content can still be used.
    pub fn cached(&self) -> u32 {
        self.idle.len() as u32
    }

    /// All blocks.
    pub fn total(&self) -> u32 {
        self.blocks.len() as u32
    }

    /// Takes `count` blocks without content, or none if there are too few free ones.
    pub fn take(&mut self, count: u32) -> Option<Vec<BlockId>> {
        if count > self.free() {
            return None;
        }
        let mut one = || {
            let id = self.empty.pop_first().unwrap_or_else(|| {
                let (_, id) = self.idle.pop_first().expect("counted above");
                let content = self.blocks[id.0 as usize].content.take().expect("idle blocks are full");
                self.index.remove(&content);
                id
            });
            self.blocks[id.0 as usize].holders = 1;
            id
        };
        Some((0..count).map(|_| one()).collect())
    }

    /// How many of `hashes`, from the first on, are there, and how many of those are free blocks.
    pub fn matched(&self, hashes: &[BlockHash]) -> (u32, u32) {
        let found = hashes.iter().map_while(|hash| self.index.get(hash));
        found.fold((0, 0), |(all, free), id| {
            (all + 1, free + u32::from(self.blocks[id.0 as usize].holders == 0))
        })
    }

    /// Holds the blocks that contain `hashes`, which [`Self::matched`] found.
    pub fn share(&mut self, hashes: &[BlockHash]) -> Vec<BlockId> {
        let mut one = |hash: &BlockHash| {
            let id = self.index[hash];
            let block = &mut self.blocks[id.0 as usize];
            if block.holders == 0 {
                self.idle.remove(&block.released);
            }
            block.holders += 1;
            id
        };
        hashes.iter().map(&mut one).collect()
    }

    /// Remembers that `block`, which is held and full, contains `hash`. If another block does already, nothing changes.
    pub fn fill(&mut self, block: BlockId, hash: BlockHash) {
        let entry = &mut self.blocks[block.0 as usize];
        debug_assert!(entry.holders > 0, "block {block} is filled by nobody");
        if entry.content.is_none() && !self.index.contains_key(&hash) {
            entry.content = Some(hash);
            self.index.insert(hash, block);
        }
    }

    /// Lets go of blocks, in order of position. Of what stays cached the ends are given up before the beginnings.
    pub fn give_back(&mut self, blocks: Vec<BlockId>) {
        for id in blocks.into_iter().rev() {
            let block = &mut self.blocks[id.0 as usize];
            assert!(block.holders > 0, "block {id} was given back once too often");
            block.holders -= 1;
            if block.holders > 0 {
                continue;
            }
            if block.content.is_some() {
                self.clock += 1;
                block.released = self.clock;
                self.idle.insert(self.clock, id);
            } else {
                self.empty.insert(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(of: &[u128]) -> Vec<BlockHash> {
        of.iter().copied().map(BlockHash).collect()
    }

    /// Two blocks with the contents 1 and 2, given back.
    fn used(total: u32) -> BlockPool {
        let mut pool = BlockPool::new(total);
        let blocks = pool.take(2).unwrap();
        for (block, hash) in blocks.iter().zip(hashes(&[1, 2])) {
            pool.fill(*block, hash);
        }
        pool.give_back(blocks);
        pool
    }

    #[test]
    fn too_few_blocks_are_not_taken_in_part() {
        let mut pool = BlockPool::new(2);
        assert!(pool.take(3).is_none());
        assert_eq!(pool.free(), 2);
    }

    #[test]
    fn what_was_given_back_full_is_found_again_and_can_be_held_twice() {
        let mut pool = used(4);
        assert_eq!((pool.free(), pool.cached()), (4, 2));
        assert_eq!(pool.matched(&hashes(&[1, 2, 3])), (2, 2));
        let first = pool.share(&hashes(&[1, 2]));
        let second = pool.share(&hashes(&[1]));
        assert_eq!((first[0], pool.free()), (second[0], 2));
        pool.give_back(first);
        assert_eq!(pool.matched(&hashes(&[1, 2])), (2, 1), "the second still holds the first block");
        pool.give_back(second);
        assert_eq!(pool.free(), 4);
    }

    #[test]
    fn a_prefix_without_its_beginning_is_not_found() {
        assert_eq!(used(4).matched(&hashes(&[9, 2])), (0, 0));
    }

    #[test]
    fn empty_blocks_go_first_then_the_ends_of_what_is_cached() {
        let mut pool = used(3);
        assert_eq!(pool.take(2).unwrap(), [BlockId(2), BlockId(1)]);
        assert_eq!(pool.matched(&hashes(&[1, 2])), (1, 1));
    }

    #[test]
    #[should_panic(expected = "once too often")]
    fn a_block_is_given_back_once() {
        BlockPool::new(2).give_back(vec![BlockId(1)]);
    }
}
