//! Where the weights are that a file holds as they are computed with: in the file, or in memory of their own.
//! Keeps true: both hold the same bytes.

use crate::choice::choice;

/// The `--weights-in` option (decision 0022).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Residency {
    /// In the mapped file at first; what is held is moved into memory of its own afterwards, while it is computed with, as
    /// long as a quarter of the machine's memory stays free.
    #[default]
    Auto,
    /// In the mapped file, whose pages all processes of a machine share and which the system drops when memory runs short.
    File,
    /// In memory of their own, in 2 MiB pages where the system gives them, before anything is computed.
    Memory,
}

choice!(Residency, "weights_in": Auto = "auto", File = "file", Memory = "memory");
