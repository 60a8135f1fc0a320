//! One expert call and its answer. Keeps true: rows travel in their wire dtype everywhere, so a local
//! backend rounds exactly as a remote one does.

use bytes::Bytes;
use conclave_kernels::Pool;
use conclave_model::NumericDtype;
use conclave_types::{ExpertIdx, LayerIdx, ModelDigest, PlacementEpoch};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ExpertError;

/// The dtype of rows on the wire; it is part of the model's numerics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowDtype {
    /// 4 bytes little-endian; used with `--dtype f32`.
    F32,
    /// 2 bytes little-endian, rounded to nearest even; the default.
    Bf16,
    /// One byte, and an f32 scale for each 32 of them, before all codes of the row; less exact.
    Q8,
}

impl From<NumericDtype> for RowDtype {
    fn from(dtype: NumericDtype) -> Self {
        match dtype {
            NumericDtype::F32 => Self::F32,
            NumericDtype::Bf16 => Self::Bf16,
        }
    }
}

impl RowDtype {
    /// Bytes of one row of `width` elements.
    pub fn row_bytes(self, width: usize) -> usize {
        match self {
            Self::F32 => 4 * width,
            Self::Bf16 => 2 * width,
            Self::Q8 => conclave_kernels::q8_row_bytes(width),
        }
    }

    /// Rounds rows `[any, width]` to the bytes `to`.
    fn round(self, width: usize, from: &[f32], to: &mut [u8]) {
        match self {
            Self::F32 => {
                let bytes = to.as_chunks_mut::<4>().0.iter_mut();
                bytes.zip(from).for_each(|(bytes, value)| *bytes = value.to_le_bytes());
            }
            Self::Bf16 => conclave_kernels::to_bf16(from, to),
            Self::Q8 => {
                let rows = to.chunks_exact_mut(self.row_bytes(width)).zip(from.chunks_exact(width));
                rows.for_each(|(to, from)| conclave_kernels::to_q8(from, to));
            }
        }
    }

    /// Widens the bytes of rows exactly, to `[any, width]`.
    fn widen(self, width: usize, from: &[u8], to: &mut [f32]) {
        match self {
            Self::F32 => {
                let values = from.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
                to.iter_mut().zip(values).for_each(|(to, value)| *to = value);
            }
            Self::Bf16 => conclave_kernels::from_bf16(from, to),
            Self::Q8 => {
                let rows = from.chunks_exact(self.row_bytes(width)).zip(to.chunks_exact_mut(width));
                rows.for_each(|(from, to)| conclave_kernels::from_q8(from, to));
            }
        }
    }

    /// Whether rows hold no NaN and no infinity.
    fn all_finite(self, width: usize, rows: &[u8]) -> bool {
        match self {
            Self::F32 => conclave_kernels::all_finite_f32(rows),
            Self::Bf16 => conclave_kernels::all_finite_bf16(rows),
            Self::Q8 => {
                let mut rows = rows.chunks_exact(self.row_bytes(width));
                rows.all(|row| conclave_kernels::all_finite_q8(row, width))
            }
        }
    }
}

/// Activation rows `[count, width]`, little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The dtype of `data`.
    pub dtype: RowDtype,
    /// Elements of one row.
    pub width: usize,
    /// Rows.
    pub count: usize,
    /// `count * dtype.row_bytes(width)` bytes.
    pub data: Bytes,
}

impl Rows {
    /// Rounds `values` `[count, width]` to `dtype`.
    pub fn from_f32(dtype: RowDtype, width: usize, values: &[f32]) -> Self {
        Self::from_f32_on(&Pool::inline(), dtype, width, values)
    }

    /// [`Self::from_f32`], with the threads and in the memory of `pool`.
    pub fn from_f32_on(pool: &Pool, dtype: RowDtype, width: usize, values: &[f32]) -> Self {
        Self::rounded(pool, dtype, width, values, |_| {})
    }

    /// [`Self::from_f32_on`]; `None` if a value is NaN or infinite, which one that is too large for `dtype` becomes.
    pub fn finite_from_f32(pool: &Pool, dtype: RowDtype, width: usize, values: &[f32]) -> Option<Self> {
        let finite = AtomicBool::new(true);
        let rows = Self::rounded(pool, dtype, width, values, |part| {
            if !dtype.all_finite(width, part) {
                finite.store(false, Ordering::Relaxed);
            }
        });
        finite.into_inner().then_some(rows)
    }

    /// [`Self::from_f32_on`]; `then` is shown the bytes of some rows after some, while the caches have them.
    fn rounded(
        pool: &Pool,
        dtype: RowDtype,
        width: usize,
        values: &[f32],
        then: impl Fn(&[u8]) + Send + Sync,
    ) -> Self {
        let (count, bytes, part) = (values.len() / width, dtype.row_bytes(width), rows_a_task(width));
        let mut data = pool.buffer(count * bytes);
        pool.chunks(&mut data, part * bytes, values.len(), |at, to| {
            let from = &values[at * part * width..][..to.len() / bytes * width];
            dtype.round(width, from, to);
            then(to);
        });
        Self { dtype, width, count, data: Bytes::from_owner(data) }
    }

    /// The named rows, in that order; all of them in order are not copied.
    ///
    /// Panics if a row is not there.
    pub fn select(&self, rows: &[usize]) -> Self {
        let Self { dtype, width, .. } = *self;
        let bytes = dtype.row_bytes(width);
        let data = if rows.len() == self.count && rows.iter().enumerate().all(|(at, row)| at == *row) {
            self.data.clone()
        } else {
            let mut data = Vec::with_capacity(rows.len() * bytes);
            rows.iter().for_each(|row| data.extend_from_slice(&self.data[row * bytes..(row + 1) * bytes]));
            data.into()
        };
        Self { dtype, width, count: rows.len(), data }
    }

    /// The rows widened exactly, `[count, width]`.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.count * self.width];
        self.dtype.widen(self.width, &self.data, &mut values);
        values
    }

    /// Writes the rows, widened exactly, to `to` `[count, width]`, with the threads of `pool`.
    pub fn widen(&self, pool: &Pool, to: &mut [f32]) {
        let (bytes, part) = (self.dtype.row_bytes(self.width), rows_a_task(self.width));
        let cost = to.len();
        pool.chunks(to, part * self.width, cost, |at, to| {
            let from = &self.data[at * part * bytes..][..to.len() / self.width * bytes];
            self.dtype.widen(self.width, from, to);
        });
    }

    /// The bytes of row `row`. Panics if it is not there.
    pub fn row(&self, row: usize) -> &[u8] {
        let bytes = self.dtype.row_bytes(self.width);
        &self.data[row * bytes..(row + 1) * bytes]
    }

    /// Adds `weight` times row `row` to `out` `[width]`.
    pub fn add_weighted(&self, row: usize, weight: f32, out: &mut [f32]) {
        let row = self.row(row);
        match self.dtype {
            RowDtype::F32 => conclave_kernels::add_weighted_f32(weight, row, out),
            RowDtype::Bf16 => conclave_kernels::add_weighted_bf16(weight, row, out),
            RowDtype::Q8 => conclave_kernels::add_weighted_q8(weight, row, out),
        }
    }

    /// Whether no value is NaN or infinite; looked at with the threads of `pool`.
    pub fn all_finite(&self, pool: &Pool) -> bool {
        let part = rows_a_task(self.width) * self.dtype.row_bytes(self.width);
        let finite = AtomicBool::new(true);
        pool.each(self.data.len().div_ceil(part), self.count * self.width, |at| {
            let bytes = &self.data[at * part..self.data.len().min((at + 1) * part)];
            if !self.dtype.all_finite(self.width, bytes) {
                finite.store(false, Ordering::Relaxed);
            }
        });
        finite.into_inner()
    }
}

/// How many rows a thread takes at once: few enough that the caches hold them.
fn rows_a_task(width: usize) -> usize {
    const VALUES: usize = 32 << 10;
    VALUES.div_ceil(width)
}

/// Which connection a call takes, so that a large prefill never blocks a small decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Steps with at least one prompt chunk.
    Prefill,
    /// Steps of single tokens.
    Decode,
}

/// The rows of one expert, as indices into the batch's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpertRows {
    /// The expert.
    pub expert: ExpertIdx,
    /// Indices into `ExpertBatch::rows`, ascending.
    pub rows: Vec<u32>,
}

/// One call: a pure function of (model, layer, experts, rows).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpertBatch {
    /// The model whose experts are meant.
    pub model: ModelDigest,
    /// The placement by which the caller chose this backend.
    pub epoch: PlacementEpoch,
    /// The layer.
    pub layer: LayerIdx,
    /// The connection to use.
    pub lane: Lane,
    /// Past this the caller no longer wants the answer; `None`: it waits.
    pub deadline: Option<Duration>,
    /// Each activation row once, `[rows, hidden]`.
    pub rows: Rows,
    /// The experts in ascending order with their rows.
    pub experts: Vec<ExpertRows>,
    /// W3C trace context of the caller's step span; empty: not traced.
    pub traceparent: String,
}

impl ExpertBatch {
    /// Refuses a call whose parts do not fit each other, as a broken peer could send it.
    pub fn check(&self) -> Result<(), ExpertError> {
        let Rows { dtype, width, count, data } = &self.rows;
        // A width that would overflow needs more bytes than any message has.
        let expected = (*width <= data.len()).then(|| dtype.row_bytes(*width));
        let expected = expected.and_then(|bytes| count.checked_mul(bytes));
        if expected != Some(data.len()) {
            let why = format!("{count} rows of {width} {dtype:?} do not make {} bytes", data.len());
            return Err(ExpertError::Protocol(why));
        }
        if !self.experts.windows(2).all(|pair| pair[0].expert < pair[1].expert) {
            return Err(ExpertError::Protocol("experts are not in ascending order".to_owned()));
        }
        let out_of_range = |row: &&u32| **row as usize >= *count;
        if let Some(row) = self.experts.iter().flat_map(|expert| &expert.rows).find(out_of_range) {
            return Err(ExpertError::Protocol(format!("row {row} of {count} is asked for")));
        }
        Ok(())
    }

    /// How many output rows the answer has: one per (expert, row).
    pub fn output_rows(&self) -> usize {
        self.experts.iter().map(|expert| expert.rows.len()).sum()
    }
}

/// The answer to an `ExpertBatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpertOutput {
    /// `[batch.output_rows(), hidden]` in the batch's dtype.
    pub rows: Rows,
    /// Time the call waited at the backend, in microseconds.
    pub queue_us: u32,
    /// Time from the beginning of the grouped product that the call was part of until its rows were rounded, in microseconds.
    pub compute_us: u32,
}

impl ExpertOutput {
    /// How long the call waited and was computed, in microseconds.
    pub fn took(&self) -> (u32, u32) {
        (self.queue_us, self.compute_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DTYPES: [RowDtype; 3] = [RowDtype::F32, RowDtype::Bf16, RowDtype::Q8];

    #[test]
    fn threads_change_no_bit() {
        // More than a thread takes at once, and no whole number of what it takes.
        let (width, count) = (2048, 53);
        let values: Vec<f32> = (0..width * count).map(|i| (i as f32 * 0.37).sin()).collect();
        let pool = Pool::new(3);
        for dtype in DTYPES {
            let alone = Rows::from_f32(dtype, width, &values);
            assert!(Rows::from_f32_on(&pool, dtype, width, &values) == alone, "{dtype:?} rounded");
            assert!(
                Rows::finite_from_f32(&pool, dtype, width, &values).as_ref() == Some(&alone),
                "{dtype:?}"
            );
            let mut wide = vec![f32::NAN; values.len()];
            alone.widen(&pool, &mut wide);
            assert!(wide == alone.to_f32(), "{dtype:?} widened");
        }
    }

    #[test]
    fn one_damaged_value_is_found_wherever_it_is() {
        let (width, count) = (96, 700);
        let pool = Pool::new(3);
        for (dtype, at) in
            DTYPES.into_iter().flat_map(|dtype| [0, 40_000, width * count - 1].map(|at| (dtype, at)))
        {
            let mut values = vec![1.0; width * count];
            assert!(Rows::from_f32(dtype, width, &values).all_finite(&pool), "{dtype:?}");
            values[at] = f32::INFINITY;
            assert!(!Rows::from_f32(dtype, width, &values).all_finite(&pool), "{dtype:?} at {at}");
            assert_eq!(Rows::finite_from_f32(&pool, dtype, width, &values), None, "{dtype:?} at {at}");
        }
    }
}
