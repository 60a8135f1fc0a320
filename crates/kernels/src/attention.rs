//! Paged grouped-query attention.
//!
//! Keeps true: the result of a row depends only on its position and the keys up to it; how a prompt is cut
//! into chunks, which blocks hold it and who else is in the batch change no bit.

use crate::lanes::{LANES, Lanes, exp, load, reduce};
use crate::pool::Disjoint;
use crate::vector::Vector;
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

/// The dot product of two heads, by the sixteen-lane rule.
///
/// # Safety
/// The instruction set of `V` is enabled; `a` and `b` have equal lengths.
#[inline(always)]
unsafe fn dot<V: Vector>(a: &[f32], b: &[f32]) -> f32 {
    let full = a.len() - a.len() % LANES;
    // SAFETY: `at + LANES <= full` stays within both; the tail is copied to sixteen elements first.
    unsafe {
        let mut acc = V::zero();
        let mut at = 0;
        while at < full {
            acc = acc.fma(V::load(a.as_ptr().add(at)), V::load(b.as_ptr().add(at)));
            at += LANES;
        }
        if full < a.len() {
            let (a, b) = (load(a, full), load(b, full));
            acc = acc.fma(V::load(a.as_ptr()), V::load(b.as_ptr()));
        }
        reduce(&acc.lanes())
    }
}

/// `out += weight * value`, each element rounded once.
///
/// # Safety
/// The instruction set of `V` is enabled; `value` is as long as `out`.
#[inline(always)]
unsafe fn add_weighted<V: Vector>(weight: f32, value: &[f32], out: &mut [f32]) {
    let full = out.len() - out.len() % LANES;
    for (value, out) in value[..full].chunks_exact(LANES).zip(out[..full].chunks_exact_mut(LANES)) {
        // SAFETY: both chunks have sixteen elements.
        let sum = unsafe { V::load(out.as_ptr()).fma(V::splat(weight), V::load(value.as_ptr())) };
        // SAFETY: the caller's promise.
        out.copy_from_slice(&unsafe { sum.lanes() });
    }
    for (value, out) in value[full..].iter().zip(&mut out[full..]) {
        *out = weight.mul_add(*value, *out);
    }
}

/// What one row and one head attend to.
struct HeadRow<'a> {
    query: &'a [f32],
    kv_head: usize,
    block_table: &'a [u32],
    first: usize,
    last: usize,
    scale: f32,
}

/// `out = softmax(q·K * scale) V` over the positions `first..=last`.
///
/// # Safety
/// The instruction set of `V` is enabled.
#[inline(always)]
unsafe fn head<V: Vector>(kv: &KvLayer, row: &HeadRow<'_>, out: &mut [f32]) {
    let dim = kv.head_dim;
    let span = |position: usize| {
        let at = kv.offset(row.block_table, position) + row.kv_head * dim;
        at..at + dim
    };
    // Indexed by the distance from the first key, which is a function of the row's position alone.
    let mut scores = vec![0.0; row.last + 1 - row.first];
    let mut max = f32::NEG_INFINITY;
    for (score, position) in scores.iter_mut().zip(row.first..) {
        // SAFETY: query and key are one head wide.
        *score = unsafe { dot::<V>(row.query, &kv.keys[span(position)]) } * row.scale;
        max = max.max(*score);
    }
    let mut sums = [0.0; LANES];
    out.fill(0.0);
    for (at, score) in scores.iter().enumerate() {
        let weight = exp(score - max);
        sums[at % LANES] += weight;
        // SAFETY: value and out are one head wide.
        unsafe { add_weighted::<V>(weight, &kv.values[span(row.first + at)], out) };
    }
    let norm = 1.0 / reduce(&sums);
    out.iter_mut().for_each(|out| *out *= norm);
}

/// [`head`] on the given instruction set.
fn head_on(isa: Isa, kv: &KvLayer, row: &HeadRow<'_>, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        use crate::vector::x86::{Avx2, Avx512};
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
        fn avx512(kv: &KvLayer, row: &HeadRow<'_>, out: &mut [f32]) {
            // SAFETY: this function enables the set.
            unsafe { head::<Avx512>(kv, row, out) }
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2(kv: &KvLayer, row: &HeadRow<'_>, out: &mut [f32]) {
            // SAFETY: this function enables the set.
            unsafe { head::<Avx2>(kv, row, out) }
        }
        match isa {
            // SAFETY: `Isa` values above `Portable` come from run-time detection.
            Isa::Avx512 => return unsafe { avx512(kv, row, out) },
            // SAFETY: as above.
            Isa::Avx2 => return unsafe { avx2(kv, row, out) },
            Isa::Portable => {}
        }
    }
    let _ = isa;
    // SAFETY: arrays need no instruction set.
    unsafe { head::<Lanes>(kv, row, out) }
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
        // SAFETY: each task has its own row and head.
        let out = unsafe { out.slice(at, dim) };
        let kv_head = head * kv.kv_heads / heads;
        let row =
            HeadRow { query: &queries[at..at + dim], kv_head, block_table, first, last: position, scale };
        head_on(isa, kv, &row, out);
    });
}
