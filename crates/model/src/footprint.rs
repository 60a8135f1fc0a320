//! How much memory a model takes, told before anything of it is loaded. Keeps true: an expert's bytes are those that it has
//! when it is loaded.

use crate::spec::EMBEDDING;
use crate::{Backend, ModelError, ModelFolder, NumericDtype, WeightDtype};
use conclave_kernels::attention::KvDtype;
use conclave_kernels::quant::{PackedMatrix, QuantKind};

/// Bytes of memory of a model's parts in the forms of its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Of one expert.
    pub expert: u64,
    /// How many experts all layers have together.
    pub experts: u64,
    /// Of the matrices of the trunk: what a gateway has but for the KV cache.
    pub trunk: u64,
}

impl ModelFolder {
    /// What the model takes in its forms on its backend.
    ///
    /// Errors: a tensor is missing or of a dtype that is not supported.
    pub fn footprint(&self) -> Result<Footprint, ModelError> {
        let spec = &self.spec;
        let expert = match spec.expert_keys().next() {
            Some(key) => {
                let parts = spec.expert_tensors(key).into_iter().zip(spec.expert_shapes());
                let parts = parts.map(|(name, shape)| self.matrix_bytes(&name, shape, self.weights.experts));
                parts.sum::<Result<u64, _>>()?
            }
            None => 0,
        };
        let plain = WeightDtype::from(self.dtype);
        let matrices =
            spec.trunk_matrices().into_iter().map(|(name, shape)| (name, shape, self.weights.trunk));
        let routers = spec
            .moe_layers()
            .into_iter()
            .map(|layer| (spec.router_tensor(layer.0 as usize), [spec.experts, spec.hidden], plain));
        let embedding = (EMBEDDING.to_owned(), [spec.vocab, spec.hidden], plain);
        let own_head = self.has_own_head()?;
        let matrices = matrices.filter(|(name, ..)| own_head || name != spec.head_tensor());
        let trunk = matrices.chain(routers).chain([embedding]);
        let trunk = trunk.map(|(name, shape, dtype)| self.matrix_bytes(&name, shape, dtype));
        let trunk = trunk.sum::<Result<u64, _>>()?;
        Ok(Footprint { expert, experts: spec.expert_keys().count() as u64, trunk })
    }

    /// Bytes of keys and values of one position in all layers.
    pub fn kv_bytes_per_token(&self, dtype: KvDtype) -> u64 {
        let width = (self.spec.kv_heads * self.spec.head_dim) as u64;
        let row = match dtype {
            KvDtype::F32 => width * 4,
            KvDtype::Bf16 => width * 2,
            KvDtype::Q8 => width + 4 * self.spec.kv_heads as u64,
        };
        2 * row * self.spec.layers as u64
    }

    fn matrix_bytes(
        &self,
        tensor: &str,
        [rows, cols]: [usize; 2],
        dtype: WeightDtype,
    ) -> Result<u64, ModelError> {
        let packed = |kind| (PackedMatrix::lines(kind, rows, cols) * 64) as u64;
        let plain = |bytes: usize| (rows * cols * bytes) as u64;
        if matches!(self.backend, Backend::Candle(_)) {
            return Ok(plain(4));
        }
        Ok(match dtype {
            WeightDtype::Q8 => packed(QuantKind::Q8),
            WeightDtype::Q4 => packed(QuantKind::Q4),
            WeightDtype::F32 => plain(4),
            WeightDtype::Bf16 => plain(2),
            WeightDtype::AsStored if self.is_quantised(tensor, dtype)? => {
                packed(self.files.quant_kind(tensor)?.unwrap_or(QuantKind::Q8))
            }
            WeightDtype::AsStored => match self.dtype {
                NumericDtype::F32 => plain(4),
                NumericDtype::Bf16 => plain(2),
            },
        })
    }
}
