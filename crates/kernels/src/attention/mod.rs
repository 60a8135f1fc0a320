//! Paged grouped-query attention.
//!
//! Keeps true: the result of a row depends only on its position, its query and the keys and values up to it; how a
//! prompt is cut into chunks, which blocks hold it, who else is in the batch, threads and instruction set
//! change no bit. `kv.rs` owns the cache, `tile.rs` finds keys in it, `flash.rs` is the loop over tiles,
//! `product.rs` its two small matrix products.

mod flash;
mod kv;
mod product;
mod tile;

pub use kv::{KvDtype, KvLayer};

use crate::pool::Disjoint;
use crate::{Isa, Pool};
use flash::{Rows, Scratch};
use kv::{Pages, Store, Stored};
use std::cell::RefCell;
use tile::Head;

/// Query rows (times heads of one KV head) of one task: enough to use each tile of keys many times while it is
/// in the cache, few enough that a prompt gives many tasks.
const TASK_ROWS: usize = 48;

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
    attend_on(Isa::best(), queries, heads, kv, sequences, window, scale, out, pool);
}

/// [`attend`] on a given instruction set; for tests and benches.
#[allow(clippy::too_many_arguments)]
pub fn attend_on(
    isa: Isa,
    queries: &[f32],
    heads: usize,
    kv: &KvLayer,
    sequences: &[SequenceRows<'_>],
    window: Option<usize>,
    scale: f32,
    out: &mut [f32],
    pool: &Pool,
) {
    let call = Call { isa, queries, heads, kv, sequences, window, scale, pool };
    match &kv.store {
        Store::F32(pages) => call.run(pages, out),
        Store::Bf16(pages) => call.run(pages, out),
        Store::Q8(pages) => call.run(pages, out),
    }
}

/// The arguments of [`attend_on`].
struct Call<'a> {
    isa: Isa,
    queries: &'a [f32],
    heads: usize,
    kv: &'a KvLayer,
    sequences: &'a [SequenceRows<'a>],
    window: Option<usize>,
    scale: f32,
    pool: &'a Pool,
}

impl Call<'_> {
    fn run<T: Stored>(&self, pages: &Pages<T>, out: &mut [f32]) {
        let shape = self.kv.shape;
        let row_width = self.heads * shape.head_dim;
        let rows: usize = self.sequences.iter().map(|sequence| sequence.len).sum();
        assert_eq!(self.queries.len(), rows * row_width, "attend: one query row per sequence row");
        assert_eq!(out.len(), self.queries.len(), "attend: out is as wide as the queries");
        assert!(self.heads.is_multiple_of(shape.kv_heads), "attend: KV heads divide the heads");
        assert!(self.window != Some(0), "attend: a row sees at least itself");
        let heads = self.heads / shape.kv_heads;
        let len_max = (TASK_ROWS / heads).max(1);
        let mut tiles = Vec::new();
        let mut first_row = 0;
        let mut keys = 0;
        for sequence in self.sequences {
            for from in (0..sequence.len).step_by(len_max) {
                let len = len_max.min(sequence.len - from);
                let start = sequence.start + from;
                keys += len * self.window.map_or(start + len, |window| window.min(start + len));
                tiles.push((first_row + from, start, len, sequence.block_table));
            }
            first_row += sequence.len;
        }
        // The last rows of a prompt see most; begun first, they do not end last.
        tiles.reverse();
        let out = Disjoint::new(out);
        self.pool.each(tiles.len() * shape.kv_heads, keys * row_width * 2, |task| {
            let (kv_head, (row, start, len, block_table)) =
                (task % shape.kv_heads, tiles[task / shape.kv_heads]);
            SCRATCH.with_borrow_mut(|scratch| {
                self.isa.run(Rows {
                    kv: Head { pages, shape, block_table, head: kv_head },
                    start,
                    len,
                    heads,
                    window: self.window,
                    scale: self.scale,
                    queries: self.queries,
                    at: row * row_width + kv_head * heads * shape.head_dim,
                    row_width,
                    out: &out,
                    scratch,
                });
            });
        });
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}
