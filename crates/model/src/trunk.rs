//! The generic trunk: everything of a model but the routed experts.
//!
//! Keeps true: one code for all families; what differs is in `ModelSpec`. A caller walks the layers: `embed`,
//! then per layer `attend`, in the last one `attend_last`, and `feed_forward`, then `logits`. Does not know who computes
//! the experts.

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

    /// The attention half of `layer`: the residual stream of the rows of `sequences`.
    pub fn attend(
        &self,
        layer: usize,
        x: C::Act,
        kv: &mut C::Kv,
        sequences: &[StepSequence],
    ) -> Result<C::Act, ComputeError> {
        let normed = self.keep(layer, &x, kv, sequences)?;
        self.look(layer, x, &normed, kv, sequences)
    }

    /// [`Self::attend`] of the last layer, of which only the rows `wanted`, ascending, go on; `None` if there are none.
    /// Later tokens see the keys and values of all rows, and nobody sees anything else of the others.
    pub fn attend_last(
        &self,
        x: C::Act,
        kv: &mut C::Kv,
        sequences: &[StepSequence],
        wanted: &[usize],
    ) -> Result<Option<C::Act>, ComputeError> {
        let layer = self.spec.layers - 1;
        let normed = self.keep(layer, &x, kv, sequences)?;
        if wanted.is_empty() {
            return Ok(None);
        }
        let rows: usize = sequences.iter().map(|sequence| sequence.len).sum();
        if wanted.len() == rows {
            return self.look(layer, x, &normed, kv, sequences).map(Some);
        }
        let (x, normed) = (self.compute.select(&x, wanted)?, self.compute.select(&normed, wanted)?);
        self.look(layer, x, &normed, kv, &narrowed(sequences, wanted)).map(Some)
    }

    /// Stores the keys and values of `x`; `x` normed, from which they come.
    fn keep(
        &self,
        layer: usize,
        x: &C::Act,
        kv: &mut C::Kv,
        sequences: &[StepSequence],
    ) -> Result<C::Act, ComputeError> {
        let c = &self.compute;
        let attention = &self.layers[layer].attention;
        let normed = c.rms_norm(x, &attention.norm, self.spec.rms_eps)?;
        let [_, (k, k_bias), (v, v_bias), _] = &attention.projections;
        let k = c.linear(&normed, k, k_bias.as_ref())?;
        let v = self.clipped(c.linear(&normed, v, v_bias.as_ref())?)?;
        let k = self.turned(k, attention.qk_norm.as_ref().map(|(_, k)| k), sequences)?;
        c.store(layer, &k, &v, kv, sequences)?;
        Ok(normed)
    }

    /// Adds to `x` what the rows of `sequences` see; `normed` is `x` normed.
    fn look(
        &self,
        layer: usize,
        x: C::Act,
        normed: &C::Act,
        kv: &C::Kv,
        sequences: &[StepSequence],
    ) -> Result<C::Act, ComputeError> {
        let c = &self.compute;
        let attention = &self.layers[layer].attention;
        let [(q, q_bias), _, _, (o, o_bias)] = &attention.projections;
        let q = c.linear(normed, q, q_bias.as_ref())?;
        let q = self.turned(q, attention.qk_norm.as_ref().map(|(q, _)| q), sequences)?;
        let attended = c.attend(layer, &q, kv, sequences, self.spec.sliding_window)?;
        c.add(x, &c.linear(&attended, o, o_bias.as_ref())?)
    }

    /// Queries or keys, normed and clipped where the family does so, turned by their positions.
    fn turned(
        &self,
        x: C::Act,
        norm: Option<&C::Vector>,
        sequences: &[StepSequence],
    ) -> Result<C::Act, ComputeError> {
        let c = &self.compute;
        let positions: Vec<u32> =
            sequences.iter().flat_map(|s| (s.start..s.start + s.len).map(|p| p as u32)).collect();
        let x = match norm {
            Some(norm) => c.rms_norm(&x, norm, self.spec.rms_eps)?,
            None => x,
        };
        c.rope(self.clipped(x)?, self.spec.head_dim, &positions)
    }

    fn clipped(&self, x: C::Act) -> Result<C::Act, ComputeError> {
        match self.spec.clip_qkv {
            Some(limit) => self.compute.clamp(x, limit),
            None => Ok(x),
        }
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

    /// Logits `[rows, vocab]` of the rows of all `parts`, of which there is at least one, one after the other.
    pub fn logits(&self, parts: Vec<C::Act>) -> Result<Buffer<f32>, ComputeError> {
        let c = &self.compute;
        let normed = c.rms_norm(&c.stack(parts)?, &self.norm, self.spec.rms_eps)?;
        c.download(c.linear(&normed, self.head.as_ref().unwrap_or(&self.embedding), None)?)
    }
}

/// `sequences` without the rows that are not `wanted`, which are ascending: a piece for each run of them.
fn narrowed(sequences: &[StepSequence], wanted: &[usize]) -> Vec<StepSequence> {
    let mut pieces: Vec<StepSequence> = Vec::new();
    let (mut first, mut at) = (0, 0);
    let mut next = None;
    for row in wanted {
        while first + sequences[at].len <= *row {
            first += sequences[at].len;
            at += 1;
        }
        match pieces.last_mut() {
            Some(piece) if next == Some(*row) && *row > first => piece.len += 1,
            _ => {
                let StepSequence { start, block_table, .. } = &sequences[at];
                let start = start + row - first;
                pieces.push(StepSequence { start, len: 1, block_table: block_table.clone() });
            }
        }
        next = Some(row + 1);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_rows_keep_their_positions_and_blocks() {
        let sequence = |start, len, block| StepSequence { start, len, block_table: vec![block] };
        let step = [sequence(7, 4, 1), sequence(0, 1, 2), sequence(5, 3, 1)];
        assert_eq!(narrowed(&step, &[3]), [sequence(10, 1, 1)]);
        assert_eq!(
            narrowed(&step, &[0, 1, 3, 4, 5, 7]),
            [sequence(7, 2, 1), sequence(10, 1, 1), sequence(0, 1, 2), sequence(5, 1, 1), sequence(7, 1, 1)]
        );
        assert_eq!(narrowed(&step, &(0..8).collect::<Vec<_>>()), step);
    }
}
