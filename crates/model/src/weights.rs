//! In what form each weight matrix is kept in memory, and how it gets there from the stored form.
//!
//! Keeps true: the same stored bytes and the same dtype give the same matrix on every machine. Router, embedding and
//! vectors are never quantised: they are small, and what they decide is not.

use crate::choice::choice;
use crate::room::Room;
use crate::spec::EMBEDDING;
use crate::{Manifest, ModelError, ModelFolder, NumericDtype, PackFile, Residency};
use conclave_kernels::Matrix;
use conclave_kernels::Storage;
use conclave_kernels::quant::{Line, PackedMatrix, QuantBlocks, QuantKind};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// The form of weight matrices in memory: `--experts-dtype` and `--trunk-dtype`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WeightDtype {
    /// The model's numeric dtype; what a file holds quantised stays so.
    #[default]
    AsStored,
    /// f32.
    F32,
    /// bf16, rounded to nearest even if stored wider.
    Bf16,
    /// int8 with a scale for each 32 inputs: 8.5 bits a weight.
    Q8,
    /// 4 bits with a scale for each 32 inputs: 4.5 bits a weight.
    Q4,
}

choice!(WeightDtype, "dtype": AsStored = "auto", F32 = "f32", Bf16 = "bf16", Q8 = "q8", Q4 = "q4");

impl From<NumericDtype> for WeightDtype {
    fn from(dtype: NumericDtype) -> Self {
        match dtype {
            NumericDtype::F32 => Self::F32,
            NumericDtype::Bf16 => Self::Bf16,
        }
    }
}

/// The forms of the two kinds of matrices that can be quantised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct WeightDtypes {
    /// Of the routed experts.
    pub experts: WeightDtype,
    /// Of attention, dense blocks and the output head.
    pub trunk: WeightDtype,
}

impl ModelFolder {
    /// Keeps experts and trunk in the given forms.
    pub fn with_weights(mut self, weights: WeightDtypes) -> Self {
        self.weights = weights;
        self
    }

    /// Takes quantised matrices from `pack` instead of making them.
    pub fn with_pack(mut self, pack: Option<PackFile>) -> Self {
        self.pack = pack.map(Arc::new);
        self
    }

    /// Holds what a file has as it is computed with where `residency` says.
    pub fn with_residency(mut self, residency: Residency) -> Self {
        self.residency = residency;
        self
    }

    /// Moves what is loaded, with [`Residency::Auto`], from its files into memory of its own, as long as a quarter of the
    /// machine's memory stays free; who computes with it meanwhile notices nothing but speed. The bytes that moved. Takes as
    /// long as to read them.
    ///
    /// Errors: a file was cut; the system.
    pub fn settle(&self) -> Result<usize, ModelError> {
        self.settle_while(|bytes| Room::now().is_some_and(|room| room.has(bytes)))
    }

    /// [`Self::settle`] as long as `may`, asked with the bytes of each portion, says yes.
    pub fn settle_while(&self, mut may: impl FnMut(usize) -> bool) -> Result<usize, ModelError> {
        if self.residency != Residency::Auto {
            return Ok(0);
        }
        let packed = self.pack.as_ref().map_or(Ok(0), |pack| pack.settle(&mut may))?;
        Ok(packed + self.files.settle(&mut may)?)
    }

    /// Bytes of weights that are held in memory of their own rather than in the file that has them.
    pub fn copied_bytes(&self) -> usize {
        self.files.copied() + self.pack.as_ref().map_or(0, |pack| pack.copied())
    }

    /// [`Self::matrix`] after a check of what it is made from: the packed bytes, or the stored ones by `manifest`.
    pub fn verified_matrix(
        &self,
        manifest: &Manifest,
        tensor: &str,
        shape: [usize; 2],
        dtype: WeightDtype,
    ) -> Result<Matrix, ModelError> {
        // A packed matrix has a digest of its own, which `matrix` checks.
        if !(self.is_packed(tensor) && self.is_quantised(tensor, dtype)?) {
            manifest.verify(self, tensor)?;
        }
        self.matrix(tensor, shape, dtype)
    }

    /// Whether `tensor` comes from a pack file.
    pub(crate) fn is_packed(&self, tensor: &str) -> bool {
        self.pack.as_ref().is_some_and(|pack| pack.contains(tensor))
    }

    /// Whether `tensor` in the form `dtype` is small integers with scales.
    pub(crate) fn is_quantised(&self, tensor: &str, dtype: WeightDtype) -> Result<bool, ModelError> {
        match dtype {
            WeightDtype::Q8 | WeightDtype::Q4 => Ok(true),
            WeightDtype::F32 | WeightDtype::Bf16 => Ok(false),
            WeightDtype::AsStored => Ok(self.files.dtype(tensor)?.is_quantised()),
        }
    }

    /// Whether the output head is a matrix of its own: a tied one is the embedding itself, unless the two are kept in
    /// different forms.
    pub(crate) fn has_own_head(&self) -> Result<bool, ModelError> {
        let as_embedding = match self.weights.trunk {
            WeightDtype::AsStored => !self.is_quantised(self.spec.head_tensor(), WeightDtype::AsStored)?,
            other => other == WeightDtype::from(self.dtype),
        };
        Ok(!(self.spec.tied && as_embedding))
    }

    /// `tensor` `[rows, cols]` in the form `dtype`.
    pub fn matrix(&self, tensor: &str, shape: [usize; 2], dtype: WeightDtype) -> Result<Matrix, ModelError> {
        let matrix = self.made(tensor, shape, dtype)?;
        self.progress.done(self.stored_bytes([tensor]));
        Ok(matrix)
    }

    fn made(&self, tensor: &str, shape: [usize; 2], dtype: WeightDtype) -> Result<Matrix, ModelError> {
        let quantised = self.is_quantised(tensor, dtype)?;
        // An embedding is only looked up, a few rows a step, which is never worth a copy, unless it is the output head too.
        let looked_up = tensor == EMBEDDING && !quantised && self.has_own_head()?;
        let residency = if looked_up { Residency::File } else { self.residency };
        // An embedding that is also the output head is wanted twice, and once as plain numbers.
        if quantised
            && let Some(pack) = &self.pack
            && let Some(matrix) = pack.matrix(tensor, shape, residency)?
        {
            return Ok(matrix);
        }
        match dtype {
            WeightDtype::AsStored if quantised => self.as_quantized(tensor, shape),
            WeightDtype::AsStored => self.files.matrix(tensor, shape, self.dtype, residency),
            WeightDtype::F32 => self.files.matrix(tensor, shape, NumericDtype::F32, residency),
            WeightDtype::Bf16 => self.files.matrix(tensor, shape, NumericDtype::Bf16, residency),
            WeightDtype::Q8 => self.quantized(tensor, shape, QuantKind::Q8),
            WeightDtype::Q4 => self.quantized(tensor, shape, QuantKind::Q4),
        }
    }

    /// What a file holds quantised, in the kernels' blocks; what these cannot hold becomes int8, which loses little.
    fn as_quantized(&self, tensor: &str, shape: [usize; 2]) -> Result<Matrix, ModelError> {
        self.files.check_shape(tensor, &shape)?;
        match self.files.quant_blocks(tensor)? {
            Some(blocks) => Ok(Matrix::quantized(PackedMatrix::pack(&blocks, shape[1]))),
            None => self.quantized(tensor, shape, QuantKind::Q8),
        }
    }

    fn quantized(&self, tensor: &str, shape: [usize; 2], kind: QuantKind) -> Result<Matrix, ModelError> {
        self.files.check_shape(tensor, &shape)?;
        let [rows, cols] = shape;
        let quantize = |rows: Range<usize>| {
            let values = self.files.f32_rows(tensor, rows.clone())?;
            Ok(QuantBlocks::quantize(kind, &values, rows.len(), cols))
        };
        Ok(Matrix::quantized(pack_in_parallel(kind, rows, cols, quantize)?))
    }
}

/// Packs the blocks that `part` gives for some rows, with all cores, a few panels at a time.
fn pack_in_parallel(
    kind: QuantKind,
    rows: usize,
    cols: usize,
    part: impl Fn(Range<usize>) -> Result<QuantBlocks, ModelError> + Sync,
) -> Result<PackedMatrix, ModelError> {
    let mut data = vec![Line([0; 64]); PackedMatrix::lines(kind, rows, cols)];
    // Whole panels, and for every kind and number of columns a whole number of lines.
    let part_rows = 64;
    let part_lines = PackedMatrix::lines(kind, part_rows, cols);
    data.par_chunks_mut(part_lines).enumerate().try_for_each(|(at, out)| {
        let first = at * part_rows;
        let blocks = part(first..rows.min(first + part_rows))?;
        PackedMatrix::pack_into(&blocks, cols, bytemuck::cast_slice_mut(out));
        Ok::<(), ModelError>(())
    })?;
    Ok(PackedMatrix::new(kind, rows, cols, Storage::owned(data)))
}
