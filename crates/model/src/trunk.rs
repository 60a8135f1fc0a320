//! The generic trunk: everything of a model but the routed experts.
//!
//! Keeps true: one code for all families; what differs is in `ModelSpec`. A caller walks the layers: `embed`,
//! then per layer `attend` and `feed_forward`, then `logits`. Does not know who computes the experts.

use crate::spec::EMBEDDING;
use crate::{
    Compute, ComputeError, ModelError, ModelFolder, ModelSpec, QkNorm, RouteError, Routing, Unit,
    WeightDtype, route,
};
use conclave_kernels::Buffer;

/// The rows of one sequence in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepSequence {
    /// Absolute position of the first row.
    pub start: usize,
    /// Rows.
    pub len: usize,
    /// The sequence's KV blocks in order of position.
    pub block_table: Vec<u32>,
}

struct Attention<C: Compute> {
    norm: C::Vector,
    projections: [(C::Matrix, Option<C::Vector>); 4],
    qk_norm: Option<(C::Vector, C::Vector)>,
}

enum Block<C: Compute> {
    Dense { gate: C::Matrix, up: C::Matrix, down: C::Matrix },
    Sparse { router: C::Matrix },
}

struct Layer<C: Compute> {
    attention: Attention<C>,
    norm: C::Vector,
    block: Block<C>,
}

/// What a layer's feed-forward half needs next.
pub enum FeedForward<A> {
    /// The layer is dense and done: the new residual stream.
    Dense(A),
    /// The layer is sparse: run these rows through the routed experts, combine, and call `Trunk::add`.
    Sparse {
        /// The residual stream so far.
        residual: A,
        /// `[rows, hidden]`, what the experts see.
        rows: Buffer<f32>,
        /// Who sees it.
        routing: Routing,
    },
}

/// A failure within a forward pass.
#[derive(Debug, thiserror::Error)]
pub enum TrunkError {
    /// The backend failed.
    #[error(transparent)]
    Compute(#[from] ComputeError),
    /// The router's logits are damaged.
    #[error(transparent)]
    Route(#[from] RouteError),
}

/// A loaded trunk.
pub struct Trunk<C: Compute> {
    compute: C,
    spec: ModelSpec,
    embedding: C::Matrix,
    layers: Vec<Layer<C>>,
    norm: C::Vector,
    head: Option<C::Matrix>,
}

impl<C: Compute> Trunk<C> {
    /// Loads every tensor but the experts'.
    pub fn load(compute: C, folder: &ModelFolder) -> Result<Self, ModelError> {
        let spec = folder.spec.clone();
        let dtype = folder.weights.trunk;
        let matrix = |name: &str, rows, cols| compute.matrix(folder, name, [rows, cols], dtype);
        // What is looked up or decides who computes is not quantised.
        let unquantized = WeightDtype::from(folder.dtype);
        let plain = |name: &str, rows, cols| compute.matrix(folder, name, [rows, cols], unquantized);
        let vector = |name: &str, len| compute.vector(folder, name, len);
        let (q_width, kv_width) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
        let load_layer = |index: usize| -> Result<Layer<C>, ModelError> {
            let at = format!("model.layers.{index}");
            let projection = |name: &str, rows: usize, cols: usize| {
                let weight = matrix(&format!("{at}.self_attn.{name}.weight"), rows, cols)?;
                let bias = spec
                    .attention_bias
                    .then(|| vector(&format!("{at}.self_attn.{name}.bias"), rows))
                    .transpose()?;
                Ok::<_, ModelError>((weight, bias))
            };
            let qk_widths = match spec.qk_norm {
                QkNorm::None => None,
                QkNorm::PerHead => Some((spec.head_dim, spec.head_dim)),
                QkNorm::FullWidth => Some((q_width, kv_width)),
            };
            let qk_norm = qk_widths
                .map(|(q, k)| {
                    let q = vector(&format!("{at}.self_attn.q_norm.weight"), q)?;
                    Ok::<_, ModelError>((q, vector(&format!("{at}.self_attn.k_norm.weight"), k)?))
                })
                .transpose()?;
            let block = if spec.dense_layers[index] {
                Block::Dense {
                    gate: matrix(&format!("{at}.mlp.gate_proj.weight"), spec.dense_width, spec.hidden)?,
                    up: matrix(&format!("{at}.mlp.up_proj.weight"), spec.dense_width, spec.hidden)?,
                    down: matrix(&format!("{at}.mlp.down_proj.weight"), spec.hidden, spec.dense_width)?,
                }
            } else {
                Block::Sparse { router: plain(&spec.router_tensor(index), spec.experts, spec.hidden)? }
            };
            Ok(Layer {
                attention: Attention {
                    norm: vector(&format!("{at}.input_layernorm.weight"), spec.hidden)?,
                    projections: [
                        projection("q_proj", q_width, spec.hidden)?,
                        projection("k_proj", kv_width, spec.hidden)?,
                        projection("v_proj", kv_width, spec.hidden)?,
                        projection("o_proj", spec.hidden, q_width)?,
                    ],
                    qk_norm,
                },
                norm: vector(&format!("{at}.post_attention_layernorm.weight"), spec.hidden)?,
                block,
            })
        };
        let (head_name, own_head) = (spec.head_tensor(), folder.has_own_head()?);
        let matrices = spec.trunk_matrices().into_iter().map(|(name, _)| name);
        let matrices = matrices.filter(|name| own_head || name != head_name);
        let routers = spec.moe_layers().into_iter().map(|layer| spec.router_tensor(layer.0 as usize));
        let bytes = folder.stored_bytes(matrices.chain(routers).chain([EMBEDDING.to_owned()]));
        let _piece = folder.progress.begin("loading the trunk", bytes, Unit::Bytes);
        let layers = (0..spec.layers).map(load_layer).collect::<Result<_, _>>()?;
        let embedding = plain(EMBEDDING, spec.vocab, spec.hidden)?;
        let norm = vector("model.norm.weight", spec.hidden)?;
        let head = own_head.then(|| matrix(head_name, spec.vocab, spec.hidden)).transpose()?;
        Ok(Self { compute, spec, embedding, layers, norm, head })
    }

    /// The model, described.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Room for `blocks` KV blocks of `block_size` positions.
    pub fn kv(&self, blocks: usize, block_size: usize) -> Result<C::Kv, ComputeError> {
        self.compute.kv(self.spec.layers, blocks, block_size, self.spec.kv_heads, self.spec.head_dim)
    }

    /// The first residual stream of the step's tokens; every id is below the vocabulary's size.
    pub fn embed(&self, ids: &[u32]) -> Result<C::Act, ComputeError> {
        self.compute.embed(&self.embedding, ids)
    }

    /// The attention half of `layer`.
    pub fn attend(
        &self,
        layer: usize,
        x: C::Act,
        kv: &mut C::Kv,
        sequences: &[StepSequence],
    ) -> Result<C::Act, ComputeError> {
        let c = &self.compute;
        let attention = &self.layers[layer].attention;
        let positions: Vec<u32> =
            sequences.iter().flat_map(|s| (s.start..s.start + s.len).map(|p| p as u32)).collect();
        let normed = c.rms_norm(&x, &attention.norm, self.spec.rms_eps)?;
        let [q, k, v, o] = &attention.projections;
        let mut qkv = [q, k, v].into_iter().map(|(weight, bias)| c.linear(&normed, weight, bias.as_ref()));
        let mut next = || qkv.next().expect("three projections");
        let (mut q, mut k, mut v) = (next()?, next()?, next()?);
        if let Some((q_norm, k_norm)) = &attention.qk_norm {
            q = c.rms_norm(&q, q_norm, self.spec.rms_eps)?;
            k = c.rms_norm(&k, k_norm, self.spec.rms_eps)?;
        }
        if let Some(limit) = self.spec.clip_qkv {
            (q, k, v) = (c.clamp(q, limit)?, c.clamp(k, limit)?, c.clamp(v, limit)?);
        }
        let q = c.rope(q, self.spec.head_dim, &positions)?;
        let k = c.rope(k, self.spec.head_dim, &positions)?;
        let attended = c.attend(layer, &q, &k, &v, kv, sequences, self.spec.sliding_window)?;
        let (weight, bias) = o;
        c.add(x, &c.linear(&attended, weight, bias.as_ref())?)
    }

    /// The feed-forward half of `layer`, up to the experts.
    pub fn feed_forward(&self, layer: usize, x: C::Act) -> Result<FeedForward<C::Act>, TrunkError> {
        let c = &self.compute;
        let layer = &self.layers[layer];
        let normed = c.rms_norm(&x, &layer.norm, self.spec.rms_eps)?;
        match &layer.block {
            Block::Dense { gate, up, down } => {
                Ok(FeedForward::Dense(c.add(x, &c.swiglu(&normed, gate, up, down)?)?))
            }
            Block::Sparse { router } => {
                let mut logits = c.download(c.linear(&normed, router, None)?)?;
                let routing = route(self.spec.router, &mut logits, self.spec.experts, self.spec.top_k)?;
                Ok(FeedForward::Sparse { residual: x, rows: c.download(normed)?, routing })
            }
        }
    }

    /// The residual stream plus the combined experts' rows `[rows, hidden]`.
    pub fn add(&self, residual: C::Act, combined: Buffer<f32>) -> Result<C::Act, ComputeError> {
        let combined = self.compute.upload(combined, self.spec.hidden)?;
        self.compute.add(residual, &combined)
    }

    /// Logits `[rows.len(), vocab]` of the named rows.
    pub fn logits(&self, x: &C::Act, rows: &[usize]) -> Result<Buffer<f32>, ComputeError> {
        let c = &self.compute;
        let chosen = c.select(x, rows)?;
        let normed = c.rms_norm(&chosen, &self.norm, self.spec.rms_eps)?;
        c.download(c.linear(&normed, self.head.as_ref().unwrap_or(&self.embedding), None)?)
    }
}
