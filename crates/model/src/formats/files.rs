//! The weights of a model, whatever the format: a table of tensors in mapped files, by their Hugging Face names.
//!
//! Keeps true: files are mapped; what is computed with as it is stored may be copied; only the tensors asked for are touched; shapes and row orders are those
//! of a Hugging Face folder. Knows no header: a format's parser checks its own and fills the table.

use super::{MappedFile, StoredDtype, blocks};
use crate::{FileRange, ModelError, NumericDtype, Residency, Supply};
use conclave_kernels::quant::{BLOCK, QuantBlocks, QuantKind};
use conclave_kernels::{Matrix, Storage};
use conclave_types::Digest;
use half::bf16;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the rows of a stored matrix are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowOrder {
    /// As in a Hugging Face folder.
    Plain,
    /// Within each head the two halves alternate, for rotary embedding of neighbours: stored row `2 i + h` of a head
    /// is row `h * head_dim / 2 + i`.
    Interleaved {
        /// Rows of a head.
        head_dim: usize,
    },
}

impl RowOrder {
    /// Where `row` is stored.
    fn stored(self, row: usize) -> usize {
        match self {
            Self::Plain => row,
            Self::Interleaved { head_dim } => {
                let (head, within) = (row / head_dim, row % head_dim);
                let (half, at) = (within / (head_dim / 2), within % (head_dim / 2));
                head * head_dim + 2 * at + half
            }
        }
    }
}

/// One tensor in a file.
pub(super) struct Stored {
    /// Which file.
    pub(super) file: usize,
    /// How it is stored, or the name of a dtype that is not supported.
    pub(super) dtype: Result<StoredDtype, String>,
    /// Outermost dimension first.
    pub(super) shape: Vec<usize>,
    /// Its bytes; as many as dtype and shape say.
    pub(super) range: Range<usize>,
    /// The order of its rows.
    pub(super) rows: RowOrder,
}

/// The weights of a model folder or file.
pub struct WeightFiles {
    /// Folder or file.
    origin: PathBuf,
    files: Vec<MappedFile>,
    tensors: BTreeMap<String, Stored>,
    /// Who brings what is not in the files yet; `None`: all is there.
    supply: Option<Arc<dyn Supply>>,
}

impl WeightFiles {
    pub(super) fn new(origin: &Path) -> Self {
        Self { origin: origin.to_owned(), files: Vec::new(), tensors: BTreeMap::new(), supply: None }
    }

    /// Adds a file with its tensors, each of which names it as `file`.
    pub(super) fn add(
        &mut self,
        file: MappedFile,
        tensors: impl IntoIterator<Item = (String, Stored)>,
    ) -> Result<(), ModelError> {
        for (name, stored) in tensors {
            if self.tensors.contains_key(&name) {
                return Err(ModelError::Corrupt {
                    file: file.path,
                    why: format!("tensor `{name}` is there twice"),
                });
            }
            self.tensors.insert(name, Stored { file: self.files.len(), ..stored });
        }
        self.files.push(file);
        Ok(())
    }

    pub(crate) fn set_supply(&mut self, supply: Arc<dyn Supply>) {
        self.supply = Some(supply);
    }

    /// Brings `tensors` from where the model is kept, if they are not here. What reads a tensor does so anyhow; all at once
    /// is quicker than one by one. A tensor that does not exist is found out when it is read.
    pub fn bring<S: AsRef<str>>(&self, tensors: impl IntoIterator<Item = S>) -> Result<(), ModelError> {
        let Some(supply) = &self.supply else { return Ok(()) };
        let stored = tensors.into_iter().filter_map(|tensor| self.tensors.get(tensor.as_ref()));
        let wanted: Vec<FileRange> = stored.map(|stored| self.place(stored)).collect();
        supply.bring(&wanted)
    }

    /// Whether something is brought only when it is wanted.
    pub fn are_supplied(&self) -> bool {
        self.supply.is_some()
    }

    /// Whether the stored bytes of `tensor` are on this machine.
    pub fn has(&self, tensor: &str) -> Result<bool, ModelError> {
        let range = self.range(tensor)?;
        Ok(self.supply.as_ref().is_none_or(|supply| supply.has(&range)))
    }

    /// Takes `bytes`, from somebody who has them, as the stored bytes of `tensor`; keeps them if they are what `right` says of
    /// the tensor then. Whether it did.
    ///
    /// Panics if all files are complete from the start.
    pub fn put(
        &self,
        tensor: &str,
        bytes: &[u8],
        right: impl FnOnce() -> Result<(), ModelError>,
    ) -> Result<bool, ModelError> {
        let supply = self.supply.as_ref().expect("files with holes have a supply");
        let range = self.range(tensor)?;
        if bytes.len() as u64 != range.bytes.end - range.bytes.start {
            return Ok(false);
        }
        supply.put(&range, bytes)?;
        match right() {
            Ok(()) => Ok(true),
            Err(ModelError::WrongDigest { .. }) => supply.forget(&range).map(|()| false),
            Err(error) => Err(error),
        }
    }

    /// Brings every byte of every file, and has them compared with what their source says they are.
    pub(crate) fn bring_all(&self) -> Result<(), ModelError> {
        self.supply.as_ref().map_or(Ok(()), |supply| supply.bring_all())
    }

    /// Where the stored bytes of `tensor` are.
    pub fn range(&self, tensor: &str) -> Result<FileRange, ModelError> {
        Ok(self.place(self.stored(tensor)?))
    }

    /// Where the bytes of a tensor are.
    fn place(&self, stored: &Stored) -> FileRange {
        let bytes = stored.range.start as u64..stored.range.end as u64;
        FileRange { file: self.files[stored.file].path.clone(), bytes }
    }

    /// How many stored bytes `tensor` has.
    pub fn len(&self, tensor: &str) -> Result<u64, ModelError> {
        Ok(self.stored(tensor)?.range.len() as u64)
    }

    /// See [`ModelFolder::settle`](crate::ModelFolder::settle).
    pub(crate) fn settle(&self, mut may: impl FnMut(usize) -> bool) -> Result<usize, ModelError> {
        // What is still to be brought is written into the file, and must be seen then.
        let whole = self.supply.is_none();
        self.files.iter().map(|file| file.settle(whole, &mut may)).sum()
    }

    /// Bytes of weights that are held in memory of their own, not in the files.
    pub(crate) fn copied(&self) -> usize {
        self.files.iter().map(MappedFile::copied).sum()
    }

    /// Every tensor's name, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is such a tensor.
    pub fn contains(&self, tensor: &str) -> bool {
        self.tensors.contains_key(tensor)
    }

    /// Whether any tensor is quantised in its file.
    pub fn are_quantised(&self) -> bool {
        self.tensors.values().any(|stored| stored.dtype.as_ref().is_ok_and(|dtype| dtype.is_quantised()))
    }

    fn stored(&self, tensor: &str) -> Result<&Stored, ModelError> {
        self.tensors
            .get(tensor)
            .ok_or_else(|| ModelError::NoTensor { tensor: tensor.to_owned(), folder: self.origin.clone() })
    }

    /// The files, in the order in which they were mapped.
    pub fn paths(&self) -> Vec<&Path> {
        self.files.iter().map(|file| file.path.as_path()).collect()
    }

    /// The file that holds `tensor`.
    pub fn file(&self, tensor: &str) -> Result<&Path, ModelError> {
        Ok(&self.files[self.stored(tensor)?.file].path)
    }

    /// The shape of `tensor`.
    pub fn shape(&self, tensor: &str) -> Result<&[usize], ModelError> {
        Ok(&self.stored(tensor)?.shape)
    }

    /// The dtype of `tensor`.
    pub fn dtype(&self, tensor: &str) -> Result<StoredDtype, ModelError> {
        let stored = self.stored(tensor)?;
        stored.dtype.clone().map_err(|found| ModelError::Dtype {
            file: self.files[stored.file].path.clone(),
            tensor: tensor.to_owned(),
            found,
        })
    }

    /// The stored bytes of `tensor`, brought here first if they are not.
    pub fn bytes(&self, tensor: &str) -> Result<&[u8], ModelError> {
        let stored = self.stored(tensor)?;
        if let Some(supply) = &self.supply {
            supply.bring(&[self.place(stored)])?;
        }
        Ok(&self.files[stored.file].bytes[stored.range.clone()])
    }

    /// The digest of the stored bytes of `tensor`, and of what they mean if that is not plain; reads all of them.
    pub fn digest(&self, tensor: &str) -> Result<Digest, ModelError> {
        let stored = self.stored(tensor)?;
        let content = Digest::of(self.bytes(tensor)?);
        match (&stored.dtype, stored.rows) {
            (Ok(dtype), rows) if dtype.is_quantised() || rows != RowOrder::Plain => {
                Ok(Digest::of(format!("{content} {} {rows:?}", dtype.name()).as_bytes()))
            }
            _ => Ok(content),
        }
    }

    /// Refuses a `tensor` of another shape.
    pub(crate) fn check_shape(&self, tensor: &str, expected: &[usize]) -> Result<(), ModelError> {
        self.stored_as(tensor, expected).map(drop)
    }

    fn stored_as(&self, tensor: &str, expected: &[usize]) -> Result<&Stored, ModelError> {
        let stored = self.stored(tensor)?;
        if stored.shape != expected {
            return Err(ModelError::Shape {
                file: self.files[stored.file].path.clone(),
                tensor: tensor.to_owned(),
                found: stored.shape.clone(),
                expected: expected.to_vec(),
            });
        }
        Ok(stored)
    }

    /// `tensor` `[rows, cols]` in the numeric dtype: mapped or copied if it is stored so, converted otherwise.
    pub(crate) fn matrix(
        &self,
        tensor: &str,
        [rows, cols]: [usize; 2],
        dtype: NumericDtype,
        residency: Residency,
    ) -> Result<Matrix, ModelError> {
        let stored = self.stored_as(tensor, &[rows, cols])?;
        let file = &self.files[stored.file];
        let source = self.rows(tensor)?;
        let found = (source.dtype, source.order);
        // An odd offset cannot be taken as numbers; the formats allow it, so it is converted.
        Ok(match dtype {
            NumericDtype::Bf16 => {
                let as_stored = match found == (StoredDtype::Bf16, RowOrder::Plain) {
                    true => file.storage(stored.range.clone(), residency)?,
                    false => None,
                };
                Matrix::bf16(rows, cols, as_stored.unwrap_or_else(|| Storage::owned(source.bf16())))
            }
            NumericDtype::F32 => {
                let as_stored = match found == (StoredDtype::F32, RowOrder::Plain) {
                    true => file.storage(stored.range.clone(), residency)?,
                    false => None,
                };
                Matrix::f32(rows, cols, as_stored.unwrap_or_else(|| Storage::owned(source.f32(0..rows))))
            }
        })
    }

    /// `tensor` `[len]` widened to f32, rounded through the numeric dtype first as a matrix would be.
    pub fn vector(&self, tensor: &str, len: usize, dtype: NumericDtype) -> Result<Vec<f32>, ModelError> {
        self.check_shape(tensor, &[len])?;
        let values = self.f32_values(tensor)?;
        Ok(match dtype {
            NumericDtype::F32 => values,
            NumericDtype::Bf16 => values.into_iter().map(|value| bf16::from_f32(value).to_f32()).collect(),
        })
    }

    /// Every weight of `tensor` as f32, row after row.
    pub fn f32_values(&self, tensor: &str) -> Result<Vec<f32>, ModelError> {
        let rows = self.rows(tensor)?;
        Ok(rows.f32(0..rows.rows))
    }

    /// Some rows of `tensor` as f32; a row is what the last dimension counts. Touches those rows alone.
    ///
    /// - Panics if `rows` is not within the tensor.
    pub fn f32_rows(&self, tensor: &str, rows: Range<usize>) -> Result<Vec<f32>, ModelError> {
        Ok(self.rows(tensor)?.f32(rows))
    }

    /// The quantised weights of `tensor` as the file holds them, if [`QuantBlocks`] can hold them too: `Q8_0`, `Q4_0` and
    /// `Q4_1` exactly, `Q4_K` with the scale and the minimum of 32 weights rounded to f16. `None` for every other dtype,
    /// and for a tensor with a block that does not fit; those go the way of [`Self::f32_rows`].
    pub fn quant_blocks(&self, tensor: &str) -> Result<Option<QuantBlocks>, ModelError> {
        let source = self.rows(tensor)?;
        let Some(kind) = blocks::quant_kind(source.dtype) else { return Ok(None) };
        let (rows, cols) = (source.rows, source.cols);
        let mut blocks = QuantBlocks {
            kind,
            rows,
            cols,
            codes: Vec::with_capacity(rows * cols),
            scales: Vec::with_capacity(rows * cols / BLOCK),
            mins: Vec::new(),
        };
        let fits = (0..rows).all(|row| blocks::append_row(source.dtype, source.row(row), &mut blocks));
        Ok(fits.then_some(blocks))
    }

    /// The form that [`Self::quant_blocks`] gives, unless a block does not fit.
    pub(crate) fn quant_kind(&self, tensor: &str) -> Result<Option<QuantKind>, ModelError> {
        Ok(blocks::quant_kind(self.dtype(tensor)?))
    }

    fn rows(&self, tensor: &str) -> Result<StoredRows<'_>, ModelError> {
        let stored = self.stored(tensor)?;
        // A vector is one row.
        let cols = stored.shape.last().copied().unwrap_or(1);
        let rows = stored.shape.iter().rev().skip(1).product();
        Ok(StoredRows {
            dtype: self.dtype(tensor)?,
            rows,
            cols,
            order: stored.rows,
            bytes: self.bytes(tensor)?,
        })
    }
}

/// A stored tensor, row by row.
struct StoredRows<'a> {
    dtype: StoredDtype,
    rows: usize,
    cols: usize,
    order: RowOrder,
    bytes: &'a [u8],
}

impl<'a> StoredRows<'a> {
    fn row(&self, row: usize) -> &'a [u8] {
        let len = self.cols / self.dtype.block_weights() * self.dtype.block_bytes();
        &self.bytes[self.order.stored(row) * len..][..len]
    }

    fn f32(&self, rows: Range<usize>) -> Vec<f32> {
        assert!(rows.end <= self.rows, "rows {rows:?} of {}", self.rows);
        let mut values = vec![0.0; rows.len() * self.cols];
        if !values.is_empty() {
            let out = values.par_chunks_exact_mut(self.cols).with_min_len(ROWS_A_TASK);
            out.zip(rows).for_each(|(out, row)| blocks::widen(self.dtype, self.row(row), out));
        }
        values
    }

    fn bf16(&self) -> Vec<bf16> {
        let mut values = vec![bf16::ZERO; self.rows * self.cols];
        if !values.is_empty() {
            let out = values.par_chunks_exact_mut(self.cols).with_min_len(ROWS_A_TASK).enumerate();
            out.for_each_init(
                || vec![0.0; self.cols],
                |wide, (row, out)| {
                    blocks::widen(self.dtype, self.row(row), wide);
                    out.iter_mut().zip(wide).for_each(|(out, wide)| *out = bf16::from_f32(*wide));
                },
            );
        }
        values
    }
}

/// Rows that are worth a task of their own.
const ROWS_A_TASK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_rows_are_found_where_the_halves_alternate() {
        let order = RowOrder::Interleaved { head_dim: 6 };
        let stored: Vec<usize> = (0..12).map(|row| order.stored(row)).collect();
        assert_eq!(stored, [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
    }
}
