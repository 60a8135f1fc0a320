#!/usr/bin/env python3
"""Collects the texts of others that training may use besides its own, from clones of public repositories.

    outside.py --clones DIR --out outside.jsonl

DIR holds one clone (bare or not) for each entry of SOURCES that is wanted, as DIR/<owner>+<name>. Takes only texts whose
licence allows it, checks that file by file where files differ, cleans them and drops duplicates. One JSON object a line:
{"source": ..., "text": ...} or {"source": ..., "messages": [...]}. The texts are not part of this repository.
"""
import argparse
import csv
import hashlib
import io
import json
import os
import re
import subprocess

SOURCES = {
    "tinystories": ["s-ajaykumar/smallGPT:data/tiny_stories.txt", "Niklas6/Mini_GPT:tinystories.txt", "leozoroaster/CS336HW1:TinyStories.txt", "sachinrcz/llmatoz:data/tinystories.txt"],  # CDLA-Sharing-1.0
    "storybooks": ["global-asp/asp-source", "global-asp/pb-source"],  # African Storybook, Pratham StoryWeaver: CC-BY where the file says so
    "aesop": ["emorynlp/data-collection:aesops_fables/dat/aesop4children.json"],  # 1919, public domain
    "fairytaleqa": ["uci-soe/FairytaleQAData"],  # Apache-2.0; the tales are public domain
}
PLAIN = {"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2014": " - ", "\u2013": "-", "\u2026": "...", "\xa0": " ", "\r": ""}


def clean(text):
    for mark, plain in PLAIN.items():
        text = text.replace(mark, plain)
    text = re.sub(r"[ \t]+", " ", text)
    text = re.sub(r" *\n *", "\n", text)
    text = re.sub(r"\n{2,}", "\n", text).strip()
    return re.sub(r"(?<![.!?:\"')])\n", " ", text)  # lines that were only wrapped


def fits(text, least=120, most=6000):
    return least <= len(text) <= most and sum(c.isascii() for c in text) / len(text) > 0.995


class Clone:
    def __init__(self, folder, name):
        self.folder = os.path.join(folder, name.replace("/", "+"))
        self.there = os.path.isdir(self.folder)

    def git(self, *arguments):
        return subprocess.run(["git", "-C", self.folder, *arguments], capture_output=True, check=True).stdout.decode("utf-8", "replace")

    def read(self, path):
        return self.git("show", "HEAD:" + path)

    def files(self, under, ending):
        return [f for f in self.git("ls-tree", "-r", "--name-only", "HEAD", under).split("\n") if f.endswith(ending)]


def tinystories(clone, path):
    text = clone.read(path).replace("\r", "")
    # Some copies mark the end of a story, others divide stories by one line end and paragraphs by two.
    for story in text.split("<|endoftext|>") if "<|endoftext|>" in text else re.split(r"(?<!\n)\n(?!\n)", text):
        story = clean(story)
        if story and story[-1] in '.!?"':
            yield story


def storybooks(clone, _):
    for path in clone.files("en", ".md"):
        text = clone.read(path)
        licence = re.search(r"License: \[(.*?)\]", text)
        if licence and licence.group(1) in ("CC-BY", "CC-0", "CC0"):
            text = text.split("\n* License")[0]
            yield clean(re.sub(r"^#+.*$", "", text, flags=re.M))


def aesop(clone, path):
    for fable in json.loads(clone.read(path)):
        yield clean(fable["fable"])


def fairytaleqa(clone, _):
    for path in clone.files("data-by-train-split/section-stories/train", ".csv"):
        sections = {row["section"]: clean(row["text"]) for row in csv.DictReader(io.StringIO(clone.read(path)))}
        asked = {}
        for row in csv.DictReader(io.StringIO(clone.read(path.replace("section-stories", "questions").replace("-story.csv", "-questions.csv")))):
            section, answer = (row.get("cor_section") or "").strip(), clean(row.get("answer1") or "")
            if section in sections and answer:
                question = clean(row["question"]).rstrip(" ?") + "?"
                asked.setdefault(section, []).append((question[0].upper() + question[1:], answer[0].upper() + answer[1:].rstrip(".") + "."))
        for section, text in sections.items():
            if len(text) > 1400:
                continue
            if section not in asked:
                yield text
                continue
            messages = [("user", "Read this story and answer my questions.\n\n" + text), ("assistant", "I read the story. What would you like to know?")]
            for question, answer in asked[section][:3]:
                messages += [("user", question), ("assistant", answer)]
            yield [{"role": role, "content": content} for role, content in messages]


READERS = {"tinystories": tinystories, "storybooks": storybooks, "aesop": aesop, "fairytaleqa": fairytaleqa}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clones", required=True)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    seen, counts = set(), {}
    with open(options.out, "w", encoding="utf-8") as out:
        for source, places in SOURCES.items():
            for place in places:
                name, _, path = place.partition(":")
                clone = Clone(options.clones, name)
                if not clone.there:
                    print(f"{name} is not in {options.clones}; left out")
                    continue
                for found in READERS[source](clone, path):
                    text = found if isinstance(found, str) else found[0]["content"]
                    key = hashlib.sha256(re.sub(r"\W", "", text.lower())[:200].encode()).digest()
                    if not fits(text) or key in seen:
                        continue
                    seen.add(key)
                    count = counts.setdefault(source, [0, 0])
                    count[0], count[1] = count[0] + 1, count[1] + len(text)
                    out.write(json.dumps({"source": source, "text" if isinstance(found, str) else "messages": found}, ensure_ascii=False) + "\n")
    for source, (documents, characters) in counts.items():
        print(f"{source:12} {documents:6} documents {characters / 1e6:6.2f} MB")


if __name__ == "__main__":
    main()
