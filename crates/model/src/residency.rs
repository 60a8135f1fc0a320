//! Where the weights are that a file holds as they are computed with: in the file, or copied into memory of their own.
//! Keeps true: both hold the same bytes.

use crate::choice::choice;

/// The `--weights-in` option (decision 0022).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Residency {
    /// In the mapped file, whose pages all processes of a machine share and which the system drops when memory runs short.
    #[default]
    File,
    /// In memory of their own, in 2 MiB pages where the system gives them.
    Memory,
}

choice!(Residency, "weights_in": File = "file", Memory = "memory");
