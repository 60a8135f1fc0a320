//! Activation rows as int8, with one scale for each block of 32.
//!
//! Keeps true: a block's codes depend on its 32 values alone, and are the same on every machine: the largest
//! magnitude becomes 127, ties round to even. A block with NaN or infinity gets a NaN scale, so that whatever it
//! touches is seen to be damaged.

use super::{BLOCK, QuantKind};
use crate::convert::int8_block;
use crate::isa::Kernel;
use crate::pool::Disjoint;
use crate::quant::Level;
use crate::vector::Vector;
use crate::{Buffer, Isa, Pool};

/// Rows of a tile: as many as the widest kernel multiplies at once.
pub(crate) const TILE: usize = 16;

/// Rows that one task quantises.
const TASK_ROWS: usize = 8;

/// How the codes of a row lie, which is what the product's kernel of a level wants to broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// As i16; of four codes, the first and third before the second and fourth: pairs for a 16-bit multiply-add
    /// against bytes of even and of odd places. Else one i8 each.
    pub(crate) pairs: bool,
    /// What the kernel adds to the weights' codes: a block's product starts at minus this times the row's sum.
    pub(crate) offset: i32,
}

impl Form {
    /// What `level` needs to multiply with weights of `kind`.
    pub(crate) fn of(level: Level, kind: QuantKind) -> Self {
        match (level, kind) {
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2, QuantKind::Q8) => Self { pairs: true, offset: 0 },
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512Vnni | Level::Amx, QuantKind::Q8) => Self { pairs: false, offset: 128 },
            (_, QuantKind::Q4) => Self { pairs: false, offset: 8 },
            _ => Self { pairs: false, offset: 0 },
        }
    }

    /// Bytes of one code.
    pub(crate) fn code_bytes(self) -> usize {
        if self.pairs { 2 } else { 1 }
    }
}

/// Rows that lie together, in tiles of [`TILE`] rows of which the last may be smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Before it.
    pub(crate) first: usize,
    pub(crate) rows: usize,
}

impl Span {
    /// Rows before the tile of `row`, and how many rows that tile has.
    #[inline(always)]
    pub(crate) fn tile(self, row: usize) -> (usize, usize) {
        let start = row / TILE * TILE;
        (self.first + start, TILE.min(self.rows - start))
    }
}

/// Quantised rows. A tile's rows lie side by side, block after block, so that a kernel finds what it multiplies with a
/// record of weights at constant distances from one address.
pub(crate) struct QuantRows {
    pub(crate) form: Form,
    pub(crate) blocks: usize,
    /// `[rows before the tile x blocks, + block x rows of the tile, + row in the tile]` times 32 codes.
    pub(crate) codes: Buffer<u8>,
    /// A block's scale, at the same places.
    pub(crate) scales: Buffer<f32>,
    /// The sum of a block's codes, at the same places.
    pub(crate) sums: Buffer<i32>,
    /// `-offset` times the sum, at the same places.
    pub(crate) starts: Buffer<i32>,
}

impl QuantRows {
    /// Room for `rows` rows of `cols` values, all of which must be written.
    pub(crate) fn room(form: Form, rows: usize, cols: usize, pool: &Pool) -> Self {
        let blocks = cols.div_ceil(BLOCK);
        let all = rows * blocks;
        let codes = pool.buffer(all * BLOCK * form.code_bytes());
        let (scales, sums, starts) = (pool.buffer(all), pool.buffer(all), pool.buffer(all));
        Self { form, blocks, codes, scales, sums, starts }
    }

    /// How many rows there is room for.
    pub(crate) fn rows(&self) -> usize {
        self.scales.len() / self.blocks.max(1)
    }

    /// Quantises `x` `[rows, cols]`, one span; missing columns of the last block are zeros.
    pub(crate) fn quantize(isa: Isa, form: Form, x: &[f32], cols: usize, pool: &Pool) -> Self {
        let rows = x.len() / cols;
        let mut out = Self::room(form, rows, cols, pool);
        let span = Span { first: 0, rows };
        let sink = out.sink();
        pool.each(rows.div_ceil(TASK_ROWS), x.len(), |task| {
            for row in task * TASK_ROWS..rows.min((task + 1) * TASK_ROWS) {
                isa.run(QuantizeRow { x: &x[row * cols..(row + 1) * cols], span, row, sink: &sink });
            }
        });
        out
    }

    /// The rows that `groups` name, which are of one span here, each group as a span of its own, one after the other.
    pub(crate) fn gather(&self, groups: &[&[u32]], pool: &Pool) -> Self {
        let firsts = first_rows(groups.iter().map(|rows| rows.len()));
        let total: usize = groups.iter().map(|rows| rows.len()).sum();
        let mut out = Self::room(self.form, total, self.blocks * BLOCK, pool);
        let all = Span { first: 0, rows: self.rows() };
        let sink = out.sink();
        pool.each(groups.len(), total * self.blocks * BLOCK, |group| {
            let span = Span { first: firsts[group], rows: groups[group].len() };
            for (row, from) in groups[group].iter().enumerate() {
                // SAFETY: one task has this group's rows.
                unsafe { sink.copy(span, row, self, all, *from as usize) };
            }
        });
        out
    }

    /// Where block `block` of `row` of `span` is, counted in blocks, and how far it is to the same row's next one.
    #[inline(always)]
    fn place(blocks: usize, span: Span, row: usize, block: usize) -> (usize, usize) {
        let (before, height) = span.tile(row);
        (before * blocks + block * height + row % TILE, height)
    }

    /// Blocks, written from several threads at once.
    pub(crate) fn sink(&mut self) -> RowSink<'_> {
        RowSink {
            form: self.form,
            blocks: self.blocks,
            codes: Disjoint::new(&mut self.codes),
            scales: Disjoint::new(&mut self.scales),
            sums: Disjoint::new(&mut self.sums),
            starts: Disjoint::new(&mut self.starts),
        }
    }
}

/// How many rows lie before each of some groups, given their sizes.
pub(crate) fn first_rows(sizes: impl Iterator<Item = usize>) -> Vec<usize> {
    sizes
        .scan(0, |before, size| {
            *before += size;
            Some(*before - size)
        })
        .collect()
}

/// Where blocks of rows are written.
pub(crate) struct RowSink<'a> {
    pub(crate) form: Form,
    blocks: usize,
    codes: Disjoint<'a, u8>,
    scales: Disjoint<'a, f32>,
    sums: Disjoint<'a, i32>,
    starts: Disjoint<'a, i32>,
}

impl RowSink<'_> {
    /// Quantises `values` as block `block` of row `row` of `span`.
    ///
    /// # Safety
    /// No other thread writes this block; the instruction set of `V` is enabled.
    #[inline(always)]
    pub(crate) unsafe fn put<V: Vector>(&self, span: Span, row: usize, block: usize, values: &[f32; BLOCK]) {
        let (at, _) = QuantRows::place(self.blocks, span, row, block);
        let mut codes = [0_i8; BLOCK];
        // SAFETY: the caller's promise.
        let scale = unsafe { int8_block::<V>(values, &mut codes) };
        let sum: i32 = codes.iter().map(|code| i32::from(*code)).sum();
        // SAFETY: the caller's promise.
        unsafe {
            self.scales.slice(at, 1)[0] = scale;
            self.sums.slice(at, 1)[0] = sum;
            self.starts.slice(at, 1)[0] = self.form.offset.wrapping_mul(sum).wrapping_neg();
            if self.form.pairs {
                let out = self.codes.slice(at * BLOCK * 2, BLOCK * 2);
                for (out, code) in out.as_chunks_mut::<8>().0.iter_mut().zip(codes.as_chunks::<4>().0) {
                    let [a, b, c, d] = code.map(|code| i16::from(code).to_ne_bytes());
                    *out = [a[0], a[1], c[0], c[1], b[0], b[1], d[0], d[1]];
                }
            } else {
                self.codes.slice(at * BLOCK, BLOCK).copy_from_slice(bytemuck::cast_slice(&codes));
            }
        }
    }

    /// Copies a whole row, `from` of `all` in `rows`.
    ///
    /// # Safety
    /// No other thread writes this row.
    unsafe fn copy(&self, span: Span, row: usize, rows: &QuantRows, all: Span, from: usize) {
        let bytes = BLOCK * self.form.code_bytes();
        let (mut to, to_step) = QuantRows::place(self.blocks, span, row, 0);
        let (mut at, step) = QuantRows::place(self.blocks, all, from, 0);
        for _ in 0..self.blocks {
            // SAFETY: the caller's promise.
            unsafe {
                self.codes
                    .slice(to * bytes, bytes)
                    .copy_from_slice(&rows.codes[at * bytes..(at + 1) * bytes]);
                self.scales.slice(to, 1)[0] = rows.scales[at];
                self.sums.slice(to, 1)[0] = rows.sums[at];
                self.starts.slice(to, 1)[0] = rows.starts[at];
            }
            (to, at) = (to + to_step, at + step);
        }
    }
}

/// One row of `x`, quantised on its own.
struct QuantizeRow<'a> {
    x: &'a [f32],
    span: Span,
    row: usize,
    sink: &'a RowSink<'a>,
}

impl Kernel for QuantizeRow<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { x, span, row, sink } = self;
        let (blocks, rest) = x.as_chunks::<BLOCK>();
        for (block, values) in blocks.iter().enumerate() {
            // SAFETY: the caller gives each row to one thread; the trait's contract.
            unsafe { sink.put::<V>(span, row, block, values) };
        }
        if !rest.is_empty() {
            let mut values = [0.0; BLOCK];
            values[..rest.len()].copy_from_slice(rest);
            // SAFETY: as above.
            unsafe { sink.put::<V>(span, row, blocks.len(), &values) };
        }
    }
}
