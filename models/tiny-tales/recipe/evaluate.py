#!/usr/bin/env python3
"""Asks a running server 200 generated questions of each kind, and counts what is right. Standard library only.

    conclave serve &
    evaluate.py [--url http://127.0.0.1:8080] [--cases 200] [--seed 7] [--temperature T] [--show N]

The cases come from seeds that training never used; a quarter of the names are such as no training text has. Kinds:

    name       "a story about a <kind> named <name>": the name is in the first two sentences and again in the last
               third, and no other name that is nearly the same stands in between
    nouns      a story about two nouns, sometimes at a place: all of them occur in it
    story      a told story with a question about it: the answer has every word of the right one that the question and
               the small words of the language do not have
    sums       plus and minus up to 20: the number is right, and no other stands behind "is"
    facts      taught facts, opposites, capitals, sounds and the like: the key words are in the answer
    memory     what the user told some turns ago: the answer has the told words; or says that it was never told
    unknown    what it cannot know: the answer says so
"""
import argparse
import concurrent.futures
import json
import os
import random
import re
import urllib.request

import facts
import talk
import words
from grammar import expand
from tell import Told

SMALL = set(words.split("""a, an, the, was, were, is, are, be, it, its, he, she, they, them, him, her, his, their, and, to, of, in, on, at, by, that,
this, had, has, have, did, do, does, said, with, for, from, as, so, because, then, there, story, yes, no, not, who, what, where, why, how, when,
you, your, i, my, me, we, very, into, up, out, all, could, would, can, will, about"""))
# How people say what they tell; an answer may say it in another way.
TELLING = set(words.split("like, likes, love, loves, best, most, favorite, lucky, name, named, called, call, live, lives, told, tell, play, have, remember, today"))
DOUBT = ("do not know", "don't know", "cannot", "can't", "not know", "did not tell", "never told", "not sure", "too big", "too hard", "only a", "ask a", "doctor", "grown-up", "no idea", "not able", "small model")


def say(options, messages, seed):
    body = {"messages": messages, "seed": seed, "max_tokens": 500}
    if options.temperature is not None:
        body["temperature"] = options.temperature
    headers = {"content-type": "application/json"}
    if os.environ.get("CONCLAVE_API_KEY"):
        headers["authorization"] = "Bearer " + os.environ["CONCLAVE_API_KEY"]
    request = urllib.request.Request(options.url + "/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=300) as reply:
        return json.load(reply)["choices"][0]["message"]["content"]


def content(text):
    return [w for w in re.findall(r"[a-z0-9']+", text.lower().replace("-", " ")) if w not in SMALL]


def near(a, b):
    """Whether two different names are one letter apart."""
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    short, long = sorted((a, b), key=len)
    if len(short) == len(long):
        return sum(x != y for x, y in zip(a, b)) == 1
    return any(long[:i] + long[i + 1:] == short for i in range(len(long)))


def a_name(rng):
    x = rng.random()
    return rng.choice(words.HELD_OUT_NAMES) if x < 0.25 else words.invented_name(rng) if x < 0.5 else rng.choice(words.GIRLS + words.BOYS)


def a_kind(rng):
    return rng.choice(("girl", "boy", rng.choice(list(words.ROLES)), rng.choice(list(words.CREATURES)), rng.choice(words.LAND_ANIMALS), rng.choice(words.LAND_ANIMALS)))


def name_case(rng):
    name, kind = a_name(rng), a_kind(rng)
    if kind == "girl" and name in words.BOYS:
        kind = "boy"
    ask = expand("{Tell me|Write|Please tell me} a {short |} story about @a %s named %s." % (kind, name), rng)

    def right(answer):
        sentences = re.split(r"(?<=[.!?])\s", answer)
        others = {w for w in re.findall(r"\b[A-Z][a-z]+\b", answer)}
        return name in " ".join(sentences[:2]) and name in answer[len(answer) * 2 // 3:] and not any(near(name, other) for other in others)
    return [("user", ask)], right, name


def nouns_case(rng):
    things = rng.sample(list(words.THINGS), 2)
    first = rng.choice((a_kind(rng), things[1]))
    demand = [first, things[0]]
    place = ""
    if rng.random() < 0.33:
        noun = rng.choice(list(words.PLACES))
        place = f" {words.PLACES[noun][0]} the {noun}"
        demand.append(noun)
    ask = expand("{Tell me|Write|Can you tell me} a story about @a %s and @a %s%s." % (first, things[0], place), rng)
    return [("user", ask)], lambda answer: all(re.search(r"\b%s(s|es)?\b" % re.escape(d), answer, re.I) for d in demand), ", ".join(demand)


def question_case(rng):
    told = Told(rng, names=words.HELD_OUT_NAMES if rng.random() < 0.25 else None)
    ask, _ = told.request()
    own, general = told.questions()
    question, expected = rng.choice(own if rng.random() < 0.75 else general)
    wanted = [w for w in content(expected) if w not in content(question)] or content(expected)
    if rng.random() < 0.6:
        messages = [("user", ask), ("assistant", told.text), ("user", question)]
    else:
        messages = [("user", "Read this story and answer my questions.\n\n" + told.text), ("assistant", "I read the story. What would you like to know?"), ("user", question)]
    return messages, lambda answer: all(w in content(answer) for w in wanted), expected


def sum_case(rng):
    question, _, key = facts.sum_(rng)

    def right(answer):
        numbers = re.findall(r"\d+", answer)
        return bool(numbers) and numbers[-1] == key[0]
    return [("user", question)], right, key[0]


def fact_case(rng):
    if rng.random() < 0.6:
        question, _, key = facts.fact(rng)
    else:
        question, _, key = rng.choices([f for _, f in facts.TABLES], [w for w, _ in facts.TABLES])[0](rng)
    return [("user", question)], lambda answer: all(k.lower() in answer.lower() for k in key), ", ".join(key)


def memory_case(rng):
    messages = talk.memory(rng, a_name(rng), a_name(rng))
    question, expected = messages[-2][1], messages[-1][1]
    sentences = re.split(r"(?<=[.!?])\s+", question)
    told = set(content(" ".join([text for role, text in messages[:-2] if role == "user"] + sentences[:-1])))
    wanted = [w for w in content(expected) if w in told and w not in TELLING and w not in content(sentences[-1])]
    if not wanted:  # it was never told
        return messages[:-1], lambda answer: any(d in answer.lower() for d in DOUBT), expected
    return messages[:-1], lambda answer: all(w in content(answer) for w in wanted), expected


def unknown_case(rng):
    question, _ = talk.unknown(rng)
    return [("user", question)], lambda answer: any(d in answer.lower() for d in DOUBT), "(says that it does not know)"


KINDS = {"name": name_case, "nouns": nouns_case, "story": question_case, "sums": sum_case, "facts": fact_case, "memory": memory_case, "unknown": unknown_case}
BARS = {"name": 0.90, "nouns": 0.90, "story": 0.80, "sums": 0.90, "facts": 0.90}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--temperature", type=float, help="default: the server's, which comes with the model")
    parser.add_argument("--show", type=int, default=0, help="print so many wrong answers of each kind")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.cases} cases each")
    missed = False
    for kind in options.kinds:
        rng = random.Random(f"{options.seed} {kind}")
        cases = [KINDS[kind](rng) for _ in range(options.cases)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda c: say(options, [dict(role=r, content=t) for r, t in c[1][0]], c[0]), enumerate(cases)))
        rights = [bool(right(answer)) for (_, right, _), answer in zip(cases, answers)]
        share = sum(rights) / len(rights)
        bar = BARS.get(kind)
        missed |= bar is not None and share < bar
        print(f"{kind:8} {share:6.1%}" + (f"   bar {bar:.0%} {'met' if share >= bar else 'MISSED'}" if bar else ""), flush=True)
        wrong = [(c, a) for c, a, r in zip(cases, answers, rights) if not r]
        for (messages, _, expected), answer in wrong[:options.show]:
            print(f"    asked    {messages[-1][1][-300:]!r}\n    wanted   {expected!r}\n    answered {answer!r}")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
