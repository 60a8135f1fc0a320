#!/usr/bin/env python3
"""Trains the tokenizer: byte-level BPE, with ChatML's marks as the first ids.

    make_tokenizer.py --out ../ [--outside outside.jsonl] [--documents 60000] [--vocabulary 4096]

Writes tokenizer.json and tokenizer_config.json.
"""
import argparse
import json
import os
import random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import chats
from rows import OUTSIDE_SHARE, outside_documents

MARKS = [chats.END, chats.START, chats.ROLE_END]
TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--outside", default="")
    parser.add_argument("--documents", type=int, default=60000)
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--context", type=int, default=1024)
    options = parser.parse_args()
    rng = random.Random(20261126)
    outside = [text for text, held_out in outside_documents(options.outside) if not held_out] if options.outside else []

    def texts():
        # Four times the share that they have in training: their words are rarer, and are to stay whole as well.
        for _ in range(options.documents):
            text = rng.choice(outside) if outside and rng.random() < 4 * OUTSIDE_SHARE else chats.document(rng)
            for mark in MARKS:
                text = text.replace(mark, "\n")
            yield text

    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=options.vocabulary, min_frequency=2, special_tokens=MARKS, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator(texts(), trainer)
    tokenizer.save(os.path.join(options.out, "tokenizer.json"))
    special = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": options.context, "eos_token": chats.ROLE_END, "pad_token": chats.END,
        "clean_up_tokenization_spaces": False, "added_tokens_decoder": {str(i): {"content": mark, **special} for i, mark in enumerate(MARKS)},
        "chat_template": TEMPLATE,
    }
    with open(os.path.join(options.out, "tokenizer_config.json"), "w") as file:
        json.dump(config, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
