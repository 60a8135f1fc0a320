//! Rows of int8 activations against a panel of packed weights.
//!
//! Keeps true: each (row, column) is `sum over blocks, ascending, of fma(product, row scale * column scale)`, whatever
//! the rows beside it. A panel's codes are widened once for all rows of a call, a few blocks at a time, so that they
//! stay in the first-level cache.

use super::activations::QuantRows;
use super::isa::{Columns, Level, PREPARED_MAX, Portable};
use super::packed::PANEL;
use super::{PackedMatrix, QuantKind};

/// Blocks that are widened at once: 8 KiB at most.
const CHUNK: usize = 8;
/// Rows of one register tile.
const TILE: usize = 4;

/// Sixteen outputs of each row.
pub(crate) type PanelRows = [[f32; PANEL]];

/// Where a chunk's widened codes lie while all rows meet them.
#[repr(align(64))]
struct Scratch {
    _bytes: [u8; CHUNK * PREPARED_MAX],
}

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
    let mut scratch = std::mem::MaybeUninit::<Scratch>::uninit();
    let prepared: *mut u8 = scratch.as_mut_ptr().cast();
    let prepared_block = C::PREPARED[usize::from(KIND > 0)];
    let (record, codes_at) = (w.kind().record_bytes(), w.kind().codes_at());
    let records = w.panel(panel).as_ptr();
    let code_bytes = 32 * x.form.code_bytes();
    out.fill([0.0; PANEL]);
    let mut first = 0;
    while first < x.blocks {
        let count = CHUNK.min(x.blocks - first);
        // SAFETY: the panel has `x.blocks` records; each prepared block has its place in the scratch.
        unsafe {
            let records = records.add(first * record);
            for block in 0..count {
                let codes = records.add(block * record + codes_at);
                let to = prepared.add(block * prepared_block);
                if KIND == 0 { C::prepare_q8(codes, to) } else { C::prepare_q4(codes, to) }
            }
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
                    tile::<C, KIND, $rows>(prepared, records, record, count, code_bytes, &rows, to);
                }};
            }
            while at < rows.len() {
                match rows.len() - at {
                    1 => tile!(1),
                    2 => tile!(2),
                    3 => tile!(3),
                    _ => tile!(4),
                }
                at += TILE;
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
    prepared: *const u8,
    records: *const u8,
    record: usize,
    count: usize,
    code_bytes: usize,
    rows: &[RowBlocks; R],
    out: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums: [C::Floats; R] = std::array::from_fn(|r| C::load(out.add(r * PANEL)));
        for block in 0..count {
            let codes: [*const u8; R] = std::array::from_fn(|r| rows[r].codes.add(block * code_bytes));
            let code_sums: [i32; R] = std::array::from_fn(|r| *rows[r].sums.add(block));
            let prepared = prepared.add(block * C::PREPARED[(KIND > 0) as usize]);
            let ints = match KIND {
                0 => C::q8(prepared, &codes, &code_sums),
                1 => C::q4(prepared, &codes, &code_sums, 8),
                _ => C::q4(prepared, &codes, &code_sums, 0),
            };
            let record = records.add(block * record);
            let scales = C::halves(record);
            for r in 0..R {
                let scale = *rows[r].scales.add(block);
                let both = C::mul(C::splat(scale), scales);
                sums[r] = C::fma(sums[r], C::to_floats(ints[r]), both);
                if KIND == 2 {
                    let minus = -(scale * code_sums[r] as f32);
                    sums[r] = C::fma(sums[r], C::splat(minus), C::halves(record.add(2 * PANEL)));
                }
            }
        }
        for r in 0..R {
            C::store(sums[r], out.add(r * PANEL));
        }
    }
}
