"""Things and animals that do not suit every plot, and how to draw others."""
import words

BIG = ("piano", "bed", "table", "tractor", "car", "swing", "ship", "carpet", "statue", "chair", "machine", "canoe",
       "raft", "boat", "wheel", "tent", "ladder", "wagon", "chest", "sled", "harp", "bike", "rocket", "trophy",
       "pumpkin", "computer")
GROWN = ("flower", "rose", "seed", "leaf", "apple", "egg", "cookie", "cake", "pie", "sandwich", "pumpkin", "stone",
         "pebble", "shell", "feather")
LARGE_ANIMALS = ("pony", "goat", "calf", "fawn", "bear cub", "fox cub", "lamb", "piglet")


def fit(s, things=(), without=(), places=(), animals=()):
    """Draws anew what does not suit a plot: things must be of `things` (if any) and not of `without`, and so on."""
    while s["o"] in without or s["o2"] in without:
        s.things()
    if things and s["o"] not in things:
        s["o"] = s.pick([t for t in things if t != s["o2"]])
        adjectives, s["ouse"] = words.THINGS[s["o"]]
        s["oa"] = s.pick(adjectives)
    while places and s["p"] not in places:
        s.place()
    kinds = (s["kind"], s["fkind"], s["xkind"]) + tuple(animals)
    if s["a"] in kinds:
        s["a"] = s.pick([a for a in words.SMALL_ANIMALS if a not in kinds])
