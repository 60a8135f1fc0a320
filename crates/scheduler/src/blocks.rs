//! The pool of KV blocks. Keeps true: free + held = total; the lowest free id goes first. Ids only.

use conclave_types::BlockId;
use std::collections::BTreeSet;

/// Which KV blocks are free.
#[derive(Debug)]
pub struct BlockPool {
    free: BTreeSet<BlockId>,
    total: u32,
}

impl BlockPool {
    /// A pool of `total` free blocks.
    pub fn new(total: u32) -> Self {
        Self { free: (0..total).map(BlockId).collect(), total }
    }

    /// Blocks that nobody holds.
    pub fn free(&self) -> u32 {
        self.free.len() as u32
    }

    /// All blocks.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Takes `count` blocks, or none if there are too few.
    pub fn take(&mut self, count: u32) -> Option<Vec<BlockId>> {
        if count > self.free() {
            return None;
        }
        Some((0..count).map(|_| self.free.pop_first().expect("counted above")).collect())
    }

    /// Gives blocks back.
    pub fn give_back(&mut self, blocks: impl IntoIterator<Item = BlockId>) {
        for block in blocks {
            assert!(block.0 < self.total && self.free.insert(block), "block {block} was given back twice");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_blocks_are_not_taken_in_part() {
        let mut pool = BlockPool::new(2);
        assert!(pool.take(3).is_none());
        assert_eq!(pool.free(), 2);
    }

    #[test]
    #[should_panic(expected = "given back twice")]
    fn a_block_is_given_back_once() {
        BlockPool::new(2).give_back([BlockId(1)]);
    }
}
