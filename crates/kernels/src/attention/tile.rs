//! A tile of keys: 64 absolute positions of one sequence and KV head, wherever their blocks lie.
//!
//! Keeps true: which positions share a tile does not depend on the paging.

use super::kv::{Pages, Shape, Stored};
use crate::lanes::LANES;
use std::ops::Range;

/// Positions of a tile.
pub(super) const TILE: usize = 64;
/// Vectors of positions in a tile.
pub(super) const GROUPS: usize = TILE / LANES;

/// One KV head of one sequence in the cache.
pub(super) struct Head<'a, T> {
    pub(super) pages: &'a Pages<T>,
    pub(super) shape: Shape,
    pub(super) block_table: &'a [u32],
    pub(super) head: usize,
}

/// One tile, found.
pub(super) struct Tile<T> {
    /// For each group of sixteen positions its first dimension, the others `block_size` apart; of no use if
    /// blocks do not hold whole groups.
    pub(super) keys: [*const T; GROUPS],
    /// The first slice of each position's value, the others `block_size * LANES` apart.
    pub(super) values: [*const T; TILE],
    /// Of each position, if the type is scaled.
    pub(super) key_scales: [f32; TILE],
    pub(super) value_scales: [f32; TILE],
}

impl<T> Tile<T> {
    pub(super) fn new() -> Self {
        Self {
            keys: [std::ptr::null(); GROUPS],
            values: [std::ptr::null(); TILE],
            key_scales: [0.0; TILE],
            value_scales: [0.0; TILE],
        }
    }
}

impl<T: Stored> Head<'_, T> {
    /// Whether sixteen positions of a tile lie together in the cache.
    pub(super) fn keys_in_place(&self) -> bool {
        self.shape.block_size.is_multiple_of(LANES)
    }

    /// Calls `run(block, within, at)` for what each block holds of `positions`: `within` the block, and `at` its
    /// distance from the first position.
    #[inline(always)]
    fn runs(&self, positions: Range<usize>, mut run: impl FnMut(usize, Range<usize>, usize)) {
        let size = self.shape.block_size;
        let mut position = positions.start;
        while position < positions.end {
            let within = position % size;
            let len = (size - within).min(positions.end - position);
            let block = self.block_table[position / size] as usize;
            run(block, within..within + len, position - positions.start);
            position += len;
        }
    }

    /// Finds `positions`, which begin at a tile's first.
    #[inline(always)]
    pub(super) fn find(&self, positions: Range<usize>, tile: &mut Tile<T>) {
        let (pages, shape) = (self.pages, &self.shape);
        let keys_in_place = self.keys_in_place();
        self.runs(positions, |block, within, at| {
            if keys_in_place {
                // Runs begin at multiples of sixteen, as blocks and tiles do.
                let keys = &pages.keys[shape.keys_at(block, self.head)..][..shape.key_block()];
                for (group, from) in within.clone().step_by(LANES).enumerate() {
                    tile.keys[at / LANES + group] = keys[from..].as_ptr();
                }
            }
            let values = &pages.values[shape.values_at(block, self.head)..][..shape.value_block()];
            for (value, from) in tile.values[at..at + within.len()].iter_mut().zip(within.clone()) {
                *value = values[from * LANES..].as_ptr();
            }
            if T::SCALED {
                let first = shape.scales_at(block, self.head);
                let (from, to) = (first + within.start..first + within.end, at..at + within.len());
                tile.key_scales[to.clone()].copy_from_slice(&pages.key_scales[from.clone()]);
                tile.value_scales[to].copy_from_slice(&pages.value_scales[from]);
            }
        });
    }

    /// Copies the keys of `positions` to `packed` `[head_dim, TILE]`.
    pub(super) fn pack_keys(&self, positions: Range<usize>, packed: &mut [f32]) {
        let (pages, shape) = (self.pages, &self.shape);
        self.runs(positions, |block, within, at| {
            let keys = &pages.keys[shape.keys_at(block, self.head)..][..shape.key_block()];
            for (keys, packed) in keys.chunks_exact(shape.block_size).zip(packed.chunks_exact_mut(TILE)) {
                for (key, packed) in keys[within.clone()].iter().zip(&mut packed[at..]) {
                    *packed = key.widen();
                }
            }
        });
    }
}
