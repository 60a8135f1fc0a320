//! Softmax and weighted sum in one pass over the tiles of keys ("flash attention", Dao et al. 2022; the running
//! maximum after Milakov and Gimelshein 2018).
//!
//! Keeps true: a row's bits are a function of its position, its query and the keys and values that it sees. Tiles
//! are absolute; a row reads no position that it does not see, not even with weight 0 (0 times a NaN is NaN); and
//! a tile of which a row sees nothing leaves that row as it was.

use super::kv::Stored;
use super::product::{Operand, ROWS_MAX, Strided, product};
use super::tile::{GROUPS, Head, TILE, Tile};
use crate::aligned::Aligned;
use crate::isa::Kernel;
use crate::lanes::{LANES, exp, reduce, reduce_max};
use crate::pool::Disjoint;
use crate::vector::Vector;
use std::ops::Range;

/// Consecutive rows of one sequence with the query heads of one KV head.
pub(super) struct Rows<'a, T> {
    /// What they attend to.
    pub(super) kv: Head<'a, T>,
    /// Position of the first row.
    pub(super) start: usize,
    pub(super) len: usize,
    /// Query heads of the KV head.
    pub(super) heads: usize,
    pub(super) window: Option<usize>,
    pub(super) scale: f32,
    /// All queries of the call, and where the first row's first head is.
    pub(super) queries: &'a [f32],
    pub(super) at: usize,
    /// Distance of rows in `queries` and `out`.
    pub(super) row_width: usize,
    pub(super) out: &'a Disjoint<'a, f32>,
    pub(super) scratch: &'a mut Scratch,
}

/// One thread's working memory, kept from call to call.
#[derive(Default)]
pub(super) struct Scratch {
    buffer: Option<Aligned<f32>>,
    /// What each query row sees.
    seen: Vec<Range<usize>>,
}

/// The working memory of one call: parts of the buffer.
struct Parts<'a> {
    /// `[rows, head_dim]`, times the scale.
    queries: &'a mut [f32],
    /// `[rows, slices * LANES]`.
    outputs: &'a mut [f32],
    /// `[rows, LANES]`: the sum of weights, lane by lane.
    sums: &'a mut [f32],
    /// `[rows]`: the largest score so far.
    largest: &'a mut [f32],
    /// `[ROWS_MAX, TILE]`.
    scores: &'a mut [f32],
    /// `[head_dim, TILE]`.
    packed: &'a mut [f32],
}

impl Scratch {
    fn parts(&mut self, rows: usize, dim: usize, slices: usize) -> (Parts<'_>, &mut Vec<Range<usize>>) {
        // Whole vectors each, so that every part begins at a cache line.
        let sizes = [rows * dim, rows * slices * LANES, rows * LANES, rows, ROWS_MAX * TILE, dim * TILE]
            .map(|size| size.next_multiple_of(LANES));
        let total: usize = sizes.iter().sum();
        if self.buffer.as_ref().is_none_or(|buffer| buffer.len() < total) {
            self.buffer = Some(Aligned::zeroed(total));
        }
        let mut rest = &mut self.buffer.as_mut().expect("just made")[..];
        let [queries, outputs, sums, largest, scores, packed] = sizes.map(|size| {
            let (part, after) = std::mem::take(&mut rest).split_at_mut(size);
            rest = after;
            part
        });
        (Parts { queries, outputs, sums, largest, scores, packed }, &mut self.seen)
    }
}

/// Keys of a tile as the right side of `scores = queries × keys`: steps are dimensions, vectors are positions.
struct KeyPanel<T> {
    groups: [*const T; GROUPS],
    /// The next tile's.
    later: [*const T; GROUPS],
    stride: usize,
}

impl<T> Operand<T> for KeyPanel<T> {
    const ADDS: bool = false;

    #[inline(always)]
    unsafe fn at(&self, step: usize, vector: usize) -> *const T {
        // SAFETY: the caller's promise.
        unsafe { self.groups[vector].add(step * self.stride) }
    }

    #[inline(always)]
    fn later(&self, step: usize, vector: usize) -> *const T {
        self.later[vector].wrapping_add(step * self.stride)
    }
}

/// Values of a tile as the right side of `outputs += weights × values`: steps are positions, vectors are slices.
struct ValuePanel<'a, T> {
    positions: &'a [*const T; TILE],
    /// The next tile's.
    later: &'a [*const T; TILE],
    stride: usize,
}

impl<T> Operand<T> for ValuePanel<'_, T> {
    const ADDS: bool = true;

    #[inline(always)]
    unsafe fn at(&self, step: usize, vector: usize) -> *const T {
        // SAFETY: the caller's promise.
        unsafe { self.positions.get_unchecked(step).add(vector * self.stride) }
    }

    #[inline(always)]
    fn later(&self, step: usize, vector: usize) -> *const T {
        self.later[step].wrapping_add(vector * self.stride)
    }
}

/// `outputs += weights × values` for the rows of one product.
struct WeightedSum<'a, T> {
    /// `[rows, TILE]`.
    weights: *const f32,
    values: ValuePanel<'a, T>,
    /// `[rows, slices * LANES]`.
    outputs: *mut f32,
    slices: usize,
}

impl<T: Stored> WeightedSum<'_, T> {
    /// `rows` rows from `row` on, over the positions `steps`.
    ///
    /// # Safety
    /// The instruction set of `V` is enabled; the rows and positions are there.
    #[inline(always)]
    unsafe fn add<V: Vector>(&self, row: usize, rows: usize, steps: Range<usize>) {
        if steps.is_empty() {
            return;
        }
        let width = self.slices * LANES;
        // SAFETY: the caller's promise.
        unsafe {
            let weights = Strided { start: self.weights.add(row * TILE), stride: TILE };
            let outputs = Strided { start: self.outputs.add(row * width), stride: width };
            product::<V, T, _>(rows, weights, steps, &self.values, 0..self.slices, outputs);
        }
    }

    /// Every row over what it sees, in ascending order: what `all` rows see in one go, ragged ends row by row.
    ///
    /// # Safety
    /// As for [`Self::add`].
    #[inline(always)]
    unsafe fn add_seen<V: Vector>(&self, seen: &[Range<usize>], all: Range<usize>) {
        let all = if all.is_empty() { TILE..TILE } else { all };
        let ragged = seen.iter().any(|seen| *seen != all);
        // SAFETY: the caller's promise.
        unsafe {
            if ragged {
                for (row, seen) in seen.iter().enumerate() {
                    self.add::<V>(row, 1, seen.start..seen.end.min(all.start));
                }
            }
            self.add::<V>(0, seen.len(), all.clone());
            if ragged {
                for (row, seen) in seen.iter().enumerate() {
                    self.add::<V>(row, 1, seen.start.max(all.end)..seen.end);
                }
            }
        }
    }
}

/// What up to [`ROWS_MAX`] rows see of one tile, relative to its first position.
struct Seen {
    each: [Range<usize>; ROWS_MAX],
    /// From the first position that a row sees to the last.
    any: Range<usize>,
    /// What all rows see; may be empty.
    all: Range<usize>,
}

impl Seen {
    /// - `rows`: what each row sees in all, absolute.
    /// - `base`: the tile's first position.
    fn new(rows: &[Range<usize>], base: usize) -> Self {
        let mut each: [Range<usize>; ROWS_MAX] = std::array::from_fn(|_| 0..0);
        let (mut any, mut all) = ([TILE, 0], [0, TILE]);
        for (each, row) in each.iter_mut().zip(rows) {
            let relative = |position: usize| position.saturating_sub(base).min(TILE);
            *each = relative(row.start)..relative(row.end);
            if each.start < each.end {
                any = [any[0].min(each.start), any[1].max(each.end)];
            }
            all = [all[0].max(each.start), all[1].min(each.end)];
        }
        Self { each, any: any[0]..any[1], all: all[0]..all[1] }
    }
}

/// One row's scores become weights; its maximum, sums and outputs are brought up to date.
///
/// # Safety
/// The instruction set of `V` is enabled; `scores` has `TILE` elements, `sums` has `LANES`.
#[inline(always)]
unsafe fn weigh<V: Vector, T: Stored>(
    scores: &mut [f32],
    tile: &Tile<T>,
    seen: &Range<usize>,
    largest: &mut f32,
    sums: &mut [f32],
    outputs: &mut [f32],
) {
    let vectors = seen.start / LANES..seen.end.div_ceil(LANES);
    // SAFETY: the caller's promise; `vectors` lie within the tile.
    unsafe {
        let score_at = scores.as_mut_ptr();
        if T::SCALED {
            for vector in vectors.clone() {
                let at = score_at.add(vector * LANES);
                V::load(at).mul(V::load(tile.key_scales.as_ptr().add(vector * LANES))).store(at);
            }
        }
        // After the scales, which may be NaN where the row does not see.
        scores[vectors.start * LANES..seen.start].fill(f32::NEG_INFINITY);
        scores[seen.end..vectors.end * LANES].fill(f32::NEG_INFINITY);
        let mut most = V::splat(*largest);
        for vector in vectors.clone() {
            most = V::load(scores.as_ptr().add(vector * LANES)).max(most);
        }
        let most = reduce_max(&most.lanes());
        let mut sum = V::load(sums.as_ptr());
        if most > *largest {
            let shrink = V::splat(exp(*largest - most));
            *largest = most;
            sum = sum.mul(shrink);
            for output in outputs.chunks_exact_mut(LANES) {
                V::load(output.as_ptr()).mul(shrink).store(output.as_mut_ptr());
            }
        }
        let largest = V::splat(*largest);
        for vector in vectors {
            let at = scores.as_mut_ptr().add(vector * LANES);
            let mut weight = V::load(at).sub(largest).exp();
            sum = sum.add(weight);
            if T::SCALED {
                weight = weight.mul(V::load(tile.value_scales.as_ptr().add(vector * LANES)));
            }
            weight.store(at);
        }
        sum.store(sums.as_mut_ptr());
    }
}

impl<T: Stored> Kernel for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let shape = self.kv.shape;
        let (dim, slices) = (shape.head_dim, shape.slices());
        let (rows, width) = (self.len * self.heads, slices * LANES);
        let (parts, seen) = self.scratch.parts(rows, dim, slices);
        seen.clear();
        for row in 0..self.len {
            let position = self.start + row;
            let begin = self.window.map_or(0, |window| (position + 1).saturating_sub(window));
            let sees = begin..position + 1;
            seen.extend(std::iter::repeat_n(sees, self.heads));
            let from = &self.queries[self.at + row * self.row_width..][..self.heads * dim];
            let to = &mut parts.queries[row * self.heads * dim..][..self.heads * dim];
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from * self.scale);
        }
        // The least number, not minus infinity, so that a score of minus infinity has weight 0.
        parts.largest.fill(f32::MIN);
        parts.sums[..rows * LANES].fill(0.0);
        parts.outputs[..rows * width].fill(0.0);
        let end = self.start + self.len;
        let positions_from = |base: usize| base..end.min(base + TILE);
        let begin = seen[0].start / TILE * TILE;
        let (mut tile, mut next) = (Tile::<T>::new(), Tile::<T>::new());
        self.kv.find(positions_from(begin), &mut next);
        for base in (begin..end).step_by(TILE) {
            std::mem::swap(&mut tile, &mut next);
            if base + TILE < end {
                self.kv.find(positions_from(base + TILE), &mut next);
            }
            if !self.kv.keys_in_place() {
                self.kv.pack_keys(positions_from(base), parts.packed);
            }
            for first in (0..rows).step_by(ROWS_MAX) {
                let count = ROWS_MAX.min(rows - first);
                let seen = Seen::new(&seen[first..first + count], base);
                if seen.any.is_empty() {
                    continue;
                }
                let queries = Strided { start: parts.queries[first * dim..].as_ptr(), stride: dim };
                let scores = Strided { start: parts.scores.as_mut_ptr(), stride: TILE };
                let positions = seen.any.start / LANES..seen.any.end.div_ceil(LANES);
                // SAFETY: this function's contract. Keys are found for the groups of `positions`, which lie
                // below `count` rounded up to a group; queries and scores have `count` rows.
                unsafe {
                    if self.kv.keys_in_place() {
                        let keys = KeyPanel { groups: tile.keys, later: next.keys, stride: shape.block_size };
                        product::<V, T, _>(count, queries, 0..dim, &keys, positions, scores);
                    } else {
                        let start = parts.packed.as_ptr();
                        let groups = std::array::from_fn(|group| start.add(group * LANES));
                        let keys = KeyPanel { groups, later: groups, stride: TILE };
                        product::<V, f32, _>(count, queries, 0..dim, &keys, positions, scores);
                    }
                }
                for (row, seen) in seen.each[..count].iter().enumerate() {
                    if !seen.is_empty() {
                        let at = first + row;
                        // SAFETY: this function's contract; the slices have the lengths asked for.
                        unsafe {
                            weigh::<V, T>(
                                &mut parts.scores[row * TILE..(row + 1) * TILE],
                                &tile,
                                seen,
                                &mut parts.largest[at],
                                &mut parts.sums[at * LANES..(at + 1) * LANES],
                                &mut parts.outputs[at * width..(at + 1) * width],
                            );
                        }
                    }
                }
                let sum = WeightedSum {
                    weights: parts.scores.as_ptr(),
                    values: ValuePanel {
                        positions: &tile.values,
                        later: &next.values,
                        stride: shape.block_size * LANES,
                    },
                    outputs: parts.outputs[first * width..].as_mut_ptr(),
                    slices,
                };
                // SAFETY: this function's contract; the positions that rows see are found, and weights and
                // outputs have the rows.
                unsafe { sum.add_seen::<V>(&seen.each[..count], seen.all) };
            }
        }
        for row in 0..rows {
            let sums = parts.sums[row * LANES..(row + 1) * LANES].try_into().expect("sixteen lanes");
            let norm = 1.0 / reduce(&sums);
            let at = self.at + row / self.heads * self.row_width + row % self.heads * dim;
            // SAFETY: each task has its own rows and heads.
            let out = unsafe { self.out.slice(at, dim) };
            let outputs = &parts.outputs[row * width..row * width + dim];
            out.iter_mut().zip(outputs).for_each(|(out, output)| *out = output * norm);
        }
    }
}
