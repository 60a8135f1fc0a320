//! Memory of their own for pieces of a file, in the largest pages that the system gives.
//!
//! Keeps true: a piece lies where it lies in the file, so that neighbours share pages of 2 MiB; it is written once, before
//! anybody else can see it; pieces do not overlap; only pieces that are held take memory. Knows no file.

use memmap2::{MmapOptions, MmapRaw, UncheckedAdvice};
use std::collections::BTreeMap;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What the larger pages of x86-64 and of most aarch64 systems have.
const LARGE_PAGE: usize = 2 << 20;
/// What each system's pages are a divisor or a multiple of; a piece gives back whole ones alone.
const PAGE: usize = 64 << 10;

/// Room for a copy of a file, of which only held pieces take memory.
pub struct Arena {
    map: MmapRaw,
    /// Where in the map the file would begin: at a large page.
    start: usize,
    len: usize,
    /// Ends of the pieces by where they begin. A piece that cannot be upgraded is being written or given back.
    pieces: Mutex<BTreeMap<usize, (usize, Weak<Piece>)>>,
}

/// A piece of an [`Arena`], written and from then on only read. Its memory is given back with it.
pub struct Piece {
    arena: Arc<Arena>,
    range: Range<usize>,
}

impl Arena {
    /// Room for `len` bytes.
    ///
    /// Errors: the system gives no so large range of addresses.
    pub fn reserve(len: usize) -> std::io::Result<Self> {
        let map = MmapOptions::new().len(len + LARGE_PAGE).no_reserve_swap().map_anon()?;
        #[cfg(target_os = "linux")]
        // A system without large pages says no, and then pages are small.
        map.advise(memmap2::Advice::HugePage).ok();
        let start = map.as_ptr().align_offset(LARGE_PAGE);
        Ok(Self { map: map.into(), start, len, pieces: Mutex::default() })
    }

    /// The bytes at `range`, written by `fill`, which gets zeros; if they are held already, those. `None`: they overlap
    /// others, or are being written or given back this moment.
    ///
    /// - Panics if `range` is not within the arena.
    pub fn piece<E>(
        self: &Arc<Self>,
        range: Range<usize>,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Option<Arc<Piece>>, E> {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} bytes", self.len);
        {
            let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
            // Of pieces that do not overlap, the last that begins before the end is the one that ends last.
            if let Some((at, (end, piece))) = pieces.range(..range.end.max(range.start + 1)).next_back()
                && (*end > range.start || *at == range.start)
            {
                return Ok(if (*at..*end) == range { piece.upgrade() } else { None });
            }
            pieces.insert(range.start, (range.end, Weak::new()));
        }
        // From here on it gives back what it has, whatever happens.
        let piece = Arc::new(Piece { arena: self.clone(), range: range.clone() });
        // SAFETY: the range is within the map and nobody else's, since the table has it.
        fill(unsafe { std::slice::from_raw_parts_mut(self.at(range.start), range.len()) })?;
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.insert(range.start, (range.end, Arc::downgrade(&piece)));
        Ok(Some(piece))
    }

    /// Bytes of the pieces that are held.
    pub fn held(&self) -> usize {
        let pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.iter().map(|(at, (end, _))| end - at).sum()
    }

    fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: offsets are at most `len`, and the map has `len` bytes from `start` on.
        unsafe { self.map.as_mut_ptr().add(self.start + offset) }
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the range is within the map, written, and nobody else's while this lives.
        unsafe { std::slice::from_raw_parts(self.arena.at(self.range.start), self.range.len()) }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut pieces = self.arena.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, end) = (self.range.start.next_multiple_of(PAGE), self.range.end / PAGE * PAGE);
        if first < end {
            // SAFETY: nobody has a reference into the piece, and the pages within it hold nothing else. Where the system
            // says no, the memory serves who comes next at this place.
            let given = unsafe {
                let at = self.arena.start + first;
                self.arena.map.unchecked_advise_range(UncheckedAdvice::DontNeed, at, end - first)
            };
            given.ok();
        }
        // Only now may others come.
        pieces.remove(&self.range.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn filled(arena: &Arc<Arena>, range: Range<usize>, value: u8) -> Option<Arc<Piece>> {
        let fill = |bytes: &mut [u8]| {
            bytes.fill(value);
            Ok::<(), Infallible>(())
        };
        arena.piece(range, fill).unwrap_or_else(|never| match never {})
    }

    #[test]
    fn neighbours_keep_their_bytes_and_begin_where_the_file_has_them() {
        let arena = Arc::new(Arena::reserve(3 * LARGE_PAGE).unwrap());
        let first = filled(&arena, 64..LARGE_PAGE + 100, 1).expect("free");
        let second = filled(&arena, LARGE_PAGE + 100..LARGE_PAGE + 200, 2).expect("free");
        assert!(first.iter().all(|byte| *byte == 1) && second.iter().all(|byte| *byte == 2));
        assert_eq!(first.as_ptr().addr() % LARGE_PAGE, 64);
        assert_eq!(arena.held(), LARGE_PAGE + 136);
        drop(first);
        assert!(second.iter().all(|byte| *byte == 2), "what a neighbour gives back is its own");
        assert_eq!(arena.held(), 100);
    }

    #[test]
    fn what_is_held_is_shared_and_not_written_again() {
        let arena = Arc::new(Arena::reserve(1 << 20).unwrap());
        let first = filled(&arena, 0..1000, 1).expect("free");
        let again = filled(&arena, 0..1000, 2).expect("held");
        assert_eq!((again[0], first.as_ptr()), (1, again.as_ptr()));
        for overlapping in [0..999, 0..1001, 1..999, 999..1001, 500..2000] {
            assert!(filled(&arena, overlapping.clone(), 3).is_none(), "{overlapping:?}");
        }
        assert!(filled(&arena, 1000..2000, 4).is_some(), "the next one is free");
        drop((first, again));
        assert_eq!(filled(&arena, 500..2000, 5).expect("given back")[0], 5);
    }

    #[test]
    fn a_piece_that_is_being_written_is_nobodys_yet() {
        let arena = Arc::new(Arena::reserve(1000).unwrap());
        let piece = arena.piece(0..10, |bytes| {
            assert!(filled(&arena, 0..10, 1).is_none() && filled(&arena, 5..20, 1).is_none());
            bytes.fill(7);
            Ok::<(), Infallible>(())
        });
        assert_eq!(piece.unwrap().expect("free")[9], 7);
    }

    #[test]
    fn a_failed_fill_leaves_its_place_free() {
        let arena = Arc::new(Arena::reserve(1000).unwrap());
        assert_eq!(arena.piece(0..10, |_| Err::<(), _>("no disk")).err(), Some("no disk"));
        assert_eq!(arena.held(), 0);
        assert_eq!(filled(&arena, 0..10, 3).expect("free")[0], 3);
    }

    #[test]
    fn an_empty_piece_is_a_piece() {
        let arena = Arc::new(Arena::reserve(1000).unwrap());
        assert!(filled(&arena, 10..10, 1).expect("free").is_empty());
    }
}
