"""The model as PyTorch trains it: an ordinary `qwen3_moe`, with the experts of a layer in two stacked tensors."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

CONFIG = dict(layers=8, hidden=256, heads=8, kv_heads=4, head_dim=32, experts=16, top_k=2, expert_width=192, vocabulary=4096, context=1024, theta=10000.0)


class RmsNorm(nn.Module):
    def __init__(self, width, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        y = x.float()
        return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.eps)).type_as(x) * self.weight.type_as(x)


def rope_tables(c, length, device):
    inverse = 1.0 / c["theta"] ** (torch.arange(0, c["head_dim"], 2, device=device).float() / c["head_dim"])
    angles = torch.outer(torch.arange(length, device=device).float(), inverse)
    angles = torch.cat((angles, angles), -1)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        d, h, kv, w = c["hidden"], c["heads"], c["kv_heads"], c["head_dim"]
        self.q_proj, self.k_proj = nn.Linear(d, h * w, bias=False), nn.Linear(d, kv * w, bias=False)
        self.v_proj, self.o_proj = nn.Linear(d, kv * w, bias=False), nn.Linear(h * w, d, bias=False)
        self.q_norm, self.k_norm = RmsNorm(w), RmsNorm(w)

    def forward(self, x, cos, sin):
        b, t, _ = x.shape
        c = self.c
        q = self.q_norm(self.q_proj(x).view(b, t, c["heads"], c["head_dim"])).transpose(1, 2)
        k = self.k_norm(self.k_proj(x).view(b, t, c["kv_heads"], c["head_dim"])).transpose(1, 2)
        v = self.v_proj(x).view(b, t, c["kv_heads"], c["head_dim"]).transpose(1, 2)
        q, k = rotate(q, cos, sin).type_as(v), rotate(k, cos, sin).type_as(v)
        groups = c["heads"] // c["kv_heads"]
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        if x.is_cuda or not self.training:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:  # on a CPU two products train faster than the fused kernel
            scores = (q * c["head_dim"] ** -0.5 @ k.mT).float() + torch.full((t, t), -1e9).triu(1)
            y = scores.softmax(-1).type_as(v) @ v
        return self.o_proj(y.transpose(1, 2).reshape(b, t, -1))


class Experts(nn.Module):
    """On a GPU all experts compute all rows, and the router's weight, mostly zero, is multiplied in: for experts as narrow
    as these, wide products beat sorting the rows by expert. On a CPU each expert computes its own rows. Both are the same."""

    def __init__(self, c):
        super().__init__()
        self.c = c
        d, e, w = c["hidden"], c["experts"], c["expert_width"]
        self.gate = nn.Linear(d, e, bias=False)
        self.gate_proj = nn.Parameter(torch.empty(e, d, w))
        self.up_proj = nn.Parameter(torch.empty(e, d, w))
        self.down_proj = nn.Parameter(torch.empty(e, w, d))

    def forward(self, x):
        c = self.c
        shape, e, k = x.shape, c["experts"], c["top_k"]
        x = x.reshape(-1, shape[-1])
        with torch.autocast(x.device.type, enabled=False):  # the router stays in f32
            logits = F.linear(x.float(), self.gate.weight.float())
        p = logits.softmax(-1)
        weights, chosen = p.topk(k, -1)
        weights = weights / weights.sum(-1, keepdim=True)
        mask = torch.zeros_like(p).scatter(1, chosen, 1.0)
        y = self.everywhere(x, chosen, weights, p) if x.is_cuda else self.where_chosen(x, chosen, weights, mask)
        share = mask.mean(0) / k
        balance = e * (share.detach() * p.mean(0)).sum()
        z = logits.logsumexp(-1).pow(2).mean()
        return y.view(shape), balance, z, share.detach()

    def everywhere(self, x, chosen, weights, p):
        d, e, w = self.c["hidden"], self.c["experts"], self.c["expert_width"]
        wide = torch.zeros_like(p).scatter(1, chosen, weights)
        g = x @ self.gate_proj.type_as(x).permute(1, 0, 2).reshape(d, -1)
        u = x @ self.up_proj.type_as(x).permute(1, 0, 2).reshape(d, -1)
        h = (F.silu(g) * u).view(-1, e, w) * wide.unsqueeze(-1).type_as(g)
        return h.view(x.shape[0], -1) @ self.down_proj.type_as(x).reshape(-1, d)

    def where_chosen(self, x, chosen, weights, mask):
        order = chosen.reshape(-1).argsort(stable=True)
        rows = order // self.c["top_k"]
        parts = x.index_select(0, rows).split(mask.sum(0).long().tolist())
        gate, up, down = self.gate_proj.type_as(x), self.up_proj.type_as(x), self.down_proj.type_as(x)
        done = torch.cat([(F.silu(part @ gate[e]) * (part @ up[e])) @ down[e] for e, part in enumerate(parts)])
        done = done * weights.reshape(-1).index_select(0, order).unsqueeze(-1).type_as(done)
        return torch.zeros_like(x).index_add(0, rows, done.type_as(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn, self.mlp = Attention(c), Experts(c)
        self.input_layernorm, self.post_attention_layernorm = RmsNorm(c["hidden"]), RmsNorm(c["hidden"])

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        y, balance, z, share = self.mlp(self.post_attention_layernorm(x))
        return x + y, balance, z, share


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed_tokens = nn.Embedding(c["vocabulary"], c["hidden"])
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["layers"]))
        self.norm = RmsNorm(c["hidden"])
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                scale = math.sqrt(2 * c["layers"]) if name.endswith(("o_proj.weight", "down_proj")) else 1
                nn.init.normal_(parameter, std=0.02 / scale)

    def forward(self, ids, targets=None, each=False):
        """ids [b, t] to logits [b, t, vocabulary] in f32; with targets (-100: none) to loss, balance, z, shares [layers, experts].
        The loss is the mean, or with `each` that of each target, [b, t]."""
        x = self.embed_tokens(ids)
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        cos, sin = rope_tables(self.c, ids.shape[1], ids.device)
        balance = z = 0.0
        shares = []
        for layer in self.layers:
            x, b, zz, share = layer(x, cos, sin)
            balance, z = balance + b, z + zz
            shares.append(share)
        x = self.norm(x)
        logits = F.linear(x, self.embed_tokens.weight.type_as(x))
        if targets is None:
            return logits.float()
        loss = F.cross_entropy(logits.view(-1, logits.shape[-1]).float(), targets.reshape(-1), ignore_index=-100, reduction="none" if each else "mean")
        loss = loss.view(targets.shape) if each else loss
        n = len(self.layers)
        return loss, balance / n, z / n, torch.stack(shares)
