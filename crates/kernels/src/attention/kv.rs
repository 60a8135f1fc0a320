//! The paged KV cache of one layer: where each key and value lies, and how it is rounded when it is written.
//!
//! Keeps true: what is stored for a position depends on that position's key and value alone. Keys lie
//! transposed within a block, so that sixteen positions of one dimension are one vector; values lie in slices of
//! sixteen dimensions. Knows no queries.

use super::SequenceRows;
use crate::Isa;
use crate::aligned::Aligned;
use crate::convert::narrow;
use crate::isa::Kernel;
use crate::lanes::{EXP_ROUND, LANES};
use crate::pool::{Disjoint, Pool};
use crate::vector::{Element, Vector};
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

    #[inline(always)]
    fn round(from: &[f32], to: &mut [f32]) -> f32 {
        to.copy_from_slice(from);
        1.0
    }
}

impl Stored for bf16 {
    const SCALED: bool = false;

    #[inline(always)]
    fn round(from: &[f32], to: &mut [bf16]) -> f32 {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = bf16::from_bits(narrow(*from)));
        1.0
    }
}

impl Stored for i8 {
    const SCALED: bool = true;

    #[inline(always)]
    fn round(from: &[f32], to: &mut [i8]) -> f32 {
        // Magnitudes compare as integers, and what is not finite is the largest.
        let largest = from.iter().fold(0, |largest, value| largest.max(value.to_bits() & 0x7fff_ffff));
        let scale = f32::from_bits(largest) / 127.0;
        if !f32::from_bits(largest).is_finite() || scale < f32::MIN_POSITIVE {
            to.fill(0);
            // Damage must stay visible: whatever attends to this position becomes NaN.
            return if scale < f32::MIN_POSITIVE { 0.0 } else { f32::NAN };
        }
        // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
        to.iter_mut().zip(from).for_each(|(to, from)| *to = (from / scale + EXP_ROUND).to_bits() as i8);
        scale
    }
}

/// Positions that are written together.
const WRITE_POSITIONS: usize = 16;

/// Keys and values of one KV head on their way into the cache.
struct Write<'a, T> {
    head: usize,
    shape: Shape,
    /// `[rows, kv_heads * head_dim]` each.
    keys: &'a [f32],
    values: &'a [f32],
    sequences: &'a [SequenceRows<'a>],
    into_keys: &'a Disjoint<'a, T>,
    into_values: &'a Disjoint<'a, T>,
    into_key_scales: &'a Disjoint<'a, f32>,
    into_value_scales: &'a Disjoint<'a, f32>,
}

impl<T: Stored> Write<'_, T> {
    /// Up to [`WRITE_POSITIONS`] rows from `row` on, to the positions of `block` from `within` on.
    #[inline(always)]
    fn run_of(&self, row: usize, block: usize, within: usize, rounded: &mut [T]) {
        let (shape, head, dim) = (&self.shape, self.head, self.shape.head_dim);
        let count = rounded.len() / dim;
        let from = |of: &[f32], at: usize| (row + at) * shape.kv_heads * dim + head * dim..of.len();
        let mut scales = [0.0; WRITE_POSITIONS];
        for (at, to) in rounded.chunks_exact_mut(dim).enumerate() {
            scales[at] = T::round(&self.keys[from(self.keys, at)][..dim], to);
        }
        // SAFETY: each task has its own head, and with it its own part of every block.
        let page = unsafe { self.into_keys.slice(shape.keys_at(block, head), shape.key_block()) };
        for (d, page) in page.chunks_exact_mut(shape.block_size).enumerate() {
            for (at, to) in page[within..within + count].iter_mut().enumerate() {
                *to = rounded[at * dim + d];
            }
        }
        self.put_scales(self.into_key_scales, block, within, &scales[..count]);
        for (at, to) in rounded.chunks_exact_mut(dim).enumerate() {
            scales[at] = T::round(&self.values[from(self.values, at)][..dim], to);
        }
        // SAFETY: as above.
        let page = unsafe { self.into_values.slice(shape.values_at(block, head), shape.value_block()) };
        for (at, value) in rounded.chunks_exact(dim).enumerate() {
            for (slice, part) in value.chunks(LANES).enumerate() {
                let to = (slice * shape.block_size + within + at) * LANES;
                page[to..to + part.len()].copy_from_slice(part);
            }
        }
        self.put_scales(self.into_value_scales, block, within, &scales[..count]);
    }

    #[inline(always)]
    fn put_scales(&self, into: &Disjoint<'_, f32>, block: usize, within: usize, scales: &[f32]) {
        if T::SCALED {
            let at = self.shape.scales_at(block, self.head) + within;
            // SAFETY: each task has its own head, and with it its own part of every block.
            unsafe { into.slice(at, scales.len()) }.copy_from_slice(scales);
        }
    }
}

impl<T: Stored> Kernel for Write<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let size = self.shape.block_size;
        let mut rounded = vec![T::default(); WRITE_POSITIONS * self.shape.head_dim];
        let mut row = 0;
        for sequence in self.sequences {
            let end = sequence.start + sequence.len;
            let mut position = sequence.start;
            while position < end {
                let within = position % size;
                let count = WRITE_POSITIONS.min(size - within).min(end - position);
                let block = sequence.block_table[position / size] as usize;
                self.run_of(row, block, within, &mut rounded[..count * self.shape.head_dim]);
                (row, position) = (row + count, position + count);
            }
        }
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
        shape: Shape,
        keys: &[f32],
        values: &[f32],
        sequences: &[SequenceRows<'_>],
        pool: &Pool,
    ) {
        let (into_keys, into_values) = (Disjoint::new(&mut self.keys), Disjoint::new(&mut self.values));
        let into_key_scales = Disjoint::new(&mut self.key_scales);
        let into_value_scales = Disjoint::new(&mut self.value_scales);
        let isa = Isa::best();
        pool.each(shape.kv_heads, keys.len() * 4, |head| {
            isa.run(Write {
                head,
                shape,
                keys,
                values,
                sequences,
                into_keys: &into_keys,
                into_values: &into_values,
                into_key_scales: &into_key_scales,
                into_value_scales: &into_value_scales,
            });
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
            Store::F32(pages) => pages.write(self.shape, keys, values, sequences, pool),
            Store::Bf16(pages) => pages.write(self.shape, keys, values, sequences, pool),
            Store::Q8(pages) => pages.write(self.shape, keys, values, sequences, pool),
        }
    }
}
