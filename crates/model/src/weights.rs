//! In what form each weight matrix is kept in memory, and how it gets there from the stored form.
//!
//! Keeps true: the same stored bytes and the same dtype give the same matrix on every machine. Router, embedding and
//! vectors are never quantised: they are small, and what they decide is not.

use crate::{Manifest, ModelError, ModelFolder, NumericDtype, PackFile, StoredDtype};
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

impl WeightDtype {
    /// The name of the option's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsStored => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Q8 => "q8",
            Self::Q4 => "q4",
        }
    }
}

impl std::str::FromStr for WeightDtype {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::AsStored, Self::F32, Self::Bf16, Self::Q8, Self::Q4];
        all.into_iter()
            .find(|dtype| dtype.name() == text)
            .ok_or_else(|| format!("dtype is `{text}`; it can be auto, f32, bf16, q8 or q4"))
    }
}

impl std::fmt::Display for WeightDtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
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

    /// [`Self::matrix`] after a check of what it is made from: the packed bytes, or the stored ones by `manifest`.
    pub fn verified_matrix(
        &self,
        manifest: &Manifest,
        tensor: &str,
        shape: [usize; 2],
        dtype: WeightDtype,
    ) -> Result<Matrix, ModelError> {
        if !self.is_packed(tensor) {
            manifest.verify(self, tensor)?;
        }
        self.matrix(tensor, shape, dtype)
    }

    /// Whether `tensor` comes from a pack file.
    pub(crate) fn is_packed(&self, tensor: &str) -> bool {
        self.pack.as_ref().is_some_and(|pack| pack.contains(tensor))
    }

    /// `tensor` `[rows, cols]` in the form `dtype`.
    pub fn matrix(&self, tensor: &str, shape: [usize; 2], dtype: WeightDtype) -> Result<Matrix, ModelError> {
        // A plain copy of a packed tensor, such as an embedding that is also the output head, is still as stored.
        if dtype != WeightDtype::AsStored
            && let Some(pack) = &self.pack
            && let Some(matrix) = pack.matrix(tensor, shape)?
        {
            return Ok(matrix);
        }
        let quantized = |kind| self.quantized(tensor, shape, kind);
        match dtype {
            WeightDtype::AsStored => self.files.matrix(tensor, shape, self.dtype),
            WeightDtype::F32 => self.files.matrix(tensor, shape, NumericDtype::F32),
            WeightDtype::Bf16 => self.files.matrix(tensor, shape, NumericDtype::Bf16),
            WeightDtype::Q8 => quantized(QuantKind::Q8),
            WeightDtype::Q4 => quantized(QuantKind::Q4),
        }
    }

    fn quantized(
        &self,
        tensor: &str,
        [rows, cols]: [usize; 2],
        kind: QuantKind,
    ) -> Result<Matrix, ModelError> {
        // Through the loader of floats, which checks shape and dtype, and maps what is stored as bf16 or f32.
        let numeric = match self.files.dtype(tensor)? {
            StoredDtype::Bf16 => NumericDtype::Bf16,
            StoredDtype::F32 | StoredDtype::F16 => NumericDtype::F32,
        };
        let stored = self.files.matrix(tensor, [rows, cols], numeric)?;
        let quantize = |rows: Range<usize>| {
            let mut values = vec![0.0; rows.len() * cols];
            let row_values = values.chunks_exact_mut(cols);
            row_values.zip(rows.clone()).for_each(|(out, row)| stored.row_f32(row, out));
            QuantBlocks::quantize(kind, &values, rows.len(), cols)
        };
        Ok(Matrix::quantized(pack_in_parallel(kind, rows, cols, quantize)))
    }
}

/// Packs the blocks that `part` gives for some rows, with all cores, a few panels at a time.
fn pack_in_parallel(
    kind: QuantKind,
    rows: usize,
    cols: usize,
    part: impl Fn(Range<usize>) -> QuantBlocks + Sync,
) -> PackedMatrix {
    let mut data = vec![Line([0; 64]); PackedMatrix::lines(kind, rows, cols)];
    // Whole panels, and for every kind and number of columns a whole number of lines.
    let part_rows = 64;
    let part_lines = PackedMatrix::lines(kind, part_rows, cols);
    data.par_chunks_mut(part_lines).enumerate().for_each(|(at, out)| {
        let first = at * part_rows;
        PackedMatrix::pack_into(
            &part(first..rows.min(first + part_rows)),
            cols,
            bytemuck::cast_slice_mut(out),
        );
    });
    PackedMatrix::new(kind, rows, cols, Storage::owned(data))
}
