"""A told story: a plot with a scene, the request that asks for it, and what can be asked about it afterwards."""
import functools
import re

import plots  # noqa: F401  registers them
import words
from grammar import article, expand
from scene import Scene
from story import LESSONS, PLOTS

# What a story may mention besides its plot, so that any two nouns can meet in one.
GARNISH_THING = [
    "[h] never went anywhere without [his] [o3a] [o3].",
    "[h] also had @a [o3a] [o3]. {[He] liked to [o3use].|It stood next to [his] bed.|It was a gift from [his] [g].|[He] had found it [at3].}",
    "{On the wall of [his] room, there was a picture of @a [o3].|[He] often dreamed of @a [o3a] [o3].}",
    "[h] owned only {two|three} things: @a [o3a] [o3]{ and a warm coat|, a cup and a spoon| and a good heart}.",
]
GARNISH_PLACE = [
    "[h] lived {close to|not far from|right by} the [p3].",
    "{Every Sunday|In the evening|After breakfast|Once a week}, [he] went for a walk [at3]. {There [he] saw [see]. |}{It was always quiet there.|[He] knew every stone there.|}",
    "{Last week|The day before}, [h] had been [at3]{ and had seen [see]|}.",
]
GARNISH_ANIMAL = [
    "{Next door|Nearby}, there lived @a [a3a] [a3]. {[h] said hello to it every morning.|It was often asleep.|It liked to watch [h].|[h] and the [a3] knew each other well.}",
    "@A [a3a] [a3] {sat in front of the house|looked in at the window|came along, as it did every day}. \"{Good morning|Hello}, [a3]!\" said [h].",
]
# How a story names the things and the place of a request as soon as its hero is known, whatever the plot does with them later: one that starts
# with all that it was asked for forgets none of it.
GARNISH_NAMED = [
    "[He] {often|sometimes} dreamed of [named].",
    "[h] had {once|just} drawn [named]{, and the picture hung on the wall|}.",
    "[His] [g] had told [him] a {joke|riddle|secret} about [named].",
    "[h] {had made up|knew} a {song|rhyme} about [named].",
    "For {days|weeks}, [he] had {thought|talked} of [named].",
    "[He] could {talk|tell jokes} about [named] for hours.",
    "[h] had always wished for [named].",
    "If you asked [h] what [he] liked best, [he] would say, \"[Named]!\"",
    "All the games that [he] made up were about [named].",
]
CLOSING_NAMED = ["That night, [h] dreamed of [named]{ again|}.", "{The next day|In the evening}, [h] {drew|made up a song about} [named], and everybody {liked it|smiled}."]
CLOSING_THING = ["[h] put the [o3] {next to [his] bed|back in its place} and {said good night|smiled}.", "And the [o3]? It was {still there|with [him]}, of course.", "Then [h] took the [o3] and went home."]
CLOSING_PLACE = ["After that, they all went for a walk [at3].", "In the evening, the sun went down, and it was quiet [at3]."]
CLOSING_ANIMAL = ["{Even the [a3] looked happy.|The [a3] saw it all.|And the [a3] was happy too.}"]

THINGS, PLACES = list(words.THINGS), list(words.PLACES)

ASK = "{tell me|tell me|write|tell|can you tell me|could you tell me|please tell me|make up|I want to hear|I would like|please write|give me|can you write|let me hear}"
KIND_OF_STORY = "{a|a|a|a|a|a short|a little|a nice|a funny|a bedtime|a new|a happy|a good|a children's}"
LEAD = ["{Sure|Of course|Okay|Yes}! {Here is a story.|Here it is.|Listen.|}", "{I know a good one.|Here is one.|Let me think. I know!}", "{With pleasure.|Gladly.} {Here is a story about [topic].|}"]


@functools.lru_cache(maxsize=None)
def _word(noun):
    return re.compile(r"\b%s(s|es)?\b" % re.escape(noun), re.I)


def unused(rng, nouns, text):
    """One of the nouns that the text does not have."""
    while True:
        noun = rng.choice(nouns)
        if not _word(noun).search(text):
            return noun


def after_hero(text, name, kind):
    """Where the first sentence ends, outside of what is said, by which both the hero's name and the kind were told."""
    for match in re.finditer(r"[.!?](?= [A-Z\"])|$", text):
        told = text[:match.end()]
        if name in told and _word(kind).search(told) and told.count('"') % 2 == 0:
            return match.end()
    return len(text)


class Told:
    """One story with everything that is known about it."""

    def __init__(self, rng, plot=None, names=None, hero=None, things=0):
        """`things`: so many things are named early in it, for `request_for_things`."""
        self.rng = rng
        self.plot = plot or rng.choice(PLOTS)
        kind, name = hero or (None, None)
        heroes = self.plot.heroes
        if kind:
            heroes = tuple(h for h in heroes if h == sort_of(kind)) or heroes
            if sort_of(kind) not in heroes:
                kind = None
        self.scene = s = Scene(rng, heroes=heroes, hero_kind=kind, hero_name=name or (names and rng.choice(names)))
        s.lesson(LESSONS[self.plot.lesson])
        story = self.plot(s)
        self.story = story
        paragraphs = expand(story.text, rng, s).split("\n")
        paragraphs = [p for p in paragraphs if p]
        body = "\n".join(paragraphs)
        self.extra = []
        self.named, self.where, self.naming = [], "", ""
        if things:
            self.name_things(paragraphs, body, things)
        elif rng.random() < 0.4:
            self.garnish(paragraphs, body, rng.sample(("thing", "place", "animal"), rng.choice((1, 1, 1, 2))))
        self.text = "\n".join(paragraphs)
        self.paragraphs = paragraphs

    def name_things(self, paragraphs, body, count):
        """Chooses the things that the request shall name, the plot's own before others, and names them early."""
        rng, s = self.rng, self.scene
        own = [s[key] for key in ("o", "o2") if _word(s[key]).search(body)]
        rng.shuffle(own)
        if count == 1 and rng.random() < 0.3:
            own = []
        named = own[:count]
        while len(named) < count:
            noun = unused(rng, THINGS, body)
            if noun not in named:
                named.append(noun)
                self.extra.append(noun)
        rng.shuffle(named)
        self.named = named
        nouns = [f"{article(noun)} {noun}" for noun in named]
        s["named"] = " and ".join(nouns) if count < 3 else ", ".join(nouns[:-1]) + " and " + nouns[-1]
        s["Named"] = s["named"][0].upper() + s["named"][1:]
        self.naming = expand(rng.choice(GARNISH_NAMED), rng, s)
        if rng.random() < 0.4:
            self.where = s["p"] if _word(s["p"]).search(body) else unused(rng, PLACES, body)
            self.extra.append(self.where)
            s["p3"] = self.where
            self.naming += " " + expand("{[h]|[He]} lived {close to|not far from|right by} the [p3].", rng, s)
        at = after_hero(paragraphs[0], s["h"], s["kind"])
        paragraphs[0] = (paragraphs[0][:at] + " " + self.naming + paragraphs[0][at:])
        if rng.random() < 0.3:
            paragraphs[-1] += " " + expand(rng.choice(CLOSING_NAMED), rng, s)

    def garnish(self, paragraphs, body, which):
        """Adds sentences about what the plot has nothing of."""
        rng, s = self.rng, self.scene
        place = unused(rng, PLACES, body)
        preposition, _, sights = words.PLACES[place]
        s.update(p3=place, at3=f"{preposition} the {place}", see=rng.choice(sights.split(",")))
        opening, closing = [], []
        for what in which:
            if what == "thing":
                noun = unused(rng, THINGS, body)
                adjectives, use = words.THINGS[noun]
                s.update(o3=noun, o3a=s.pick(adjectives), o3use=use)
                opening.append(rng.choice(GARNISH_THING))
                closing.append(rng.choice(CLOSING_THING))
                self.extra.append(noun)
            elif what == "place":
                opening.append(rng.choice(GARNISH_PLACE))
                closing.append(rng.choice(CLOSING_PLACE))
                self.extra.append(place)
            else:
                noun = unused(rng, words.SMALL_ANIMALS, body)
                s.update(a3=noun, a3a=rng.choice(["little", "small", "gray", "old", "sleepy", "curious"]))
                opening.append(rng.choice(GARNISH_ANIMAL))
                closing.append(rng.choice(CLOSING_ANIMAL))
                self.extra.append(noun)
        paragraphs[0] = paragraphs[0] + " " + " ".join(expand(g, rng, s) for g in opening)
        if rng.random() < 0.4:
            paragraphs[-1] = paragraphs[-1] + " " + " ".join(expand(g, rng, s) for g in closing)

    def has(self, word):
        return _word(word).search(self.text) is not None

    def nouns(self):
        """Nouns of things, places and animals that the text has, each with how a request names it."""
        s, found = self.scene, []
        for key, adjective in (("o", "oa"), ("o2", "o2a")):
            if self.has(s[key]):
                found.append((s[key], s[key + "a"] if self.rng.random() < 0.25 and self.has(s[key + "a"] + " " + s[key]) else ""))
        if self.has(s["a"]):
            found.append((s["a"], ""))
        found += [(noun, "") for noun in self.extra if noun not in words.PLACES]
        return [(article(adjective or noun) + " " + (adjective + " " if adjective else "") + noun, noun) for noun, adjective in found]

    def places(self):
        s = self.scene
        found = [s["p"]] if self.has(s["p"]) else []
        return found + [noun for noun in self.extra if noun in words.PLACES]

    def request(self):
        """A request that this story fulfils, and the words it demands."""
        rng, s = self.rng, self.scene
        hero, kind = s.hero["name"], s["kind"]
        named = f"{article(kind)} {kind} named {hero}"
        x = rng.random()
        if x < 0.05:
            topic, demand = "", []
        elif x < 0.12:
            about = expand(self.story.about, rng, s, sentence=False)
            topic, demand = f"about {rng.choice((article(kind) + ' ' + kind, named, hero))} {about}", []
        elif x < 0.16:
            topic, demand = rng.choice((f"about {self.plot.lesson}", f"that teaches {self.plot.lesson}")), []
        else:
            y = rng.random()
            parts, demand = [], []
            if y < 0.30:
                parts, demand = [rng.choice((named, named, f"{article(kind)} {kind} called {hero}", hero, f"{article(s['adj'])} {s['adj']} {kind} named {hero}"))], [hero]
            elif y < 0.75:
                parts, demand = [f"{article(kind)} {kind}"], [kind]
            if y < 0.75 and rng.random() < 0.15 and self.has(s["f"]):
                other = f"{article(s['fkind'])} {s['fkind']}"
                if self.has(s["fkind"]) and s["fkind"] != kind:
                    parts.append(other)
                    demand.append(s["fkind"])
                elif hero in " ".join(parts):
                    parts.append(s["f"])
                    demand.append(s["f"])
            nouns = self.nouns()
            rng.shuffle(nouns)
            for phrase, noun in nouns[:rng.choice((0, 1, 1, 1, 2, 2)) if parts else rng.choice((1, 1, 2, 2, 3))]:
                parts.append(phrase)
                demand.append(noun)
            if not parts:
                parts, demand = [f"{article(kind)} {kind}"], [kind]
            if len(parts) > 1 and hero not in parts[0] and rng.random() < 0.25:
                rng.shuffle(parts)
            topic = "about " + (" and ".join(parts) if len(parts) < 3 else ", ".join(parts[:-1]) + " and " + parts[-1])
            if rng.random() < 0.06 and len(parts) == 2:
                topic = f"with {parts[0]} and {parts[1]} in it"
            places = self.places()
            if places and rng.random() < 0.4:
                place = rng.choice(places)
                topic += rng.choice((f" {words.PLACES[place][0]} {article(place)} {place}", f" {words.PLACES[place][0]} the {place}", f" and {article(place)} {place}"))
                demand.append(place)
        ask = expand(ASK, rng, sentence=False)
        form = expand(KIND_OF_STORY, rng, sentence=False)
        mark = "?" if ask.startswith(("can", "could")) else rng.choice((".", ".", ".", "!", ""))
        text = rng.choice((f"{ask} {form} story {topic}{mark}",) * 9 + (f"{form} story {topic}", f"story {topic}", f"{topic[6:] if topic.startswith('about ') else topic}"))
        text = re.sub(r" +", " ", text.replace(" .", ".")).strip()
        text = re.sub(r" ([.!?])", r"\1", text) or "Tell me a story."
        self.topic = topic
        return (text if rng.random() < 0.12 else text[0].upper() + text[1:]), demand

    def request_for_things(self):
        """A request that names the things of `things`, sometimes also who it is about and where."""
        rng, s = self.rng, self.scene
        kind = s["kind"]
        parts = [f"{article(noun)} {noun}" for noun in self.named]
        x = rng.random() * (1.0 if len(parts) > 1 else 0.42)  # one thing alone is seldom asked for
        if x < 0.08:
            parts.insert(0, f"{article(kind)} {kind} named {s['h']}")
        elif x < 0.35:
            parts.insert(0, f"{article(kind)} {kind}")
        where = f" {words.PLACES[self.where][0]} {rng.choice(('the', article(self.where)))} {self.where}" if self.where else ""
        ask, form = expand(ASK, rng, sentence=False), expand(KIND_OF_STORY, rng, sentence=False)
        self.topic = "about " + (" and ".join(parts) if len(parts) < 3 else ", ".join(parts[:-1]) + " and " + parts[-1]) + where
        text = f"{ask} {form} story {self.topic}{'?' if ask.startswith(('can', 'could')) and rng.random() < 0.7 else '.'}"
        return text[0].upper() + text[1:]

    def lead(self):
        """What may stand before the story."""
        topic = self.topic[6:] if getattr(self, "topic", "").startswith("about ") else "something nice"
        return expand(self.rng.choice(LEAD), self.rng, dict(topic=topic)) + "\n" if self.rng.random() < 0.15 else ""

    def questions(self):
        """(question, answer) about this story: the plot's own, and such as fit any."""
        rng, s = self.rng, self.scene
        own = [(expand(q, rng, s), expand(a, rng, s)) for q, a in self.story.questions]
        kind, hero = s["kind"], s["h"]
        general = [
            ("{Who is the story about?|Who is it about?|Who is the hero of the story?|What is the name of the main character?}", f"The story is about {article(kind)} {kind} named {hero}."),
            ("{Can you sum it up?|What is the story about, in one sentence?|Tell me the short version.|What happened in the story?|Summarize the story.}", self.story.summary),
            ("{What is the lesson?|What can I learn from this story?|What is the moral of the story?|What does the story teach?}", "{The lesson is that|The story teaches that|It tells us that} %s." % LESSONS[self.plot.lesson]),
        ]
        if s.hero["sort"] == "animal":
            general.append(("{What kind of animal is [h]?|What animal was [h]?|Which animal is [h]?}", f"{hero} is {article(kind)} {kind}."))
        else:
            general.append(("{What is [h]?|Who is [h]?|Who was [h]?}", f"{hero} is {article(kind)} {kind}."))
        nouns = self.nouns()
        if nouns:
            noun = rng.choice(nouns)[1]
            general.append((f"{{Is there {article(noun)} {noun} in the story?|Does the story have {article(noun)} {noun} in it?|Was there {article(noun)} {noun}?}}", f"Yes, there is {article(noun)} {noun} in the story."))
            general.append(("{Can you give the story a title?|What is the title of the story?|What would be a good title?|Give it a title.}", f"{{The story could be called|A good title would be}} \"{hero} and the {noun.title()}\"."))
        absent = unused(rng, THINGS, self.text)
        general.append((f"{{Is there {article(absent)} {absent} in the story?|Was there {article(absent)} {absent}?|What did [h] do with the {absent}?}}", f"{{There is no {absent} in the story.|No, there is no {absent} in the story.|The story has no {absent} in it.}}"))
        general.append(rng.choice([
            ("{How old is [h]?|How old was [h]?}", f"The story does not say how old {hero} is."),
            ("{What is [h]'s last name?|What is the family name of [h]?}", "The story does not say that."),
            ("{What did [h] eat for breakfast?|What did [h] have for lunch?}", "The story does not say that."),
            ("{What is the name of [h]'s cousin?|When is [h]'s birthday?}", "The story does not say that."),
        ]))
        return own, [(expand(q, rng, s), expand(a, rng, s)) for q, a in general]

    def sequel(self):
        """What happened next, in a few sentences."""
        rng, s = self.rng, self.scene
        noun = (self.nouns() or [("", "")])[0][1]
        options = [
            "The next day, [h] met [f] again. {They told everyone what had happened.|They laughed about it.|\"Do you remember?\" asked [f]. [h] smiled and nodded.} {Then they went out to find a new adventure.|And after that, they met every day.}",
            "After that, [h] {slept for a long time|went home and ate some [food]|told [his] [g] everything}. \"{What a day|I am glad that it ended well|That was quite a story}!\" said [his] [g]. {The next morning, the sun came up, and a new day began.|And [h] had to laugh.}",
            "{A week later|Some days later|When winter came}, [h] thought of that day again. [He] {wrote it all down in a little book|painted a picture of it|told the story to [f]}, so that nobody would forget it.",
        ]
        if noun:
            options.append(f"[h] kept thinking of the {noun}. {{In the evening|The next morning}}, [he] {{showed it to [f]|talked about it with [f]|told [his] [g] about it}}. \"{{That is a good story|I wish I had been there}},\" said {{[f]|[f] and smiled}}.".replace("said {[f]|[f] and smiled}", "was the answer").replace("showed it to [f]|", ""))
        return expand(rng.choice(options), rng, s)


def sort_of(kind):
    if kind in ("girl", "boy"):
        return "person"
    return "animal" if kind in words.ANIMALS else "role" if kind in words.ROLES else "creature"
