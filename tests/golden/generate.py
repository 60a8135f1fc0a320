#!/usr/bin/env python3
"""Make the golden fixtures: tiny random checkpoints and what Hugging Face transformers computes from them.

    python tests/golden/generate.py [OUT] [--only FAMILY/CASE]

Needs the packages of requirements.txt. Each case is a folder OUT/FAMILY/CASE with an ordinary checkpoint,
`expected.json` (prompt, greedy continuation, versions, seed) and `expected.safetensors` (`logits`
[prompt, vocab], computed in float32 from the weights as stored). A seed is taken only if no router decision
and no greedy choice is a near tie, since there a difference in the last bit would be right too.
"""
import argparse, json, os, shutil, sys
import torch, transformers
from safetensors.torch import save_file
from transformers import (AutoModelForCausalLM, MixtralConfig, MixtralForCausalLM, OlmoeConfig, OlmoeForCausalLM,
                          Qwen3MoeConfig, Qwen3MoeForCausalLM)

FAMILIES = {"qwen3_moe": (Qwen3MoeConfig, Qwen3MoeForCausalLM), "olmoe": (OlmoeConfig, OlmoeForCausalLM),
            "mixtral": (MixtralConfig, MixtralForCausalLM)}
QWEN = dict(vocab_size=160, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
            head_dim=16, intermediate_size=48, moe_intermediate_size=24, num_experts=8, num_experts_per_tok=2,
            max_position_embeddings=256)
OLMOE = dict(vocab_size=160, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             intermediate_size=24, num_experts=8, num_experts_per_tok=3, max_position_embeddings=256)
MIXTRAL = dict(vocab_size=160, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
               intermediate_size=40, num_local_experts=4, num_experts_per_tok=2, max_position_embeddings=256)
# name -> (config, stored dtype, config spelling of transformers 4 or 5, most bytes of a shard)
CASES = {
    "qwen3_moe/tied": ({**QWEN, "tie_word_embeddings": True, "norm_topk_prob": True}, "float32", 5, None),
    "qwen3_moe/untied_dense_layer": ({**QWEN, "tie_word_embeddings": False, "norm_topk_prob": False,
                                      "mlp_only_layers": [1]}, "bfloat16", 4, 60_000),
    "qwen3_moe/sliding": ({**QWEN, "tie_word_embeddings": True, "norm_topk_prob": True, "use_sliding_window": True,
                           "sliding_window": 8, "max_window_layers": 1, "rope_theta": 1e6}, "float32", 5, None),
    "qwen3_moe/attention_bias": ({**QWEN, "attention_bias": True, "decoder_sparse_step": 2,
                                  "norm_topk_prob": True}, "float16", 4, None),
    "olmoe/plain": ({**OLMOE, "norm_topk_prob": False, "tie_word_embeddings": False}, "bfloat16", 4, None),
    "olmoe/clip": ({**OLMOE, "norm_topk_prob": True, "tie_word_embeddings": True, "clip_qkv": 1.0}, "float32", 5, None),
    "mixtral/plain": ({**MIXTRAL, "head_dim": 16, "rope_theta": 1e6}, "bfloat16", 5, None),
    "mixtral/sliding": ({**MIXTRAL, "sliding_window": 8}, "float32", 4, 80_000),
    # Held out: other sizes and other top-k, made after the loader was written.
    "qwen3_moe/held_out": ({**QWEN, "vocab_size": 211, "hidden_size": 48, "num_hidden_layers": 4, "num_attention_heads": 6,
                            "num_key_value_heads": 3, "head_dim": 20, "moe_intermediate_size": 20, "num_experts": 12,
                            "num_experts_per_tok": 5, "norm_topk_prob": True}, "bfloat16", 5, None),
    "olmoe/held_out": ({**OLMOE, "vocab_size": 203, "hidden_size": 40, "num_attention_heads": 5, "num_key_value_heads": 5,
                        "intermediate_size": 20, "num_experts": 16, "num_experts_per_tok": 6,
                        "norm_topk_prob": False}, "float32", 4, None),
    "mixtral/held_out": ({**MIXTRAL, "vocab_size": 197, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 8,
                          "num_key_value_heads": 1, "intermediate_size": 36, "num_local_experts": 6,
                          "num_experts_per_tok": 3}, "float16", 5, None),
}
PROMPT, GREEDY = 24, 32


def build(family, config, dtype, seed):
    torch.manual_seed(seed)
    config_class, model_class = FAMILIES[family]
    config = dict(config)
    theta = config.pop("rope_theta", 10000.0)
    c = config_class(**config, rope_parameters={"rope_type": "default", "rope_theta": theta},
                     attn_implementation="eager", bos_token_id=None, eos_token_id=None, pad_token_id=None)
    model = model_class(c).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() > 1:
                std = 1.0 if "embed_tokens" in name else 0.5 if ".gate.weight" in name else 0.25
                p.normal_(0.0, std)
            elif "norm" in name:
                p.normal_(1.0, 0.1)
            else:
                p.normal_(0.0, 0.2)
        for p in model.parameters():
            p.copy_(p.to(getattr(torch, dtype)).float())  # the reference sees the weights as stored
    return model


@torch.no_grad()
def reference(model, seed):
    """Logits, prompt, greedy tokens and the smallest margins, or None if something is a near tie."""
    g = torch.Generator().manual_seed(seed)
    prompt = torch.randint(3, model.config.vocab_size, (PROMPT,), generator=g)
    margins = []

    def watch(module, args, out):
        logits = torch.nn.functional.linear(args[0].reshape(-1, args[0].shape[-1]), module.weight)
        best = logits.sort(-1, descending=True).values
        margins.append((best[:, module.top_k - 1] - best[:, module.top_k]).min().item())

    hooks = [m.register_forward_hook(watch) for n, m in model.named_modules()
             if n.endswith(".gate") and hasattr(m, "top_k")]
    assert hooks, "no router found"
    ids, greedy, greedy_margin = prompt.clone(), [], float("inf")
    logits = model(ids[None]).logits[0]
    for _ in range(GREEDY):
        best = model(ids[None]).logits[0, -1].sort(descending=True)
        greedy_margin = min(greedy_margin, (best.values[0] - best.values[1]).item())
        greedy.append(best.indices[0].item())
        ids = torch.cat([ids, best.indices[:1]])
    for hook in hooks:
        hook.remove()
    if min(margins) < 5e-4 or greedy_margin < 2e-3:
        return None
    return logits, prompt.tolist(), greedy, min(margins), greedy_margin


def write(out, name, config, dtype, spelling, shard):
    family = name.split("/")[0]
    for seed in range(1, 400):
        model = build(family, config, dtype, seed)
        found = reference(model, seed)
        if found:
            break
    else:
        sys.exit(f"{name}: every seed has a near tie")
    logits, prompt, greedy, router_margin, greedy_margin = found
    folder = os.path.join(out, name)
    shutil.rmtree(folder, ignore_errors=True)
    model.to(getattr(torch, dtype)).save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    # The checkpoint must give the same logits when transformers itself reads it back.
    again = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        assert torch.allclose(again(torch.tensor([prompt])).logits[0], logits, atol=1e-5), name
    path = os.path.join(folder, "config.json")
    c = json.load(open(path))
    if spelling == 4:
        c["rope_theta"] = c.pop("rope_parameters")["rope_theta"]
        c["rope_scaling"] = None
        c["torch_dtype"] = c.pop("dtype")
        if family != "mixtral" and "num_local_experts" in c:
            c["num_experts"] = c.pop("num_local_experts")
        json.dump(c, open(path, "w"), indent=2)
    save_file({"logits": logits.contiguous()}, os.path.join(folder, "expected.safetensors"))
    json.dump({"versions": {"torch": torch.__version__, "transformers": transformers.__version__}, "seed": seed,
               "prompt": prompt, "greedy": greedy, "router_margin_min": router_margin,
               "greedy_margin_min": greedy_margin}, open(os.path.join(folder, "expected.json"), "w"))
    print(f"{name}: seed {seed}, router margin {router_margin:.1e}, greedy margin {greedy_margin:.1e}")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("out", nargs="?", default=os.path.dirname(os.path.abspath(__file__)))
    ap.add_argument("--only", help="one case, FAMILY/CASE")
    a = ap.parse_args()
    for name, case in CASES.items():
        if a.only in (None, name):
            write(a.out, name, *case)


main()
