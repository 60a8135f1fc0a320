//! What the product asks of an instruction set: sixteen columns at a time, exact integers within a block.
//!
//! Keeps true: for the same codes every level gives the same integers, and the float operations round alike; the
//! scalar twin in `portable` says what each of them means.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use amx::{Amx, TILE_MACS, granted as tiles_granted, multiply_tiles};
#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;

use super::product::Tile;
use crate::Isa;

/// The instruction set of the integer products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Scalar code.
    Portable,
    /// 16-bit multiply-adds.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// `vpdpbusd` on 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// `vpdpbusd` for few rows and the tiles of AMX for many.
    #[cfg(target_arch = "x86_64")]
    Amx,
    /// `sdot`.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

impl Level {
    /// The best level within `isa`.
    pub(crate) fn of(isa: Isa) -> Self {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => Self::Amx,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if is_x86_feature_detected!("avx512vnni") => Self::Avx512Vnni,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Avx2 if is_x86_feature_detected!("f16c") => Self::Avx2,
            _ => Self::best_elsewhere(isa),
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn best_elsewhere(isa: Isa) -> Self {
        if isa != Isa::Portable && std::arch::is_aarch64_feature_detected!("dotprod") {
            Self::NeonDot
        } else {
            Self::Portable
        }
    }

    #[cfg(not(target_arch = "aarch64"))]
    fn best_elsewhere(_: Isa) -> Self {
        Self::Portable
    }
}

/// Sixteen columns of an instruction set.
///
/// # Safety
/// Methods may be called only where the instruction set is enabled, with pointers to as many bytes as they say.
pub(crate) trait Columns {
    /// Sixteen i32.
    type Ints: Copy;
    /// Sixteen f32.
    type Floats: Copy;
    /// Rows of the largest register tile: 4 or 8.
    const ROWS: usize;
    /// Panels of the largest register tile: 1 or 2.
    const PANELS: usize;
    /// What multiplies whole tiles of rows, if the set has such a unit.
    type Tiles: TileUnit;

    /// For each of `R` rows the exact products of its 32 codes with sixteen columns of each of `P` panels, whose codes
    /// are at `codes`. The rows' codes follow one another at `rows`, what each row's products start with at `starts`.
    ///
    /// `groups` is always 8, and must not be known to the compiler: it would unroll the loop and run out of registers.
    unsafe fn q8<const R: usize, const P: usize>(
        groups: usize,
        codes: [*const u8; P],
        rows: *const u8,
        starts: *const i32,
    ) -> [[Self::Ints; P]; R];
    /// The same for codes 0..=15.
    unsafe fn q4<const R: usize, const P: usize>(
        groups: usize,
        codes: [*const u8; P],
        rows: *const u8,
        starts: *const i32,
    ) -> [[Self::Ints; P]; R];

    unsafe fn load(from: *const f32) -> Self::Floats;
    unsafe fn store(values: Self::Floats, to: *mut f32);
    /// Sixteen f16, widened exactly.
    unsafe fn halves(from: *const u8) -> Self::Floats;
    unsafe fn splat(value: f32) -> Self::Floats;
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b + sum`, rounded once.
    unsafe fn fma(sum: Self::Floats, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Exact: a block's product is below 2^24.
    unsafe fn to_floats(ints: Self::Ints) -> Self::Floats;
}

/// A unit that multiplies many rows with a panel at once.
///
/// # Safety
/// As for [`Columns`].
pub(crate) trait TileUnit {
    /// Rows that it multiplies at once; zero if there is no such unit.
    const ROWS: usize;

    /// Makes it ready on this thread.
    unsafe fn begin() -> Self;
    /// Makes the codes of `count` records of each panel ready for [`Self::multiply`].
    unsafe fn widen<const KIND: usize, const P: usize>(&mut self, records: [*const u8; P], count: usize);
    /// Adds `count` blocks to the sums of `tiles.0` whole tiles: `tile` and those after it, which are `tiles.1` places apart.
    unsafe fn multiply<const KIND: usize, const P: usize>(
        &mut self,
        tile: &Tile<P>,
        tiles: (usize, usize),
        count: usize,
    );
}

/// No such unit.
pub(crate) struct NoTiles;

impl TileUnit for NoTiles {
    const ROWS: usize = 0;

    unsafe fn begin() -> Self {
        Self
    }

    unsafe fn widen<const KIND: usize, const P: usize>(&mut self, _: [*const u8; P], _: usize) {}

    unsafe fn multiply<const KIND: usize, const P: usize>(
        &mut self,
        _: &Tile<P>,
        _: (usize, usize),
        _: usize,
    ) {
    }
}
