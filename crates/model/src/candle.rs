//! `Compute` and the routed experts on candle-core: the readable reference, on any device that candle supports.
//!
//! Keeps true: written from the textbook, operation by operation, so that the fast kernels have something
//! independent to be compared with. Weights are widened to f32. Knows no tricks.

use crate::{Compute, ComputeError, ModelError, ModelFolder, ModelSpec, StepSequence, WeightDtype};
use candle_core::{D, DType, Device, Tensor};
use conclave_kernels::attention::KvDtype;
use conclave_kernels::quant::BLOCK;
use conclave_kernels::{Buffer, Matrix};

/// candle-core on one device.
pub struct CandleCompute {
    device: Device,
    rope_theta: f64,
    kv_dtype: KvDtype,
}

/// Keys and values: for each layer two tensors `[blocks * block_size, kv_heads * head_dim]`.
pub struct Kv {
    layers: Vec<(Tensor, Tensor)>,
    block_size: usize,
    kv_heads: usize,
    head_dim: usize,
}

impl Kv {
    /// Where `position` of `sequence` is.
    fn slot(&self, sequence: &StepSequence, position: usize) -> usize {
        sequence.block_table[position / self.block_size] as usize * self.block_size
            + position % self.block_size
    }
}

/// A weight matrix `[rows, cols]` in f32, of quantised weights the values they stand for.
pub struct Weights {
    values: Tensor,
    quantized: bool,
}

impl Weights {
    /// The values of `matrix` on `device`.
    fn of(matrix: &Matrix, device: &Device) -> candle_core::Result<Self> {
        let (rows, cols) = (matrix.rows(), matrix.cols());
        let mut values = vec![0.0; rows * cols];
        values.chunks_exact_mut(cols).enumerate().for_each(|(row, out)| matrix.row_f32(row, out));
        let values = Tensor::from_vec(values, (rows, cols), device)?;
        Ok(Self { values, quantized: matrix.packed().is_some() })
    }

    /// `x wᵀ`; rows that meet quantised weights are rounded first, as the kernels round them.
    fn product(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let weights = self.values.t()?;
        if self.quantized { round_to_int8(x)?.matmul(&weights) } else { x.matmul(&weights) }
    }
}

/// Each block of 32 values as integers up to ±127 times one scale.
fn round_to_int8(x: &Tensor) -> candle_core::Result<Tensor> {
    let (rows, cols) = x.dims2()?;
    let blocks = cols.div_ceil(BLOCK);
    let padded = x.pad_with_zeros(D::Minus1, 0, blocks * BLOCK - cols)?.reshape((rows, blocks, BLOCK))?;
    // A block of zeros stays so, whatever it is divided by.
    let scale = (padded.abs()?.max_keepdim(D::Minus1)? / 127.0)?.maximum(1e-30)?;
    let rounded = padded.broadcast_div(&scale)?.round()?.broadcast_mul(&scale)?;
    rounded.reshape((rows, blocks * BLOCK))?.narrow(D::Minus1, 0, cols)?.contiguous()
}

/// `down (silu(gate x) * (up x))`.
fn swiglu(x: &Tensor, gate: &Weights, up: &Weights, down: &Weights) -> candle_core::Result<Tensor> {
    down.product(&(gate.product(x)?.silu()? * up.product(x)?)?)
}

/// The weights of one routed expert.
pub(crate) struct Expert {
    gate: Weights,
    up: Weights,
    down: Weights,
}

impl Expert {
    /// Of gate and up `[width, hidden]` and down `[hidden, width]`.
    pub(crate) fn new([gate, up, down]: &[Matrix; 3], device: &Device) -> Result<Self, ComputeError> {
        let weights = |matrix| Weights::of(matrix, device);
        Ok(Self { gate: weights(gate)?, up: weights(up)?, down: weights(down)? })
    }

    /// Bytes on the device.
    pub(crate) fn bytes(&self) -> usize {
        [&self.gate, &self.up, &self.down]
            .iter()
            .map(|weights| weights.values.elem_count() * size_of::<f32>())
            .sum()
    }
}

/// For each expert in order, for each of its rows of `x` `[any, hidden]` in order, its answer: `[sum of rows, hidden]`.
pub(crate) fn run_grouped(
    groups: &[(&Expert, &[u32])],
    x: &[f32],
    hidden: usize,
) -> Result<Vec<f32>, ComputeError> {
    let mut answers = Vec::new();
    for (Expert { gate, up, down }, rows) in groups.iter().filter(|(_, rows)| !rows.is_empty()) {
        let row = |row: &u32| &x[*row as usize * hidden..(*row as usize + 1) * hidden];
        let theirs: Vec<f32> = rows.iter().flat_map(row).copied().collect();
        let theirs = Tensor::from_vec(theirs, (rows.len(), hidden), gate.values.device())?;
        let answer = swiglu(&theirs, gate, up, down)?;
        answers.extend(answer.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(answers)
}

impl From<candle_core::Error> for ComputeError {
    fn from(error: candle_core::Error) -> Self {
        Self(error.to_string())
    }
}

impl CandleCompute {
    /// For the model `spec`, on `device`; keys and values are stored as computed.
    pub fn new(spec: &ModelSpec, device: Device) -> Self {
        Self { device, rope_theta: spec.rope_theta, kv_dtype: KvDtype::F32 }
    }

    /// Stores keys and values rounded to `dtype`, if not in its size.
    pub fn with_kv(self, dtype: KvDtype) -> Self {
        Self { kv_dtype: dtype, ..self }
    }

    /// Keys or values `[rows, kv_heads * head_dim]`, rounded as `kv_dtype` stores them and widened again.
    fn rounded(&self, x: &Tensor, head_dim: usize) -> Result<Tensor, ComputeError> {
        match self.kv_dtype {
            KvDtype::F32 => Ok(x.contiguous()?),
            KvDtype::Bf16 => Ok(x.to_dtype(DType::BF16)?.to_dtype(DType::F32)?.contiguous()?),
            KvDtype::Q8 => {
                // On the host: candle rounds halves away from zero, not to even.
                let mut values: Vec<f32> = x.flatten_all()?.to_vec1()?;
                for head in values.chunks_exact_mut(head_dim) {
                    let scale = head.iter().fold(0.0_f32, |largest, value| largest.max(value.abs())) / 127.0;
                    if scale > 0.0 {
                        head.iter_mut().for_each(|x| *x = (*x / scale).round_ties_even() * scale);
                    }
                }
                self.tensor(values, x.dims())
            }
        }
    }

    fn tensor(&self, values: Vec<f32>, shape: &[usize]) -> Result<Tensor, ComputeError> {
        Ok(Tensor::from_vec(values, shape, &self.device)?)
    }

    fn ids(&self, ids: Vec<u32>) -> Result<Tensor, ComputeError> {
        let len = ids.len();
        Ok(Tensor::from_vec(ids, len, &self.device)?)
    }
}

impl Compute for CandleCompute {
    type Matrix = Weights;
    type Vector = Tensor;
    type Act = Tensor;
    type Kv = Kv;

    fn matrix(
        &self,
        folder: &ModelFolder,
        tensor: &str,
        [rows, cols]: [usize; 2],
        dtype: WeightDtype,
    ) -> Result<Weights, ModelError> {
        let matrix = folder.matrix(tensor, [rows, cols], dtype)?;
        Ok(Weights::of(&matrix, &self.device).map_err(ComputeError::from)?)
    }

    fn vector(&self, folder: &ModelFolder, tensor: &str, len: usize) -> Result<Tensor, ModelError> {
        Ok(self.tensor(folder.files.vector(tensor, len, folder.dtype)?, &[len])?)
    }

    fn kv(
        &self,
        layers: usize,
        blocks: usize,
        block_size: usize,
        kv_heads: usize,
        head_dim: usize,
    ) -> Result<Kv, ComputeError> {
        let zeros = || {
            self.tensor(
                vec![0.0; blocks * block_size * kv_heads * head_dim],
                &[blocks * block_size, kv_heads * head_dim],
            )
        };
        let layers = (0..layers).map(|_| Ok((zeros()?, zeros()?))).collect::<Result<_, ComputeError>>()?;
        Ok(Kv { layers, block_size, kv_heads, head_dim })
    }

    fn embed(&self, table: &Weights, ids: &[u32]) -> Result<Tensor, ComputeError> {
        Ok(table.values.index_select(&self.ids(ids.to_vec())?, 0)?)
    }

    fn linear(&self, x: &Tensor, w: &Weights, bias: Option<&Tensor>) -> Result<Tensor, ComputeError> {
        let y = w.product(x)?;
        Ok(match bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        })
    }

    fn rms_norm(&self, x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor, ComputeError> {
        let (rows, width) = x.dims2()?;
        let group = weight.dims1()?;
        let grouped = x.reshape((rows, width / group, group))?;
        let variance = grouped.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = grouped.broadcast_div(&(variance + f64::from(eps))?.sqrt()?)?;
        Ok(normed.broadcast_mul(weight)?.reshape((rows, width))?)
    }

    fn clamp(&self, x: Tensor, limit: f32) -> Result<Tensor, ComputeError> {
        Ok(x.clamp(-limit, limit)?)
    }

    fn rope(&self, x: Tensor, head_dim: usize, positions: &[u32]) -> Result<Tensor, ComputeError> {
        let (rows, width) = x.dims2()?;
        let half = head_dim / 2;
        let angle = |p: u32, i: usize| {
            let frequency = (1.0 / self.rope_theta.powf(2.0 * i as f64 / head_dim as f64)) as f32;
            p as f32 * frequency
        };
        let angles: Vec<f32> = positions
            .iter()
            .flat_map(|p| (0..half).map(move |i| (*p, i)))
            .map(|(p, i)| angle(p, i))
            .collect();
        let angles = self.tensor(angles, &[rows, 1, half])?;
        let (cos, sin) = (angles.cos()?, angles.sin()?);
        let heads = x.reshape((rows, width / head_dim, head_dim))?;
        let low = heads.narrow(D::Minus1, 0, half)?;
        let high = heads.narrow(D::Minus1, half, half)?;
        let turned_low = (low.broadcast_mul(&cos)? - high.broadcast_mul(&sin)?)?;
        let turned_high = (high.broadcast_mul(&cos)? + low.broadcast_mul(&sin)?)?;
        Ok(Tensor::cat(&[turned_low, turned_high], D::Minus1)?.reshape((rows, width))?)
    }

    fn store(
        &self,
        layer: usize,
        k: &Tensor,
        v: &Tensor,
        kv: &mut Kv,
        sequences: &[StepSequence],
    ) -> Result<(), ComputeError> {
        let (keys, values) = &kv.layers[layer];
        let (k, v) = (self.rounded(k, kv.head_dim)?, self.rounded(v, kv.head_dim)?);
        let slots = sequences.iter().flat_map(|sequence| {
            (sequence.start..sequence.start + sequence.len).map(|at| kv.slot(sequence, at))
        });
        for (row, slot) in slots.enumerate() {
            keys.slice_set(&k.narrow(0, row, 1)?.contiguous()?, 0, slot)?;
            values.slice_set(&v.narrow(0, row, 1)?.contiguous()?, 0, slot)?;
        }
        Ok(())
    }

    fn attend(
        &self,
        layer: usize,
        q: &Tensor,
        kv: &Kv,
        sequences: &[StepSequence],
        window: Option<usize>,
    ) -> Result<Tensor, ComputeError> {
        let (keys, values) = &kv.layers[layer];
        let dim = kv.head_dim;
        let heads = q.dims2()?.1 / dim;
        let mut outputs = Vec::new();
        let mut row = 0;
        for sequence in sequences {
            let seen = sequence.start + sequence.len;
            let slots = self.ids((0..seen).map(|position| kv.slot(sequence, position) as u32).collect())?;
            // [kv_heads, seen, dim], each repeated for the query heads of its group.
            let gather = |from: &Tensor| -> Result<Tensor, ComputeError> {
                let heads_first =
                    from.index_select(&slots, 0)?.reshape((seen, kv.kv_heads, dim))?.transpose(0, 1)?;
                let group: Vec<u32> = (0..heads).map(|head| (head * kv.kv_heads / heads) as u32).collect();
                Ok(heads_first.contiguous()?.index_select(&self.ids(group)?, 0)?)
            };
            let queries =
                q.narrow(0, row, sequence.len)?.reshape((sequence.len, heads, dim))?.transpose(0, 1)?;
            let scores = (queries.contiguous()?.matmul(&gather(keys)?.transpose(1, 2)?.contiguous()?)?
                * (dim as f64).powf(-0.5))?;
            let mask: Vec<f32> = (sequence.start..seen)
                .flat_map(|p| {
                    (0..seen).map(move |key| {
                        let visible = key <= p && window.is_none_or(|window| key + window > p);
                        if visible { 0.0 } else { f32::NEG_INFINITY }
                    })
                })
                .collect();
            let scores = scores.broadcast_add(&self.tensor(mask, &[sequence.len, seen])?)?;
            let weights = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
            let weights = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
            let attended = weights.matmul(&gather(values)?)?.transpose(0, 1)?.contiguous()?;
            outputs.push(attended.reshape((sequence.len, heads * dim))?);
            row += sequence.len;
        }
        Ok(Tensor::cat(&outputs, 0)?)
    }

    fn add(&self, x: Tensor, y: &Tensor) -> Result<Tensor, ComputeError> {
        Ok((x + y)?)
    }

    fn swiglu(
        &self,
        x: &Tensor,
        gate: &Weights,
        up: &Weights,
        down: &Weights,
    ) -> Result<Tensor, ComputeError> {
        Ok(swiglu(x, gate, up, down)?)
    }

    fn select(&self, x: &Tensor, rows: &[usize]) -> Result<Tensor, ComputeError> {
        Ok(x.index_select(&self.ids(rows.iter().map(|row| *row as u32).collect())?, 0)?)
    }

    fn stack(&self, parts: Vec<Tensor>) -> Result<Tensor, ComputeError> {
        Ok(Tensor::cat(&parts, 0)?)
    }

    fn download(&self, x: Tensor) -> Result<Buffer<f32>, ComputeError> {
        Ok(x.flatten_all()?.to_vec1()?.into())
    }

    fn upload(&self, rows: Buffer<f32>, width: usize) -> Result<Tensor, ComputeError> {
        let count = rows.len() / width;
        self.tensor(rows.to_vec(), &[count, width])
    }
}
