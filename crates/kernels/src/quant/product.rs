//! Rows of int8 activations against a panel of packed weights.
//!
//! Keeps true: each (row, column) is `sum over blocks, ascending, of fma(product, row scale * column scale)`, whatever
//! the rows beside it. A panel is read once for all rows of a call.

use super::activations::QuantRows;
use super::isa::{Columns, Level, Portable};
use super::packed::PANEL;
use super::{PackedMatrix, QuantKind};

/// Blocks that all rows meet before the next: 4 KiB of weights, which stay in the first-level cache.
const CHUNK: usize = 8;

/// Bytes ahead of the block at hand that are asked of memory: the hardware's own look-ahead ends at every page.
const PREFETCH: usize = 4096;

/// Sixteen outputs of each row.
pub(crate) type PanelRows = [[f32; PANEL]];

/// What one row brings to a chunk of blocks.
#[derive(Clone, Copy)]
struct RowBlocks {
    codes: *const u8,
    scales: *const f32,
    sums: *const i32,
}

/// `out[i]` = the row `rows[i]` of `x` times the panel `panel` of `w`.
///
/// Panics if shapes or form do not fit.
pub(crate) fn panel_product(
    level: Level,
    x: &QuantRows,
    rows: &[u32],
    w: &PackedMatrix,
    panel: usize,
    out: &mut PanelRows,
) {
    assert!(x.blocks == w.blocks() && rows.len() == out.len(), "panel product of {} rows", rows.len());
    assert_eq!(x.form, super::activations::Form::of(level, w.kind()), "rows in another form");
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => {
            #[target_feature(enable = "avx2,fma,f16c")]
            fn run(x: &QuantRows, rows: &[u32], w: &PackedMatrix, panel: usize, out: &mut PanelRows) {
                // SAFETY: this function enables the set.
                unsafe { body::<super::isa::Avx2>(x, rows, w, panel, out) }
            }
            // SAFETY: the level comes from run-time detection.
            unsafe { run(x, rows, w, panel, out) }
        }
        #[cfg(target_arch = "x86_64")]
        Level::Avx512Vnni => {
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
            fn run(x: &QuantRows, rows: &[u32], w: &PackedMatrix, panel: usize, out: &mut PanelRows) {
                // SAFETY: this function enables the set.
                unsafe { body::<super::isa::Avx512>(x, rows, w, panel, out) }
            }
            // SAFETY: the level comes from run-time detection.
            unsafe { run(x, rows, w, panel, out) }
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: the level comes from run-time detection; NEON itself is always there.
        Level::NeonDot => unsafe { body::<super::isa::Neon>(x, rows, w, panel, out) },
        // SAFETY: arrays need no instruction set.
        Level::Portable => unsafe { body::<Portable>(x, rows, w, panel, out) },
    }
}

/// # Safety
/// The instruction set of `C` is enabled; shapes fit.
#[inline(always)]
unsafe fn body<C: Columns>(x: &QuantRows, rows: &[u32], w: &PackedMatrix, panel: usize, out: &mut PanelRows) {
    // SAFETY: the caller's promise.
    unsafe {
        match w.kind() {
            QuantKind::Q8 => kind::<C, 0>(x, rows, w, panel, out),
            QuantKind::Q4 => kind::<C, 1>(x, rows, w, panel, out),
            QuantKind::Q4Min => kind::<C, 2>(x, rows, w, panel, out),
        }
    }
}

/// # Safety
/// As for [`body`]; `KIND` is the index of the matrix's kind.
#[inline(always)]
unsafe fn kind<C: Columns, const KIND: usize>(
    x: &QuantRows,
    rows: &[u32],
    w: &PackedMatrix,
    panel: usize,
    out: &mut PanelRows,
) {
    let record = w.kind().record_bytes();
    let records = w.panel(panel).as_ptr();
    let code_bytes = 32 * x.form.code_bytes();
    out.fill([0.0; PANEL]);
    let mut first = 0;
    while first < x.blocks {
        let count = CHUNK.min(x.blocks - first);
        // SAFETY: the panel has `x.blocks` records.
        unsafe {
            let records = records.add(first * record);
            let row = |at: usize| {
                let block = rows[at] as usize * x.blocks + first;
                assert!(block + count <= x.scales.len(), "row {} of the activations", rows[at]);
                RowBlocks {
                    codes: x.codes.as_ptr().add(block * code_bytes),
                    scales: x.scales.as_ptr().add(block),
                    sums: x.sums.as_ptr().add(block),
                }
            };
            let mut at = 0;
            macro_rules! tile {
                ($rows:literal) => {{
                    let rows: [RowBlocks; $rows] = std::array::from_fn(|r| row(at + r));
                    let to = out.as_mut_ptr().add(at).cast();
                    tile::<C, KIND, $rows>(records, w.kind(), count, code_bytes, &rows, to);
                    at += $rows;
                }};
            }
            while at < rows.len() {
                match rows.len() - at {
                    1 => tile!(1),
                    2 => tile!(2),
                    3 => tile!(3),
                    left if C::ROWS < 8 || left < 8 => tile!(4),
                    _ => tile!(8),
                }
            }
        }
        first += count;
    }
}

/// Adds `count` blocks to the sixteen sums of each of `R` rows.
///
/// # Safety
/// As for [`body`]; `out` has `R` rows.
// Indices, because constant loops over them are what the compiler unrolls into registers.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn tile<C: Columns, const KIND: usize, const R: usize>(
    records: *const u8,
    kind: QuantKind,
    count: usize,
    code_bytes: usize,
    rows: &[RowBlocks; R],
    out: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let groups = std::hint::black_box(8);
        for block in 0..count {
            let row_codes: [*const u8; R] = std::array::from_fn(|r| rows[r].codes.add(block * code_bytes));
            let code_sums: [i32; R] = std::array::from_fn(|r| *rows[r].sums.add(block));
            let record = records.add(block * kind.record_bytes());
            for line in (0..kind.record_bytes()).step_by(64) {
                C::prefetch(record.wrapping_add(PREFETCH + line));
            }
            let codes = record.add(kind.codes_at());
            let ints = match KIND {
                0 => C::q8::<R>(groups, codes, &row_codes, &code_sums),
                1 => C::q4::<R>(groups, codes, &row_codes, &code_sums, 8),
                _ => C::q4::<R>(groups, codes, &row_codes, &code_sums, 0),
            };
            let scales = C::halves(record);
            for r in 0..R {
                let scale = *rows[r].scales.add(block);
                let both = C::mul(C::splat(scale), scales);
                // The sums stay in memory, which is the first-level cache: the integers need the registers.
                let mut sums = C::fma(C::load(out.add(r * PANEL)), C::to_floats(ints[r]), both);
                if KIND == 2 {
                    let minus = -(scale * code_sums[r] as f32);
                    sums = C::fma(sums, C::splat(minus), C::halves(record.add(2 * PANEL)));
                }
                C::store(sums, out.add(r * PANEL));
            }
        }
    }
}
