//! GGUF's metadata as the config.json of a Hugging Face folder, so that families stay descriptions.
//!
//! Keeps true: every key of the architecture is used, known to change nothing, or refused by name.

use super::header::Header;
use crate::ModelError;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What metadata say, in Hugging Face's words.
#[derive(Debug)]
pub(super) struct Described {
    /// config.json.
    pub(super) config: Map<String, Value>,
    /// generation_config.json.
    pub(super) generation: Map<String, Value>,
    /// Whether rows of q and k are stored for rotary embedding of neighbours.
    pub(super) interleaved: bool,
}

/// A family by its GGUF name.
struct Architecture {
    name: &'static str,
    model_type: &'static str,
    /// Where config.json has an expert's width.
    expert_width: &'static str,
    /// Whether the chosen experts' weights sum to 1, if the file does not say.
    renormalize: bool,
    interleaved: bool,
}

const ARCHITECTURES: [Architecture; 3] = [
    Architecture {
        name: "llama",
        model_type: "mixtral",
        expert_width: "intermediate_size",
        renormalize: true,
        interleaved: true,
    },
    Architecture {
        name: "olmoe",
        model_type: "olmoe",
        expert_width: "intermediate_size",
        renormalize: false,
        interleaved: false,
    },
    Architecture {
        name: "qwen3moe",
        model_type: "qwen3_moe",
        expert_width: "moe_intermediate_size",
        renormalize: true,
        interleaved: false,
    },
];

/// Keys that config.json has too, under another name.
const RENAMED: [(&str, &str); 12] = [
    ("attention.clamp_kqv", "clip_qkv"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "head_dim"),
    ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    ("block_count", "num_hidden_layers"),
    ("context_length", "max_position_embeddings"),
    ("embedding_length", "hidden_size"),
    ("expert_count", "num_experts"),
    ("expert_used_count", "num_experts_per_tok"),
    ("feed_forward_length", "intermediate_size"),
    ("rope.freq_base", "rope_theta"),
];

/// Keys that are understood only at these values, which change nothing.
const ONLY: [(&str, &[&str]); 14] = [
    ("attention.causal", &["true"]),
    ("attention.max_alibi_bias", &["0.0"]),
    ("expert_gating_func", &["0", "1"]),
    ("expert_group_count", &["0", "1"]),
    ("expert_group_used_count", &["0", "1"]),
    ("expert_shared_count", &["0"]),
    ("expert_shared_feed_forward_length", &["0"]),
    ("expert_weights_scale", &["0.0", "1.0"]),
    ("leading_dense_block_count", &["0"]),
    ("nextn_predict_layers", &["0"]),
    ("rope.scale_linear", &["0.0", "1.0"]),
    ("rope.scaling.finetuned", &["false"]),
    ("rope.scaling.type", &["\"none\""]),
    ("use_parallel_residual", &["false"]),
];

/// Keys that need a thought of their own.
const HANDLED: [&str; 5] = [
    "attention.sliding_window",
    "attention.value_length",
    "expert_feed_forward_length",
    "expert_weights_norm",
    "rope.dimension_count",
];

/// Keys that restate what the tensors or other keys say, or what nothing depends on.
const IGNORED: [&str; 3] = ["rope.scaling.original_context_length", "tensor_data_layout", "vocab_size"];

/// What the sampling keys are in generation_config.json.
const SAMPLING: [(&str, &str); 4] = [
    ("general.sampling.penalty_repeat", "repetition_penalty"),
    ("general.sampling.temp", "temperature"),
    ("general.sampling.top_k", "top_k"),
    ("general.sampling.top_p", "top_p"),
];

/// Texts of tokens that end an answer, as models of these families have them. A file names one such token, its model
/// may use two: one ends a turn, one a text.
const ENDS: [&str; 6] =
    ["</s>", "<|end_of_text|>", "<|endoftext|>", "<|eot_id|>", "<|im_end|>", "<|eom_id|>"];

/// The type of a token that has no text of its own, in `tokenizer.ggml.token_type`.
const CONTROL: u64 = 3;

/// Describes the model of a header.
pub(super) fn describe(file: &Path, header: &Header) -> Result<Described, ModelError> {
    let refuse = |why: String| ModelError::Gguf { file: file.to_owned(), why };
    let metadata = &header.metadata;
    if let Some(kind) = metadata.get("general.type").filter(|kind| *kind != "model") {
        return Err(refuse(format!("it holds a thing of type {kind}; a model is needed")));
    }
    let found = metadata.get("general.architecture").and_then(Value::as_str).unwrap_or("");
    let Some(architecture) = ARCHITECTURES.iter().find(|architecture| architecture.name == found) else {
        let supported = ARCHITECTURES.map(|architecture| architecture.name).join(", ");
        return Err(refuse(format!("architecture `{found}` is not supported; supported: {supported}")));
    };
    let Some(embedding) = header.tensors.iter().find(|info| info.name == "token_embd.weight") else {
        return Err(refuse("tensor `token_embd.weight` is missing".to_owned()));
    };
    let vocab = embedding.shape[0];
    let tensors: BTreeSet<&str> = header.tensors.iter().map(|info| info.name.as_str()).collect();
    let mut config = read_keys(architecture, metadata, tensors.len()).map_err(refuse)?;
    let mut insert = |key: &str, value: Value| config.insert(key.to_owned(), value);
    insert("vocab_size", vocab.into());
    insert("tie_word_embeddings", (!tensors.contains("output.weight")).into());
    if tensors.contains("blk.0.attn_q.bias") {
        insert("attention_bias", true.into());
    }
    let eos = ends(metadata, vocab);
    if !eos.is_empty() {
        insert("eos_token_id", eos.clone().into());
    }
    if architecture.model_type == "qwen3_moe" {
        let layers = config["num_hidden_layers"].as_u64().expect("a number; `read_keys` has checked it");
        let dense = (0..layers)
            .filter(|layer| !tensors.contains(format!("blk.{layer}.ffn_gate_inp.weight").as_str()));
        config.insert("mlp_only_layers".to_owned(), dense.collect());
    }
    let sampling =
        SAMPLING.iter().filter_map(|(key, name)| Some(((*name).to_owned(), metadata.get(*key)?.clone())));
    let mut generation: Map<String, Value> = sampling.collect();
    generation.insert("eos_token_id".to_owned(), eos.into());
    Ok(Described { config, generation, interleaved: architecture.interleaved })
}

/// The keys of `architecture`, each used or refused; an error says why.
fn read_keys(
    architecture: &Architecture,
    metadata: &Map<String, Value>,
    tensors: usize,
) -> Result<Map<String, Value>, String> {
    let Architecture { name, model_type, expert_width, .. } = architecture;
    let mut config = Map::from_iter([("model_type".to_owned(), Value::from(*model_type))]);
    let mut set = |key: &str, value: &Value| drop(config.insert(key.to_owned(), value.clone()));
    let mut own = BTreeMap::new();
    for (key, value) in metadata {
        let Some(part) = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else { continue };
        let value = of_all_layers(value);
        if let Some((_, name)) = RENAMED.iter().find(|(from, _)| *from == part) {
            set(name, value);
        } else if let Some((_, values)) = ONLY.iter().find(|(name, _)| *name == part) {
            if !values.contains(&value.to_string().as_str()) {
                return Err(format!("`{key}` is {value}; supported: {}", values.join(", ")));
            }
        } else if HANDLED.contains(&part) {
            own.insert(part, value);
        } else if !IGNORED.contains(&part) {
            return Err(format!("`{key}` is not known and may change the model's maths"));
        }
    }
    let renormalize =
        own.get("expert_weights_norm").map_or(Some(architecture.renormalize), |flag| flag.as_bool());
    match (*model_type, renormalize) {
        ("mixtral", Some(true)) => {}
        ("olmoe" | "qwen3_moe", Some(flag)) => set("norm_topk_prob", &flag.into()),
        _ => {
            return Err(format!(
                "`{name}.expert_weights_norm` is {}; supported: true",
                own["expert_weights_norm"]
            ));
        }
    }
    let window = own.get("attention.sliding_window").filter(|window| window.as_u64() != Some(0));
    if let Some(window) = window {
        set("sliding_window", window);
    }
    if *model_type == "qwen3_moe" {
        set("use_sliding_window", &window.is_some().into());
    }
    if let Some(width) = own.get("expert_feed_forward_length") {
        set(expert_width, width);
    }
    // Only models with dense layers need it, and not every converter writes it.
    if let Some(width) = config.get(*expert_width).cloned() {
        config.entry("intermediate_size").or_insert(width);
    }
    config.entry("rope_theta").or_insert(json!(10_000.0));
    let number = |key: &str| config.get(key).and_then(Value::as_u64).filter(|number| *number > 0);
    if number("num_hidden_layers").is_none_or(|layers| layers > tensors as u64) {
        return Err(format!("`{name}.block_count` is missing, or more than there are tensors for"));
    }
    if number("num_experts").is_none() {
        return Err(format!(
            "`{name}.expert_count` is missing or 0; only mixture-of-experts models are served"
        ));
    }
    let head_dim =
        number("head_dim").or_else(|| Some(number("hidden_size")? / number("num_attention_heads")?));
    for part in ["attention.value_length", "rope.dimension_count"] {
        if let Some(value) = own.get(part).filter(|value| value.as_u64() != head_dim) {
            let width = head_dim.map_or("unknown".to_owned(), |width| width.to_string());
            return Err(format!(
                "`{name}.{part}` is {value}; supported: the width of a head, which is {width}"
            ));
        }
    }
    Ok(config)
}

/// A value that is given once, or for each layer alike; a list of different ones stays and is refused where it is read.
fn of_all_layers(value: &Value) -> &Value {
    match value.as_array().map(Vec::as_slice) {
        Some([first, rest @ ..]) if rest.iter().all(|other| other == first) => first,
        _ => value,
    }
}

/// The tokens that end an answer: those the metadata name, and control tokens whose text says it.
fn ends(metadata: &Map<String, Value>, vocab: usize) -> Vec<u64> {
    let named = ["eos", "eot", "eom"]
        .map(|name| metadata.get(&format!("tokenizer.ggml.{name}_token_id")).and_then(Value::as_u64));
    let list = |key: &str| metadata.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let tokens = list("tokenizer.ggml.tokens").iter().zip(list("tokenizer.ggml.token_type"));
    let told = tokens.enumerate().filter_map(|(id, (text, kind))| {
        let ends = kind.as_u64() == Some(CONTROL) && text.as_str().is_some_and(|text| ENDS.contains(&text));
        ends.then_some(id as u64)
    });
    let mut ends = Vec::new();
    for id in named.into_iter().flatten().chain(told) {
        if id < vocab as u64 && !ends.contains(&id) {
            ends.push(id);
        }
    }
    ends
}

#[cfg(test)]
mod tests;
