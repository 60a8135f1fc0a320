#!/usr/bin/env python3
"""Trains the model while others (`rows.py`) still make its text, then writes a checkpoint.

    train.py --tokenizer ../tokenizer.json --out DIR --seconds 540 [--outside outside.jsonl] [--makers 14] [--batch 96]

Starts the makers itself. Every row is used once as long as new ones come fast enough. The learning rate rises, stays, and
falls to nothing over the last part of the time. Matrices of the layers are trained with Muon (momentum, made orthogonal),
all else with AdamW. Writes DIR/last.pt every minute and at the end, and one JSON line each few steps to DIR/log.jsonl.
"""
import argparse
import glob
import json
import os
import random
import subprocess
import sys
import time

import numpy as np
import torch
from tokenizers import Tokenizer

import rows as rows_of_text
from model import CONFIG, Model

HERE = os.path.dirname(os.path.abspath(__file__))
HELD_OUT_SEED = 900_001


def orthogonal(g, steps=5):
    """Newton-Schulz iteration on a stack of matrices [n, a, b]: about u v^T of each one's u s v^T."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        s = x @ x.mT
        x = a * x + (b * s + c * (s @ s)) @ x
    return (x.mT if tall else x).type_as(g)


class Muon(torch.optim.Optimizer):
    """Momentum whose step is made orthogonal; matrices of one shape are stepped together."""

    def __init__(self, parameters, lr, momentum=0.95, decay=0.1):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, decay=decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group["params"]:
                buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
                buffer.lerp_(p.grad, 1 - group["momentum"])
                step = p.grad.lerp(buffer, group["momentum"])
                shapes.setdefault(tuple(p.shape[-2:]), []).append((p, step.view(-1, *p.shape[-2:])))
            for shape, members in shapes.items():
                made = orthogonal(torch.cat([step for _, step in members]))
                scale = 0.2 * max(shape) ** 0.5  # the size of an AdamW step
                for (p, step), u in zip(members, made.split([step.shape[0] for _, step in members])):
                    p.mul_(1 - group["lr"] * group["decay"]).add_(u.view_as(p), alpha=-group["lr"] * scale)


def optimizers(model, lr, muon):
    matrices = [p for n, p in model.named_parameters() if p.dim() > 1 and n.startswith("layers") and "mlp.gate.weight" not in n]
    chosen = {id(p) for p in matrices} if muon else set()
    wide = [p for p in model.parameters() if p.dim() > 1 and id(p) not in chosen]
    narrow = [p for p in model.parameters() if p.dim() < 2]
    fused = next(model.parameters()).is_cuda
    made = [torch.optim.AdamW([dict(params=wide, weight_decay=0.1), dict(params=narrow, weight_decay=0.0)], lr=lr, betas=(0.9, 0.95), eps=1e-8, fused=fused)]
    if muon:
        made.append(Muon(matrices, lr))
    return made


class Rows:
    """Rows of tokens on the device; takes new files as they appear, gives each row once, then again from the start."""

    def __init__(self, folder, device):
        self.folder, self.device = folder, device
        self.seen, self.parts, self.rows, self.given = set(), [], 0, 0
        self.part = self.row = 0

    def look(self):
        for path in sorted(glob.glob(os.path.join(self.folder, "rows-*.npy"))):
            if path not in self.seen and not path.endswith(".tmp.npy"):
                self.seen.add(path)
                part = torch.from_numpy(np.load(path).astype(np.int16)).to(self.device)
                os.remove(path)
                self.parts.append(part)
                self.rows += part.shape[0]

    @property
    def repeated(self):
        return max(0, self.given - self.rows)

    def batch(self, n):
        """n rows [n, length] as int64."""
        taken, self.given = [], self.given + n
        while n:
            part = self.parts[self.part]
            take = min(n, part.shape[0] - self.row)
            taken.append(part[self.row:self.row + take])
            self.row, n = self.row + take, n - take
            if self.row == part.shape[0]:
                self.part, self.row = (self.part + 1) % len(self.parts), 0
        return torch.cat(taken).long()


def split_targets(rows):
    ids, targets = rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
    return ids, targets.masked_fill((ids == 0) & (targets == 0), -100)  # the unused end of a row


def held_out(options, folder, device):
    """{name: rows} that no maker makes: another seed, and the outside documents that are left out there."""
    own = np.load(os.path.join(folder, f"rows-{HELD_OUT_SEED}-0.npy")).astype(np.int64)
    sets = {"own": torch.from_numpy(own).to(device)}
    if options.outside:
        tokenizer, packer, rng = Tokenizer.from_file(options.tokenizer), rows_of_text.Packer(CONFIG["context"] + 1), random.Random(1)
        for text, out in rows_of_text.outside_documents(options.outside):
            if out:
                packer.add(tokenizer.encode(text + "<|endoftext|>").ids)
        packed = []
        while packer.documents:
            packed.append(packer.row(rng))
        sets["outside"] = torch.tensor(packed).to(device)
    return sets


@torch.no_grad()
def evaluate(model, rows, bf16):
    losses, count, shares = 0.0, 0, 0
    for part in rows.split(32):
        ids, targets = split_targets(part)
        with torch.autocast(part.device.type, torch.bfloat16, enabled=bf16):
            loss, _, _, share = model(ids, targets)
        n = (targets != -100).sum().item()
        losses, count, shares = losses + loss.item() * n, count + n, shares + share * n
    shares = shares / count * model.c["experts"]
    return losses / count, shares


def rate(fraction, warm, flat):
    """What part of the learning rate is used at a fraction of the time."""
    if fraction < warm:
        return fraction / warm
    return 1.0 if fraction < flat else max(0.0, (1 - fraction) / (1 - flat))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--outside", default="")
    parser.add_argument("--seconds", type=float, default=540)
    parser.add_argument("--steps", type=int, default=0, help="end after so many steps, for trials")
    parser.add_argument("--makers", type=int, default=14)
    parser.add_argument("--batch", type=int, default=96, help="rows a step")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--balance", type=float, default=0.02)
    parser.add_argument("--start", default="", help="a Hugging Face folder to go on from")
    parser.add_argument("--focus", type=float, default=0.0, help="share of documents that are requests which name things and their stories, see chats.py")
    parser.add_argument("--length", type=int, default=CONFIG["context"], help="tokens a row")
    parser.add_argument("--threads", type=int, default=0, help="on a CPU")
    parser.add_argument("--flat", type=float, default=0.55, help="part of the time after which the rate falls")
    parser.add_argument("--every", type=int, default=50, help="steps between two lines of the log")
    parser.add_argument("--adamw", action="store_true", help="AdamW for everything")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], help="other sizes, such as layers=6")
    options = parser.parse_args()
    started = time.time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(options.seed)
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.set_float32_matmul_precision("high")
    folder, aside = os.path.join(options.out, "rows"), os.path.join(options.out, "held-out")
    os.makedirs(folder, exist_ok=True)
    os.makedirs(aside, exist_ok=True)
    outside = ["--outside", options.outside] if options.outside else []
    outside += ["--focus", str(options.focus), "--length", str(options.length + 1)]
    makers = [maker(options, folder, options.seed * 1000 + i, outside) for i in range(options.makers)]
    makers.append(maker(options, aside, HELD_OUT_SEED, ["--files", "1", "--rows", "192"]))
    try:
        config = dict(CONFIG, **{k: int(v) for k, v in (s.split("=") for s in options.set)})
        model = Model(config)
        if options.start:
            model.load_state_dict(stacked(options.start, config))
        model.to(device)
        total = sum(p.numel() for p in model.parameters())
        idle = 3 * config["hidden"] * config["expert_width"] * (config["experts"] - config["top_k"]) * config["layers"]
        print(f"{total / 1e6:.2f} M parameters, {(total - idle) / 1e6:.2f} M active; {config}", flush=True)
        run = torch.compile(model) if options.compile else model
        bf16 = device == "cuda"
        if options.compile:  # compiles while the makers make the first rows
            warm = torch.randint(3, config["vocabulary"], (options.batch, options.length + 1), device=device)
            ids, targets = split_targets(warm)
            with torch.autocast(device, torch.bfloat16, enabled=bf16):
                loss, balance, z, _ = run(ids, targets)
                (loss + options.balance * balance + 1e-4 * z).backward()
            model.zero_grad(set_to_none=True)
        stepping = optimizers(model, options.lr, not options.adamw)
        rows = Rows(folder, device)
        log = open(os.path.join(options.out, "log.jsonl"), "a")
        while rows.rows < 2 * options.batch:
            time.sleep(0.2)
            rows.look()
            for process in makers:
                if process.poll() not in (None, 0):
                    sys.exit("a maker of rows has failed")
        step = tokens = 0
        first = last = time.time()
        saved, smooth, told = time.time(), None, 0
        print(f"first rows after {first - started:.1f} s", flush=True)
        while True:
            elapsed = time.time() - first
            fraction = max(elapsed / options.seconds, step / options.steps if options.steps else 0)
            if fraction >= 1:
                break
            for optimizer in stepping:
                for group in optimizer.param_groups:
                    group["lr"] = options.lr * max(rate(fraction, 0.02, options.flat), 1e-3)
            ids, targets = split_targets(rows.batch(options.batch))
            with torch.autocast(device, torch.bfloat16, enabled=bf16):
                loss, balance, z, shares = run(ids, targets)
                whole = loss + options.balance * balance + 1e-4 * z
            whole.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in stepping:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            step, tokens = step + 1, tokens + ids.numel()
            if step == 2:
                loss.item()
                print(f"two steps after {time.time() - started:.1f} s", flush=True)
            if step % 20 == 0:
                rows.look()
            if step % options.every == 0:
                now, value = time.time(), loss.item()
                smooth = value if smooth is None else 0.8 * smooth + 0.2 * value
                entry = dict(step=step, seconds=round(now - first, 1), loss=round(value, 4), smooth=round(smooth, 4), balance=round(balance.item(), 4), z=round(z.item(), 2), norm=round(norm.item(), 3),
                             tokens_s=round((tokens - told) / (now - last)), mtokens=round(tokens / 1e6, 1), rows=rows.rows, repeated=rows.repeated, least=round(shares.min().item() * config["experts"], 3))
                last, told = now, tokens
                log.write(json.dumps(entry) + "\n")
                log.flush()
                if step % (4 * options.every) == 0 or step < 4 * options.every:
                    print(json.dumps(entry), flush=True)
                if now - saved > 60:
                    save(model, options, step, tokens)
                    saved = time.time()
        for process in makers[:-1]:
            process.terminate()
        makers[-1].wait()
        save(model, options, step, tokens)
        report = dict(step=step, tokens=tokens, seconds=round(time.time() - first, 1), rows=rows.rows, repeated=rows.repeated)
        for name, held in held_out(options, aside, device).items():
            loss, shares = evaluate(model, held, bf16)
            report[name] = dict(loss=round(loss, 4), least_share=round(shares.min().item(), 3), most_share=round(shares.max().item(), 3))
        print(json.dumps(report), flush=True)
        log.write(json.dumps(report) + "\n")
    finally:
        for process in makers:
            process.terminate()


def maker(options, folder, seed, more):
    """Starts a process that makes rows."""
    environment = dict(os.environ, OMP_NUM_THREADS="1", RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
    command = [sys.executable, os.path.join(HERE, "rows.py"), "--tokenizer", options.tokenizer, "--out", folder, "--seed", str(seed), *more]
    return subprocess.Popen(command, env=environment)


def stacked(folder, config):
    """The state of `Model` from a folder that `export.py` wrote."""
    from safetensors.torch import load_file
    tensors = load_file(os.path.join(folder, "model.safetensors"))
    state = {}
    for name, parameter in Model(config).state_dict().items():
        stem, last = name.rsplit(".", 1)
        if last in ("gate_proj", "up_proj", "down_proj") and stem.endswith("mlp"):
            state[name] = torch.stack([tensors[f"model.{stem}.experts.{e}.{last}.weight"].t() for e in range(config["experts"])]).float()
        else:
            state[name] = tensors["model." + name].float()
    return state


def save(model, options, step, tokens):
    path = os.path.join(options.out, "last.pt")
    torch.save(dict(model={k: v.detach().cpu().clone() for k, v in model.state_dict().items()}, config=model.c, step=step, tokens=tokens), path + ".tmp")
    os.replace(path + ".tmp", path)


if __name__ == "__main__":
    main()
