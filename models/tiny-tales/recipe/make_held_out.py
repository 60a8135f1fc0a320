#!/usr/bin/env python3
"""Writes text to measure the model with, from a seed that training never uses.

    make_held_out.py --out ../heldout.txt [--bytes 90000]
"""
import argparse
import random

import chats

SEED = 900_002


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--bytes", type=int, default=90_000)
    options = parser.parse_args()
    rng, text = random.Random(SEED), ""
    while len(text) < options.bytes:
        text += chats.document(rng) + chats.END
    with open(options.out, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
