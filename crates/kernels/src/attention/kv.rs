//! The paged KV cache of one layer: where each key and value lies, and how it is rounded when it is written.
//!
//! Keeps true: what is stored for a position depends on that position's key and value alone. Keys lie
//! transposed within a block, so that sixteen positions of one dimension are one vector; values lie in slices of
//! sixteen dimensions. Knows no queries.

use super::SequenceRows;
use crate::aligned::Aligned;
use crate::lanes::LANES;
use crate::pool::{Disjoint, Pool};
use crate::vector::Element;
use half::bf16;

/// How keys and values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvDtype {
    /// As computed.
    F32,
    /// Rounded to nearest even.
    Bf16,
    /// Whole numbers in -127..=127 times one f32 scale for each position and KV head: the largest magnitude
    /// over 127; rounded to nearest even.
    Q8,
}

impl KvDtype {
    /// The name in options and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Q8 => "q8",
        }
    }

    /// Bytes of a [`KvLayer`] of this type.
    pub fn layer_bytes(self, blocks: usize, block_size: usize, kv_heads: usize, head_dim: usize) -> usize {
        let (element, scales) = match self {
            Self::F32 => (size_of::<f32>(), 0),
            Self::Bf16 => (size_of::<bf16>(), 0),
            Self::Q8 => (size_of::<i8>(), 2 * size_of::<f32>()),
        };
        let head = (head_dim + head_dim.next_multiple_of(LANES)) * element + scales;
        blocks * block_size * kv_heads * head
    }
}

/// The measures of a layer's cache.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) blocks: usize,
    pub(super) block_size: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
}

impl Shape {
    /// Slices of sixteen dimensions; the last may be padded with zeros.
    pub(super) fn slices(&self) -> usize {
        self.head_dim.div_ceil(LANES)
    }

    /// Where `block` and `head` begin, counted in positions of one head.
    fn positions_before(&self, block: usize, head: usize) -> usize {
        assert!(block < self.blocks, "KV block {block} of {}", self.blocks);
        (block * self.kv_heads + head) * self.block_size
    }

    /// The first key of a block and head; dimension `d` of position `p` follows at `d * block_size + p`.
    pub(super) fn keys_at(&self, block: usize, head: usize) -> usize {
        self.positions_before(block, head) * self.head_dim
    }

    /// The first value of a block and head; slice `s` of position `p` follows at
    /// `(s * block_size + p) * LANES`.
    pub(super) fn values_at(&self, block: usize, head: usize) -> usize {
        self.positions_before(block, head) * self.slices() * LANES
    }

    /// The first scale of a block and head; those of the block's positions follow one by one.
    pub(super) fn scales_at(&self, block: usize, head: usize) -> usize {
        self.positions_before(block, head)
    }

    /// Elements of a block's keys of one head.
    pub(super) fn key_block(&self) -> usize {
        self.head_dim * self.block_size
    }

    /// Elements of a block's values of one head.
    pub(super) fn value_block(&self) -> usize {
        self.slices() * LANES * self.block_size
    }

    fn positions(&self) -> usize {
        self.blocks * self.block_size * self.kv_heads
    }
}

/// Keys and values of one element type.
pub(super) struct Pages<T> {
    pub(super) keys: Aligned<T>,
    pub(super) values: Aligned<T>,
    /// One for each position and head if the type is scaled, else none.
    pub(super) key_scales: Aligned<f32>,
    pub(super) value_scales: Aligned<f32>,
}

/// A type that keys and values are stored in.
pub(super) trait Stored: Element + bytemuck::Pod + Send + Sync {
    /// Whether numbers are multiples of a scale.
    const SCALED: bool;

    /// Rounds one head into `to` and returns the scale.
    fn round(from: &[f32], to: &mut [Self]) -> f32;
}

impl Stored for f32 {
    const SCALED: bool = false;

    fn round(from: &[f32], to: &mut [f32]) -> f32 {
        to.copy_from_slice(from);
        1.0
    }
}

impl Stored for bf16 {
    const SCALED: bool = false;

    fn round(from: &[f32], to: &mut [bf16]) -> f32 {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = bf16::from_f32(*from));
        1.0
    }
}

impl Stored for i8 {
    const SCALED: bool = true;

    fn round(from: &[f32], to: &mut [i8]) -> f32 {
        let largest = from.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let scale = largest / 127.0;
        if !from.iter().fold(true, |finite, value| finite & value.is_finite()) {
            // Damage must stay visible: whatever attends to this position becomes NaN.
            to.fill(0);
            return f32::NAN;
        }
        if scale < f32::MIN_POSITIVE {
            to.fill(0);
            return 0.0;
        }
        to.iter_mut().zip(from).for_each(|(to, from)| *to = (from / scale).round_ties_even() as i8);
        scale
    }
}

impl<T: Stored> Pages<T> {
    fn new(shape: &Shape) -> Self {
        let positions = shape.positions();
        let scales = if T::SCALED { positions } else { 0 };
        Self {
            keys: Aligned::zeroed(positions * shape.head_dim),
            values: Aligned::zeroed(positions * shape.slices() * LANES),
            key_scales: Aligned::zeroed(scales),
            value_scales: Aligned::zeroed(scales),
        }
    }

    fn bytes(&self) -> usize {
        (self.keys.len() + self.values.len()) * size_of::<T>()
            + (self.key_scales.len() + self.value_scales.len()) * size_of::<f32>()
    }

    fn write(
        &mut self,
        shape: &Shape,
        keys: &[f32],
        values: &[f32],
        sequences: &[SequenceRows<'_>],
        pool: &Pool,
    ) {
        let (dim, size) = (shape.head_dim, shape.block_size);
        let into = (Disjoint::new(&mut self.keys), Disjoint::new(&mut self.values));
        let scales = (Disjoint::new(&mut self.key_scales), Disjoint::new(&mut self.value_scales));
        pool.each(shape.kv_heads, keys.len() * 4, |head| {
            let mut rounded = vec![T::default(); dim];
            let positions = sequences.iter().flat_map(|sequence| {
                (sequence.start..sequence.start + sequence.len).map(|p| (p, sequence.block_table))
            });
            for (row, (position, table)) in positions.enumerate() {
                let (block, within) = (table[position / size] as usize, position % size);
                let from = (row * shape.kv_heads + head) * dim;
                let key_scale = T::round(&keys[from..from + dim], &mut rounded);
                // SAFETY: each task has its own head, and with it its own part of every block.
                let page = unsafe { into.0.slice(shape.keys_at(block, head), shape.key_block()) };
                rounded.iter().enumerate().for_each(|(d, key)| page[d * size + within] = *key);
                let value_scale = T::round(&values[from..from + dim], &mut rounded);
                // SAFETY: as above.
                let page = unsafe { into.1.slice(shape.values_at(block, head), shape.value_block()) };
                for (slice, part) in rounded.chunks(LANES).enumerate() {
                    let at = (slice * size + within) * LANES;
                    page[at..at + part.len()].copy_from_slice(part);
                }
                if T::SCALED {
                    let at = shape.scales_at(block, head) + within;
                    // SAFETY: as above.
                    unsafe { scales.0.slice(at, 1)[0] = key_scale };
                    // SAFETY: as above.
                    unsafe { scales.1.slice(at, 1)[0] = value_scale };
                }
            }
        });
    }
}

pub(super) enum Store {
    F32(Pages<f32>),
    Bf16(Pages<bf16>),
    Q8(Pages<i8>),
}

/// Keys and values of one layer, in blocks of positions.
pub struct KvLayer {
    pub(super) shape: Shape,
    pub(super) store: Store,
}

impl KvLayer {
    /// Room for `blocks` blocks of `block_size` positions. Blocks of a multiple of 16 positions are read
    /// fastest.
    pub fn new(blocks: usize, block_size: usize, kv_heads: usize, head_dim: usize, dtype: KvDtype) -> Self {
        let shape = Shape { blocks, block_size, kv_heads, head_dim };
        let store = match dtype {
            KvDtype::F32 => Store::F32(Pages::new(&shape)),
            KvDtype::Bf16 => Store::Bf16(Pages::new(&shape)),
            KvDtype::Q8 => Store::Q8(Pages::new(&shape)),
        };
        Self { shape, store }
    }

    /// Bytes of all keys and values, written or not.
    pub fn bytes(&self) -> usize {
        match &self.store {
            Store::F32(pages) => pages.bytes(),
            Store::Bf16(pages) => pages.bytes(),
            Store::Q8(pages) => pages.bytes(),
        }
    }

    /// Width of one head.
    pub fn head_dim(&self) -> usize {
        self.shape.head_dim
    }

    /// Stores `keys` and `values` `[rows, kv_heads * head_dim]` of the sequences' rows, in order.
    pub fn write(&mut self, keys: &[f32], values: &[f32], sequences: &[SequenceRows<'_>], pool: &Pool) {
        let rows: usize = sequences.iter().map(|sequence| sequence.len).sum();
        let width = self.shape.kv_heads * self.shape.head_dim;
        assert_eq!([keys.len(), values.len()], [rows * width; 2], "KV write: one key and value a row");
        match &mut self.store {
            Store::F32(pages) => pages.write(&self.shape, keys, values, sequences, pool),
            Store::Bf16(pages) => pages.write(&self.shape, keys, values, sequences, pool),
            Store::Q8(pages) => pages.write(&self.shape, keys, values, sequences, pool),
        }
    }
}
