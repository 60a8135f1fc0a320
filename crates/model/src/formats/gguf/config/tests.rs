use super::*;
use crate::formats::gguf::header::TensorInfo;
use crate::{ModelSpec, RouterRule, StoredDtype, families};
use conclave_types::TokenId;

/// The metadata of a small Qwen3-MoE, with these changes; null takes a key away.
fn header(changes: Value, tensors: &[&str]) -> Header {
    let metadata = json!({
        "general.architecture": "qwen3moe",
        "general.type": "model",
        "general.name": "anything",
        "qwen3moe.block_count": 2,
        "qwen3moe.context_length": 256,
        "qwen3moe.embedding_length": 32,
        "qwen3moe.feed_forward_length": 48,
        "qwen3moe.expert_feed_forward_length": 24,
        "qwen3moe.attention.head_count": 4,
        "qwen3moe.attention.head_count_kv": 2,
        "qwen3moe.attention.key_length": 16,
        "qwen3moe.attention.value_length": 16,
        "qwen3moe.attention.layer_norm_rms_epsilon": f64::from(1e-6_f32),
        "qwen3moe.rope.freq_base": 1_000_000.0,
        "qwen3moe.expert_count": 8,
        "qwen3moe.expert_used_count": 2,
        "qwen3moe.vocab_size": 99,
        "tokenizer.ggml.tokens": ["a", "<|im_end|>", "<|endoftext|>", "<|im_end|> "],
        "tokenizer.ggml.token_type": [1, 3, 3, 1],
        "tokenizer.ggml.eos_token_id": 2,
    });
    let Value::Object(mut metadata) = metadata else { unreachable!() };
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(metadata.shift_remove(key)),
            value => drop(metadata.insert(key.clone(), value.clone())),
        }
    }
    let info = |name: &&str| TensorInfo {
        name: (*name).to_owned(),
        dtype: StoredDtype::F32,
        shape: vec![4, 32],
        range: 0..0,
    };
    let all = ["token_embd.weight", "blk.0.ffn_gate_inp.weight", "blk.1.ffn_gate_inp.weight"];
    Header { metadata, tensors: all.iter().chain(tensors).map(info).collect() }
}

fn spec(changes: Value, tensors: &[&str]) -> Result<ModelSpec, String> {
    let described =
        describe(Path::new("x.gguf"), &header(changes, tensors)).map_err(|error| error.to_string())?;
    families::describe(&described.config).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(changes: Value, why: &str) {
    let error = spec(changes, &[]).expect_err("an error");
    assert!(error.contains(why), "`{error}` does not say `{why}`");
}

#[test]
fn metadata_describe_a_model_as_its_config_json_does() {
    let config = json!({
        "model_type": "qwen3_moe", "vocab_size": 4, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 256,
        "rms_norm_eps": 1e-6, "rope_theta": 1e6, "tie_word_embeddings": true, "intermediate_size": 48,
        "moe_intermediate_size": 24, "num_experts": 8, "num_experts_per_tok": 2, "norm_topk_prob": true,
        "eos_token_id": [2, 1],
    });
    assert_eq!(spec(json!({}), &[]).unwrap(), families::describe(config.as_object().unwrap()).unwrap());
}

#[test]
fn what_metadata_do_not_say_is_told_by_the_tensors() {
    let plain = spec(json!({}), &[]).unwrap();
    assert!(plain.tied && !plain.attention_bias);
    assert_eq!(plain.vocab, 4);
    assert!(!spec(json!({}), &["output.weight"]).unwrap().tied);
    assert!(spec(json!({}), &["blk.0.attn_q.bias"]).unwrap().attention_bias);
    let three = json!({"qwen3moe.block_count": 3});
    assert_eq!(spec(three, &[]).unwrap().dense_layers, [false, false, true]);
}

#[test]
fn values_for_each_layer_must_agree() {
    assert_eq!(spec(json!({"qwen3moe.attention.head_count_kv": [2, 2]}), &[]).unwrap().kv_heads, 2);
    refused(json!({"qwen3moe.attention.head_count_kv": [2, 1]}), "`num_key_value_heads` is [2,1]");
}

#[test]
fn the_router_renormalises_as_the_architecture_does_unless_the_file_says_otherwise() {
    let rule = |changes: Value| spec(changes, &[]).unwrap().router;
    assert_eq!(rule(json!({})), RouterRule::SoftmaxTopK { renormalize: true });
    assert_eq!(
        rule(json!({"qwen3moe.expert_weights_norm": false})),
        RouterRule::SoftmaxTopK { renormalize: false }
    );
    refused(json!({"qwen3moe.expert_weights_norm": 1}), "`qwen3moe.expert_weights_norm` is 1");
}

#[test]
fn the_tokens_that_end_an_answer_are_the_named_ones_and_those_whose_text_says_it() {
    assert_eq!(spec(json!({}), &[]).unwrap().eos, [TokenId(2), TokenId(1)]);
    let other = json!({"tokenizer.ggml.eos_token_id": 7, "tokenizer.ggml.token_type": [1, 1, 1, 1]});
    assert_eq!(spec(other, &[]).unwrap().eos, []);
}

#[test]
fn sampling_defaults_are_taken_over() {
    let changes = json!({"general.sampling.temp": 0.5, "general.sampling.top_k": 20});
    let described = describe(Path::new("x.gguf"), &header(changes, &[])).unwrap();
    let expected = json!({"temperature": 0.5, "top_k": 20, "eos_token_id": [2, 1]});
    assert_eq!(Value::from(described.generation), expected);
}

#[test]
fn what_would_change_the_maths_is_refused_by_name() {
    refused(json!({"general.architecture": "deepseek2"}), "architecture `deepseek2` is not supported");
    refused(json!({"general.type": "adapter"}), "a thing of type \"adapter\"");
    refused(
        json!({"qwen3moe.rope.scaling.type": "yarn"}),
        "`qwen3moe.rope.scaling.type` is \"yarn\"; supported: \"none\"",
    );
    refused(json!({"qwen3moe.rope.scaling.factor": 4.0}), "`qwen3moe.rope.scaling.factor` is not known");
    refused(json!({"qwen3moe.expert_gating_func": 2}), "`qwen3moe.expert_gating_func` is 2");
    refused(json!({"qwen3moe.expert_shared_count": 1}), "`qwen3moe.expert_shared_count` is 1");
    refused(
        json!({"qwen3moe.rope.dimension_count": 8}),
        "`qwen3moe.rope.dimension_count` is 8; supported: the width of a head, which is 16",
    );
    refused(json!({"qwen3moe.attention.value_length": 8}), "`qwen3moe.attention.value_length` is 8");
    refused(json!({"qwen3moe.expert_count": 0}), "only mixture-of-experts models");
    refused(json!({"qwen3moe.block_count": 1_000_000_000}), "`qwen3moe.block_count`");
    refused(json!({"qwen3moe.context_length": null}), "`max_position_embeddings` is missing");
}
