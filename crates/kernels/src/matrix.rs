//! Weight matrices, owned or mapped. Keeps true: `[rows, cols]`; floats are row-major, as safetensors stores them,
//! and quantised weights are packed for the kernels.

use crate::quant::PackedMatrix;
use half::bf16;
use std::any::Any;
use std::sync::Arc;

/// Elements that are owned, or borrowed from something (a mapped file) that is kept alive beside them.
#[derive(Clone)]
pub enum Storage<T: 'static> {
    /// Own memory.
    Owned(Arc<Vec<T>>),
    /// Memory of `owner`.
    Shared {
        /// Keeps the memory alive.
        owner: Arc<dyn Any + Send + Sync>,
        /// The elements; valid as long as `owner`.
        elements: &'static [T],
    },
}

impl<T: bytemuck::Pod> Storage<T> {
    /// Owns `elements`.
    pub fn owned(elements: Vec<T>) -> Self {
        Self::Owned(Arc::new(elements))
    }

    /// Borrows what `pick` finds in `owner`; `None` if the bytes are not aligned for `T`.
    pub fn shared<O: Any + Send + Sync>(owner: Arc<O>, pick: impl Fn(&O) -> &[u8]) -> Option<Self> {
        let elements: &[T] = bytemuck::try_cast_slice(pick(&owner)).ok()?;
        // SAFETY: `owner` is kept beside the slice and never gives its content away mutably: it is behind
        // an `Arc`, and `elements()` ties the slice to `&self`.
        let elements = unsafe { std::slice::from_raw_parts(elements.as_ptr(), elements.len()) };
        Some(Self::Shared { owner, elements })
    }

    /// The elements.
    pub fn elements(&self) -> &[T] {
        match self {
            Self::Owned(elements) => elements,
            Self::Shared { elements, .. } => elements,
        }
    }
}

#[derive(Clone)]
pub(crate) enum Elements {
    F32(Storage<f32>),
    Bf16(Storage<bf16>),
    Quant(PackedMatrix),
}

/// A weight matrix `[rows, cols]`: `rows` outputs, `cols` inputs.
#[derive(Clone)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    pub(crate) elements: Elements,
}

impl Matrix {
    /// A matrix of f32 weights; panics if the element count is not `rows * cols`.
    pub fn f32(rows: usize, cols: usize, elements: Storage<f32>) -> Self {
        assert_eq!(elements.elements().len(), rows * cols, "matrix [{rows}, {cols}]");
        Self { rows, cols, elements: Elements::F32(elements) }
    }

    /// A matrix of bf16 weights; panics if the element count is not `rows * cols`.
    pub fn bf16(rows: usize, cols: usize, elements: Storage<bf16>) -> Self {
        assert_eq!(elements.elements().len(), rows * cols, "matrix [{rows}, {cols}]");
        Self { rows, cols, elements: Elements::Bf16(elements) }
    }

    /// A matrix of quantised weights.
    pub fn quantized(packed: PackedMatrix) -> Self {
        Self { rows: packed.rows(), cols: packed.cols(), elements: Elements::Quant(packed) }
    }

    /// The packed form, if the weights are quantised.
    pub fn packed(&self) -> Option<&PackedMatrix> {
        match &self.elements {
            Elements::Quant(packed) => Some(packed),
            _ => None,
        }
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Bytes of the weights, mapped or owned.
    pub fn bytes(&self) -> usize {
        match &self.elements {
            Elements::F32(_) => self.rows * self.cols * 4,
            Elements::Bf16(_) => self.rows * self.cols * 2,
            Elements::Quant(packed) => packed.data().len(),
        }
    }

    /// Writes row `row`, widened exactly, to `out` `[cols]`; of quantised weights the values they stand for.
    pub fn row_f32(&self, row: usize, out: &mut [f32]) {
        let range = row * self.cols..(row + 1) * self.cols;
        match &self.elements {
            Elements::F32(all) => out.copy_from_slice(&all.elements()[range]),
            Elements::Bf16(all) => {
                out.iter_mut().zip(&all.elements()[range]).for_each(|(out, value)| *out = value.to_f32());
            }
            Elements::Quant(packed) => packed.row_f32(row, out),
        }
    }
}
