"""Who and what a story is about: a hero, a friend, an elder, things, a place, and words for all of them."""
import words
from grammar import expand

PRONOUNS = {"she": ("she", "her", "her", "herself"), "he": ("he", "him", "his", "himself"), "it": ("it", "it", "its", "itself")}


class Scene(dict):
    """The variables of a story's templates, see README.md for the list. Also offers what plots need to choose."""

    def __init__(self, rng, heroes=("person", "animal", "role", "creature"), hero_kind=None, hero_name=None):
        super().__init__()
        self.rng = rng
        self.names = set()
        sort = rng.choices(heroes, [words.HERO_WEIGHTS[h] for h in heroes])[0]
        self.hero = self.being("", sort, hero_kind, hero_name)
        # A friend is of the hero's sort more often than not, so that worlds hold together.
        friend_sort = sort if sort in ("person", "animal") and rng.random() < 0.8 else rng.choice(("person", "animal"))
        self.friend = self.being("f", friend_sort)
        self.other = self.being("x", friend_sort)
        self.elder(sort)
        self.things()
        self.place()
        self.words()

    def pick(self, options):
        """One of a list, or of a text with commas."""
        return self.rng.choice([o.strip() for o in options.split(",")] if isinstance(options, str) else options)

    def set(self, name, template):
        """Sets a variable to one text of the template, the same wherever it stands. Returns it."""
        self[name] = expand(template, self.rng, self, sentence=False)
        return self[name]

    def name(self, sort, gender):
        rng = self.rng
        while True:
            x = rng.random()
            if sort in ("animal", "creature") and x < 0.75:
                name = rng.choice(words.ANIMAL_NAMES)
            elif x < 0.82:
                name = rng.choice(words.GIRLS if gender == "she" else words.BOYS)
            else:
                name = words.invented_name(rng)
            if name not in self.names:
                self.names.add(name)
                return name

    def being(self, prefix, sort, kind=None, name=None):
        rng = self.rng
        gender = rng.choice(("she", "he"))
        if sort == "person":
            kind = kind or ("girl" if gender == "she" else "boy")
            gender = "she" if kind == "girl" else "he"
            adjective = rng.choice(words.TRAITS)
        elif sort == "role":
            kind = kind or rng.choice(list(words.ROLES))
            gender = words.ROLES[kind][0] or gender
            adjective = rng.choice(words.ROLES[kind][1].split(","))
        elif sort == "creature":
            kind = kind or rng.choice(list(words.CREATURES))
            gender = {"mermaid": "she", "snowman": "he"}.get(kind, gender)
            adjective = rng.choice(words.CREATURES[kind].split(","))
        else:
            kind = kind or rng.choice(words.LAND_ANIMALS)
            adjective = rng.choice(words.ANIMALS[kind].adjectives.split(","))
        name = name or self.name(sort, gender)
        self.names.add(name)
        subject, obj, poss, self_ = PRONOUNS[gender]
        self.update({prefix + "he": subject, prefix + "him": obj, prefix + "his": poss, prefix + "himself": self_,
                     prefix + "He": subject.title(), prefix + "His": poss.title(), prefix + "kind": kind, prefix + "adj": adjective,
                     prefix if prefix else "h": name})
        if sort == "person":
            intro = "@a {little|young|%s|%s little} %s named %s" % (adjective, adjective, kind, name)
        elif sort == "role":
            intro = "@a {%s|%s|young} %s named %s" % (adjective, adjective, kind, name)
        else:
            intro = "@a {%s|%s|little|young} %s named %s" % (adjective, adjective, kind, name)
        self[prefix + "intro"] = expand(intro, rng, self, sentence=False)
        return dict(sort=sort, kind=kind, name=name, gender=gender)

    def elder(self, sort):
        if sort in ("person", "animal"):
            word = self.pick("mom,dad,mom,dad,grandma,grandpa,aunt,uncle,mother,father")
        else:
            word = self.pick("teacher,old teacher,neighbor,grandma,grandpa,old friend")
        gender = "she" if word in ("mom", "mother", "grandma", "aunt") else "he" if word in ("dad", "father", "grandpa", "uncle") else self.rng.choice(("she", "he"))
        subject, obj, poss, _ = PRONOUNS[gender]
        self.update(g=word, ghe=subject, ghim=obj, ghis=poss, gHe=subject.title(), gHis=poss.title())

    def things(self):
        first, second = self.rng.sample(list(words.THINGS), 2)
        for prefix, noun in (("o", first), ("o2", second)):
            adjectives, use = words.THINGS[noun]
            self[prefix], self[prefix + "a"], self[prefix + "use"] = noun, self.pick(adjectives), use

    def place(self):
        noun = self.rng.choice(list(words.PLACES))
        preposition, adjectives, sights = words.PLACES[noun]
        see = self.rng.sample(sights.split(","), 3)
        self.update(p=noun, pa=self.pick(adjectives), at=f"{preposition} the {noun}", see1=see[0], see2=see[1], see3=see[2])

    def words(self):
        rng = self.rng
        hobbies = rng.sample(words.HOBBIES, 2)
        animal = rng.choice(words.SMALL_ANIMALS)
        number = rng.randrange(2, 9)
        self.update(col=rng.choice(words.COLORS), food=rng.choice(words.FOODS), fruit=rng.choice(words.FRUITS), w=rng.choice(words.WEATHER),
                    hob=hobbies[0], hob2=hobbies[1], trait=rng.choice(words.TRAITS), a=animal, aa=self.pick("little,small,tiny,young"),
                    n=words.NUMBERS[number], num=str(number))
        self["day"] = expand("{one [w] {day|morning|afternoon},|one day,|one {morning|evening},|on @a [w] {day|morning},|one {spring|summer|autumn|winter} {day|morning},}", rng, self, sentence=False)
        # These are templates: they may differ each time they occur.
        self.update(open=words.OPENINGS, end=words.ENDINGS, happy=words.HAPPY, sad=words.SAD, said=words.SAID)

    def lesson(self, text):
        """What `[moral]` says."""
        self["moral"] = words.MORALS.replace("%s", text)
