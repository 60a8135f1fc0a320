//! Weight formats. Each is a parser that fills one table, [`WeightFiles`]; everything that uses weights reads them there.

mod blocks;
mod dtype;
mod files;
pub mod gguf;
mod mapped;
pub(crate) mod safetensors;

pub use dtype::StoredDtype;
pub use files::WeightFiles;
pub(crate) use mapped::MappedFile;
