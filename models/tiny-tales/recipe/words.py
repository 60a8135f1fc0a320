"""The words that stories are made of."""
import collections


def split(text):
    return [w.strip() for w in text.replace("\n", " ").split(",") if w.strip()]


GIRLS = split("""Lily, Mia, Anna, Sara, Emma, Zoe, Ella, Lucy, Nora, Ruby, Maya, Rosa, Ivy, Grace, Hana, Amina, Clara, Daisy,
Eva, Freya, Gina, Holly, Iris, Jade, Kate, Leah, Molly, Nina, Olive, Penny, Rita, Sue, Tara, Una, Vera, Wendy, Yuki, Zara,
Alice, Beth, Chloe, Dora, Elsa, Fatima, Mei, Lena, Priya, Sofia, Tess, Julia, Abby, Aisha, Bella, Carla, Diana, Erin, Fiona,
Greta, Heidi, Ines, Jenny, Kira, Laila, Maria, Nadia, Olga, Paula, Rachel, Sonia, Tina, Ursula, Violet, Willa, Yara, Amy,
Bonnie, Cora, Della, Edith, Flora, Gloria, Hazel, Ida, Joan, Kim, Lola, Mabel, Nell, Opal, Pearl, Rosie, Stella, Thea, Asha,
Noor, Sana, Ying, Akira, Ama, Zuri, Camila, Elena, Ingrid, Astrid, Marta, Petra, Sasha, Tanya, Vanya, Leila, Samira, Ada""")
BOYS = split("""Tom, Ben, Max, Sam, Leo, Jack, Tim, Finn, Noah, Omar, Luca, Hugo, Adam, Dan, Eli, Felix, Gus, Henry, Ian, Jake,
Kofi, Liam, Milo, Nate, Oscar, Paul, Ravi, Seth, Theo, Victor, Will, Yusuf, Alex, Billy, Carlos, David, Ethan, Fred, George,
Harry, Ivan, Joe, Ken, Mark, Nico, Peter, Rory, Simon, Toby, Walter, Arun, Boris, Caleb, Dylan, Emil, Frank, Gabe, Hassan,
Isaac, Jamal, Karl, Lars, Mateo, Neil, Otto, Pablo, Quinn, Reza, Sven, Tariq, Umar, Vince, Wes, Xavier, Yann, Zack, Amir,
Bruno, Chen, Diego, Elmer, Farid, Gino, Hiro, Idris, Jonas, Kenji, Lewis, Mohamed, Nils, Owen, Pierre, Rafael, Samir, Tomas,
Ali, Andre, Bilal, Cyrus, Dmitri, Erik, Kwame, Jin, Malik, Niko, Oleg, Rohan, Stefan, Viktor, Youssef, Charlie, Arthur""")
ANIMAL_NAMES = split("""Rusty, Pip, Coco, Fluffy, Spot, Biscuit, Patch, Snowy, Nibbles, Shadow, Ginger, Peanut, Pepper, Socks,
Buttons, Willow, Bramble, Dusty, Flash, Honey, Jasper, Kiki, Lulu, Momo, Nutmeg, Poppy, Scout, Teddy, Tilly, Waffles, Ziggy,
Berry, Clover, Dot, Echo, Fern, Goldie, Moss, Acorn, Bubbles, Cocoa, Dandelion, Ember, Fig, Gizmo, Hopper, Inky, Jelly,
Kipper, Lucky, Maple, Noodle, Otis, Pebble, Quill, Raisin, Sunny, Tango, Umber, Velvet, Whiskers, Yogi, Zippy, Bean, Chip,
Daffy, Fizz, Gumdrop, Juniper, Mango, Midnight, Mochi, Olly, Pickle, Pumpkin, Puddle, Rocket, Sage, Sprout, Thistle, Toffee,
Twig, Tumble, Wink, Wobble, Basil, Comet, Star, Misty, Muffin, Marble, Sandy, Tuck, Pogo, Bingo, Domino, Fudge, Nugget""")
# Names that no training text has: with them `evaluate.py` sees whether names are copied rather than known.
HELD_OUT_NAMES = split("""Oona, Bodhi, Saoirse, Mireille, Tobias, Ximena, Casper, Delphine, Ottilie, Lorenzo, Nanami, Gideon,
Philippa, Ezekiel, Yolanda, Bartholomew, Marigold, Thaddeus, Rosalind, Zebedee, Cosmo, Henrietta, Jethro, Winifred""")

_ONSETS = split("B, Br, C, Ch, D, Dr, F, Fl, G, Gr, H, J, K, Kl, L, M, N, P, Pr, Qu, R, S, Sh, Sk, St, T, Th, Tr, V, W, X, Y, Z, , , ")
_VOWELS = split("a, e, i, o, u, a, e, i, o, ee, oo, ai, ia, io, au, y")
_MIDDLES = split("b, d, dd, f, g, k, l, ll, lm, m, mb, n, nd, nn, p, r, rl, rr, s, ss, st, t, th, v, x, z, rn, ld, nk, lv, rt, br, dr, gl")
_ENDS = split(", , , , n, l, r, s, k, m, t, th, x, n, na, la, ra, bo, do, lo, mi, ni, ra, ta, vo, za, rin, lin, wen, dor, bert, ton, ley, sha, ko, to, ka")


def invented_name(rng):
    """A name that nobody has: so that a name is copied letter by letter and not only known. Never a held-out one."""
    while True:
        name = rng.choice(_ONSETS + [""] * 3) + rng.choice(_VOWELS)
        for _ in range(rng.choice((0, 0, 1, 1, 1, 2))):
            name += rng.choice(_MIDDLES) + rng.choice(_VOWELS)
        name = (name + rng.choice(_ENDS + [""] * 4)).capitalize()
        if 3 <= len(name) <= 8 and name not in HELD_OUT_NAMES and name.lower() not in _ORDINARY:
            return name


Animal = collections.namedtuple("Animal", "adjectives")
ANIMALS = {name: Animal(adjectives) for name, adjectives in {
    "dog": "brown,happy,little,loyal", "cat": "gray,soft,sleepy,curious", "rabbit": "white,small,shy,quick", "fox": "red,clever,young,sly",
    "bear": "big,brown,gentle,sleepy", "mouse": "tiny,gray,brave,quiet", "owl": "wise,old,quiet,gray", "frog": "green,small,cheerful,noisy",
    "duck": "yellow,little,funny,noisy", "turtle": "slow,green,patient,old", "squirrel": "quick,red,busy,small", "bird": "blue,little,bright,cheerful",
    "horse": "strong,brown,tall,proud", "cow": "big,spotted,calm,kind", "pig": "pink,round,funny,muddy", "sheep": "white,woolly,gentle,shy",
    "goat": "gray,playful,stubborn,young", "hen": "red,busy,plump,kind", "elephant": "big,gray,gentle,wise", "lion": "golden,proud,strong,brave",
    "monkey": "playful,brown,silly,curious", "giraffe": "tall,spotted,kind,gentle", "penguin": "little,funny,chilly,polite", "hedgehog": "prickly,small,shy,sleepy",
    "bee": "busy,tiny,striped,helpful", "whale": "huge,blue,gentle,lonely", "fish": "silver,little,shiny,quick", "deer": "graceful,brown,shy,swift",
    "panda": "sleepy,fluffy,round,gentle", "beaver": "busy,brown,hardworking,clever", "wolf": "gray,young,lonely,brave", "tiger": "striped,strong,proud,quiet",
    "zebra": "striped,quick,cheerful,young", "camel": "tall,patient,dusty,calm", "donkey": "gray,stubborn,gentle,old", "kangaroo": "brown,bouncy,young,strong",
    "koala": "sleepy,gray,soft,shy", "otter": "playful,brown,quick,wet", "seal": "gray,shiny,playful,round", "dolphin": "blue,friendly,quick,clever",
    "octopus": "purple,clever,shy,curious", "crab": "red,little,careful,grumpy", "snail": "slow,small,careful,patient", "ant": "tiny,busy,strong,black",
    "butterfly": "blue,yellow,pretty,light", "ladybug": "red,tiny,spotted,polite", "spider": "little,clever,shy,busy", "worm": "small,pink,quiet,curious",
    "crow": "black,clever,loud,old", "parrot": "green,noisy,colorful,funny", "swan": "white,proud,graceful,calm", "rooster": "proud,loud,red,early",
    "goose": "gray,loud,bossy,white", "turkey": "plump,brown,funny,loud", "eagle": "strong,brown,proud,swift", "robin": "little,red,cheerful,round",
    "raccoon": "gray,clever,curious,masked", "badger": "striped,grumpy,old,kind", "mole": "small,black,shy,hardworking", "bat": "small,black,shy,quick",
    "lizard": "green,quick,small,quiet", "snake": "long,green,shy,clever", "crocodile": "green,long,hungry,slow", "hippo": "big,gray,round,slow",
    "rhino": "big,gray,strong,grumpy", "llama": "woolly,proud,tall,funny", "moose": "tall,brown,calm,shy", "hamster": "round,small,golden,busy",
    "guinea pig": "round,soft,spotted,shy", "puppy": "brown,playful,little,clumsy", "kitten": "soft,gray,playful,little", "pony": "brown,small,gentle,proud",
    "dinosaur": "green,big,friendly,clumsy", "lamb": "white,woolly,small,gentle", "chick": "yellow,fluffy,tiny,loud", "toad": "brown,grumpy,old,round",
    "peacock": "proud,blue,pretty,loud", "ostrich": "tall,fast,funny,shy", "sloth": "slow,sleepy,calm,gentle", "firefly": "tiny,bright,shy,cheerful",
    "grasshopper": "green,quick,cheerful,lazy", "dragonfly": "blue,quick,shiny,bright", "caterpillar": "green,hungry,slow,fuzzy", "yak": "woolly,big,calm,strong",
}.items()}
_WATER_OR_AIR = ("whale", "fish", "bee", "penguin", "dolphin", "octopus", "seal", "crab", "butterfly", "ladybug", "spider", "worm", "ant", "snail", "firefly", "dragonfly", "caterpillar", "bat", "grasshopper")
LAND_ANIMALS = [a for a in ANIMALS if a not in _WATER_OR_AIR] + ["ant", "snail", "crab", "penguin", "bee"]
SMALL_ANIMALS = split("rabbit, mouse, bird, kitten, puppy, duckling, squirrel, hedgehog, lamb, chick, frog, turtle, hamster, robin, mole, piglet, fawn, owl, ladybug, snail, butterfly, bat, lizard, beetle, sparrow, pony, goat, calf, fox cub, bear cub")

ROLES = {  # noun: (the pronoun that it forces, or ""; adjectives)
    "wizard": ("he", "old,clever,kind,forgetful"), "witch": ("she", "kind,clever,funny,old"), "knight": ("", "brave,shy,young,honest"),
    "pirate": ("", "cheerful,brave,funny,grumpy"), "king": ("he", "kind,lonely,wise,proud"), "queen": ("she", "kind,clever,wise,proud"),
    "prince": ("he", "young,shy,brave,proud"), "princess": ("she", "young,brave,clever,curious"), "astronaut": ("", "brave,curious,young,careful"),
    "farmer": ("", "hardworking,kind,cheerful,old"), "baker": ("", "cheerful,round,kind,early"), "fisherman": ("he", "patient,old,poor,quiet"),
    "sailor": ("", "brave,cheerful,old,strong"), "painter": ("", "quiet,young,dreamy,poor"), "doctor": ("", "kind,busy,gentle,clever"),
    "teacher": ("", "kind,patient,new,clever"), "gardener": ("", "patient,quiet,old,gentle"), "clown": ("", "funny,sad,cheerful,clumsy"),
    "magician": ("", "clever,young,nervous,funny"), "explorer": ("", "brave,curious,young,tired"), "inventor": ("", "clever,busy,messy,curious"),
    "firefighter": ("", "brave,strong,calm,kind"), "shepherd": ("", "young,lonely,patient,kind"), "tailor": ("", "poor,clever,careful,old"),
    "miller": ("", "cheerful,old,dusty,kind"), "blacksmith": ("", "strong,quiet,kind,busy"), "librarian": ("", "quiet,kind,clever,curious"),
    "cook": ("", "cheerful,busy,round,clever"), "pilot": ("", "brave,calm,young,careful"), "scientist": ("", "clever,curious,young,messy"),
    "musician": ("", "cheerful,poor,young,dreamy"), "shopkeeper": ("", "kind,busy,old,honest"), "lighthouse keeper": ("", "lonely,old,patient,brave"),
    "train driver": ("", "cheerful,careful,old,proud"), "mail carrier": ("", "cheerful,quick,friendly,tired"), "carpenter": ("", "skilled,quiet,kind,old"),
    "dancer": ("", "graceful,shy,young,cheerful"), "singer": ("", "shy,young,cheerful,famous"), "detective": ("", "clever,curious,young,quiet"),
}
CREATURES = {  # noun: adjectives
    "dragon": "shy,young,green,friendly", "unicorn": "white,shy,gentle,shiny", "robot": "small,silver,rusty,helpful", "fairy": "tiny,bright,kind,clumsy",
    "giant": "gentle,lonely,huge,clumsy", "elf": "small,quick,cheerful,clever", "dwarf": "strong,grumpy,kind,busy", "mermaid": "curious,young,gentle,brave",
    "monster": "friendly,fluffy,shy,purple", "ghost": "shy,friendly,small,lonely", "troll": "grumpy,lonely,big,shy", "snowman": "cheerful,round,cold,kind",
    "scarecrow": "lonely,kind,old,funny", "alien": "green,curious,tiny,friendly", "gnome": "small,cheerful,busy,round", "phoenix": "golden,bright,gentle,proud",
    "goblin": "small,sly,funny,curious", "teddy bear": "soft,old,brave,brown", "tin soldier": "brave,small,rusty,quiet", "wooden doll": "pretty,small,old,quiet",
}
HERO_WEIGHTS = {"person": 45, "animal": 30, "role": 13, "creature": 12}

THINGS = {  # noun: (adjectives, what one does with it)
    "ball": ("red,blue,bouncy,shiny", "bounce it"), "kite": ("yellow,red,long,bright", "fly it high in the sky"),
    "boat": ("little,wooden,old,blue", "sail it on the water"), "drum": ("big,loud,round,red", "play it loudly"),
    "book": ("old,thick,magic,heavy", "read it before bed"), "hat": ("green,tall,woolly,funny", "wear it every day"),
    "scarf": ("warm,striped,soft,red", "wear it on cold days"), "balloon": ("red,big,shiny,purple", "watch it float"),
    "bike": ("new,blue,fast,little", "ride it down the street"), "doll": ("pretty,small,rag,new", "sing to it"),
    "truck": ("yellow,toy,big,noisy", "push it around"), "train": ("toy,green,long,wooden", "make it go around the tracks"),
    "key": ("gold,tiny,rusty,old", "turn it in locks"), "bell": ("silver,little,shiny,brass", "ring it"),
    "umbrella": ("yellow,big,spotted,blue", "spin it in the rain"), "flute": ("wooden,silver,little,new", "play sweet songs on it"),
    "wagon": ("red,wooden,old,little", "pull it up the hill"), "puzzle": ("hard,new,big,colorful", "put its pieces together"),
    "lamp": ("small,bright,golden,old", "light it at night"), "basket": ("round,straw,big,old", "fill it with good things"),
    "shell": ("pink,smooth,pretty,white", "listen to the sea in it"), "stone": ("smooth,shiny,blue,round", "keep it in a pocket"),
    "feather": ("white,long,blue,soft", "blow it into the air"), "ring": ("gold,shiny,little,silver", "look at it sparkle"),
    "whistle": ("silver,loud,tin,little", "blow it"), "map": ("old,torn,secret,big", "look at it for hours"),
    "toy robot": ("tin,silver,small,noisy", "make it walk"), "rocket": ("toy,red,paper,tall", "pretend to fly to the moon in it"),
    "blanket": ("soft,blue,warm,old", "sleep under it"), "cup": ("blue,little,tin,pretty", "drink warm milk from it"),
    "crayon": ("red,purple,new,green", "draw pictures with it"), "mirror": ("small,round,shiny,old", "make funny faces in it"),
    "jar": ("glass,big,round,empty", "put treasures in it"), "rope": ("long,strong,thick,blue", "jump over it"),
    "clock": ("old,loud,little,wooden", "hear it tick"), "telescope": ("long,new,brass,small", "look at the stars with it"),
    "paintbrush": ("thin,new,soft,long", "paint pictures with it"), "lantern": ("green,old,paper,bright", "carry it through the dark"),
    "guitar": ("old,brown,little,loud", "play songs on it"), "violin": ("old,small,fine,brown", "play slow songs on it"),
    "piano": ("old,big,black,little", "play it in the evening"), "trumpet": ("golden,loud,old,shiny", "blow it in the morning"),
    "box": ("small,wooden,heavy,blue", "keep secrets in it"), "chest": ("old,heavy,wooden,big", "hide things in it"),
    "coin": ("gold,old,shiny,lucky", "flip it"), "crown": ("golden,small,paper,shiny", "wear it and bow"),
    "sword": ("wooden,old,toy,long", "swing it in the air"), "shield": ("round,old,silver,heavy", "hold it up high"),
    "cape": ("red,long,blue,magic", "run with it in the wind"), "wand": ("magic,silver,wooden,thin", "wave it around"),
    "boot": ("red,muddy,old,big", "splash in puddles with it"), "mitten": ("red,warm,woolly,small", "wear it in the snow"),
    "coat": ("warm,long,green,old", "wear it in winter"), "dress": ("blue,pretty,new,yellow", "wear it and dance"),
    "sock": ("striped,warm,red,old", "wear it to bed"), "button": ("red,shiny,round,gold", "turn it around and around"),
    "needle": ("thin,silver,long,sharp", "sew with it"), "spoon": ("wooden,silver,big,old", "stir soup with it"),
    "pot": ("big,black,old,iron", "cook soup in it"), "teapot": ("blue,round,little,old", "pour tea from it"),
    "plate": ("blue,round,pretty,old", "eat cake from it"), "bottle": ("green,small,glass,old", "look through it"),
    "chair": ("little,wooden,old,soft", "sit on it and dream"), "table": ("round,wooden,small,old", "sit at it"),
    "bed": ("soft,small,warm,old", "jump on it"), "pillow": ("soft,white,big,feather", "rest on it"),
    "ladder": ("long,wooden,tall,old", "climb up on it"), "hammer": ("heavy,small,old,good", "build things with it"),
    "shovel": ("little,red,old,new", "dig holes with it"), "bucket": ("blue,tin,little,old", "fill it with sand"),
    "wheel": ("round,old,wooden,big", "roll it down the hill"), "swing": ("old,high,wooden,new", "swing on it"),
    "sled": ("fast,wooden,red,new", "ride it down the snowy hill"), "skateboard": ("fast,new,green,old", "ride it down the road"),
    "scooter": ("fast,red,new,shiny", "ride it around the block"), "raft": ("small,wooden,strong,old", "float on it"),
    "canoe": ("long,brown,old,narrow", "paddle it down the river"), "ship": ("big,white,toy,old", "dream of the sea with it"),
    "plane": ("toy,paper,white,fast", "throw it far"), "car": ("toy,red,fast,little", "race it"),
    "tractor": ("green,old,big,toy", "drive it over the field"), "camera": ("old,small,new,black", "take pictures with it"),
    "radio": ("old,little,brown,loud", "listen to songs on it"), "letter": ("long,secret,old,short", "read it again and again"),
    "pencil": ("short,yellow,new,sharp", "draw with it"), "notebook": ("little,blue,new,thick", "write in it"),
    "painting": ("big,old,bright,small", "look at it"), "statue": ("stone,small,old,golden", "look up at it"),
    "puppet": ("funny,wooden,old,little", "make it dance"), "top": ("wooden,red,fast,little", "spin it"),
    "marble": ("blue,shiny,green,glass", "roll it"), "kazoo": ("silver,loud,little,funny", "hum into it"),
    "harp": ("golden,small,old,fine", "play it softly"), "music box": ("tiny,old,silver,pretty", "listen to its song"),
    "snow globe": ("pretty,little,old,round", "shake it"), "magnet": ("strong,red,small,little", "pick up pins with it"),
    "candle": ("white,tall,little,yellow", "light it in the evening"), "flower": ("red,yellow,tall,pretty", "smell it"),
    "rose": ("red,white,pretty,wild", "smell it"), "pumpkin": ("big,orange,round,heavy", "roll it along"),
    "apple": ("red,big,shiny,golden", "polish it"), "egg": ("blue,small,spotted,golden", "keep it warm"),
    "seed": ("tiny,round,strange,brown", "hold it in one hand"), "leaf": ("red,big,golden,green", "look at its lines"),
    "cookie": ("big,round,sweet,warm", "smell it"), "cake": ("big,sweet,birthday,round", "look at it"),
    "pie": ("warm,sweet,big,round", "smell it"), "sandwich": ("big,tall,tasty,fresh", "take big bites of it"),
    "flag": ("red,big,striped,small", "wave it"), "tent": ("green,little,old,big", "sleep in it"),
    "backpack": ("blue,big,heavy,new", "carry it everywhere"), "compass": ("brass,old,small,shiny", "watch its needle turn"),
    "pebble": ("flat,gray,smooth,tiny", "skip it over the water"), "diamond": ("shiny,big,blue,tiny", "see it sparkle"),
    "necklace": ("pretty,golden,bead,old", "wear it on Sundays"), "ribbon": ("blue,long,red,silk", "tie it in a bow"),
    "broom": ("old,long,new,magic", "sweep with it"), "carpet": ("red,magic,old,soft", "sit on it"),
    "machine": ("big,strange,noisy,new", "make it hum"), "trophy": ("golden,shiny,big,small", "polish it"),
    "mask": ("funny,green,paper,scary", "wear it and growl"), "toothbrush": ("green,new,little,blue", "brush with it"),
    "pocket watch": ("old,golden,shiny,small", "hear it tick"), "toaster": ("old,shiny,red,noisy", "make toast with it"),
    "computer": ("old,new,little,gray", "play games on it"), "phone": ("old,red,toy,new", "pretend to call the moon with it"),
}
PLACES = {  # noun: (preposition, adjectives, sights)
    "park": ("at", "big,green", "tall trees,a slide,happy children,a fountain"), "forest": ("in", "deep,quiet", "tall trees,mushrooms,a narrow path,soft moss"),
    "beach": ("at", "sunny,sandy", "big waves,white sand,seashells,a crab"), "farm": ("on", "old,busy", "cows,a red barn,hay,a pond with ducks"),
    "garden": ("in", "pretty,little", "flowers,butterflies,bees,ripe tomatoes"), "market": ("at", "busy,noisy", "fresh fruit,loud sellers,colorful flowers,warm bread"),
    "river": ("by", "wide,cold", "smooth stones,little fish,a wooden bridge,tall grass"), "lake": ("by", "calm,blue", "ducks,lily pads,a small boat,clear water"),
    "hill": ("on", "green,steep", "tall grass,wild flowers,a big rock,the whole town"), "zoo": ("at", "big,noisy", "a lion,monkeys,a tall giraffe,sleepy bears"),
    "playground": ("at", "new,sunny", "swings,a slide,a sandbox,a seesaw"), "library": ("at", "quiet,old", "rows of books,soft chairs,a big globe,a quiet corner"),
    "village": ("in", "small,quiet", "little houses,a stone well,friendly people,a bakery"), "castle": ("in", "old,grand", "tall towers,stone walls,colorful flags,a wide gate"),
    "meadow": ("in", "wide,green", "wild flowers,butterflies,tall grass,a little stream"), "mountain": ("on", "high,snowy", "white snow,gray rocks,an eagle,a winding path"),
    "desert": ("in", "hot,wide", "golden sand,a tall cactus,a lizard,a round moon"), "jungle": ("in", "thick,green", "long vines,bright birds,giant leaves,a waterfall"),
    "island": ("on", "small,faraway", "palm trees,coconuts,white sand,blue water"), "harbor": ("at", "busy,windy", "tall ships,fishing nets,seagulls,a long pier"),
    "town": ("in", "little,busy", "narrow streets,a clock tower,small shops,a square"), "city": ("in", "big,noisy", "tall buildings,busy streets,bright lights,a red bus"),
    "cave": ("in", "dark,cold", "shiny stones,dripping water,sleeping bats,old drawings"), "valley": ("in", "green,quiet", "a small stream,grazing sheep,stone walls,apple trees"),
    "field": ("in", "wide,golden", "tall wheat,poppies,a scarecrow,a flock of birds"), "museum": ("at", "big,quiet", "old paintings,dinosaur bones,shiny armor,a stone statue"),
    "fair": ("at", "noisy,colorful", "a big wheel,bright tents,a puppet show,sweet popcorn"), "circus": ("at", "colorful,famous", "a striped tent,clowns,dancing lights,a brass band"),
    "lighthouse": ("at", "tall,white", "gray waves,a winding stair,a bright lamp,seagulls"), "train station": ("at", "old,busy", "long trains,a big clock,people with bags,shiny rails"),
    "pond": ("by", "small,round", "lily pads,frogs,dragonflies,tall reeds"), "barn": ("in", "old,red", "hay,a sleepy cow,dusty tools,swallows"),
    "attic": ("in", "dusty,dark", "old boxes,a broken chair,spider webs,a small window"), "orchard": ("in", "sunny,old", "apple trees,ladders,baskets of fruit,busy bees"),
    "snowy forest": ("in", "cold,quiet", "white trees,small tracks,long icicles,a frozen stream"), "bakery": ("at", "warm,little", "fresh bread,sugar buns,a hot oven,flour everywhere"),
    "tower": ("in", "tall,old", "round windows,a winding stair,pigeons,a big bell"), "palace": ("in", "shiny,grand", "golden doors,long halls,tall mirrors,a big throne"),
    "moon": ("on", "quiet,bright", "gray dust,round craters,the blue Earth,many stars"), "backyard": ("in", "small,sunny", "an old tree,a swing,green grass,a wooden fence"),
    "swamp": ("in", "green,foggy", "tall reeds,green water,old trees,fireflies"), "kitchen": ("in", "warm,small", "a big pot,hot bread,a wooden table,a cat by the stove"),
    "workshop": ("in", "dusty,busy", "old tools,wood chips,a half-built chair,jars of paint"), "school": ("at", "small,busy", "books,desks,a big map,many children"),
}
FOODS = split("apple pie, soup, cookies, pancakes, bread, muffins, noodles, rice and beans, jam tarts, fruit salad, pizza, carrot cake, porridge, dumplings, honey cake, vegetable stew, cheese rolls, waffles, corn soup, cinnamon buns, pudding")
FRUITS = split("apples, berries, plums, oranges, cherries, grapes, peaches, strawberries, pears, bananas, mangoes, blueberries, figs, melons")
COLORS = split("red, blue, green, yellow, purple, orange, pink, white, brown, silver, golden, black, gray")
TRAITS = split("kind, brave, curious, clever, cheerful, gentle, quiet, playful, thoughtful, patient, friendly, honest, shy, lively, dreamy, careful, helpful, funny, polite, stubborn, bold, lucky, hopeful, busy")
HOBBIES = split("""run in the tall grass, look at the clouds, climb trees, help other people, collect shiny stones, dance in the rain,
watch the birds, ask questions, explore new places, tell jokes, play hide and seek, count the stars, sing silly songs, make up games,
look for treasure, tell stories, jump in puddles, listen to the wind, walk along the river, watch the sun go down, eat sweet berries,
make new friends, roll down hills, learn new words, sleep in the sun, look for lost things, smell the flowers, listen to old tales""")
WEATHER = split("sunny, bright, warm, quiet, windy, cold, cloudy, lovely, cool, fine, misty, rainy, golden, fresh, stormy, mild")
NUMBERS = split("zero, one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen, sixteen, seventeen, eighteen, nineteen, twenty")

OPENINGS = ("{once upon a time, there was [intro].|once upon a time, there was [intro]. [He] lived {near|close to|not far from} @a [pa] [p].|once there was [intro].|there once was [intro].|long ago, there lived [intro].|"
            "[h] was @a [adj] [kind].|[h] was @a [adj] {little|young} [kind].|once upon a time, in a {small|quiet|faraway|green} {town|place|land|valley}, there lived [intro].|this is the story of [h], @a [adj] [kind].|"
            "in a {little|small|crooked} house {at the edge of the forest|on a hill|by the road}, there lived [intro].|not long ago, there was [intro].|do you know [h]? [h] was @a [adj] [kind].}"
            " {[h] loved to [hob].|[He] liked to [hob].|every day, [he] liked to [hob].|[h] loved to [hob] and [hob2].|most of all, [h] liked to [hob].|everyone knew [h], because [he] was so [trait].|||}")
ENDINGS = ("{from that day on, [h] and [f] were the best of friends.|and they all {lived happily ever after|were happy}.|that night, [h] {fell asleep with a smile|slept very well|dreamed {happy|sweet} dreams}.|"
           "[h] went home with a big smile.|it was the best day ever.|[h] would never forget that day.|they {laughed|smiled} all the way home.|and [h] was [happy].|[h] told everyone about it for {days|weeks}.|"
           "and if you listen, you can still hear [h] laugh.|when the stars came out, [h] was still smiling.|and that is how it was.|so ended a day that [h] remembered for a long time.}")
HAPPY = "{very happy|so happy|full of joy|happy and proud|glad|happier than ever}"
SAD = "{sad|very sad|worried|upset|unhappy}"
SAID = "{said|said|said|replied|answered}"
MORALS = "{[h] learned that %s.|[h] learned that day that %s.|from then on, [h] knew that %s.|and so [h] learned that %s.|yes, %s.}"

_ORDINARY = set(list(ANIMALS) + list(THINGS) + list(PLACES)) | {n.lower() for n in GIRLS + BOYS + ANIMAL_NAMES} | set(split("the, you, yes, no, and, was, his, her, him, she, they, what, who, why, mom, dad, said, had, ass, fag, dick, cum, tit, sex, poo, pee, nazi, shit, fuck, cunt, fagin, hell, damn, die, dead, kill, hate"))
