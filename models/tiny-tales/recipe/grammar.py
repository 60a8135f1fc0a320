"""A small template language, from which all synthetic text is made.

    {a|b|c}   one of the alternatives, which may be empty and may nest
    [x]       the variable x of the scene; a value with braces is a template itself
    @a word   "a word" or "an word"

Templates are parsed once. Sentences start with a capital wherever the template does not say so itself.
"""
import functools
import re

_TOKEN = re.compile(r"[{}|]|\[\w+\]|[^{}|\[]+|\[")
# Words that a vowel starts in writing only, and words that start with a silent h.
_ARTICLE = re.compile(r"@([aA]) (\W?)(\w+)")
_SOUNDS_LIKE_A_CONSONANT = ("uni", "use", "one", "once", "eu", "ukulele")
_SILENT_H = ("honest", "hour", "heir", "honor")
# After `!"` and `?"` it may go on with `he asked`: there the template decides.
_SENTENCE_START = re.compile(r'(^|\n|[.!?] |\." )("?)([a-z])')
_SPACES, _LINE_ENDS, _BEFORE_MARKS = re.compile(r"[ \t]+"), re.compile(r" ?\n ?"), re.compile(r" ([,.!?])")
_TWICE = re.compile(r"\b(little|old|young|small|big|tiny|new) \1\b")  # two draws that meet
_QUOTE_START = re.compile(r'((?:^|[\s(,:])")([a-z])')


@functools.lru_cache(maxsize=None)
def parse(template):
    """The template as a tuple of parts: text, ("var", name) or ("alt", (branch, ...))."""
    tokens = _TOKEN.findall(template)
    branches, at = _branches(tokens, 0)
    if at != len(tokens):
        raise ValueError(f"a brace is closed that was never opened: {template!r}")
    if len(branches) > 1:
        return (("alt", tuple(branches)),)
    return branches[0]


def _branches(tokens, at):
    branches, parts = [], []
    while at < len(tokens) and tokens[at] != "}":
        token = tokens[at]
        if token == "{":
            inner, at = _branches(tokens, at + 1)
            if at == len(tokens):
                raise ValueError(f"a brace is never closed: {''.join(tokens)!r}")
            parts.append(("alt", tuple(inner)))
        elif token == "|":
            branches.append(tuple(parts))
            parts = []
        elif token[0] == "[" and token[-1] == "]":
            parts.append(("var", token[1:-1]))
        else:
            parts.append(token)
        at += 1
    branches.append(tuple(parts))
    return branches, at


def _emit(parts, rng, variables, out):
    for part in parts:
        if isinstance(part, str):
            out.append(part)
        elif part[0] == "var":
            value = variables[part[1]]
            if "{" in value or "[" in value:  # a phrase that may differ wherever it stands
                _emit(parse(value), rng, variables, out)
            else:
                out.append(value)
        else:
            branches = part[1]
            _emit(branches[int(rng.random() * len(branches))], rng, variables, out)


def article(noun):
    """"a" or "an", as the noun sounds."""
    word = noun.lower()
    if word.startswith(_SOUNDS_LIKE_A_CONSONANT):
        return "a"
    return "an" if word[0] in "aeiou" or word.startswith(_SILENT_H) else "a"


def _article(match):
    chosen = article(match.group(3))
    return (chosen.title() if match.group(1) == "A" else chosen) + " " + match.group(2) + match.group(3)


def expand(template, rng, variables=(), sentence=True):
    """One text of the template. `sentence=False` is for phrases: they get no capital."""
    out = []
    _emit(parse(template), rng, variables or {}, out)
    text = "".join(out)
    if "@" in text:
        text = _ARTICLE.sub(_article, text)
    text = _TWICE.sub(r"\1", _SPACES.sub(" ", text))
    text = _LINE_ENDS.sub("\n", text)
    text = _BEFORE_MARKS.sub(r"\1", text).strip()
    if sentence:
        text = _SENTENCE_START.sub(lambda m: m.group(1) + m.group(2) + m.group(3).upper(), text)
        text = _QUOTE_START.sub(lambda m: m.group(1) + m.group(2).upper(), text)
    return text
