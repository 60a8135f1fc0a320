#!/usr/bin/env python3
"""Makes training rows: documents as tokens, packed without cutting one, until it is stopped.

    rows.py --tokenizer tokenizer.json --out DIR --seed 1 [--outside outside.jsonl] [--files 1000] [--length 1025]

Writes DIR/rows-<seed>-<i>.npy, uint16 of shape [rows, length], each complete when it has its name. A row's unused end is
filled with the mark that ends a document.
"""
import argparse
import bisect
import hashlib
import json
import os
import random

import numpy as np
from tokenizers import Tokenizer

import chats

END_ID = 0
OUTSIDE_SHARE = 0.022   # of the documents
HELD_OUT = 0.03         # of the outside documents; the rule is `is_held_out`
BUFFER = 256            # documents from which the next that fits is chosen


def is_held_out(line):
    return hashlib.sha256(line.encode()).digest()[0] < HELD_OUT * 256


def outside_documents(path):
    """(text, held out) of each document of others: stories as text and as an answer, question sets as chats."""
    documents = []
    for line in open(path, encoding="utf-8"):
        entry = json.loads(line)
        if "text" in entry:
            documents.append((entry["text"], is_held_out(line)))
        else:
            documents.append((chats.render([(m["role"], m["content"]) for m in entry["messages"]]), is_held_out(line)))
    return documents


class Packer:
    """Fills rows with whole documents: always the longest that still fits, so that little stays empty."""

    def __init__(self, length):
        self.length, self.lengths, self.documents = length, [], []

    def add(self, ids):
        ids = ids[:self.length]
        at = bisect.bisect_right(self.lengths, len(ids))
        self.lengths.insert(at, len(ids))
        self.documents.insert(at, ids)

    def row(self, rng):
        row = []
        first = rng.randrange(len(self.documents))
        self.lengths.pop(first)
        row += self.documents.pop(first)
        while self.documents:
            at = bisect.bisect_right(self.lengths, self.length - len(row)) - 1
            if at < 0:
                break
            self.lengths.pop(at)
            row += self.documents.pop(at)
        return row + [END_ID] * (self.length - len(row))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--outside", default="")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--length", type=int, default=1025)
    parser.add_argument("--focus", type=float, default=0.0, help="share of documents from `chats.things_chat`")
    parser.add_argument("--rows", type=int, default=1024, help="rows a file")
    options = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    rng = random.Random(options.seed)
    tokenizer = Tokenizer.from_file(options.tokenizer)
    outside = [text for text, held_out in outside_documents(options.outside) if not held_out] if options.outside else []
    packer = Packer(options.length)
    for i in range(options.files):
        rows = []
        while len(rows) < options.rows:
            while len(packer.documents) < BUFFER:
                texts = [rng.choice(outside) if outside and rng.random() < OUTSIDE_SHARE else chats.document(rng, options.focus) for _ in range(64)]
                for encoding in tokenizer.encode_batch([text + chats.END for text in texts]):
                    packer.add(encoding.ids)
            rows.append(packer.row(rng))
        path = os.path.join(options.out, f"rows-{options.seed}-{i}")
        np.save(path + ".tmp.npy", np.array(rows, dtype=np.uint16))
        os.rename(path + ".tmp.npy", path + ".npy")


if __name__ == "__main__":
    main()
