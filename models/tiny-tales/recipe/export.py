#!/usr/bin/env python3
"""Turns a checkpoint of `train.py` into a Hugging Face folder, and compares its logits with transformers.

    export.py DIR/last.pt --out ../ [--check]

Writes model.safetensors (bf16), config.json and generation_config.json; the tokenizer is there already.
"""
import argparse
import json
import os

import torch

from model import Model

STACKED = ("gate_proj", "up_proj", "down_proj")


def tensors(state):
    """The tensors under the names of Hugging Face, one for each expert, [out, in]."""
    out = {}
    for name, value in state.items():
        stem, last = name.rsplit(".", 1)
        if last in STACKED and stem.endswith("mlp"):
            for e, matrix in enumerate(value):
                out[f"model.{stem}.experts.{e}.{last}.weight"] = matrix.t()
        else:
            out["model." + name] = value
    return {name: value.to(torch.bfloat16).contiguous().clone() for name, value in out.items()}


def config(c):
    return {
        "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "vocab_size": c["vocabulary"], "hidden_size": c["hidden"],
        "num_hidden_layers": c["layers"], "num_attention_heads": c["heads"], "num_key_value_heads": c["kv_heads"], "head_dim": c["head_dim"],
        "intermediate_size": c["expert_width"] * c["top_k"], "moe_intermediate_size": c["expert_width"], "num_experts": c["experts"],
        "num_experts_per_tok": c["top_k"], "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [], "hidden_act": "silu",
        "rms_norm_eps": 1e-6, "rope_theta": c["theta"], "max_position_embeddings": c["context"], "tie_word_embeddings": True,
        "attention_bias": False, "attention_dropout": 0.0, "use_sliding_window": False, "sliding_window": None, "router_aux_loss_coef": 0.02,
        "output_router_logits": False, "initializer_range": 0.02, "use_cache": True, "torch_dtype": "bfloat16", "bos_token_id": 0,
        "eos_token_id": 2, "pad_token_id": 0,
    }


GENERATION = {"bos_token_id": 0, "eos_token_id": [2, 0], "pad_token_id": 0, "do_sample": True, "temperature": 0.7, "top_k": 40, "top_p": 0.95, "max_new_tokens": 512}


def check(folder, state, c):
    from transformers import AutoModelForCausalLM, AutoTokenizer
    ours = Model(c)
    ours.load_state_dict({k: v.to(torch.bfloat16).float() for k, v in state.items()})
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template([dict(role="user", content="Tell me a story about a dog and a boat.")], add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, return_tensors="pt").input_ids
    with torch.no_grad():
        x, y = ours(ids), theirs(ids).logits
    print(f"largest difference of the logits {(x - y).abs().max().item():.2e} of {x.abs().max().item():.2f}; same choice at {(x.argmax(-1) == y.argmax(-1)).float().mean().item():.0%} of {ids.shape[1]} positions")


def main():
    from safetensors.torch import save_file
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--out", required=True)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    saved = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    path = os.path.join(options.out, "model.safetensors")
    save_file(tensors(saved["model"]), path, metadata={"format": "pt"})
    os.chmod(path, 0o644)
    for name, value in (("config.json", config(saved["config"])), ("generation_config.json", GENERATION)):
        with open(os.path.join(options.out, name), "w") as file:
            json.dump(value, file, indent=1)
            file.write("\n")
    print(f"step {saved['step']}, {saved['tokens'] / 1e6:.1f} M tokens, {os.path.getsize(path) / 1e6:.1f} MB")
    if options.check:
        check(options.out, saved["model"], saved["config"])


if __name__ == "__main__":
    main()
