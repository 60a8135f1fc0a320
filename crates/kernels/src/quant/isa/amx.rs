//! AMX: one instruction multiplies a block of sixteen rows with one of sixteen columns.
//!
//! A record's codes are a tile already: eight times four inputs of sixteen outputs. So are sixteen rows of 32 codes.
//! Both sides are signed, so nothing is added to the weights' codes and products start at zero; a block's product is the
//! same integer. The tile goes through the first-level cache to vector registers, where a panel's sums of sixteen rows
//! stay for a whole chunk of blocks.
//!
//! The standard library has no stable intrinsics for tiles, hence `asm!`. The compiler uses no tile, so that they keep
//! what they hold from one such statement to the next.

use super::{Avx512, TileUnit};
use crate::prefetch::line_to_first;
use crate::quant::product::{CHUNK, Factors, PANELS, Tile};
use crate::quant::{BLOCK, PANEL, QuantKind};
use std::arch::asm;
use std::arch::x86_64::*;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

/// Rows of a whole tile.
const ROWS: usize = 16;

/// Outputs from one row to the next.
const OUT: usize = PANELS * PANEL;

/// Products under way: integers take as long through the cache as scaling those of some products before them.
const AHEAD: usize = 4;

/// Places for the integers of products on that way.
const RING: usize = 8;

/// Bytes of a tile of codes of weights.
const CODES: usize = BLOCK * PANEL;

/// Whether this process may use tiles of bytes: the processor has them and the system lets it.
pub(crate) fn granted() -> bool {
    static GRANTED: OnceLock<bool> = OnceLock::new();
    *GRANTED.get_or_init(|| {
        let leaf = || __cpuid_count(7, 0);
        let (tiles, bytes) = (1 << 24, 1 << 25);
        __cpuid(0).eax >= 7 && leaf().edx & tiles != 0 && leaf().edx & bytes != 0 && ask_system()
    })
}

/// Asks Linux for the state that tiles need: it is large, so a process has it only when it asks.
#[cfg(target_os = "linux")]
fn ask_system() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    let answer: i64;
    // SAFETY: the call changes nothing but what this process may use, and clobbers what is named.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => answer,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") TILE_DATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    answer == 0
}

#[cfg(not(target_os = "linux"))]
fn ask_system() -> bool {
    false
}

/// How tiles are shaped: what `ldtilecfg` reads.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    /// Bytes of a row, for each tile.
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Shapes the first tiles of this thread: the bytes of their rows, and how many rows.
///
/// # Safety
/// The processor has tiles and the system granted them.
#[inline(always)]
unsafe fn shape<const N: usize>(row_bytes: [u16; N], rows: [u8; N]) {
    let mut shapes =
        Shapes { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
    shapes.row_bytes[..N].copy_from_slice(&row_bytes);
    shapes.rows[..N].copy_from_slice(&rows);
    // SAFETY: the caller's promise.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const shapes, options(nostack, preserves_flags, readonly)) };
}

/// Ends what [`shape`] began: the system need not keep tiles when threads take turns.
///
/// # Safety
/// As for [`shape`].
#[inline(always)]
unsafe fn release() {
    // SAFETY: the caller's promise.
    unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
}

/// Multiply-adds of a tile of the greatest size.
pub(crate) const TILE_MACS: usize = ROWS * PANEL * 64;

/// Multiplies tiles of the greatest size, `times` times, and nothing else: what the machine can do at most.
///
/// # Safety
/// As for [`shape`].
pub(crate) unsafe fn multiply_tiles(times: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        shape([64; 6], [16; 6]);
        for _ in 0..times.div_ceil(4) {
            asm!(
                "tdpbssd tmm0, tmm4, tmm5",
                "tdpbssd tmm1, tmm4, tmm5",
                "tdpbssd tmm2, tmm4, tmm5",
                "tdpbssd tmm3, tmm4, tmm5",
                options(nostack, nomem, preserves_flags),
            );
        }
        release();
    }
}

/// Integers of a tile on their way to vector registers.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Ints([i32; ROWS * PANEL]);

/// Codes of weights, widened from four bits, of a chunk of each panel.
#[repr(C, align(64))]
struct Widened([u8; PANELS * CHUNK * CODES]);

/// This thread's tiles, shaped for a call. Products alternate between two sets: sums in 0 or 1, rows in 2 or 3, weights in
/// 4 or 5.
pub(crate) struct Amx {
    widened: MaybeUninit<Widened>,
    ints: [MaybeUninit<Ints>; RING],
}

/// Multiplies the rows at `$rows` with the weights at `$weights` and puts the integers to `$to`.
macro_rules! product {
    ($sums:literal, $x:literal, $w:literal, $rows:expr, $weights:expr, $to:expr) => {
        asm!(
            concat!("tilezero ", $sums),
            concat!("tileloadd ", $x, ", [{rows} + {row}]"),
            concat!("tileloadd ", $w, ", [{weights} + {line}]"),
            concat!("tdpbssd ", $sums, ", ", $x, ", ", $w),
            concat!("tilestored [{to} + {line}], ", $sums),
            rows = in(reg) $rows,
            row = in(reg) BLOCK,
            weights = in(reg) $weights,
            line = in(reg) 4 * PANEL,
            to = in(reg) $to,
            options(nostack, preserves_flags),
        )
    };
}

/// Which product of a call comes next: each tile's, panel after panel, block after block.
#[derive(Clone, Copy)]
struct Turn {
    number: usize,
    tile: usize,
    panel: usize,
    block: usize,
}

impl Turn {
    /// The one after this, where each of `panels` panels has `count` blocks.
    #[inline(always)]
    fn next(self, panels: usize, count: usize) -> Self {
        let Self { number, tile, panel, block } = self;
        let number = number + 1;
        if block + 1 < count {
            Self { number, tile, panel, block: block + 1 }
        } else if panel + 1 < panels {
            Self { number, tile, panel: panel + 1, block: 0 }
        } else {
            Self { number, tile: tile + 1, panel: 0, block: 0 }
        }
    }
}

/// The record of block `block` of panel `p`.
#[inline(always)]
fn record<const KIND: usize, const P: usize>(tile: &Tile<P>, p: usize, block: usize) -> *const u8 {
    tile.records[p].wrapping_add(block * kind::<KIND>().record_bytes())
}

#[inline(always)]
const fn kind<const KIND: usize>() -> QuantKind {
    match KIND {
        0 => QuantKind::Q8,
        1 => QuantKind::Q4,
        _ => QuantKind::Q4Min,
    }
}

// SAFETY of every block below: the trait's contract.
impl TileUnit for Amx {
    const ROWS: usize = ROWS;

    #[inline(always)]
    unsafe fn begin() -> Self {
        let (line, row) = (4 * PANEL as u16, BLOCK as u16);
        unsafe { shape([line, line, row, row, line, line], [16, 16, 16, 16, 8, 8]) };
        Self { widened: MaybeUninit::uninit(), ints: [MaybeUninit::uninit(); RING] }
    }

    #[inline(always)]
    unsafe fn widen<const KIND: usize, const P: usize>(&mut self, records: [*const u8; P], count: usize) {
        if KIND == 0 {
            return;
        }
        unsafe {
            let low = _mm512_set1_epi8(0xf);
            let zero = _mm512_set1_epi8(if KIND == 1 { 8 } else { 0 });
            for (p, records) in records.into_iter().enumerate() {
                for block in 0..count {
                    let record = records.add(block * kind::<KIND>().record_bytes());
                    let codes = record.add(kind::<KIND>().codes_at());
                    let to = self.widened.as_mut_ptr().cast::<u8>().add((p * CHUNK + block) * CODES);
                    for group in 0..4 {
                        let bytes = _mm512_loadu_si512(codes.add(group * 64).cast());
                        let first = _mm512_and_si512(bytes, low);
                        let second = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), low);
                        let [first, second] = [first, second].map(|codes| match KIND {
                            1 => _mm512_sub_epi8(codes, zero),
                            _ => codes,
                        });
                        _mm512_store_si512(to.add(group * 64).cast(), first);
                        _mm512_store_si512(to.add((4 + group) * 64).cast(), second);
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply<const KIND: usize, const P: usize>(
        &mut self,
        tile: &Tile<P>,
        (tiles, step): (usize, usize),
        count: usize,
    ) {
        unsafe {
            let end = tiles * P * count;
            let mut turn = Turn { number: 0, tile: 0, panel: 0, block: 0 };
            while turn.number < AHEAD.min(end) {
                self.start::<KIND, P>(tile, step, turn);
                turn = turn.next(P, count);
            }
            let mut number = 0;
            let all = kind::<KIND>().record_bytes().div_ceil(64);
            for index in 0..tiles {
                // Each tile asks for its part of what the next chunk needs: all at once, a chunk's lines would fill the
                // slots that the loop's own misses need.
                let lines = all * index / tiles..all * (index + 1) / tiles;
                for p in 0..P {
                    let out = tile.out.add(index * ROWS * OUT + p * PANEL);
                    let mut sums = [_mm512_setzero_ps(); ROWS];
                    for (r, sums) in sums.iter_mut().enumerate() {
                        *sums = _mm512_loadu_ps(out.add(r * OUT));
                    }
                    for block in 0..count {
                        if turn.number < end {
                            self.start::<KIND, P>(tile, step, turn);
                            turn = turn.next(P, count);
                        }
                        let place = index * step + block * ROWS;
                        let factors = Factors::<Avx512, KIND>::of(record::<KIND, P>(tile, p, block));
                        let next = record::<KIND, P>(tile, p, CHUNK + block);
                        lines.clone().for_each(|line| line_to_first(next.wrapping_add(line * 64)));
                        let ints = self.ints[number % RING].as_ptr().cast::<i32>();
                        number += 1;
                        for (r, sums) in sums.iter_mut().enumerate() {
                            let scale = *tile.scales.add(place + r);
                            let ints = _mm512_load_si512(ints.add(r * PANEL).cast());
                            *sums = factors.add(*sums, ints, scale, tile.sums.add(place + r));
                        }
                    }
                    for (r, sums) in sums.into_iter().enumerate() {
                        _mm512_storeu_ps(out.add(r * OUT), sums);
                    }
                }
            }
        }
    }
}

impl Amx {
    /// Starts a product.
    ///
    /// # Safety
    /// As for [`TileUnit::multiply`].
    #[inline(always)]
    unsafe fn start<const KIND: usize, const P: usize>(
        &mut self,
        tile: &Tile<P>,
        step: usize,
        Turn { number, tile: index, panel, block }: Turn,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let rows = tile.codes.add((index * step + block * ROWS) * BLOCK);
            let weights = match KIND {
                0 => record::<KIND, P>(tile, panel, block).add(QuantKind::Q8.codes_at()),
                _ => self.widened.as_ptr().cast::<u8>().add((panel * CHUNK + block) * CODES),
            };
            let to = self.ints[number % RING].as_mut_ptr();
            match number % 2 {
                0 => product!("tmm0", "tmm2", "tmm4", rows, weights, to),
                _ => product!("tmm1", "tmm3", "tmm5", rows, weights, to),
            }
        }
    }
}

impl Drop for Amx {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: tiles were shaped by `begin`, on this thread.
        unsafe { release() };
    }
}
