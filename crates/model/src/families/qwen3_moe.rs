//! Qwen3-MoE: per-head q/k norm, head width apart from the hidden width, optional dense layers.
//! Source: transformers `models/qwen3_moe/modeling_qwen3_moe.py`.

use crate::config::Config;
use crate::{ExpertNames, ModelError, ModelSpec, QkNorm, RouterRule};

pub(super) fn describe(config: &Config<'_>) -> Result<ModelSpec, ModelError> {
    config.only("hidden_act", "silu")?;
    let layers = config.count(&["num_hidden_layers"])?;
    let heads = config.count(&["num_attention_heads"])?;
    let hidden = config.count(&["hidden_size"])?;
    let experts = config.count(&["num_experts", "num_local_experts"])?;
    let sparse_step = config.count_or_none(&["decoder_sparse_step"])?.unwrap_or(1);
    let dense = config.indices("mlp_only_layers")?;
    // The window counts only with `use_sliding_window`, and then for every layer.
    let window = config.count_or_none(&["sliding_window"])?;
    let window = if config.flag("use_sliding_window", false)? { window } else { None };
    Ok(ModelSpec {
        family: "qwen3_moe",
        vocab: config.count(&["vocab_size"])?,
        hidden,
        layers,
        heads,
        kv_heads: config.count_or_none(&["num_key_value_heads"])?.unwrap_or(heads),
        head_dim: config.count_or_none(&["head_dim"])?.unwrap_or(hidden / heads),
        context_max: config.count(&["max_position_embeddings"])?,
        rms_eps: config.number("rms_norm_eps", Some(1e-6))? as f32,
        rope_theta: config.rope_theta(10_000.0)?,
        tied: config.flag("tie_word_embeddings", false)?,
        attention_bias: config.flag("attention_bias", false)?,
        qk_norm: QkNorm::PerHead,
        clip_qkv: None,
        sliding_window: window,
        router: RouterRule::SoftmaxTopK { renormalize: config.flag("norm_topk_prob", false)? },
        experts,
        top_k: config.count(&["num_experts_per_tok"])?,
        expert_width: config.count(&["moe_intermediate_size"])?,
        dense_layers: (0..layers).map(|l| dense.contains(&l) || (l + 1) % sparse_step != 0).collect(),
        dense_width: config.count(&["intermediate_size"])?,
        names: ExpertNames { block: "mlp", gate: "gate_proj", up: "up_proj", down: "down_proj" },
        eos: config.eos(),
    })
}
