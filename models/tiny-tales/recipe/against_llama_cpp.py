"""Compares Conclave with llama.cpp on the same GGUF files of this model: logits, perplexity, answers.

Both read the same tokens of heldout.txt, in windows that begin where a document does; the second half of each is scored.
Conclave writes its logits, and llama.cpp's own tool says how far it is from them.

    python against_llama_cpp.py --llama-cpp SOURCES --bin BINARIES --conclave ../../../target/release/conclave --out FOLDER

SOURCES is a checkout of llama.cpp, for its converter (which wants torch and transformers), BINARIES the folder with its
llama-quantize, llama-perplexity and llama-server. Writes the GGUF files and Conclave's logits to FOLDER and prints what was found.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

MODEL = Path(__file__).resolve().parent.parent
TYPES = ["BF16", "Q8_0", "Q4_K_M"]
PROMPTS = [
    "Tell me a story about a dog.",
    "Tell me a story about a girl named Mia and a red boat.",
    "What is the capital of France?",
    "How much is 7 plus 8?",
    "What is the opposite of hot?",
    "What does a cow say?",
    "Hello! Who are you?",
    "Tell me a short story about the rain.",
]

# The converter knows tokenizers by a digest, this model's is not among them. It splits as GPT-2's does.
CONVERT = """
import sys
sys.path[:0] = [{sources!r}, {sources!r} + "/gguf-py"]
import convert_hf_to_gguf
from conversion.base import TextModel
TextModel.get_vocab_base_pre = lambda self, tokenizer: "gpt-2"
sys.argv = ["convert", {model!r}, "--outtype", "bf16", "--outfile", {out!r}]
convert_hf_to_gguf.main()
"""


def run(command, **options):
    """Its standard output and error, as one text."""
    done = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    if done.returncode:
        sys.exit(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


def make(options):
    """The GGUF files, by type."""
    files = {kind: options.out / f"tiny-tales-{kind}.gguf" for kind in TYPES}
    if not files["BF16"].exists():
        script = CONVERT.format(sources=str(options.llama_cpp), model=str(MODEL), out=str(files["BF16"]))
        run([sys.executable, "-c", script])
    for kind in TYPES[1:]:
        if not files[kind].exists():
            run([options.bin / "llama-quantize", files["BF16"], files[kind], kind, options.threads])
    return files


def divergence(options, file, logits):
    """What llama.cpp's tool says of itself on `file` against `logits`: both perplexities, mean and largest divergence, and how
    often the best token is the same."""
    whats = ["Mean PPL(base)", "Mean PPL(Q)", "Mean    KLD", "Maximum KLD", "Same top p"]
    command = [
        options.bin / "llama-perplexity", "-m", file, "-c", options.window, "-b", options.window, "-t", options.threads,
        "--kl-divergence", "--kl-divergence-base", logits,
    ]
    # It may end before its last lines are written.
    for _ in range(5):
        said = run(command)
        found = [re.search(rf"{re.escape(what)}\s*:\s*([-+0-9.eE]+)\s", said) for what in whats]
        if all(found):
            return [one.group(1) for one in found]
    sys.exit(f"{command[0]} did not write its last lines five times:\n{said[-2000:]}")


def tensor_types(options, file):
    """How many tensors of which type llama.cpp finds in it, and which matrices have another type than most."""
    sys.path.insert(0, str(options.llama_cpp / "gguf-py"))
    from gguf import GGUFReader

    found = Counter()
    for tensor in GGUFReader(file).tensors:
        name = re.sub(r"blk\.\d+\.", "", tensor.name)
        found[f"{name} {tensor.tensor_type.name}"] += 1
    return found


@contextmanager
def server(command, ready):
    """A running server and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = subprocess.DEVNULL
    process = subprocess.Popen([str(part) for part in command] + ["--port", str(port)], stdout=log, stderr=log)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            sys.exit(f"{command[0]} is not ready after a minute")
        yield port
    finally:
        process.terminate()
        process.wait()


def answers(port, tokens_max):
    """The greedy answers to the prompts."""
    found = []
    for prompt in PROMPTS:
        body = {"messages": [{"role": "user", "content": prompt}], "temperature": 0, "max_tokens": tokens_max}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=300) as answer:
            found.append(json.load(answer)["choices"][0]["message"]["content"])
    return found


def same_words(ours, theirs):
    """After how many words two texts part; None: never."""
    ours, theirs = ours.split(), theirs.split()
    for at, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            return at
    return None if len(ours) == len(theirs) else min(len(ours), len(theirs))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-cpp", type=Path, required=True)
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--conclave", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    options.llama_cpp = options.llama_cpp.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    files = make(options)
    for kind, file in files.items():
        types = ", ".join(f"{count} x {name}" for name, count in sorted(tensor_types(options, file).items()))
        print(f"{kind}: {file.stat().st_size} bytes; {types}")
    print(f"\n{'ours':32} {'llama.cpp':9} {'ppl ours':>9} {'theirs':>9} {'KL mean':>10} {'KL max':>10} {'same greedy':>12}")
    for ours, form, kinds in [
        ("BF16", ["--dtype", "f32"], TYPES),
        ("BF16", [], ["BF16"]),
        ("Q8_0", [], ["Q8_0"]),
        ("Q4_K_M", [], ["Q4_K_M"]),
    ]:
        logits = options.out / "logits"
        said = subprocess.run(
            [options.conclave, "eval", "--model", files[ours], *form, "--text", MODEL / "heldout.txt", "--window", str(options.window),
             "--document-end", "<|endoftext|>", "--write-logits", logits, "--json", "-"],
            stdout=subprocess.PIPE, check=True,
        )
        name = f"{ours} as {json.loads(said.stdout)['tested']['form']}"
        for kind in kinds:
            print("{:32} {:9} {:>9} {:>9} {:>10} {:>10} {:>10} %".format(name, kind, *divergence(options, files[kind], logits)), flush=True)
        logits.unlink()
    print()
    for kind, file in files.items():
        llama = [options.bin / "llama-server", "-m", file, "-t", options.threads, "-c", 4096, "--jinja", "--host", "127.0.0.1"]
        with server(llama, "/health") as port:
            theirs = answers(port, 160)
        conclave = [options.conclave, "serve", "--model", file, "--threads", options.threads]
        with server(conclave, "/ready") as port:
            ours = answers(port, 160)
        for prompt, a, b in zip(PROMPTS, ours, theirs):
            part = same_words(a, b)
            print(f"{kind:7} {prompt:56} {'the same text' if part is None else f'parts after {part} words'}, {len(a.split())} words", flush=True)


if __name__ == "__main__":
    main()
