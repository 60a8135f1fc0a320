//! A file of weights, mapped. Keeps true: whoever asks for a piece gets the file's bytes, wherever they are held.

use crate::{ModelError, Residency};
use conclave_kernels::{Arena, FRAME, FileMap, Piece, Storage};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Why nothing can be copied, and what to do.
const NO_ROOM: &str = "the system reserves no memory for a copy of it; use --weights-in file";

/// A mapped file.
#[derive(Clone)]
pub(crate) struct MappedFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Arc<FileMap>,
    file: Arc<File>,
    /// Where copies of its pieces are, once the first is wanted; `None`: the system gives no room.
    copies: Arc<OnceLock<Option<Arc<Arena>>>>,
}

impl MappedFile {
    pub(crate) fn open(path: PathBuf) -> Result<Self, ModelError> {
        let failed = |error| ModelError::File { file: path.clone(), error };
        let file = Arc::new(File::open(&path).map_err(failed)?);
        let bytes = Arc::new(FileMap::open(file.clone()).map_err(failed)?);
        Ok(Self { path, bytes, file, copies: Arc::default() })
    }

    /// The numbers at `range`, held where `residency` says; mapped, too, while somebody else copies the same. `None`: the
    /// offset is odd, so that they are no numbers as they lie.
    pub(crate) fn storage<T: bytemuck::Pod>(
        &self,
        range: Range<usize>,
        residency: Residency,
    ) -> Result<Option<Storage<T>>, ModelError> {
        let copy = match residency {
            Residency::File => None,
            Residency::Auto => return Ok(Storage::shared(Arc::new(self.bytes.part(range)), |part| part)),
            Residency::Memory => self.copy(range.clone())?,
        };
        Ok(match copy {
            Some(piece) => Storage::shared(piece, |piece| piece),
            None => Storage::shared(self.bytes.clone(), |map| &map[range.clone()]),
        })
    }

    /// A copy of the bytes at `range`, read rather than copied from the map, whose pages would count as this process's.
    fn copy(&self, range: Range<usize>) -> Result<Option<Arc<Piece>>, ModelError> {
        let reserve = || Arena::reserve(self.bytes.len()).ok().map(Arc::new);
        let at = range.start as u64;
        let piece = match self.copies.get_or_init(reserve) {
            Some(arena) => arena.piece(range, |out| self.file.read_exact_at(out, at)),
            None => Err(std::io::Error::other(NO_ROOM)),
        };
        piece.map_err(|error| ModelError::File { file: self.path.clone(), error })
    }

    /// Moves what is held by `Residency::Auto` into memory, as long as `may`, asked with the bytes of each portion, says yes; the
    /// bytes that moved.
    ///
    /// - `whole`: every byte of the file is there and stays as it is, so that what lies beside a held piece may move with it.
    pub(crate) fn settle(&self, whole: bool, may: impl FnMut(usize) -> bool) -> Result<usize, ModelError> {
        // A piece's ends share their frames with its neighbours; where those are held too, all of it moves.
        let least = if whole { FRAME / 2 } else { FRAME };
        self.bytes.settle(least, may).map_err(|error| ModelError::File { file: self.path.clone(), error })
    }

    /// Bytes in memory of their own.
    pub(crate) fn copied(&self) -> usize {
        let copies = self.copies.get().and_then(Option::as_ref).map_or(0, |arena| arena.held());
        copies + self.bytes.settled()
    }
}
