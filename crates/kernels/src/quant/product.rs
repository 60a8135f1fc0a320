//! Rows of int8 activations against a panel of packed weights.
//!
//! Keeps true: each (row, column) is `sum over blocks, ascending, of fma(product, row scale * column scale)`, whatever
//! the rows beside it. A panel is read once for all rows of a call.

use super::activations::{QuantRows, Span, TILE};
use super::isa::{Columns, Level, Portable, TileUnit};
use super::packed::PANEL;
use super::{BLOCK, PackedMatrix, QuantKind};
use crate::prefetch::LookAhead;

/// Blocks that all rows meet before the next: at most 9 KiB of weights, which stay in the first-level cache.
pub(crate) const CHUNK: usize = 8;

/// Panels that a call may take at once.
pub(crate) const PANELS: usize = 2;

/// The outputs of each row, panel after panel.
pub(crate) type PanelRows = [[f32; PANELS * PANEL]];

/// `out[i]` = row `first + i` of `span` of `x` times `panels` panels of `w` from `panel` on; `first` begins a tile.
/// What `out` was before does not count; with one panel its second half is left so.
///
/// Panics if shapes or form do not fit.
pub(crate) fn panel_product(
    level: Level,
    x: &QuantRows,
    (span, first): (Span, usize),
    w: &PackedMatrix,
    (panel, panels): (usize, usize),
    out: &mut PanelRows,
) {
    assert!(x.blocks == w.blocks() && span.first + span.rows <= x.rows(), "panel product of {span:?}");
    assert!(first.is_multiple_of(TILE) && first + out.len() <= span.rows, "row {first} of {span:?}");
    assert!((1..=PANELS).contains(&panels), "{panels} panels at once");
    assert_eq!(x.form, super::activations::Form::of(level, w.kind()), "rows in another form");
    let job = Job { x, span, first, w, panel, panels };
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => {
            #[target_feature(enable = "avx2,fma,f16c")]
            fn run(job: &Job<'_>, out: &mut PanelRows) {
                // SAFETY: this function enables the set.
                unsafe { job.run::<super::isa::Avx2>(out) }
            }
            // SAFETY: the level comes from run-time detection.
            unsafe { run(&job, out) }
        }
        #[cfg(target_arch = "x86_64")]
        Level::Avx512Vnni => {
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
            fn run(job: &Job<'_>, out: &mut PanelRows) {
                // SAFETY: this function enables the set.
                unsafe { job.run::<super::isa::Avx512>(out) }
            }
            // SAFETY: the level comes from run-time detection.
            unsafe { run(&job, out) }
        }
        #[cfg(target_arch = "x86_64")]
        Level::Amx => {
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
            fn run(job: &Job<'_>, out: &mut PanelRows) {
                // SAFETY: this function enables the set.
                unsafe { job.run::<super::isa::Avx512<super::isa::Amx>>(out) }
            }
            // SAFETY: the level comes from run-time detection.
            unsafe { run(&job, out) }
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: the level comes from run-time detection; NEON itself is always there.
        Level::NeonDot => unsafe { job.run::<super::isa::Neon>(out) },
        // SAFETY: arrays need no instruction set.
        Level::Portable => unsafe { job.run::<Portable>(out) },
    }
}

/// One call of [`panel_product`], whose shapes fit.
struct Job<'a> {
    x: &'a QuantRows,
    span: Span,
    first: usize,
    w: &'a PackedMatrix,
    panel: usize,
    panels: usize,
}

impl Job<'_> {
    /// # Safety
    /// The instruction set of `C` is enabled.
    #[inline(always)]
    unsafe fn run<C: Columns>(&self, out: &mut PanelRows) {
        // SAFETY: the caller's promise.
        unsafe {
            if C::PANELS == 2 && self.panels == 2 {
                let panels = [0, 1].map(|at| self.w.panel(self.panel + at).as_ptr());
                self.kinds::<C, 2>(panels, out.as_flattened_mut().as_mut_ptr(), out.len());
            } else {
                for at in 0..self.panels {
                    let panel = self.w.panel(self.panel + at).as_ptr();
                    let to = out.as_flattened_mut().as_mut_ptr().add(at * PANEL);
                    self.kinds::<C, 1>([panel], to, out.len());
                }
            }
        }
    }

    /// # Safety
    /// As for [`Self::run`]; `P` whole panels are at `panels`, `rows` outputs of `P` panels at `out`.
    #[inline(always)]
    unsafe fn kinds<C: Columns, const P: usize>(&self, panels: [*const u8; P], out: *mut f32, rows: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.w.kind() {
                QuantKind::Q8 => self.rows::<C, 0, P>(panels, out, rows),
                QuantKind::Q4 => self.rows::<C, 1, P>(panels, out, rows),
                QuantKind::Q4Min => self.rows::<C, 2, P>(panels, out, rows),
            }
        }
    }

    /// # Safety
    /// As for [`Self::kinds`]; `KIND` is the index of the matrix's kind.
    #[inline(always)]
    unsafe fn rows<C: Columns, const KIND: usize, const P: usize>(
        &self,
        panels: [*const u8; P],
        out: *mut f32,
        rows: usize,
    ) {
        let x = self.x;
        let record = self.w.kind().record_bytes();
        let row_bytes = BLOCK * x.form.code_bytes();
        let ahead = LookAhead::here();
        // SAFETY: every place below is that of a row of the span, and of a block that the panels have.
        unsafe {
            for row in 0..rows {
                std::slice::from_raw_parts_mut(out.add(row * PANELS * PANEL), P * PANEL).fill(0.0);
            }
            // Whole tiles go to the unit that takes them at once, if there is one.
            let whole = if C::Tiles::ROWS == TILE { rows / TILE } else { 0 };
            let mut unit = if whole > 0 { Some(C::Tiles::begin()) } else { None };
            let mut first = 0;
            while first < x.blocks {
                let count = CHUNK.min(x.blocks - first);
                let records = panels.map(|panel| panel.add(first * record));
                // The tile of row `at` from its row `lane` on.
                let tile = |at: usize, lane: usize| {
                    let (before, height) = self.span.tile(self.first + at);
                    let place = before * x.blocks + first * height + lane;
                    Tile {
                        records,
                        codes: x.codes.as_ptr().add(place * row_bytes),
                        scales: x.scales.as_ptr().add(place),
                        sums: x.sums.as_ptr().add(place),
                        starts: x.starts.as_ptr().add(place),
                        height,
                        row_bytes,
                        // Those who come first ask for all.
                        ahead: (at + lane == 0).then_some(ahead),
                        out: out.add((at + lane) * PANELS * PANEL),
                    }
                };
                if let Some(unit) = &mut unit {
                    unit.widen::<KIND, P>(records, count);
                    unit.multiply::<KIND, P>(&tile(0, 0), (whole, TILE * x.blocks), count);
                }
                let mut at = whole * TILE;
                while at < rows {
                    let end = self.span.tile(self.first + at).1.min(rows - at);
                    let mut lane = 0;
                    while lane < end {
                        let tile = tile(at, lane);
                        let kind = self.w.kind();
                        macro_rules! multiply {
                            ($rows:literal) => {{
                                tile.multiply::<C, KIND, $rows>(kind, count);
                                lane += $rows;
                            }};
                        }
                        match end - lane {
                            1 => multiply!(1),
                            2 => multiply!(2),
                            3 => multiply!(3),
                            left if C::ROWS < 8 || left < 8 => multiply!(4),
                            _ => multiply!(8),
                        }
                    }
                    at += end;
                }
                first += count;
            }
        }
    }
}

/// Rows of a tile and records of panels that meet, from some block on.
pub(crate) struct Tile<const P: usize> {
    pub(crate) records: [*const u8; P],
    pub(crate) codes: *const u8,
    pub(crate) scales: *const f32,
    pub(crate) sums: *const i32,
    starts: *const i32,
    /// Rows of the tile: so far it is from one block to the next.
    height: usize,
    row_bytes: usize,
    ahead: Option<LookAhead>,
    pub(crate) out: *mut f32,
}

impl<const P: usize> Tile<P> {
    /// Adds `count` blocks to the sixteen sums of each of `R` rows and `P` panels.
    ///
    /// # Safety
    /// As for [`Job::rows`]; so many rows, blocks and sums are there.
    // Indices, because constant loops over them are what the compiler unrolls into registers.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    unsafe fn multiply<C: Columns, const KIND: usize, const R: usize>(&self, kind: QuantKind, count: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let groups = std::hint::black_box(8);
            for block in 0..count {
                let place = block * self.height;
                let records = self.records.map(|records| records.add(block * kind.record_bytes()));
                if let Some(ahead) = self.ahead {
                    for p in 0..P {
                        ahead.ask(records[p], kind.record_bytes());
                    }
                }
                let codes = records.map(|record| record.add(kind.codes_at()));
                let rows = self.codes.add(place * self.row_bytes);
                let starts = self.starts.add(place);
                let ints = match KIND {
                    0 => C::q8::<R, P>(groups, codes, rows, starts),
                    _ => C::q4::<R, P>(groups, codes, rows, starts),
                };
                // Widened once: the compiler could not, for all it knows `out` may lie among the records.
                let factors = [records[0], records[P - 1]];
                let factors = [Factors::<C, KIND>::of(factors[0]), Factors::<C, KIND>::of(factors[1])];
                for r in 0..R {
                    let (scale, codes) = (*self.scales.add(place + r), self.sums.add(place + r));
                    for p in 0..P {
                        let out = self.out.add(r * PANELS * PANEL + p * PANEL);
                        // The sums stay in memory, which is the first-level cache: the integers need the registers.
                        C::store(factors[p].add(C::load(out), ints[r][p], scale, codes), out);
                    }
                }
            }
        }
    }
}

/// What the integers of a block and a panel are scaled with before they are added. The one place that says how they round.
pub(crate) struct Factors<C: Columns, const KIND: usize> {
    scales: C::Floats,
    mins: C::Floats,
}

impl<C: Columns, const KIND: usize> Factors<C, KIND> {
    /// Those of a record.
    ///
    /// # Safety
    /// The instruction set of `C` is enabled; the record is of that kind.
    #[inline(always)]
    pub(crate) unsafe fn of(record: *const u8) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let mins = if KIND == 2 { C::halves(record.add(2 * PANEL)) } else { C::splat(0.0) };
            Self { scales: C::halves(record), mins }
        }
    }

    /// `sums` and the products `ints` with a row's block, which has `scale` and the sum of codes at `codes`.
    ///
    /// # Safety
    /// The instruction set of `C` is enabled; the sum is there.
    #[inline(always)]
    pub(crate) unsafe fn add(
        &self,
        sums: C::Floats,
        ints: C::Ints,
        scale: f32,
        codes: *const i32,
    ) -> C::Floats {
        // SAFETY: the caller's promise.
        unsafe {
            let both = C::mul(C::splat(scale), self.scales);
            let sums = C::fma(sums, C::to_floats(ints), both);
            if KIND != 2 {
                return sums;
            }
            let minus = -(scale * *codes as f32);
            C::fma(sums, C::splat(minus), self.mins)
        }
    }
}
