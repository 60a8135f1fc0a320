"""Questions with one right answer: every function returns (question, answer, words that the answer must have)."""
from fact_list import FACTS
from grammar import expand


def _pairs(text):
    """[("a", "b"), ...] of "a b, c d"; an underscore stands for a space."""
    return [tuple(w.replace("_", " ") for w in pair.split()) for pair in text.replace("\n", " ").split(",") if pair.strip()]


def _words(text):
    return [w.strip() for w in text.replace("\n", " ").split(",") if w.strip()]


def _table(text):
    """[("a", "b", ...), ...] of lines "a: b: ..."."""
    return [tuple(c.strip() for c in line.split(":")) for line in text.strip().split("\n")]


def _both(rng, question, answer, key, **variables):
    return expand(question, rng, variables), expand(answer, rng, variables), tuple(k.lower() for k in key)


def fact(rng):
    question, answer, key = rng.choice(FACTS)
    return _both(rng, question, answer, key)


CAPITALS = _pairs("""France Paris, Germany Berlin, Italy Rome, Spain Madrid, Portugal Lisbon, the_United_Kingdom London, Ireland Dublin,
Belgium Brussels, the_Netherlands Amsterdam, Austria Vienna, Denmark Copenhagen, Norway Oslo, Sweden Stockholm, Finland Helsinki,
Iceland Reykjavik, Poland Warsaw, the_Czech_Republic Prague, Slovakia Bratislava, Hungary Budapest, Romania Bucharest,
Bulgaria Sofia, Greece Athens, Turkey Ankara, Croatia Zagreb, Serbia Belgrade, Slovenia Ljubljana, Estonia Tallinn, Latvia Riga,
Lithuania Vilnius, Ukraine Kyiv, Russia Moscow, Egypt Cairo, Morocco Rabat, Algeria Algiers, Tunisia Tunis, Kenya Nairobi,
Ethiopia Addis_Ababa, Ghana Accra, Senegal Dakar, Nigeria Abuja, China Beijing, Japan Tokyo, South_Korea Seoul, India New_Delhi,
Nepal Kathmandu, Pakistan Islamabad, Iran Tehran, Iraq Baghdad, Thailand Bangkok, Vietnam Hanoi, the_Philippines Manila,
the_United_States Washington, Canada Ottawa, Mexico Mexico_City, Cuba Havana, Brazil Brasilia, Argentina Buenos_Aires,
Chile Santiago, Peru Lima, Colombia Bogota, Australia Canberra, New_Zealand Wellington""")


def capital(rng):
    land, city = rng.choice(CAPITALS)
    if rng.random() < 0.8:
        return _both(rng, "{What is the capital of [l]?|What's the capital of [l]?|Which city is the capital of [l]?|Tell me the capital of [l].|Do you know the capital of [l]?|Name the capital of [l].|What is the capital city of [l]?}",
                     "The capital of [l] is [c].", (city,), l=land, c=city)
    return _both(rng, "{[c] is the capital of which country?|Of which country is [c] the capital?|Which country has the capital [c]?|What country is [c] the capital of?}",
                 "[c] is the capital of [l].", (land,), l=land, c=city)


OPPOSITES = _pairs("""big small, hot cold, up down, day night, happy sad, fast slow, long short, old young, good bad, open closed, wet dry,
hard soft, heavy light, dark bright, full empty, rich poor, loud quiet, left right, yes no, black white, clean dirty, easy difficult,
early late, first last, strong weak, thick thin, wide narrow, deep shallow, near far, in out, on off, over under, top bottom, front back,
before after, always never, many few, more less, inside outside, start stop, push pull, give take, win lose, laugh cry, love hate,
remember forget, ask answer, buy sell, friend enemy, summer winter, north south, east west, true false, sweet sour, brave afraid,
smooth rough, straight crooked, asleep awake, safe dangerous, polite rude, cheap expensive, alive dead, lost found, sharp blunt,
kind mean, tight loose, arrive leave, begin end, rise fall, problem solution, sunrise sunset""")
# Words whose opposite has another opposite.
ONE_WAY = _pairs("new old, tall short, large small, little big, wrong right, warm cool, low high, high low, ugly beautiful, beautiful ugly, noisy quiet")


def opposite(rng):
    if rng.random() < 0.1:
        a, b = rng.choice(ONE_WAY)
    else:
        a, b = rng.choice(OPPOSITES)
        if rng.random() < 0.5:
            a, b = b, a
    return _both(rng, "{What is the opposite of [a]?|What's the opposite of [a]?|Tell me the opposite of [a].|Which word is the opposite of [a]?|Do you know the opposite of [a]?|Name the opposite of [a].|What is the opposite of the word [a]?}",
                 "The opposite of [a] is [b].", ("is %s." % b,), a=a, b=b)


JOBS = _table("""baker: bakes bread and cakes: bread
doctor: helps people who are ill: ill
nurse: cares for sick people: sick
teacher: teaches children at school: teaches
farmer: grows food and keeps animals: food
firefighter: puts out fires: fires
police officer: keeps people safe and catches thieves: safe
pilot: flies airplanes: airplanes
sailor: works on a ship: ship
captain: leads the crew of a ship: ship
dentist: takes care of teeth: teeth
vet: helps sick animals: animals
cook: makes meals in a kitchen: meals
waiter: brings food to the table in a restaurant: food
butcher: cuts and sells meat: meat
gardener: takes care of plants and gardens: plants
carpenter: builds things out of wood: wood
plumber: repairs water pipes: pipes
painter: paints walls or pictures: paints
builder: builds houses: houses
architect: plans houses: plans
mechanic: repairs cars and machines: repairs
bus driver: drives a bus: bus
mail carrier: brings letters and parcels: letters
hairdresser: cuts hair: hair
tailor: sews clothes: clothes
shoemaker: makes and repairs shoes: shoes
writer: writes books and stories: writes
singer: sings songs: songs
dancer: dances on a stage: dances
actor: plays roles in movies and plays: roles
musician: plays music: music
astronaut: travels into space: space
scientist: finds out how the world works: finds out
librarian: takes care of the books in a library: books
judge: decides cases in a court: court
fisherman: catches fish: fish
miner: digs coal or metal out of the ground: digs
programmer: writes programs for computers: programs
beekeeper: keeps bees and collects honey: bees
photographer: takes pictures with a camera: pictures
shepherd: takes care of sheep: sheep
florist: sells flowers: flowers
blacksmith: makes things out of hot iron: iron
detective: finds clues and solves crimes: clues
clown: makes people laugh in a circus: laugh""")


def job(rng):
    who, does, key = rng.choice(JOBS)
    if rng.random() < 0.55:
        return _both(rng, "{What does @a [w] do?|What is the job of @a [w]?|What is @a [w]?|Tell me what @a [w] does.|What does @a [w] do at work?}", "@A [w] [d].", (key,), w=who, d=does)
    return _both(rng, "{Who [d]?|What do you call someone who [d]?|Which job has a person who [d]?|What is the name for someone who [d]?}", "@A [w] [d].", (who,), w=who, d=does)


TOOLS = _table("""@a hammer: hit nails: nails
@a saw: cut wood: wood
scissors: cut paper: paper
@a screwdriver: turn screws: screws
@a shovel: dig holes: dig
@a rake: gather leaves: leaves
@a broom: sweep the floor: sweep
@a mop: wash the floor: wash
@a sponge: wash the dishes: dishes
@a towel: dry yourself: dry
@a comb: comb your hair: hair
@a toothbrush: clean your teeth: teeth
soap: wash your hands: wash
@a needle: sew clothes: sew
@a ruler: measure how long something is: measure
@a scale: weigh things: weigh
@a pen: write on paper: write
@a pencil: write and draw: draw
@a eraser: rub out what a pencil wrote: rub out
glue: stick things together: stick
@a key: open a lock: lock
@a ladder: climb up high: climb
@a rope: tie things: tie
@a lamp: make light: light
@a flashlight: see in the dark: dark
@a umbrella: stay dry in the rain: rain
@a clock: tell the time: time
@a camera: take pictures: pictures
@a phone: talk to people far away: talk
@a spoon: eat soup: soup
@a fork: pick up food: food
@a knife: cut food: cut
@a pot: cook soup: cook
@a pan: fry eggs: fry
@a oven: bake cakes: bake
@a kettle: boil water for tea: boil
@a cup: drink tea: drink
@a bucket: carry water: carry
@a watering can: water the plants: plants
@a wheelbarrow: move heavy things in the garden: heavy
@a net: catch fish: fish
@a boat: cross the water: cross
@a tent: sleep outside: sleep
@a blanket: keep warm in bed: warm
@a map: find the way: way
@a compass: find north: north
@a axe: split logs: logs
@a paintbrush: paint a picture: paint
@a thermometer: measure the temperature: temperature
@a vacuum cleaner: suck up dust: dust""")


def tool(rng):
    thing, use, key = rng.choice(TOOLS)
    bare = thing.replace("@a ", "")
    if rng.random() < 0.5:
        return _both(rng, "{What do you use [t] for?|What can you do with [t]?|What do people use [t] for?|Tell me what people use [t] for.|Why do people use [t]?}", "You use [t] to [u].", (key,), t=thing, u=use)
    return _both(rng, "{What do you use to [u]?|What do you need to [u]?|With what do you [u]?|What helps you to [u]?|Which thing do people use to [u]?}", "You use [t] to [u].", (bare,), t=thing, u=use)


SOUNDS = _pairs("""dog woof, cat meow, cow moo, sheep baa, pig oink, duck quack, horse neigh, donkey hee-haw,
rooster cock-a-doodle-doo, hen cluck, owl hoo, frog ribbit, bee buzz, mouse squeak, bird tweet, turkey gobble,
goose honk, crow caw, lion roar, wolf awoo, snake hiss, chick peep, cuckoo cuckoo, pigeon coo, bear growl, cricket chirp,
parrot squawk""")


def sound(rng):
    animal, word = rng.choice(SOUNDS)
    if rng.random() < 0.7:
        return _both(rng, "{What sound does @a [x] make?|What does @a [x] say?|Which sound does @a [x] make?|What noise does @a [x] make?|How does @a [x] sound?|What is the sound of @a [x]?}", "@A [x] says [s].", (word,), x=animal, s=word)
    return _both(rng, "{Which animal says [s]?|What animal says [s]?|Who says [s]?|Which animal makes the sound [s]?}", "@A [x] says [s].", (animal,), x=animal, s=word)


BABIES = _pairs("""dog puppy, cat kitten, cow calf, horse foal, sheep lamb, pig piglet, goat kid, hen chick, duck duckling, goose gosling,
swan cygnet, bear cub, lion cub, tiger cub, panda cub, wolf pup, kangaroo joey, koala joey, deer fawn, elephant calf, whale calf,
giraffe calf, dolphin calf, frog tadpole, butterfly caterpillar, owl owlet, eagle eaglet, hare leveret, seal pup, bat pup,
hedgehog hoglet, spider spiderling, donkey foal, zebra foal, penguin chick, ostrich chick""")
_OWN_BABY = [p for p in BABIES if sum(b == p[1] for _, b in BABIES) == 1 and p[1] not in ("kid", "caterpillar", "tadpole")]


def baby(rng):
    if rng.random() < 0.75:
        animal, young = rng.choice(BABIES)
        return _both(rng, "{What is a baby [x] called?|What do you call a baby [x]?|What is the name for a baby [x]?|What is the young of @a [x] called?|Tell me what a baby [x] is called.}",
                     "A baby [x] is called @a [y].", (young,), x=animal, y=young)
    animal, young = rng.choice(_OWN_BABY)
    return _both(rng, "{What is @a [y]?|Which animal does @a [y] grow into?|What does @a [y] become?|Whose baby is @a [y]?}", "@A [y] is a baby [x].", (animal,), x=animal, y=young)


HOMES = _table("""bird: in a nest
bee: in a hive
spider: in a web
rabbit: in a burrow under the ground
fox: in a den
horse: in a stable
cow: in a barn
pig: in a sty
hen: in a coop
ant: in an anthill
beaver: in a lodge in the water
mole: in tunnels under the ground
fish: in the water
whale: in the sea
shark: in the sea
octopus: in the sea
bat: in caves or under roofs
snail: in its shell
frog: near a pond
crab: by the sea
worm: in the soil
eagle: in a nest on a high rock or tree
owl: in a hollow tree
squirrel: in a nest in the trees
monkey: in the trees of warm forests
lion: on the plains of Africa
camel: in the desert
penguin: by the cold seas of the south
wolf: in the forest, in a pack
dog: in a house with people, or in a kennel""")


def home(rng):
    animal, place = rng.choice(HOMES)
    key = [w for w in place.replace(",", "").split() if w not in ("in", "the", "a", "an", "on", "or", "its", "by", "near", "under")]
    return _both(rng, "{Where does @a [x] live?|What is the home of @a [x]?|Where is the home of @a [x]?|Tell me where @a [x] lives.|Where does @a [x] have its home?|In what kind of place does @a [x] live?}",
                 "@A [x] lives [p].", key[:2], x=animal, p=place)


DIETS = _table("""rabbit: grass, leaves and vegetables: grass
cow: grass and hay: grass
horse: grass, hay and oats: grass
sheep: grass: grass
goat: grass and leaves: grass
cat: meat and fish: meat
dog: meat and dog food: meat
lion: meat: meat
tiger: meat: meat
wolf: meat: meat
fox: mice, eggs and berries: mice
mouse: seeds, grain and crumbs: seeds
squirrel: nuts and seeds: nuts
hen: grain, seeds and worms: grain
duck: water plants, seeds and insects: plants
owl: mice and other small animals: mice
eagle: fish and small animals: fish
frog: flies and other insects: insects
spider: flies and other insects: insects
bat: insects or fruit: insects
hedgehog: insects, worms and snails: insects
mole: worms: worms
bee: nectar and pollen: nectar
caterpillar: leaves: leaves
snail: leaves and other plants: leaves
elephant: grass, leaves and bark: grass
giraffe: leaves from high trees: leaves
monkey: fruit, leaves and insects: fruit
bear: berries, fish and honey: berries
penguin: fish: fish
seal: fish: fish
shark: fish and other sea animals: fish
deer: grass, leaves and buds: grass
beaver: bark and twigs: bark
zebra: grass: grass
camel: grass and thorny plants: plants""")


def diet(rng):
    animal, food, key = rng.choice(DIETS)
    return _both(rng, "{What does @a [x] eat?|What does @a [x] like to eat?|What is the food of @a [x]?|Tell me what @a [x] eats.|What do you know about the food of @a [x]?}", "@A [x] eats [f].", (key,), x=animal, f=food)


# Groups: what is said of their members, and the members.
_GROUPS = {
    "bird": ("has feathers", _words("robin, eagle, owl, penguin, ostrich, parrot, duck, goose, swan, crow, hen, sparrow, pigeon")),
    "fish": ("breathes with gills", _words("shark, salmon, tuna, trout, herring, seahorse, carp, cod")),
    "insect": ("has six legs", _words("bee, ant, fly, butterfly, beetle, ladybug, grasshopper, mosquito, wasp")),
    "mammal": ("feeds its babies with milk", _words("whale, dolphin, bat, dog, cat, cow, horse, mouse, elephant, lion, seal, kangaroo, rabbit, hedgehog")),
    "reptile": ("has scaly skin", _words("snake, lizard, crocodile, turtle, tortoise, gecko, chameleon")),
    "fruit": ("grows from a flower", _words("apple, pear, banana, cherry, plum, peach, lemon, grape, strawberry, mango")),
    "vegetable": ("is often eaten in soups or salads", _words("carrot, potato, onion, cabbage, radish, leek, beet, turnip")),
    "vehicle": ("carries people or things", _words("car, bus, train, truck, tram, bicycle, van, taxi")),
    "musical instrument": ("makes music", _words("piano, violin, guitar, flute, drum, trumpet, harp, cello")),
    "tool": ("helps us to work", _words("hammer, saw, screwdriver, shovel, rake, drill, wrench")),
}
_ANIMALS = ("bird", "fish", "insect", "mammal", "reptile")
_FOODS = ("fruit", "vegetable")
_THINGS = ("vehicle", "musical instrument", "tool")


def group(rng):
    kinds = rng.choice((_ANIMALS, _ANIMALS, _ANIMALS, _FOODS, _FOODS, _THINGS))
    right = rng.choice(kinds)
    says, members = _GROUPS[right]
    wrong = rng.choice([k for k in (kinds if rng.random() < 0.8 else list(_GROUPS)) if k != right])
    given = dict(x=rng.choice(members), r=right, w=wrong, s=says)
    form = rng.random()
    if form < 0.3:
        return _both(rng, "{Is @a [x] @a [r]?|Is it true that @a [x] is @a [r]?|Tell me, is @a [x] @a [r]?|Would you say that @a [x] is @a [r]?}", "Yes, @a [x] is @a [r]. It [s].", ("yes,", right), **given)
    if form < 0.65:
        return _both(rng, "{Is @a [x] @a [w]?|Is it true that @a [x] is @a [w]?|Tell me, is @a [x] @a [w]?|Would you say that @a [x] is @a [w]?}", "No, @a [x] is not @a [w]. It is @a [r] and [s].", ("no,", "it is", right), **given)
    if form < 0.85:
        return _both(rng, rng.choice(("Is @a [x] @a [r] or @a [w]?", "Is @a [x] @a [w] or @a [r]?", "What is @a [x], @a [r] or @a [w]?", "What is @a [x], @a [w] or @a [r]?")), "@A [x] is @a [r]. It [s].", (given["x"] + " is", right), **given)
    ask = {_ANIMALS: "{What kind of animal is @a [x]?|To which group of animals does @a [x] belong?}"}.get(kinds, "{What kind of thing is @a [x]?|To which group of things does @a [x] belong?}")
    return _both(rng, ask, "@A [x] is @a [r]. It [s].", (right,), **given)


# Three members of a group, always the same ones.
EXAMPLES = _table("""fruits: apples, pears and plums
vegetables: carrots, onions and potatoes
colors: red, blue and green
animals: dogs, cats and horses
wild animals: lions, wolves and bears
farm animals: cows, pigs and sheep
pets: dogs, cats and hamsters
birds: robins, owls and ducks
fish: salmon, trout and sharks
insects: ants, bees and flies
sea animals: whales, crabs and dolphins
trees: oaks, pines and birches
flowers: roses, tulips and daisies
musical instruments: the piano, the violin and the drum
sports: soccer, tennis and swimming
tools: a hammer, a saw and a screwdriver
vehicles: a car, a bus and a train
drinks: water, milk and juice
desserts: cake, ice cream and pudding
shapes: the circle, the square and the triangle
planets: Mars, Venus and Jupiter
countries: France, Japan and Brazil
continents: Africa, Asia and Europe
languages: English, Spanish and Chinese
jobs: baker, teacher and farmer
school subjects: math, reading and science
clothes: a shirt, a hat and a sock
toys: a ball, a doll and a kite
feelings: joy, fear and anger
months: May, June and July
metals: iron, gold and copper
pieces of furniture: a table, a chair and a bed
parts of the body: the arm, the leg and the head""")


def examples(rng):
    kind, three = rng.choice(EXAMPLES)
    return _both(rng, "{Name three [k].|Tell me three [k].|Can you name three [k]?|Give me three examples of [k].|Can you list three [k]?}", "Three [k] are [t].", (three,), k=kind, t=three)


# Words with the same sound at the end. Each one's rhyme is the next one of its family.
RHYMES = [line.split() for line in """cat hat mat
dog frog log
house mouse
tree bee sea
sun fun run
moon spoon balloon
star car jar
cake lake snake
ball wall tall
bed red head
king ring sing
light night kite
book hook cook
fish dish wish
goat boat coat
bear chair pear
fox box
rain train plane
snow crow slow
sky pie fly
day play say
hand sand land
bell shell well
duck truck luck
hen pen ten
nose rose toes
nut hut cut
sock clock rock
hill mill pill
door floor four
cold gold old
green queen bean
clown crown town
bug rug mug
pig wig big
sheep sleep deep""".split("\n")]


def rhyme(rng):
    at = rng.randrange(len(RHYMES))
    family = RHYMES[at]
    i = rng.randrange(len(family))
    a, b = family[i], family[(i + 1) % len(family)]
    x = rng.random()
    if x < 0.7:
        return _both(rng, "{What rhymes with [a]?|Which word rhymes with [a]?|Tell me a word that rhymes with [a].|Find a rhyme for [a].|What is a rhyme for [a]?|Give me a word that rhymes with [a].}", "[b] rhymes with [a].", (b + " rhymes",), a=a, b=b)
    ask = "{Do [a] and [b] rhyme?|Does [a] rhyme with [b]?|Do the words [a] and [b] rhyme?}"
    if x < 0.85:
        return _both(rng, ask, "Yes, [a] and [b] rhyme.", ("yes,",), a=a, b=b)
    c = rng.choice(RHYMES[(at + rng.randrange(1, len(RHYMES))) % len(RHYMES)])
    return _both(rng, ask, "No, [a] and [b] do not rhyme.", ("no,", "not rhyme"), a=a, b=c)


PLURALS = _pairs("""mouse mice, foot feet, tooth teeth, child children, man men, woman women, goose geese, sheep sheep, fish fish, deer deer,
person people, ox oxen, leaf leaves, wolf wolves, knife knives, life lives, wife wives, shelf shelves, half halves, loaf loaves,
thief thieves, elf elves, calf calves, baby babies, city cities, story stories, lady ladies, puppy puppies, berry berries,
potato potatoes, tomato tomatoes, hero heroes, box boxes, fox foxes, bus buses, glass glasses, dish dishes, peach peaches,
cherry cherries, fly flies, dog dogs, cat cats, tree trees, book books, car cars, bird birds, toy toys, day days, key keys, monkey monkeys""")


def plural(rng):
    one, many = rng.choice(PLURALS)
    return _both(rng, "{What is the plural of [a]?|What's the plural of [a]?|Tell me the plural of [a].|Do you know the plural of [a]?|What is the plural of the word [a]?|One [a], two what?}", "The plural of [a] is [b].", ("is %s." % many,), a=one, b=many)


PAST = _pairs("""go went, see saw, run ran, eat ate, drink drank, sing sang, swim swam, fly flew, come came, give gave, take took, make made,
have had, do did, say said, tell told, think thought, buy bought, bring brought, catch caught, teach taught, fight fought, find found,
sit sat, stand stood, sleep slept, keep kept, feel felt, leave left, lose lost, win won, write wrote, ride rode, drive drove,
rise rose, speak spoke, break broke, wake woke, choose chose, know knew, grow grew, throw threw, blow blew, draw drew, begin began,
ring rang, fall fell, hold held, get got, forget forgot, hear heard, meet met, pay paid, sell sold, send sent, build built, cut cut,
put put, shut shut, hide hid, bite bit, become became, wear wore, understand understood, shake shook, play played, walk walked, jump jumped,
look looked, help helped, laugh laughed, cry cried, stop stopped, smile smiled, open opened""")


def past(rng):
    now, then = rng.choice(PAST)
    return _both(rng, "{What is the past tense of [a]?|What's the past tense of [a]?|What is the past of [a]?|Tell me the past tense of [a].|Do you know the past tense of [a]?|What is the simple past of [a]?}", "The past tense of [a] is [b].", ("is %s." % then,), a=now, b=then)


LETTER_WORDS = _words("""apple, ant, arm, ball, bear, bird, book, bread, cat, car, cake, cow, cup, dog, door, duck, dragon, egg, ear, elephant, fish,
frog, fox, flower, goat, garden, grass, hat, house, horse, hand, ice, island, igloo, jam, jacket, juice, king, key, kite, kitten, lion, lamp, leaf,
lemon, moon, mouse, milk, mountain, nose, nest, night, nut, owl, orange, ocean, pig, pear, pencil, queen, quilt, question, rabbit, rain, river,
rose, sun, star, snow, ship, spider, tree, tiger, train, table, turtle, umbrella, uncle, violin, village, vase, water, window, wolf, whale,
xylophone, yellow, yogurt, yard, zebra, zoo, zero""")
_FOR_LETTER = {}
for _word in LETTER_WORDS:
    _FOR_LETTER.setdefault(_word[0], _word)


def first_letter(rng):
    if rng.random() < 0.7:
        word = rng.choice(LETTER_WORDS)
        return _both(rng, "{What letter does [a] start with?|Which letter does [a] start with?|What is the first letter of [a]?|What is the first letter of the word [a]?|With which letter does [a] begin?|What letter does the word [a] begin with?}",
                     "[a] starts with the letter [b].", ("letter %s." % word[0],), a=word, b=word[0].upper())
    letter = rng.choice(list(_FOR_LETTER))
    return _both(rng, "{Tell me a word that starts with [b].|Which word starts with [b]?|Name a word that starts with the letter [b].|What word begins with [b]?|Give me a word that starts with [b].}",
                 "[a] starts with the letter [b].", (_FOR_LETTER[letter],), a=_FOR_LETTER[letter], b=letter.upper())


DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def order(rng):
    kind = rng.choice(("day", "day", "month", "month", "number", "letter"))
    if kind in ("day", "month"):
        ring = DAYS if kind == "day" else MONTHS
        i = rng.randrange(len(ring))
        a, b, c = ring[i - 1], ring[i], ring[(i + 1) % len(ring)]
    elif kind == "number":
        i = rng.randint(1, 30 if rng.random() < 0.7 else 99)
        a, b, c = str(i - 1), str(i), str(i + 1)
    else:
        i = rng.randrange(1, 25)
        a, b, c = LETTERS[i - 1:i + 2]
    given = dict(k=kind, a=a, b=b, c=c)
    x = rng.random()
    if x < 0.45:
        return _both(rng, "{Which [k] comes after [b]?|What [k] comes after [b]?|What comes after [b]?|Which [k] is after [b]?|Which [k] follows [b]?|What is the [k] after [b]?}", "[c] comes after [b].", (c + " comes after",), **given)
    if x < 0.85:
        return _both(rng, "{Which [k] comes before [b]?|What [k] comes before [b]?|What comes before [b]?|Which [k] is before [b]?|Which [k] is right before [b]?|What is the [k] before [b]?}", "[a] comes before [b].", (a + " comes before",), **given)
    return _both(rng, "{Which [k] is between [a] and [c]?|What [k] comes between [a] and [c]?|What comes between [a] and [c]?}", "[b] is between [a] and [c].", (b + " is between",), **given)


# From the least to the most: the word for more, the word for less, and what is compared.
COMPARE = [
    ("bigger", "smaller", _words("an ant, a mouse, a cat, a sheep, a horse, an elephant, a blue whale")),
    ("bigger", "smaller", _words("a grain of sand, a cherry, an apple, a melon, a car, a house, a mountain")),
    ("bigger", "smaller", _words("a pea, a grape, a lemon, a pumpkin")),
    ("bigger", "smaller", _words("the moon, the earth, Jupiter, the sun")),
    ("bigger", "smaller", _words("a village, a town, a country, a continent")),
    ("heavier", "lighter", _words("a feather, a pencil, a book, a chair, a piano, a truck, a ship")),
    ("heavier", "lighter", _words("a butterfly, a mouse, a rabbit, a pig, a cow, an elephant")),
    ("faster", "slower", _words("a snail, a turtle, a horse, a train, an airplane, a rocket")),
    ("faster", "slower", _words("a worm, a duck, a dog, a cheetah")),
    ("taller", "shorter", _words("a mouse, a dog, a pony, a giraffe")),
    ("taller", "shorter", _words("a blade of grass, a bush, a tree, a tower, a mountain")),
    ("hotter", "colder", _words("ice, warm milk, boiling water, fire, the sun")),
    ("longer", "shorter", _words("a second, a minute, an hour, a day, a week, a month, a year, a century")),
    ("longer", "shorter", _words("a needle, a pencil, a broom, a bus, a train, a river")),
    ("louder", "quieter", _words("a whisper, a speaking voice, a shout, thunder")),
    ("older", "younger", _words("a baby, a child, a mother, a grandmother")),
    ("harder", "softer", _words("a pillow, a rubber ball, a stone, a diamond")),
]


def compare(rng):
    more, less, things = rng.choice(COMPARE)
    i, j = sorted(rng.sample(range(len(things)), 2))
    low, high = things[i], things[j]
    word, winner, loser = (more, high, low) if rng.random() < 0.65 else (less, low, high)
    a, b = (winner, loser) if rng.random() < 0.5 else (loser, winner)
    said = winner + " is " + word + " than " + loser
    given = dict(a=a, b=b, w=word, s=said)
    if rng.random() < 0.7:
        return _both(rng, "{Which is [w], [a] or [b]?|What is [w], [a] or [b]?|What is [w]: [a] or [b]?|Is [a] or [b] [w]?|Tell me what is [w], [a] or [b].}", "[s].", (said,), **given)
    yes = "Yes" if a == winner else "No"
    return _both(rng, "{Is [a] [w] than [b]?|Is it true that [a] is [w] than [b]?|Do you think that [a] is [w] than [b]?}", "[y], [s].", (yes + ", " + said,), y=yes, **given)


COLORS_OF = _pairs("""@a_banana yellow, @a_lemon yellow, @a_sunflower yellow, @a_chick yellow, the_yolk_of_an_egg yellow, butter yellow, @a_tomato red,
@a_strawberry red, @a_cherry red, @a_fire_truck red, @a_stop_sign red, @a_ladybug red, @a_poppy red, grass green, @a_frog green,
@a_cucumber green, @a_pea green, @a_cactus green, @a_leaf_in_summer green, spinach green, broccoli green, lettuce green,
snow white, milk white, @a_swan white, salt white, sugar white, @a_polar_bear white, flour white, @a_tooth white, coal black, @a_crow black,
@a_raven black, tar black, the_sky_at_night black, @a_carrot orange, @a_orange orange, @a_pumpkin orange, @a_pig pink, @a_flamingo pink,
chocolate brown, wood brown, soil brown, @a_chestnut brown, @a_coconut brown, @a_brown_bear brown, @a_elephant gray, @a_rhino gray,
@a_mouse gray, @a_dolphin gray, @a_plum purple, @a_eggplant purple, @a_blueberry blue, the_sea blue, @a_cornflower blue, lavender purple""")


def color_of(rng):
    thing, color = rng.choice(COLORS_OF)
    question = "{What color is [t]?|Which color is [t]?|What color does [t] have?|What is the color of [t]?|Tell me the color of [t].|What color is [t] most of the time?}"
    return _both(rng, question, "[t] is [c].", ("is %s." % color,), t=thing, c=color)


MADE_OF = _table("""@a window: glass
@a bottle of wine: glass
@a sweater: wool
@a T-shirt: cotton
@a book: paper
@a newspaper: paper
@a tire: rubber
@a rubber band: rubber
@a tree trunk: wood
@a pencil: wood and graphite
@a nail: iron or steel
@a coin: metal
@a spoon: metal, wood or plastic
@a key: metal
@a candle: wax
@a brick: baked clay
@a flower pot: clay or plastic
@a snowman: snow
@a sand castle: sand and water
@a shoe: leather or cloth
@a belt: leather or cloth
@a toothbrush: plastic
@a wall: stone or brick
@a statue: stone or metal
@a curtain: cloth
@a pillow: cloth and feathers
@a cardboard box: thick paper
@a nest: twigs and grass
@a jar: glass
@a igloo: blocks of snow
@a road: stone and asphalt
@a cupboard: wood
@a pancake: flour, milk and eggs
@a pizza: dough, tomato sauce and cheese
@a beehive: wood or straw
@a omelet: eggs
jam: fruit and sugar
juice: fruit
ketchup: tomatoes
honey: nectar from flowers""")


def made_of(rng):
    thing, stuff = rng.choice(MADE_OF)
    return _both(rng, "{What is [t] made of?|What's [t] made of?|Tell me what [t] is made of.|Do you know what [t] is made of?|Of what is [t] made?}", "[t] is made of [s].", ("made of " + stuff,), t=thing, s=stuff)


BELONGS = {
    "animals": _words("dog, cat, horse, cow, lion, rabbit, sheep, frog, mouse, bear"), "fruits": _words("apple, pear, plum, banana, cherry, grape, peach"),
    "vegetables": _words("carrot, onion, potato, cabbage, leek"), "colors": _words("red, blue, green, yellow, purple, black"),
    "clothes": _words("shirt, sock, hat, coat, scarf, dress"), "vehicles": _words("car, bus, train, truck, bicycle"),
    "musical instruments": _words("piano, violin, guitar, drum, flute"), "numbers": _words("two, five, seven, nine, twelve"),
    "days": _words("Monday, Tuesday, Thursday, Friday, Sunday"), "months": _words("January, April, June, August, October"),
    "parts of the body": _words("arm, leg, nose, foot, ear, knee"), "furniture": _words("table, chair, bed, cupboard, shelf"),
    "tools": _words("hammer, saw, screwdriver, rake, shovel"), "feelings": _words("joy, anger, fear, sadness"),
    "drinks": _words("water, milk, juice, tea, lemonade"), "flowers": _words("daffodil, tulip, daisy, sunflower"),
    "trees": _words("oak, pine, birch, maple"), "shapes": _words("circle, square, triangle, rectangle"),
    "countries": _words("France, Japan, Brazil, Egypt, Canada"), "jobs": _words("baker, doctor, farmer, teacher, pilot"),
}
# A cherry is a tree, too, and a plum is a color.
_UNCLEAR = ({"fruits", "trees"}, {"fruits", "colors"})


def belongs(rng):
    kind, other = rng.sample(list(BELONGS), 2)
    while {kind, other} in _UNCLEAR:
        kind, other = rng.sample(list(BELONGS), 2)
    four = rng.sample(BELONGS[kind], 3)
    odd = rng.choice(BELONGS[other])
    if rng.random() < 0.25:
        given = dict(k=kind, a=four[0], b=four[1], c=four[2])
        return _both(rng, "{What are [a], [b] and [c]?|What do [a], [b] and [c] have in common?|What is the same about [a], [b] and [c]?|To which group do [a], [b] and [c] belong?}", "[a], [b] and [c] are [k].", ("are " + kind,), **given)
    four.insert(rng.randrange(4), odd)
    given = dict(k=kind, o=odd, f=", ".join(four), g="%s, %s, %s or %s" % tuple(four), h="%s, %s, %s and %s" % tuple(four))
    return _both(rng, "{Which one does not belong: [g]?|Which word does not belong: [f]?|Which is the odd one out: [g]?|Find the odd one out: [f].|What does not fit: [g]?|Which of these does not belong: [f]?|One of the words [h] does not belong. Which one?}",
                 "[o] does not belong. The others are [k].", (odd + " does not belong",), **given)


TABLES = [
    (10, capital), (12, opposite), (8, job), (8, tool), (5, sound), (6, baby), (5, home), (6, diet), (9, group), (4, examples), (8, rhyme),
    (6, plural), (7, past), (8, first_letter), (8, order), (9, compare), (8, color_of), (6, made_of), (7, belongs),
]


# Numbers.
_ONES = ["zero"] + "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def number_word(n):
    if n < 20:
        return _ONES[n]
    if n < 100:
        return _TENS[n // 10 - 2] + ("-" + _ONES[n % 10] if n % 10 else "")
    return "one hundred" if n == 100 else str(n)


def _ask(rng, words, signs, a, b, **more):
    """A question about a and b: mostly in digits. `{` is not used here, so that "7+5=" stays as it is."""
    if rng.random() < 0.3:
        question = rng.choice(signs)
    else:
        question = rng.choice(words)
        if rng.random() < 0.25:
            a, b = number_word(a), number_word(b)
    question = question % dict(a=a, b=b, **more)
    return question[0].upper() + question[1:]


_SUM_WORDS = ("What is %(a)s plus %(b)s?", "How much is %(a)s plus %(b)s?", "%(a)s plus %(b)s?", "What is %(a)s and %(b)s?", "Add %(a)s and %(b)s.", "What do you get if you add %(a)s and %(b)s?", "What's %(a)s plus %(b)s?", "Can you add %(a)s and %(b)s?", "What is the sum of %(a)s and %(b)s?", "Tell me what %(a)s plus %(b)s is.")
_SUM_SIGNS = ("%(a)s+%(b)s=", "%(a)s + %(b)s =", "%(a)s + %(b)s", "%(a)s+%(b)s", "%(a)s + %(b)s = ?", "What is %(a)s + %(b)s?", "What is %(a)s+%(b)s?", "Calculate %(a)s + %(b)s.", "How much is %(a)s + %(b)s?")
_MINUS_WORDS = ("What is %(a)s minus %(b)s?", "How much is %(a)s minus %(b)s?", "%(a)s minus %(b)s?", "Take %(b)s away from %(a)s.", "What is left if you take %(b)s from %(a)s?", "What's %(a)s minus %(b)s?", "Subtract %(b)s from %(a)s.", "What is %(a)s take away %(b)s?", "What do you get if you take %(b)s away from %(a)s?", "Tell me what %(a)s minus %(b)s is.")
_MINUS_SIGNS = tuple(s.replace("+", "-") for s in _SUM_SIGNS)
_TIMES_WORDS = ("What is %(a)s times %(b)s?", "How much is %(a)s times %(b)s?", "%(a)s times %(b)s?", "What's %(a)s times %(b)s?", "Multiply %(a)s by %(b)s.", "What do you get if you multiply %(a)s by %(b)s?", "Tell me what %(a)s times %(b)s is.", "Can you multiply %(a)s by %(b)s?")
_TIMES_SIGNS = ("%(a)sx%(b)s=", "%(a)s x %(b)s =", "%(a)s x %(b)s", "%(a)s*%(b)s", "%(a)s * %(b)s =", "What is %(a)s x %(b)s?", "What is %(a)s * %(b)s?", "Calculate %(a)s x %(b)s.")


def sum_(rng, limit=20):
    total = rng.randint(0, limit)
    while rng.random() > (total + 1) / (limit + 1):  # each pair of numbers as often as any other
        total = rng.randint(0, limit)
    a = rng.randint(0, total)
    if rng.random() < 0.55:
        b = total - a
        return _ask(rng, _SUM_WORDS, _SUM_SIGNS, a, b), f"{a} plus {b} is {total}.", (str(total),)
    return _ask(rng, _MINUS_WORDS, _MINUS_SIGNS, total, a), f"{total} minus {a} is {total - a}.", (str(total - a),)


def times(rng):
    a, b = min(rng.randint(1, 10), rng.randint(1, 10)), rng.randint(1, 10)
    if rng.random() < 0.5:
        a, b = b, a
    return _ask(rng, _TIMES_WORDS, _TIMES_SIGNS, a, b), f"{a} times {b} is {a * b}.", (str(a * b),)


_FOOD = _pairs("apple apples, pear pears, plum plums, banana bananas, cookie cookies, cherry cherries, muffin muffins, nut nuts, carrot carrots, grape grapes, candy candies, strawberry strawberries")
_FRUIT = [p for p in _FOOD if p[0] in ("apple", "pear", "plum", "banana", "cherry", "grape", "strawberry")]
_TOYS = _pairs("ball balls, marble marbles, balloon balloons, book books, sticker stickers, shell shells, coin coins, pencil pencils, stone stones, card cards, flower flowers, button buttons, star stars, block blocks, toy_car toy_cars, feather feathers")
# Which things, how it is calculated, whether a second person is in it, the question and its answer.
# [a] and [b] are the numbers, [A] and [B] are they with the things, [c] and [C] the result; [are] fits to the result.
_PROBLEMS = [
    ("any", "+", True, "[n] has [A]. [m] gives [n] [b] more. How many [t] does [n] have now?", "[n] has [C] now."),
    ("any", "+", False, "[n] has [A] and {finds|gets|buys} [b] more. How many [t] does [n] have now?", "[n] has [C] now."),
    ("any", "+", True, "[n] has [A] and [m] has [B]. How many [t] do [n] and [m] have together?", "[n] and [m] have [C] together."),
    ("fruit", "+", False, "[n] picked [A] in the morning and [b] in the afternoon. How many [t] did [n] pick?", "[n] picked [C]."),
    ("any", "+", False, "There are [A] on the table. [n] puts [b] more on the table. How many [t] are on the table now?", "There [are] [C] on the table now."),
    ("any", "+", True, "[n] buys [A] and [m] buys [B]. How many [t] is that in all?", "That is [C] in all."),
    ("toy", "+", False, "[n] has [a] red [t] and [b] blue [t]. How many [t] does [n] have in all?", "[n] has [C] in all."),
    ("page", "+", False, "[n] read [A] on Monday and [B] on Tuesday. How many pages did [n] read?", "[n] read [C]."),
    ("bird", "+", False, "[n] sees [A] in a tree. Then [b] more come. How many birds are in the tree now?", "There [are] [C] in the tree now."),
    ("child", "+", False, "[n] plays with [a] children. Then [b] more children come. How many children play with [n] now?", "Now [C] play with [n]."),
    ("year", "+", False, "[n] is [A] old. How old will [n] be in [B]?", "[n] will be [C] old."),
    ("any", "-", True, "[n] has [A] and gives [b] to [m]. How many [t] does [n] have now?", "[n] has [C] now."),
    ("any", "-", False, "[n] has [A] and loses [b]. How many [t] does [n] have left?", "[n] has [C] left."),
    ("food", "-", False, "[n] has [A] and eats [b]. How many [t] does [n] have left?", "[n] has [C] left."),
    ("any", "-", False, "There are [A] on the table. [n] takes [b] away. How many [t] are left on the table?", "There [are] [C] left on the table."),
    ("bird", "-", False, "[n] sees [A] in a tree. Then [b] fly away. How many birds are left in the tree?", "There [are] [C] left in the tree."),
    ("food", "-", True, "[n] has [A] in a bowl. [m] eats [b] of the [t]. How many [t] are left in the bowl?", "There [are] [C] left in the bowl."),
    ("any", "-", False, "[n] needs [A] and has [b]. How many more [t] does [n] need?", "[n] needs [c] more [s]."),
    ("any", "-", True, "[n] has [A] and [m] has [B]. How many more [t] does [n] have than [m]?", "[n] has [c] more [s] than [m]."),
    ("year", "-", True, "[n] is [A] old and [m] is [B] old. How many years older is [n] than [m]?", "[n] is [C] older than [m]."),
    ("balloon", "-", False, "[n] has [A]. Then [b] pop. How many balloons does [n] have left?", "[n] has [C] left."),
    ("any", "*", False, "[n] has [a] boxes with [B] in each. How many [t] does [n] have?", "[n] has [C]."),
    ("any", "*", False, "[n] fills [a] bags and puts [B] into each bag. How many [t] is that in all?", "That is [C] in all."),
    ("any", "/", True, "[n] and [m] share [A]. Both get the same number. How many [t] does [n] get?", "[n] gets [C]."),
]
_SPECIAL = {"page": ("page", "pages"), "bird": ("bird", "birds"), "child": ("child", "children"), "year": ("year", "years"), "balloon": ("balloon", "balloons")}


def word_problem(rng, name, other):
    things, sign, two, question, answer = rng.choice(_PROBLEMS)
    while two and name == other:
        things, sign, two, question, answer = rng.choice(_PROBLEMS)
    one, many = _SPECIAL.get(things) or rng.choice({"food": _FOOD, "toy": _TOYS, "fruit": _FRUIT}.get(things) or _FOOD + _TOYS)
    if sign == "+":
        a = rng.randint(2, 16)
        b = rng.randint(2, min(10, 20 - a))
        c = a + b
    elif sign == "-":
        a = rng.randint(3, 20)
        b = rng.randint(2, a - 1)
        c = a - b
    elif sign == "*":
        a = rng.randint(2, 5)
        b = rng.randint(2, 20 // a)
        c = a * b
    else:
        b, c = 2, rng.randint(2, 10)
        a = 2 * c
    say = number_word if rng.random() < 0.25 else str
    given = dict(n=name, m=other, t=many, s=one if c == 1 else many, a=say(a), b=say(b), A=f"{say(a)} {many}", B=f"{say(b)} {many}",
                 c=str(c), C=f"{c} {one if c == 1 else many}", are="is" if c == 1 else "are")
    return _both(rng, question, answer, (str(c),), **given)


def compare_numbers(rng):
    top = rng.choice((10, 20, 20, 100, 100))
    low, high = sorted(rng.sample(range(top + 1), 2))
    a, b = (low, high) if rng.random() < 0.5 else (high, low)
    more = rng.random() < 0.65
    said = f"{high} is bigger than {low}" if more else f"{low} is smaller than {high}"
    given = dict(a=str(a), b=str(b), s=said, w="{bigger|bigger|larger|greater}" if more else "smaller")
    if rng.random() < 0.65:
        return _both(rng, "{Which is [w], [a] or [b]?|Which number is [w], [a] or [b]?|What is [w]: [a] or [b]?|Is [a] or [b] [w]?|Tell me which number is [w], [a] or [b].}", "[s].", (said,), **given)
    yes = "Yes" if (a == high) == more else "No"
    return _both(rng, "{Is [a] [w] than [b]?|Is it true that [a] is [w] than [b]?|Is the number [a] [w] than [b]?}", "[y], [s].", (yes + ", " + said,), y=yes, **given)


def count(rng):
    x = rng.random()
    if x < 0.4:
        n = rng.choice((3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 10, 12, 15, 20))
        line = range(1, n + 1)
        ask = "{Count to [n].|Can you count to [n]?|Please count to [n].|Count from 1 to [n].|Count up to [n].|Can you count from 1 to [n]?}"
        given = dict(n=str(n))
    elif x < 0.6:
        a = rng.randint(2, 20)
        b = a + rng.randint(2, 8)
        line = range(a, b + 1)
        ask = "{Count from [a] to [b].|Can you count from [a] to [b]?|Please count from [a] to [b].|Which numbers go from [a] to [b]?}"
        given = dict(a=str(a), b=str(b))
    elif x < 0.8:
        n = rng.choice((3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 10, 12))
        line = range(n, 0, -1)
        ask = "{Count down from [n].|Can you count down from [n]?|Count backwards from [n].|Please count down from [n] to 1.|Count from [n] down to 1.}"
        given = dict(n=str(n))
    else:
        step = rng.choice((2, 2, 2, 5, 10))
        end = step * rng.randint(3, 10)
        line = range(step, end + 1, step)
        ask = "{Count by [k] to [n].|Can you count by [k] to [n]?|Count in steps of [s] to [n].|Please count by [k] up to [n].}"
        given = dict(k={2: "twos", 5: "fives", 10: "tens"}[step], s=number_word(step), n=str(end))
    said = ", ".join(str(i) for i in line)
    return _both(rng, ask, "[l].", (said,), l=said, **given)


def double_half(rng):
    n = rng.randint(1, 10) if rng.random() < 0.7 else rng.randint(11, 50)
    if rng.random() < 0.5:
        return _both(rng, "{What is the double of [a]?|What is double [a]?|Double [a].|What is twice [a]?|How much is twice [a]?|What do you get if you double [a]?}", "Double [a] is [b].", (f"is {2 * n}.",), a=str(n), b=str(2 * n))
    return _both(rng, "{What is half of [b]?|What is the half of [b]?|Half of [b]?|How much is half of [b]?|What do you get if you halve [b]?|Tell me what half of [b] is.}", "Half of [b] is [a].", (f"is {n}.",), a=str(n), b=str(2 * n))
