//! Writes a Hugging Face folder as GGUF, the way its usual converter does, with candle's writer.

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use conclave_model::ModelFolder;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;

/// Writes `folder`, whose config.json is `config`, to `file`, every weight as `dtype` but vectors, the router and rows
/// that are no whole blocks.
pub(crate) fn convert(folder: &ModelFolder, config: &Json, dtype: GgmlDType, file: &Path) {
    write(&metadata(folder, config), &tensors(folder, dtype), file);
}

/// Writes a file of these metadata and tensors.
pub(crate) fn write(metadata: &[(String, Value)], tensors: &[(String, QTensor)], file: &Path) {
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let tensors: Vec<(&str, &QTensor)> =
        tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut out = std::fs::File::create(file).unwrap();
    gguf_file::write(&mut out, &metadata, &tensors).unwrap();
}

fn architecture(folder: &ModelFolder) -> &'static str {
    match folder.spec.family {
        "mixtral" => "llama",
        "olmoe" => "olmoe",
        "qwen3_moe" => "qwen3moe",
        other => panic!("no GGUF architecture for {other}"),
    }
}

pub(crate) fn metadata(folder: &ModelFolder, config: &Json) -> Vec<(String, Value)> {
    let (spec, name) = (&folder.spec, architecture(folder));
    let mut out = vec![("general.architecture".to_owned(), Value::String(name.to_owned()))];
    let mut put = |key: &str, value: Value| out.push((format!("{name}.{key}"), value));
    let count = |value: usize| Value::U32(value as u32);
    put("block_count", count(spec.layers));
    put("context_length", count(spec.context_max));
    put("embedding_length", count(spec.hidden));
    put("feed_forward_length", count(spec.dense_width));
    put("attention.head_count", count(spec.heads));
    put("attention.head_count_kv", count(spec.kv_heads));
    put("attention.layer_norm_rms_epsilon", Value::F32(spec.rms_eps));
    put("expert_count", count(spec.experts));
    put("expert_used_count", count(spec.top_k));
    put("rope.freq_base", Value::F32(spec.rope_theta as f32));
    if spec.head_dim != spec.hidden / spec.heads {
        put("attention.key_length", count(spec.head_dim));
        put("attention.value_length", count(spec.head_dim));
        put("rope.dimension_count", count(spec.head_dim));
    }
    if name == "qwen3moe" {
        put("expert_feed_forward_length", count(spec.expert_width));
    }
    // What the usual converter leaves out, and the fixtures need.
    if let Some(window) = spec.sliding_window {
        put("attention.sliding_window", count(window));
    }
    if let Some(limit) = spec.clip_qkv {
        put("attention.clamp_kqv", Value::F32(limit));
    }
    if let Some(flag) = config["norm_topk_prob"].as_bool() {
        put("expert_weights_norm", Value::Bool(flag));
    }
    out
}

pub(crate) fn tensors(folder: &ModelFolder, dtype: GgmlDType) -> Vec<(String, QTensor)> {
    let mut experts: BTreeMap<String, Vec<Tensor>> = BTreeMap::new();
    let mut plain = BTreeMap::new();
    let interleaved = architecture(folder) == "llama";
    let names: Vec<String> = folder.files.names().map(str::to_owned).collect();
    for name in &names {
        let shape = folder.files.shape(name).unwrap();
        let tensor = Tensor::from_vec(folder.files.f32_values(name).unwrap(), shape, &Device::Cpu).unwrap();
        let (to, is_expert) = rename(name);
        if is_expert {
            // Filled by number below: names sort 10 before 2.
            experts.entry(to).or_default();
        } else if interleaved && (to.ends_with("attn_q.weight") || to.ends_with("attn_k.weight")) {
            plain.insert(to, interleave(&tensor, folder.spec.head_dim));
        } else {
            plain.insert(to, tensor);
        }
    }
    for key in folder.spec.expert_keys() {
        for name in folder.spec.expert_tensors(key) {
            let shape = folder.files.shape(&name).unwrap();
            let values = folder.files.f32_values(&name).unwrap();
            let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
            experts.get_mut(&rename(&name).0).unwrap().push(tensor);
        }
    }
    plain.extend(experts.into_iter().map(|(name, parts)| (name, Tensor::stack(&parts, 0).unwrap())));
    let quantise = |(name, tensor): (String, Tensor)| {
        let cols = tensor.dims()[tensor.rank() - 1];
        let whole = cols.is_multiple_of(dtype.block_size());
        let keep = tensor.rank() == 1 || name.contains("ffn_gate_inp") || !whole;
        let tensor = QTensor::quantize(&tensor, if keep { GgmlDType::F32 } else { dtype }).unwrap();
        (name, tensor)
    };
    plain.into_iter().map(quantise).collect()
}

/// Row `h * head_dim / 2 + i` of each head becomes row `2 i + h`.
fn interleave(tensor: &Tensor, head_dim: usize) -> Tensor {
    let (rows, cols) = tensor.dims2().unwrap();
    let halves = tensor.reshape((rows / head_dim, 2, head_dim / 2, cols)).unwrap();
    halves.transpose(1, 2).unwrap().contiguous().unwrap().reshape((rows, cols)).unwrap()
}

/// The GGUF name of a tensor, and whether it is one of many experts'.
fn rename(name: &str) -> (String, bool) {
    match name {
        "model.embed_tokens.weight" => return ("token_embd.weight".to_owned(), false),
        "model.norm.weight" => return ("output_norm.weight".to_owned(), false),
        "lm_head.weight" => return ("output.weight".to_owned(), false),
        _ => {}
    }
    let parts: Vec<&str> = name.strip_prefix("model.layers.").unwrap().split('.').collect();
    let (to, is_expert) = match &parts[1..] {
        ["input_layernorm", _] => ("attn_norm", false),
        ["post_attention_layernorm", _] => ("ffn_norm", false),
        ["self_attn", "q_proj", _] => ("attn_q", false),
        ["self_attn", "k_proj", _] => ("attn_k", false),
        ["self_attn", "v_proj", _] => ("attn_v", false),
        ["self_attn", "o_proj", _] => ("attn_output", false),
        ["self_attn", "q_norm", _] => ("attn_q_norm", false),
        ["self_attn", "k_norm", _] => ("attn_k_norm", false),
        [_, "gate", _] => ("ffn_gate_inp", false),
        [_, "gate_proj", _] => ("ffn_gate", false),
        [_, "up_proj", _] => ("ffn_up", false),
        [_, "down_proj", _] => ("ffn_down", false),
        [_, "experts", _, "gate_proj" | "w1", _] => ("ffn_gate_exps", true),
        [_, "experts", _, "up_proj" | "w3", _] => ("ffn_up_exps", true),
        [_, "experts", _, "down_proj" | "w2", _] => ("ffn_down_exps", true),
        other => panic!("{other:?}"),
    };
    (format!("blk.{}.{to}.{}", parts[0], parts.last().unwrap()), is_expert)
}
