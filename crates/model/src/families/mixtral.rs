//! Mixtral: no q/k norm, weights always renormalised, own names for the experts.
//! Source: transformers `models/mixtral/modeling_mixtral.py`.

use crate::config::Config;
use crate::{ExpertNames, ModelError, ModelSpec, QkNorm, RouterRule};

pub(super) fn describe(config: &Config<'_>) -> Result<ModelSpec, ModelError> {
    config.only("hidden_act", "silu")?;
    let layers = config.count(&["num_hidden_layers"])?;
    let heads = config.count(&["num_attention_heads"])?;
    let hidden = config.count(&["hidden_size"])?;
    let expert_width = config.count(&["intermediate_size"])?;
    Ok(ModelSpec {
        family: "mixtral",
        vocab: config.count(&["vocab_size"])?,
        hidden,
        layers,
        heads,
        kv_heads: config.count_or_none(&["num_key_value_heads"])?.unwrap_or(heads),
        head_dim: config.count_or_none(&["head_dim"])?.unwrap_or(hidden / heads),
        context_max: config.count(&["max_position_embeddings"])?,
        rms_eps: config.number("rms_norm_eps", Some(1e-5))? as f32,
        rope_theta: config.rope_theta(1_000_000.0)?,
        tied: config.flag("tie_word_embeddings", false)?,
        attention_bias: false,
        qk_norm: QkNorm::None,
        clip_qkv: None,
        sliding_window: config.count_or_none(&["sliding_window"])?,
        router: RouterRule::SoftmaxTopK { renormalize: true },
        experts: config.count(&["num_local_experts", "num_experts"])?,
        top_k: config.count(&["num_experts_per_tok"])?,
        expert_width,
        dense_layers: vec![false; layers],
        dense_width: expert_width,
        names: ExpertNames { block: "block_sparse_moe", gate: "w1", up: "w3", down: "w2" },
        eos: config.eos(),
    })
}
