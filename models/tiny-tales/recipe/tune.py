#!/usr/bin/env python3
"""Fine-tunes a finished model with one thread of a CPU on requests that name things; the rest of its text is mixed in.

    tune.py --start .. --out DIR [--tokens 1.6e6] [--focus 0.5] [--lr 1.5e-4]

Of the trained tokens, `--focus` come from requests that name one to three things (`chats.things_opening`, some
`chats.things_chat`), all others from `chats.document`. Of the former most end early in the story, behind the sentence that names
the things, so what has to be learned costs few tokens. Their requests are not trained on, and the sentence that names the things
counts `--weight` times. Documents stand alone, those of one length together, without others before them.

The rate follows the tokens, not the clock: the process may be stopped and continued. Writes DIR/last.pt every few minutes and at
the end, for `export.py`, and one JSON line each few steps to DIR/log.jsonl.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import time

os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")

import numpy as np
import torch
from tokenizers import Tokenizer

import chats
from model import CONFIG, Model
from train import HELD_OUT_SEED, HERE, evaluate, optimizers, rate, save, stacked

BUFFER = 384        # documents from which batches of like length are made
PART = 3072         # tokens of one forward pass, with padding
PARTS = 3           # passes a step
WHOLE = 0.20        # of the focus documents: the whole story


def focus_document(rng, tokenizer, weight):
    """(ids, weights of each as a target)."""
    if rng.random() < WHOLE:
        text = chats.render(chats.things_chat(rng)) + chats.END
        ids = tokenizer.encode(text).ids[:CONFIG["context"]]
        return ids, [1.0] * len(ids)
    text, start, naming = chats.things_opening(rng)
    encoding = tokenizer.encode(text)
    first, last = naming
    return encoding.ids, [0.0 if b <= start else weight if b > first and a < last else 1.0 for a, b in encoding.offsets]


class Batches:
    """Parts of documents of like length, in random order; `focus` of all tokens are from focus documents."""

    def __init__(self, options, tokenizer):
        self.options, self.tokenizer, self.rng = options, tokenizer, random.Random(options.seed)
        self.tokens = [0, 0]  # of others, of focus documents
        self.parts = []

    def fill(self):
        documents = []
        for _ in range(BUFFER):
            focus = self.tokens[1] < self.options.focus * sum(self.tokens)
            if focus:
                ids, weights = focus_document(self.rng, self.tokenizer, self.options.weight)
            else:
                ids = self.tokenizer.encode(chats.document(self.rng) + chats.END).ids[:CONFIG["context"]]
                weights = [1.0] * len(ids)
            self.tokens[focus] += len(ids)
            documents.append((ids, weights, focus))
        documents.sort(key=lambda d: len(d[0]))
        while documents:
            longest, part = len(documents[-1][0]), []
            while documents and (len(part) + 1) * longest <= PART:
                part.append(documents.pop())
            self.parts.append(self.part(part, longest))
        self.rng.shuffle(self.parts)

    @staticmethod
    def part(documents, longest):
        """ids, targets, weights [n, longest - 1] and which rows are focus documents [n, 1]."""
        ids = torch.zeros(len(documents), longest, dtype=torch.long)
        weights = torch.zeros(len(documents), longest)
        for row, (document, weight, _) in enumerate(documents):
            ids[row, :len(document)] = torch.tensor(document)
            weights[row, :len(weight)] = torch.tensor(weight)
        return ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), weights[:, 1:], torch.tensor([[d[2]] for d in documents])

    def step(self):
        while len(self.parts) < PARTS:
            self.fill()
        return [self.parts.pop() for _ in range(PARTS)]


def report(model, options):
    """Loss, and the least and the most used expert of any layer, on rows that no training has seen; those of `train.py`."""
    folder = os.path.join(options.out, "held-out")
    os.makedirs(folder, exist_ok=True)
    subprocess.run([sys.executable, os.path.join(HERE, "rows.py"), "--tokenizer", os.path.join(options.start, "tokenizer.json"), "--out", folder,
                    "--seed", str(HELD_OUT_SEED), "--files", "1", "--rows", str(options.rows)], check=True)
    rows = np.load(os.path.join(folder, f"rows-{HELD_OUT_SEED}-0.npy")).astype(np.int64)
    loss, shares = evaluate(model.eval(), torch.from_numpy(rows), bf16=False)
    return dict(loss=round(loss, 4), least_share=round(shares.min().item(), 3), most_share=round(shares.max().item(), 3))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", required=True, help="a Hugging Face folder with its tokenizer.json")
    parser.add_argument("--out", required=True)
    parser.add_argument("--tokens", type=float, default=1.6e6, help="0: only the figures at the end")
    parser.add_argument("--focus", type=float, default=0.5)
    parser.add_argument("--weight", type=float, default=2.0)
    parser.add_argument("--lr", type=float, default=1.5e-4)
    parser.add_argument("--balance", type=float, default=0.02)
    parser.add_argument("--flat", type=float, default=0.3, help="part of the tokens after which the rate falls")
    parser.add_argument("--every", type=int, default=10, help="steps between two lines of the log")
    parser.add_argument("--f32", action="store_true", help="for a CPU without bf16 products")
    parser.add_argument("--rows", type=int, default=192, help="rows of 1,024 tokens for the figures at the end")
    parser.add_argument("--seed", type=int, default=4_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    os.makedirs(options.out, exist_ok=True)
    model = Model(CONFIG)
    model.load_state_dict(stacked(options.start, CONFIG))
    model.train()
    stepping = optimizers(model, options.lr, muon=False)
    for group in (g for optimizer in stepping for g in optimizer.param_groups):
        group["betas"] = 0.9, 0.98  # small steps in which an expert sees few tokens: a longer mean
    batches = Batches(options, Tokenizer.from_file(os.path.join(options.start, "tokenizer.json")))
    log = open(os.path.join(options.out, "log.jsonl"), "a")
    step = tokens = 0
    sums, saved, least = torch.zeros(3, 2), time.process_time(), 9.0
    print(" ".join(sys.argv), flush=True)
    while tokens < options.tokens:
        for optimizer in stepping:
            for group in optimizer.param_groups:
                group["lr"] = options.lr * max(rate(tokens / options.tokens, 0.05, options.flat), 1e-3)
        parts = batches.step()
        whole_weight = sum(weights.sum() for _, _, weights, _ in parts)
        whole_count = sum(ids.numel() for ids, _, _, _ in parts)
        for ids, targets, weights, focus in parts:
            with torch.autocast("cpu", torch.bfloat16, enabled=not options.f32):
                each, balance, z, shares = model(ids, targets, each=True)
            loss = (each * weights).sum() / whole_weight + (options.balance * balance + 1e-4 * z) * (ids.numel() / whole_count)
            loss.backward()
            least = min(least, shares.min().item() * CONFIG["experts"])
            with torch.no_grad():  # of the sentence that names, of the other focus tokens, of the rest
                for i, mask in enumerate((focus & (weights > 1), focus & (weights == 1), ~focus & (weights > 0))):
                    sums[i] += torch.stack((each[mask].sum(), mask.sum()))
            tokens += int((weights > 0).sum() + (focus & (weights == 0) & (targets > 0)).sum())
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in stepping:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        if step % options.every == 0:
            losses = [round(a / max(n, 1), 4) for a, n in sums.tolist()]
            entry = dict(step=step, tokens=tokens, cpu_s=round(time.process_time(), 1), naming=losses[0], focus=losses[1], rest=losses[2], balance=round(balance.item(), 4), norm=round(norm.item(), 3), least=round(least, 3))
            log.write(json.dumps(entry) + "\n")
            log.flush()
            print(json.dumps(entry), flush=True)
            sums, least = torch.zeros(3, 2), 9.0
            if time.process_time() - saved > 100:
                save(model, options, step, tokens)
                saved = time.process_time()
    save(model, options, step, tokens)
    print(json.dumps(dict(step=step, tokens=tokens, cpu_s=round(time.process_time(), 1), own=report(model, options))), flush=True)


if __name__ == "__main__":
    main()
