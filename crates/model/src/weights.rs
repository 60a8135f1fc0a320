//! In what form each weight matrix is kept in memory, and how it gets there from the stored form.
//!
//! Keeps true: the same stored bytes and the same dtype give the same matrix on every machine. Router, embedding and
//! vectors are never quantised: they are small, and what they decide is not.

use crate::{ModelError, ModelFolder, NumericDtype};
use conclave_kernels::Matrix;
use conclave_kernels::quant::{PackedMatrix, QuantBlocks, QuantKind};

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

    /// `tensor` `[rows, cols]` in the form `dtype`.
    pub fn matrix(&self, tensor: &str, shape: [usize; 2], dtype: WeightDtype) -> Result<Matrix, ModelError> {
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
        // Through the loader of floats, which checks shape and dtype; f32 is exact for every stored float.
        let stored = self.files.matrix(tensor, [rows, cols], NumericDtype::F32)?;
        let mut values = vec![0.0; rows * cols];
        values.chunks_exact_mut(cols).enumerate().for_each(|(row, out)| stored.row_f32(row, out));
        let blocks = QuantBlocks::quantize(kind, &values, rows, cols);
        Ok(Matrix::quantized(PackedMatrix::pack(&blocks, cols)))
    }
}
