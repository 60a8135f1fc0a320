//! Paged grouped-query attention.
//!
//! Keeps true: the result of a row depends only on its position and the keys up to it; how a prompt is cut
//! into chunks, which blocks hold it and who else is in the batch change no bit.

use crate::isa::per_isa;
use crate::lanes::{LANES, dot, exp, reduce};
use crate::pool::Disjoint;
use crate::{Isa, Pool};

/// Keys and values of one layer: `[blocks, block_size, kv_heads * head_dim]` each.
pub struct KvLayer {
    /// Keys, after position embedding.
    pub keys: Vec<f32>,
    /// Values.
    pub values: Vec<f32>,
    block_size: usize,
    kv_heads: usize,
    head_dim: usize,
}

/// Consecutive rows of one sequence.
#[derive(Clone, Copy, Debug)]
pub struct SequenceRows<'a> {
    /// Absolute position of the first row.
    pub start: usize,
    /// Rows.
    pub len: usize,
    /// The sequence's blocks in order of position; covers at least `start + len` positions.
    pub block_table: &'a [u32],
}

impl KvLayer {
    /// Room for `blocks` blocks of `block_size` positions.
    pub fn new(blocks: usize, block_size: usize, kv_heads: usize, head_dim: usize) -> Self {
        let elements = blocks * block_size * kv_heads * head_dim;
        Self { keys: vec![0.0; elements], values: vec![0.0; elements], block_size, kv_heads, head_dim }
    }

    fn width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    fn offset(&self, block_table: &[u32], position: usize) -> usize {
        let block = block_table[position / self.block_size] as usize;
        (block * self.block_size + position % self.block_size) * self.width()
    }

    /// Stores `keys` and `values` `[rows, kv_heads * head_dim]` of the sequences' rows, in order.
    pub fn write(&mut self, keys: &[f32], values: &[f32], sequences: &[SequenceRows<'_>]) {
        let width = self.width();
        let mut row = 0;
        for sequence in sequences {
            for position in sequence.start..sequence.start + sequence.len {
                let to = self.offset(sequence.block_table, position);
                self.keys[to..to + width].copy_from_slice(&keys[row * width..(row + 1) * width]);
                self.values[to..to + width].copy_from_slice(&values[row * width..(row + 1) * width]);
                row += 1;
            }
        }
    }
}

/// One row and one head: `out = softmax(q·K * scale) V` over the positions `first..=last`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn head(
    query: &[f32],
    kv: &KvLayer,
    kv_head: usize,
    block_table: &[u32],
    first: usize,
    last: usize,
    scale: f32,
    scores: &mut [f32],
    out: &mut [f32],
) {
    let dim = kv.head_dim;
    let mut max = f32::NEG_INFINITY;
    for position in first..=last {
        let at = kv.offset(block_table, position) + kv_head * dim;
        let score = dot(query, &kv.keys[at..at + dim]) * scale;
        // Kept at its distance from the first key, which is a function of the row's position alone.
        scores[position - first] = score;
        max = max.max(score);
    }
    let mut sums = [0.0; LANES];
    out.fill(0.0);
    for position in first..=last {
        let weight = exp(scores[position - first] - max);
        sums[(position - first) % LANES] += weight;
        let at = kv.offset(block_table, position) + kv_head * dim;
        let value = &kv.values[at..at + dim];
        for d in 0..dim {
            out[d] = weight.mul_add(value[d], out[d]);
        }
    }
    let norm = 1.0 / reduce(&sums);
    out.iter_mut().for_each(|out| *out *= norm);
}

per_isa! {
    fn head_on(query: &[f32], kv: &KvLayer, kv_head: usize, block_table: &[u32], first: usize, last: usize,
        scale: f32, scores: &mut [f32], out: &mut [f32]) = head
}

/// Attention of `queries` `[rows, heads * head_dim]`, the rows of `sequences` in order, into `out`.
///
/// A row at position `p` sees `max(0, p + 1 - window)..=p`, with `window: None` everything up to itself.
#[allow(clippy::too_many_arguments)]
pub fn attend(
    queries: &[f32],
    heads: usize,
    kv: &KvLayer,
    sequences: &[SequenceRows<'_>],
    window: Option<usize>,
    scale: f32,
    out: &mut [f32],
    pool: &Pool,
) {
    let dim = kv.head_dim;
    let row_width = heads * dim;
    let rows: Vec<(usize, &[u32])> = sequences
        .iter()
        .flat_map(|sequence| {
            (sequence.start..sequence.start + sequence.len).map(|p| (p, sequence.block_table))
        })
        .collect();
    assert_eq!(queries.len(), rows.len() * row_width, "attend: one query row per sequence row");
    assert_eq!(out.len(), queries.len(), "attend: out is as wide as the queries");
    let keys: usize = rows.iter().map(|(position, _)| position + 1).sum();
    let isa = Isa::best();
    let out = Disjoint::new(out);
    pool.each(rows.len() * heads, keys * row_width * 2, |task| {
        let (row, head) = (task / heads, task % heads);
        let (position, block_table) = rows[row];
        let first = window.map_or(0, |window| (position + 1).saturating_sub(window));
        let at = row * row_width + head * dim;
        let mut scores = vec![0.0; position + 1 - first];
        // SAFETY: each task has its own row and head.
        let out = unsafe { out.slice(at, dim) };
        let kv_head = head * kv.kv_heads / heads;
        head_on(
            isa,
            &queries[at..at + dim],
            kv,
            kv_head,
            block_table,
            first,
            position,
            scale,
            &mut scores,
            out,
        );
    });
}
