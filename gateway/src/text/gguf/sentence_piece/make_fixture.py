"""Makes pieces.json: a tiny SentencePiece BPE model, and what its own library encodes with it.

    pip install sentencepiece==0.2.3
    python make_fixture.py ../../../../../README.md
"""

import io
import json
import sys

import sentencepiece as spm

TEXTS = [
    "hello world", " two  spaces   three", "The experts live on many machines.", "tokens, tokens; tokens!",
    "", " ", "   ", "a", "\n", "line\nbreak\n\n", "tab\there", "1234 56.7", "naïve café", "日本語", "🦀 crab",
    "e\u0301", "<s>", "</s> <unk>", "<0x41>", "x" * 40, "the the the", "CamelCaseWord", "▁ ▁▁",
    "a node may be killed in the middle of a token", "mixture-of-experts (MoE)", "\u00a0nbsp\u3000wide",
]

model = io.BytesIO()
# The settings of Llama's tokenizer, but small.
spm.SentencePieceTrainer.train(
    sentence_iterator=iter(open(sys.argv[1], encoding="utf-8").read().splitlines()),
    model_writer=model, model_type="bpe", vocab_size=420, byte_fallback=True, character_coverage=0.995,
    normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
    allow_whitespace_only_pieces=True, user_defined_symbols=["[TOOL]"], minloglevel=2,
)
p = spm.SentencePieceProcessor(model_proto=model.getvalue())


def kind(i):
    if p.is_unknown(i):
        return 2
    if p.is_control(i):
        return 3
    if p.is_byte(i):
        return 6
    return 4 if p.id_to_piece(i) == "[TOOL]" else 1


ids = range(p.get_piece_size())
out = {
    "tokens": [p.id_to_piece(i) for i in ids],
    "scores": [round(p.get_score(i), 6) for i in ids],
    "token_type": [kind(i) for i in ids],
    "cases": [[text, p.encode(text)] for text in TEXTS],
}
with open("pieces.json", "w", encoding="utf-8") as file:
    json.dump(out, file, ensure_ascii=False, separators=(",", ":"))
    file.write("\n")
