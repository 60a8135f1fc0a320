//! `Compute` on our own kernels. Keeps true: the kernels' exactness; adds nothing of its own.

use crate::{Compute, ComputeError, ModelError, ModelFolder, ModelSpec, StepSequence, WeightDtype};
use conclave_kernels::attention::{KvDtype, KvLayer, SequenceRows, attend};
use conclave_kernels::{Buffer, Matrix, Pool, RopeTable, ffn, matmul, rms_norm};
use std::sync::Arc;

/// Our CPU kernels on a pool of threads.
pub struct CpuCompute {
    pool: Arc<Pool>,
    rope: RopeTable,
    kv_dtype: KvDtype,
}

/// Activation rows in host memory.
pub struct Act {
    data: Buffer<f32>,
    width: usize,
}

impl Act {
    fn rows(&self) -> usize {
        self.data.len() / self.width
    }
}

fn rows_of(sequences: &[StepSequence]) -> Vec<SequenceRows<'_>> {
    let rows = sequences.iter();
    rows.map(|s| SequenceRows { start: s.start, len: s.len, block_table: &s.block_table }).collect()
}

impl CpuCompute {
    /// For the model `spec`, on `pool`; keys and values are stored as computed.
    pub fn new(spec: &ModelSpec, pool: Arc<Pool>) -> Self {
        let rope = RopeTable::new(spec.head_dim, spec.rope_theta, spec.context_max);
        Self { pool, rope, kv_dtype: KvDtype::F32 }
    }

    /// Stores keys and values in `dtype`.
    pub fn with_kv(self, dtype: KvDtype) -> Self {
        Self { kv_dtype: dtype, ..self }
    }
}

/// Keys and values of all layers.
pub struct Kv {
    layers: Vec<KvLayer>,
    head_dim: usize,
}

impl Compute for CpuCompute {
    type Matrix = Matrix;
    type Vector = Vec<f32>;
    type Act = Act;
    type Kv = Kv;

    fn matrix(
        &self,
        folder: &ModelFolder,
        tensor: &str,
        shape: [usize; 2],
        dtype: WeightDtype,
    ) -> Result<Matrix, ModelError> {
        folder.matrix(tensor, shape, dtype)
    }

    fn vector(&self, folder: &ModelFolder, tensor: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        folder.files.vector(tensor, len, folder.dtype)
    }

    fn kv(
        &self,
        layers: usize,
        blocks: usize,
        block_size: usize,
        kv_heads: usize,
        head_dim: usize,
    ) -> Result<Kv, ComputeError> {
        let layer = |_| KvLayer::new(blocks, block_size, kv_heads, head_dim, self.kv_dtype);
        Ok(Kv { layers: (0..layers).map(layer).collect(), head_dim })
    }

    fn embed(&self, table: &Matrix, ids: &[u32]) -> Result<Act, ComputeError> {
        let width = table.cols();
        let mut data = self.pool.buffer(ids.len() * width);
        for (id, row) in ids.iter().zip(data.chunks_exact_mut(width)) {
            table.row_f32(*id as usize, row);
        }
        Ok(Act { data, width })
    }

    fn linear(&self, x: &Act, w: &Matrix, bias: Option<&Vec<f32>>) -> Result<Act, ComputeError> {
        let mut data = self.pool.buffer(x.rows() * w.rows());
        matmul(&x.data, w, bias.map(Vec::as_slice), &mut data, &self.pool);
        Ok(Act { data, width: w.rows() })
    }

    fn rms_norm(&self, x: &Act, weight: &Vec<f32>, eps: f32) -> Result<Act, ComputeError> {
        let mut data = self.pool.buffer(x.data.len());
        rms_norm(&x.data, weight, eps, &mut data, &self.pool);
        Ok(Act { data, width: x.width })
    }

    fn clamp(&self, mut x: Act, limit: f32) -> Result<Act, ComputeError> {
        x.data.iter_mut().for_each(|value| *value = value.clamp(-limit, limit));
        Ok(x)
    }

    fn rope(&self, mut x: Act, _head_dim: usize, positions: &[u32]) -> Result<Act, ComputeError> {
        self.rope.apply(&mut x.data, positions, &self.pool);
        Ok(x)
    }

    fn store(
        &self,
        layer: usize,
        k: &Act,
        v: &Act,
        kv: &mut Kv,
        sequences: &[StepSequence],
    ) -> Result<(), ComputeError> {
        kv.layers[layer].write(&k.data, &v.data, &rows_of(sequences), &self.pool);
        Ok(())
    }

    fn attend(
        &self,
        layer: usize,
        q: &Act,
        kv: &Kv,
        sequences: &[StepSequence],
        window: Option<usize>,
    ) -> Result<Act, ComputeError> {
        let (dim, layer, rows) = (kv.head_dim, &kv.layers[layer], rows_of(sequences));
        let mut data = self.pool.buffer(q.data.len());
        let scale = (dim as f32).powf(-0.5);
        attend(&q.data, q.width / dim, layer, &rows, window, scale, &mut data, &self.pool);
        Ok(Act { data, width: q.width })
    }

    fn add(&self, mut x: Act, y: &Act) -> Result<Act, ComputeError> {
        x.data.iter_mut().zip(&*y.data).for_each(|(x, y)| *x += y);
        Ok(x)
    }

    fn swiglu(&self, x: &Act, gate: &Matrix, up: &Matrix, down: &Matrix) -> Result<Act, ComputeError> {
        let mut data = self.pool.buffer(x.rows() * down.rows());
        ffn::swiglu(&x.data, gate, up, down, &mut data, &self.pool);
        Ok(Act { data, width: down.rows() })
    }

    fn select(&self, x: &Act, rows: &[usize]) -> Result<Act, ComputeError> {
        let mut data = self.pool.buffer(rows.len() * x.width);
        for (row, to) in rows.iter().zip(data.chunks_exact_mut(x.width)) {
            to.copy_from_slice(&x.data[row * x.width..(row + 1) * x.width]);
        }
        Ok(Act { data, width: x.width })
    }

    fn stack(&self, mut parts: Vec<Act>) -> Result<Act, ComputeError> {
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let width = parts[0].width;
        let mut data = self.pool.buffer(parts.iter().map(|part| part.data.len()).sum());
        let mut rest = &mut data[..];
        for part in &parts {
            let (to, left) = rest.split_at_mut(part.data.len());
            to.copy_from_slice(&part.data);
            rest = left;
        }
        Ok(Act { data, width })
    }

    fn download(&self, x: Act) -> Result<Buffer<f32>, ComputeError> {
        Ok(x.data)
    }

    fn upload(&self, data: Buffer<f32>, width: usize) -> Result<Act, ComputeError> {
        Ok(Act { data, width })
    }
}
