//! A file's bytes at addresses that stay, of which parts can move from the file into memory of their own.
//!
//! Keeps true: the bytes at an address never change, wherever they are held; whole large pages move, and only such as somebody
//! holds; what nobody holds any more is the file's again. Only Linux can move; elsewhere all stays in the file.

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the larger pages of x86-64 and of most aarch64 systems have; what moves at once is a multiple.
pub const FRAME: usize = 2 << 20;
/// Frames that move at once: enough that few calls are made, and few enough that little is held twice.
const FRAMES_AT_ONCE: usize = 32;

/// A mapped file. Nobody may change the file's bytes while they are read.
pub struct FileMap {
    file: Arc<File>,
    /// Where it is mapped.
    place: Reserved,
    len: usize,
    frames: Mutex<Vec<Frame>>,
    /// Held by who moves frames.
    moving: Mutex<()>,
}

/// A whole frame of the file.
#[derive(Clone, Copy, Default)]
struct Frame {
    /// Bytes of it that parts have.
    held: usize,
    /// Whether it is in memory of its own.
    moved: bool,
}

/// Bytes that somebody computes with for long, so that it pays to move them.
pub struct Part {
    map: Arc<FileMap>,
    range: Range<usize>,
}

/// Addresses, from a frame's beginning on, that are given back.
struct Reserved {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory is read alone, and what changes where it is held takes the lock of the frames.
unsafe impl Send for FileMap {}
// SAFETY: as above.
unsafe impl Sync for FileMap {}

impl Reserved {
    /// At least `len` bytes, in whole frames.
    fn new(len: usize, protection: ProtFlags) -> io::Result<Self> {
        let len = len.max(1).next_multiple_of(FRAME);
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new range, which nobody else knows.
        let found = unsafe { mmap_anonymous(null_mut(), len + FRAME, protection, flags)? };
        let found = NonNull::new(found.cast::<u8>()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let before = found.align_offset(FRAME);
        // SAFETY: the range is a frame longer than what is kept of it, and nobody has a reference into it yet.
        unsafe {
            let at = found.add(before);
            for (surplus, bytes) in [(found, before), (at.add(len), FRAME - before)] {
                if bytes > 0 {
                    munmap(surplus.as_ptr().cast(), bytes).ok();
                }
            }
            Ok(Self { at, len })
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        // SAFETY: whoever has references into the range has this too. That addresses cannot be given back harms nobody.
        unsafe { munmap(self.at.as_ptr().cast(), self.len) }.ok();
    }
}

impl FileMap {
    /// Maps `file`.
    ///
    /// Errors: the system's.
    pub fn open(file: Arc<File>) -> io::Result<Self> {
        let len = usize::try_from(file.metadata()?.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let place = Reserved::new(len, ProtFlags::empty())?;
        let map = Self { file, place, len, frames: Mutex::default(), moving: Mutex::default() };
        if len > 0 {
            // SAFETY: the range is this map's, and nobody has a reference into it yet.
            unsafe { map.take_from_file(0..len)? };
        }
        *map.frames() = vec![Frame::default(); len / FRAME];
        Ok(map)
    }

    /// The bytes at `range`, held.
    ///
    /// - Panics if `range` is not within the file.
    pub fn part(self: &Arc<Self>, range: Range<usize>) -> Part {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} bytes", self.len);
        let mut frames = self.frames();
        for (at, bytes) in overlaps(&range) {
            if let Some(frame) = frames.get_mut(at) {
                frame.held += bytes;
            }
        }
        Part { map: self.clone(), range }
    }

    /// Moves into memory of their own, in pages of 2 MiB where the system gives them, the frames of which parts hold `least`
    /// bytes or more; as long as `may`, asked with the bytes of each portion, says yes. The bytes that moved.
    ///
    /// Errors: the system's, such as no memory; what has not moved stays as it was.
    pub fn settle(&self, least: usize, mut may: impl FnMut(usize) -> bool) -> io::Result<usize> {
        let _one_at_a_time = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut next, mut moved) = (0, 0);
        while let Some(run) = self.worth_moving(next, least.max(1)) {
            next = run.end;
            let bytes = run.len() * FRAME;
            if !may(bytes) {
                break;
            }
            if !self.relocate(run)? {
                break;
            }
            moved += bytes;
        }
        Ok(moved)
    }

    /// Bytes that are in memory of their own.
    pub fn settled(&self) -> usize {
        self.frames().iter().filter(|frame| frame.moved).count() * FRAME
    }

    fn frames(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next frames, from `first` on, that are in the file and of which `least` bytes are held.
    fn worth_moving(&self, first: usize, least: usize) -> Option<Range<usize>> {
        let frames = self.frames();
        let worth = |at: usize| frames.get(at).is_some_and(|frame| !frame.moved && frame.held >= least);
        let start = (first..frames.len()).find(|at| worth(*at))?;
        let end = (start..start + FRAMES_AT_ONCE).find(|at| !worth(*at));
        Some(start..end.unwrap_or(start + FRAMES_AT_ONCE))
    }

    /// Copies frames and puts the copies where the file was; `false`: this system cannot.
    #[cfg(target_os = "linux")]
    fn relocate(&self, run: Range<usize>) -> io::Result<bool> {
        use rustix::mm::{Advice, MprotectFlags, MremapFlags, madvise, mprotect, mremap_fixed};
        use std::os::unix::fs::FileExt;
        let (at, len) = (run.start * FRAME, run.len() * FRAME);
        let copy = Reserved::new(len, ProtFlags::READ | ProtFlags::WRITE)?;
        let bytes = copy.at.as_ptr();
        // SAFETY: the range is the copy's. A system without large pages says no, and then pages are small.
        unsafe { madvise(bytes.cast(), len, Advice::LinuxHugepage) }.ok();
        // Read, not copied from the map, whose pages would count as this process's.
        // SAFETY: the range is the copy's, zeros so far, and nobody else has it.
        self.file.read_exact_at(unsafe { std::slice::from_raw_parts_mut(bytes, len) }, at as u64)?;
        let mut frames = self.frames();
        // SAFETY: the slice above is gone. What lies at the new place has the same bytes, so that references into it see
        // nothing, and the system lets no thread between the two.
        unsafe {
            mprotect(bytes.cast(), len, MprotectFlags::READ)?;
            if let Err(error) = mremap_fixed(bytes.cast(), len, len, MremapFlags::MAYMOVE, self.at(at).cast())
            {
                // The system may have cleared the place before it found that it cannot.
                self.take_from_file(at..at + len)?;
                return Err(error.into());
            }
        }
        // Its addresses are free again: others may have them by now.
        std::mem::forget(copy);
        for at in run {
            frames[at].moved = true;
            if frames[at].held == 0 {
                self.return_to_file(&mut frames[at], at);
            }
        }
        Ok(true)
    }

    #[cfg(not(target_os = "linux"))]
    fn relocate(&self, _run: Range<usize>) -> io::Result<bool> {
        Ok(false)
    }

    /// Gives the memory of a frame back. Where the system says no it serves on, and is the file's bytes still.
    fn return_to_file(&self, frame: &mut Frame, at: usize) {
        // SAFETY: the frame is within the map, and the file has the same bytes there.
        frame.moved = unsafe { self.take_from_file(at * FRAME..(at + 1) * FRAME) }.is_err();
    }

    /// Puts the file's pages at `range`, which begins at a page and is not empty.
    ///
    /// SAFETY: who has references into the range must find the same bytes there.
    unsafe fn take_from_file(&self, range: Range<usize>) -> io::Result<()> {
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: the range is within what is reserved, and the caller's word.
        unsafe {
            let at = self.at(range.start).cast();
            mmap(at, range.len(), ProtFlags::READ, flags, &self.file, range.start as u64)?;
        }
        Ok(())
    }

    fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: offsets are at most `len`, and that many bytes are reserved.
        unsafe { self.place.at.as_ptr().add(offset) }
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the range is mapped as long as this lives, and its bytes do not change.
        unsafe { std::slice::from_raw_parts(self.place.at.as_ptr(), self.len) }
    }
}

impl Deref for Part {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map[self.range.clone()]
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut frames = self.map.frames();
        for (at, bytes) in overlaps(&self.range) {
            if let Some(frame) = frames.get_mut(at) {
                frame.held -= bytes;
                if frame.moved && frame.held == 0 {
                    self.map.return_to_file(frame, at);
                }
            }
        }
    }
}

/// The frames that `range` touches, and how many of its bytes are in each.
fn overlaps(range: &Range<usize>) -> impl Iterator<Item = (usize, usize)> {
    let (start, end) = (range.start, range.end);
    let bytes = move |at: usize| end.min((at + 1) * FRAME) - start.max(at * FRAME);
    (start / FRAME..end.div_ceil(FRAME)).map(move |at| (at, bytes(at))).filter(|(_, bytes)| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A file of `len` bytes in which every byte tells where it is.
    fn file(len: usize) -> (File, Vec<u8>) {
        let bytes: Vec<u8> = (0..len).map(|at| (at / 4096 * 7 + at % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    fn map(len: usize) -> (Arc<FileMap>, Vec<u8>) {
        let (file, bytes) = file(len);
        (Arc::new(FileMap::open(Arc::new(file)).unwrap()), bytes)
    }

    /// What a settled map has where frames can move, and nothing elsewhere.
    fn frames(count: usize) -> usize {
        if cfg!(target_os = "linux") { count * FRAME } else { 0 }
    }

    #[test]
    fn bytes_are_the_same_before_and_after_they_move_and_at_the_same_place() {
        let (map, bytes) = map(5 * FRAME + 1000);
        let part = map.part(100..4 * FRAME + 5);
        let before = part.as_ptr();
        assert_eq!((map.settle(FRAME / 2, |_| true).unwrap(), map.settled()), (frames(4), frames(4)));
        assert_eq!((part.as_ptr(), &part[..], &map[..]), (before, &bytes[100..4 * FRAME + 5], &bytes[..]));
        assert_eq!(map.settle(FRAME / 2, |_| true).unwrap(), 0, "nothing is left to move");
    }

    #[test]
    fn a_frame_moves_if_enough_of_it_is_held_and_goes_back_with_the_last_part() {
        let (map, bytes) = map(3 * FRAME);
        let (first, second) = (map.part(0..FRAME / 4), map.part(FRAME / 4..FRAME / 2));
        let little = map.part(2 * FRAME..2 * FRAME + 10);
        assert_eq!(map.settle(FRAME / 2 + 1, |_| true).unwrap(), 0);
        assert_eq!(map.settle(FRAME / 2, |_| true).unwrap(), frames(1));
        drop(first);
        assert_eq!(map.settled(), frames(1), "another part is there");
        assert_eq!(&second[..], &bytes[FRAME / 4..FRAME / 2]);
        drop((second, little));
        assert_eq!((map.settled(), &map[..]), (0, &bytes[..]));
    }

    #[test]
    fn what_may_not_move_stays() {
        let (map, bytes) = map(40 * FRAME);
        let part = map.part(0..40 * FRAME);
        let mut asked = Vec::new();
        let moved = map.settle(FRAME, |bytes| {
            asked.push(bytes / FRAME);
            asked.len() < 2
        });
        if cfg!(target_os = "linux") {
            assert_eq!((moved.unwrap(), &asked[..]), (32 * FRAME, &[32, 8][..]));
        }
        assert_eq!(&part[..], &bytes[..]);
    }

    #[test]
    fn who_reads_while_frames_come_and_go_sees_the_same_bytes() {
        let (map, bytes) = map(8 * FRAME);
        let reading = std::sync::atomic::AtomicBool::new(true);
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut rounds = 0;
                        while rounds < 3 || reading.load(std::sync::atomic::Ordering::Relaxed) {
                            assert!(map[..] == bytes[..]);
                            rounds += 1;
                        }
                    })
                })
                .collect();
            for _ in 0..20 {
                let part = map.part(0..8 * FRAME);
                map.settle(FRAME, |_| true).unwrap();
                drop(part);
            }
            reading.store(false, std::sync::atomic::Ordering::Relaxed);
            readers.into_iter().for_each(|reader| reader.join().unwrap());
        });
        assert_eq!(map.settled(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_was_cut_is_an_error_and_nothing_moves() {
        let file = Arc::new(file(2 * FRAME).0);
        let map = Arc::new(FileMap::open(file.clone()).unwrap());
        let _part = map.part(0..2 * FRAME);
        file.set_len(100).unwrap();
        assert!(map.settle(FRAME, |_| true).is_err());
        assert_eq!(map.settled(), 0);
    }

    #[test]
    fn an_empty_file_and_an_empty_part_are_fine() {
        let (map, _) = map(0);
        assert!(map.is_empty() && map.part(0..0).is_empty());
        assert_eq!(map.settle(1, |_| true).unwrap(), 0);
    }
}
