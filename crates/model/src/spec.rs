//! The description of a model: everything that tells one family from another, as data.

use crate::choice::choice;
use conclave_types::{ExpertKey, LayerIdx, TokenId};

/// How queries and keys are normalised before position embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    /// Not at all.
    None,
    /// RMS norm of each head; the weight is `[head_dim]`.
    PerHead,
    /// RMS norm of the whole projection; the weight is `[heads * head_dim]`.
    FullWidth,
}

/// How router logits become experts and weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterRule {
    /// Softmax over all experts, the k best, divided by their sum if `renormalize`.
    SoftmaxTopK {
        /// Whether the k weights sum to 1.
        renormalize: bool,
    },
}

/// The tensor that turns tokens into rows; of a tied model the output head too.
pub(crate) const EMBEDDING: &str = "model.embed_tokens.weight";

/// Where a family keeps its router and experts within a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpertNames {
    /// The block within the layer, such as `mlp`.
    pub block: &'static str,
    /// The gate projection of an expert.
    pub gate: &'static str,
    /// The up projection.
    pub up: &'static str,
    /// The down projection.
    pub down: &'static str,
}

/// What weights and rows are computed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumericDtype {
    /// f32 weights, f32 rows to the experts.
    F32,
    /// bf16 weights widened exactly into f32 sums, bf16 rows to the experts.
    Bf16,
}

impl NumericDtype {
    /// The name in manifests and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// The `--dtype` option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DtypeChoice {
    /// As stored: bf16 stays bf16; f32 and f16 become f32, which loses nothing; beside quantised weights bf16.
    #[default]
    Auto,
    /// f32, widened if stored narrower.
    F32,
    /// bf16, rounded to nearest even if stored wider.
    Bf16,
}

choice!(DtypeChoice, "dtype": Auto = "auto", F32 = "f32", Bf16 = "bf16");

/// One model, described.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// `model_type` of the config.
    pub family: &'static str,
    /// Rows of the embedding.
    pub vocab: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Most positions of one sequence.
    pub context_max: usize,
    /// Epsilon of every RMS norm.
    pub rms_eps: f32,
    /// Base of the position embedding's frequencies.
    pub rope_theta: f64,
    /// Whether the output head is the embedding.
    pub tied: bool,
    /// Whether q, k, v and o have biases.
    pub attention_bias: bool,
    /// Norm of queries and keys.
    pub qk_norm: QkNorm,
    /// Clamp of q, k and v to `±limit`.
    pub clip_qkv: Option<f32>,
    /// Positions a row sees, itself included; `None`: all.
    pub sliding_window: Option<usize>,
    /// The gating network's rule.
    pub router: RouterRule,
    /// Experts of a sparse layer.
    pub experts: usize,
    /// Experts of one row.
    pub top_k: usize,
    /// Width of one expert.
    pub expert_width: usize,
    /// For each layer whether it is dense.
    pub dense_layers: Vec<bool>,
    /// Width of a dense layer's block.
    pub dense_width: usize,
    /// Names of router and experts.
    pub names: ExpertNames,
    /// Tokens that end an answer.
    pub eos: Vec<TokenId>,
}

impl ModelSpec {
    /// The layers that have experts, in order.
    pub fn moe_layers(&self) -> Vec<LayerIdx> {
        (0..self.layers)
            .filter(|layer| !self.dense_layers[*layer])
            .map(|layer| LayerIdx(layer as u32))
            .collect()
    }

    /// Every expert of the model in key order.
    pub fn expert_keys(&self) -> impl Iterator<Item = ExpertKey> + '_ {
        self.moe_layers()
            .into_iter()
            .flat_map(|layer| (0..self.experts as u32).map(move |expert| ExpertKey::new(layer.0, expert)))
    }

    /// The names of the gate, up and down projections of an expert.
    pub fn expert_tensors(&self, key: ExpertKey) -> [String; 3] {
        let ExpertNames { block, gate, up, down } = self.names;
        [gate, up, down]
            .map(|part| format!("model.layers.{}.{block}.experts.{}.{part}.weight", key.layer, key.expert))
    }

    /// The tensor of the router of a sparse `layer`.
    pub(crate) fn router_tensor(&self, layer: usize) -> String {
        format!("model.layers.{layer}.{}.gate.weight", self.names.block)
    }

    /// The tensor of the output head.
    pub(crate) fn head_tensor(&self) -> &'static str {
        if self.tied { EMBEDDING } else { "lm_head.weight" }
    }

    /// The matrices of the trunk that can be kept in another form than stored, with their shapes `[rows, cols]`.
    pub fn trunk_matrices(&self) -> Vec<(String, [usize; 2])> {
        let (q_width, kv_width) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let mut matrices = vec![(self.head_tensor().to_owned(), [self.vocab, self.hidden])];
        for layer in 0..self.layers {
            let mut add = |name: &str, rows, cols| {
                matrices.push((format!("model.layers.{layer}.{name}.weight"), [rows, cols]));
            };
            add("self_attn.q_proj", q_width, self.hidden);
            add("self_attn.k_proj", kv_width, self.hidden);
            add("self_attn.v_proj", kv_width, self.hidden);
            add("self_attn.o_proj", self.hidden, q_width);
            if self.dense_layers[layer] {
                add("mlp.gate_proj", self.dense_width, self.hidden);
                add("mlp.up_proj", self.dense_width, self.hidden);
                add("mlp.down_proj", self.hidden, self.dense_width);
            }
        }
        matrices
    }

    /// The shapes `[rows, cols]` of the gate, up and down projections of an expert.
    pub fn expert_shapes(&self) -> [[usize; 2]; 3] {
        [[self.expert_width, self.hidden], [self.expert_width, self.hidden], [self.hidden, self.expert_width]]
    }
}
