//! Weights that are not on this machine yet: what a reader asks for before it touches bytes of a file. Knows no network.

use crate::ModelError;
use std::ops::Range;
use std::path::PathBuf;

/// Bytes of a weight file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// The file, by the path it is mapped from.
    pub file: PathBuf,
    /// Offsets of the bytes.
    pub bytes: Range<u64>,
}

/// Brings bytes of weight files that were mapped before they were there.
pub trait Supply: Send + Sync {
    /// Returns when all of `wanted` are in their files; at once if they are.
    ///
    /// Errors: [`ModelError::Supply`]: they cannot be had.
    fn bring(&self, wanted: &[FileRange]) -> Result<(), ModelError>;

    /// Whether all of `range` is in its file.
    fn has(&self, range: &FileRange) -> bool;

    /// Takes `bytes`, which somebody else has brought, for all of `range`.
    ///
    /// Errors: as of [`Self::bring`].
    fn put(&self, range: &FileRange, bytes: &[u8]) -> Result<(), ModelError>;

    /// Lets go of `range`, whose bytes are not what they should be: they are brought anew when they are wanted.
    ///
    /// Errors: as of [`Self::bring`].
    fn forget(&self, range: &FileRange) -> Result<(), ModelError>;

    /// Returns when every byte of every file is there and is what the source says it is, as far as that says so.
    ///
    /// Errors: as of [`Self::bring`].
    fn bring_all(&self) -> Result<(), ModelError>;
}
