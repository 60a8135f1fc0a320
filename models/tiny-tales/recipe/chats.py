"""Documents: chats about stories, facts and small talk, and a few stories alone."""
import facts
import talk
import words
from grammar import article, expand
from tell import Told

START, ROLE_END, END = "<|im_start|>", "<|im_end|>", "<|endoftext|>"


def render(messages):
    """The text of a chat, in ChatML."""
    return "".join(f"{START}{role}\n{content}{ROLE_END}\n" for role, content in messages)


def name(rng):
    x = rng.random()
    return words.invented_name(rng) if x < 0.3 else rng.choice(words.GIRLS + words.BOYS)


def noisy(rng, text, typos=True):
    """What people type: small letters, no mark at the end, a letter twice or missing."""
    x = rng.random()
    if x < 0.10:
        text = text[0].lower() + text[1:]
    elif x < 0.14:
        text = text.lower()
    if rng.random() < 0.14:
        text = text.rstrip("?.!") or text
    if typos and rng.random() < 0.03 and len(text) > 12:
        at = rng.randrange(1, len(text) - 1)
        if text[at - 1:at + 2].isalpha():
            text = text[:at] + (text[at + 1:] if rng.random() < 0.5 else text[at] + text[at:])
    if rng.random() < 0.03:
        text = rng.choice(("please ", "hey, ", "ok, ", "so, ", "and ", "Tiny, ")) + text[0].lower() + text[1:]
    return text


# What one question and its answer is drawn from, and how often.
def fact_like(rng):
    """(question, answer) of something that can be known."""
    x = rng.random()
    if x < 0.42:
        q, a, _ = facts.fact(rng)
    elif x < 0.72:
        q, a, _ = rng.choices([f for _, f in facts.TABLES], [w for w, _ in facts.TABLES])[0](rng)
    elif x < 0.84:
        q, a, _ = facts.sum_(rng)
    elif x < 0.88:
        q, a, _ = facts.times(rng)
    elif x < 0.94:
        q, a, _ = facts.word_problem(rng, name(rng), name(rng))
    else:
        q, a, _ = rng.choice((facts.compare_numbers, facts.count, facts.double_half))(rng)
    return q, a


def small(rng):
    """(question, answer) of small talk."""
    x = rng.random()
    if x < 0.72:
        q, a = rng.choice(talk.TALK)
        return expand(q, rng), expand(a, rng)
    if x < 0.86:
        return talk.unknown(rng)
    return rng.choice(talk.GAMES)(rng)


def pair(rng):
    return fact_like(rng) if rng.random() < 0.6 else small(rng)


def turns(rng, n):
    messages = []
    for _ in range(n):
        q, a = pair(rng)
        messages += [("user", noisy(rng, q)), ("assistant", a)]
    return messages


def system(rng):
    return [("system", expand(rng.choice(talk.SYSTEM), rng))] if rng.random() < 0.22 else []


def ask_about(rng, told, messages, n):
    own, general = told.questions()
    rng.shuffle(own)
    rng.shuffle(general)
    asked = (own + general[:1])[:n] if rng.random() < 0.7 else (own[:1] + general)[:n]
    rng.shuffle(asked)
    for q, a in asked:
        messages += [("user", noisy(rng, q)), ("assistant", a)]


POEMS = [
    "{The [o] is old, the [o] is mine,|My little [o] is small and fine,}\n{it sparkles in the bright sunshine.|and in the morning it will shine.}\n{I hold it close, I hold it tight,|I take it with me, day and night,}\n{and say to it: good night, good night.|until the stars are clear and bright.}",
    "I saw @a [o] upon the way,\n{it looked so lonely on that day.|it seemed to smile and seemed to say:}\n{I took it home, I gave it tea,|\"Come walk a little while with me,}\n{and now the [o] lives with me.|and tell me what the birds can see.\"}",
    "{Oh [o], oh [o], where have you been?|My [o], my [o], what have you seen?}\n{In fields of gold and woods of green.|The hills were tall, the hills were green.}\n{The wind was cold, the sky was wide,|The moon came up, the day went by,}\n{but you were always by my side.|and stars were dancing in the sky.}",
    "There once was @a [o] so small,\nit hardly was noticed at all.\n{But when the night came,|But give it a name,}\n{it glowed like a flame,|and play it a game,}\n{and that was the best thing of all.|and it will be proud and stand tall.}",
    "{A [o] for you, a [o] for me,|One [o] for you, one [o] for me,}\n{beneath the big old apple tree.|and one that floats upon the sea.}\n{We sit and sing until the light|We laugh and run till day is done,}\n{goes slowly to become the night.|and wave goodbye to the setting sun.}",
]


def poem(rng):
    noun = rng.choice(list(words.THINGS) + list(words.ANIMALS))
    ask = rng.choice(("Write a poem about @a %s.", "Can you write a poem about @a %s?", "A poem about @a %s, please.", "Make a short poem about @a %s.", "I want a poem about @a %s."))
    text = expand(rng.choice(POEMS), rng, dict(o=noun), sentence=False)
    return expand(ask % noun, rng), "\n".join(line[0].upper() + line[1:] for line in text.replace("A " + noun, article(noun).title() + " " + noun).split("\n"))


def story_chat(rng):
    told = Told(rng)
    messages = system(rng)
    if rng.random() < 0.12:
        q, a = small(rng)
        messages += [("user", noisy(rng, q)), ("assistant", a)]
    x = rng.random()
    if x < 0.80:
        ask, _ = told.request()
        messages += [("user", noisy(rng, ask, typos=False)), ("assistant", told.lead() + told.text)]
    elif x < 0.93:  # the user brings the story
        intro = expand("{Read this story and answer my questions.|Here is a story.|Please read this story.|Listen to my story.|I wrote a story.}", rng)
        reply = expand("{I read the story. What would you like to know?|Okay, I read it. What is your question?|What a nice story! What would you like to know?|Thank you. I like it. Ask me about it.}", rng)
        if rng.random() < 0.5:
            own, general = told.questions()
            q, a = rng.choice(own * 2 + general)
            messages += [("user", f"{intro}\n\n{told.text}\n\n{q}" if rng.random() < 0.5 else f"{told.text}\n\n{q}"), ("assistant", a)]
        else:
            messages += [("user", f"{intro}\n\n{told.text}"), ("assistant", reply)]
    else:  # the assistant goes on with it
        cut = 1 if len(told.paragraphs) < 4 else rng.choice((1, 2))
        intro = expand("{Continue this story:|Go on with this story:|Finish this story.|How does this story go on?|What happens next?}", rng)
        messages += [("user", f"{intro}\n\n" + "\n".join(told.paragraphs[:cut])), ("assistant", "\n".join(told.paragraphs[cut:]))]
    if rng.random() < 0.72:
        ask_about(rng, told, messages, rng.choice((1, 2, 2, 3, 3, 4)))
    y = rng.random()
    if y < 0.08:
        ask = expand("{What happened next?|And then?|What happened after that?|Go on.|Please continue.|Tell me more.|What did they do then?}", rng)
        messages += [("user", noisy(rng, ask)), ("assistant", told.sequel())]
    elif y < 0.16:
        other = Told(rng, hero=(told.scene["kind"], told.scene["h"]) if rng.random() < 0.3 else None)
        if other.scene["h"] == told.scene["h"]:
            ask = expand("{Tell me another story about [h].|Another one about [h], please.|What else happened to [h]?}", rng, dict(h=told.scene["h"]))
        elif rng.random() < 0.5:
            ask = expand("{Tell me another one.|Another one, please.|One more story!|Tell me one more.|Another story.|More!}", rng)
        else:
            ask, _ = other.request()
        messages += [("user", noisy(rng, ask)), ("assistant", other.text)]
        if rng.random() < 0.4:
            ask_about(rng, other, messages, rng.choice((1, 2)))
    elif y < 0.30:
        messages += turns(rng, rng.choice((1, 1, 2)))
    return messages


def things_told(rng):
    """(told, messages): a request for a story with one to three things in it, and the story."""
    told = Told(rng, things=rng.choices((1, 2, 3), (42, 53, 5))[0])
    return told, system(rng) + [("user", noisy(rng, told.request_for_things(), typos=False)), ("assistant", told.lead() + told.text)]


def things_chat(rng):
    return things_told(rng)[1]


def things_opening(rng):
    """(text, start, naming): a chat that ends early in the story, behind the sentence that names the things or with its paragraph;
    where the answer starts in it; and where that sentence is, (start, end)."""
    told, messages = things_told(rng)
    head = render(messages[:-1]) + f"{START}{messages[-1][0]}\n"
    text = head + messages[-1][1]
    at = text.index(told.naming, len(head))
    naming = at, at + len(told.naming)
    return text[:naming[1] if rng.random() < 0.2 else text.index("\n", at) + 1], len(head), naming


def document(rng, focus=0.0):
    """The text of one document, without the mark of its end. `focus`: what share is `things_chat`."""
    if focus and rng.random() < focus:
        return render(things_chat(rng))
    x = rng.random()
    if x < 0.06:
        return Told(rng).text
    if x < 0.50:
        return render(story_chat(rng))
    if x < 0.60:
        messages = system(rng) + (turns(rng, 1) if rng.random() < 0.2 else [])
        return render(messages + [(r, noisy(rng, t, typos=False) if r == "user" else t) for r, t in talk.memory(rng, name(rng), name(rng))])
    if x < 0.62:
        q, a = poem(rng)
        return render(system(rng) + [("user", noisy(rng, q)), ("assistant", a)])
    return render(system(rng) + turns(rng, rng.choice((1, 1, 2, 2, 3, 4, 5, 6))))
