"""Plots about journeys, rescues and brave deeds."""
from story import Story, plot

FLIERS = ("bird", "owl", "robin", "sparrow", "butterfly", "bat", "ladybug", "beetle", "chick", "duckling")
BIG_ONES = ("pony", "goat", "calf", "fawn", "bear cub")
BIG_THINGS = ("piano", "bed", "table", "tractor", "car", "swing", "ship", "carpet", "statue", "chair", "machine",
              "canoe", "raft", "boat", "wheel", "tent", "ladder", "wagon", "chest", "sled", "harp", "bike", "rocket")
OUTSIDE = ("park", "forest", "beach", "farm", "garden", "market", "river", "lake", "hill", "zoo", "playground",
           "village", "meadow", "harbor", "town", "valley", "field", "fair", "pond", "orchard", "backyard", "swamp",
           "snowy forest", "train station")
FOOD_THINGS = ("apple", "cookie", "cake", "pie", "sandwich", "egg", "pumpkin", "flower", "rose", "leaf")
FAR = ("moon", "desert", "jungle", "island", "mountain")
HOME = ("attic", "kitchen", "backyard")


def fit(s, things=(), places=(), animals=(), only=()):
    """Draws anew the `things`, `places` and `animals` that do not suit a plot, or any place but `only`."""
    while s["o"] in things or s["o2"] in things:
        s.things()
    while s["p"] in places or only and s["p"] not in only:
        s.place()
    while s["a"] in animals or s["a"] in (s["kind"], s["fkind"], s["xkind"]):
        s.words()


def stranger(s, kinds):
    """One of the kinds, but not one that the hero or a friend is of."""
    return s.pick([kind for kind in kinds.split(",") if kind not in (s["kind"], s["fkind"], s["xkind"])])


def named(s, names):
    """One of the names, but not one that somebody in the scene has."""
    return s.pick([name for name in names.split(",") if name not in s.names])


@plot("curiosity")
def treasure_map(s):
    fit(s, things=BIG_THINGS + FOOD_THINGS + ("map",), places=FAR)
    s.set("found",
          "{inside an old bottle|under a loose stone|behind a dusty picture|inside an old book|in a hole in the wall"
          "|at the bottom of a basket|under a pile of leaves}")
    s.set("mark", "{round rock|bent tree|old well|tall post|little gate|stone bench|broken fence}")
    s.set("prize",
          "{a box of shiny shells|a tin full of sweets|a bag of old coins|a jar of bright marbles|a silver bell"
          "|a chest full of funny hats|a tiny golden crown}")
    return Story(
        text="""[open] [day] [h] was [at] with [his] [oa] [o] when [he] {found something strange|made a discovery|saw something odd|found a secret}. It was an old map, and it was hidden [found]! {On the map was a big [col] X.|A big [col] X was drawn on the map.|{At the end of a dotted line|In one corner} there was a big [col] X.}
"[f], {come quickly|come and see|look at this}!" {called|shouted|cried} [h]. [His] friend [f] {hurried over|came at once|came as fast as the wind}. {"It is a treasure map!" said [f]. "It says|"What does it mean?" asked [h]. [f] {thought|looked at it} for a while. "It says|"Oh, a real treasure map!" said [f]. "It says} that we must leave the [p] and find @a [mark]. Then we must take [n] big steps."
So [h] and [f] {set out|went on their way|started to look}. {They went up a hill and down a hill.|They went along a path and over a stream.|They looked left and they looked right.||} {Soon|At last|After a long walk} they saw the [mark]. [h] {counted out loud|counted the steps}, all the way to [n]. Then they dug {and dug|a deep hole|until they were tired}. {But they found only dirt|There was nothing but dirt|They found a worm, but no treasure}. "{Is it just a joke|Is there no treasure|What did we do wrong}?" said [h], who {was [sad]|wanted to give up|felt tired}.
[f] looked at the map {again|once more|very closely} and {began to laugh|laughed|giggled}. "{Oh, [h]! We|We|How silly! We} held the map upside down!" So they turned the map around, went back to the [mark], and [h] took [n] steps the other way. {They dug again.|This time they dug with new hope.|"Dig here!" said [h].||} {Clunk|Thump|Bump}! {There it was|There was the treasure|Something was there}: [prize]!
"{We did it|Hooray|We found it}!" {they shouted|they cheered|cried [h]}. [h] carried the [o] home, and [f] carried the treasure. {[moral]|[h] put the old map on the wall.|} {[end]|They talked about their adventure all evening.|After that, [h] and [f] looked under every stone.}""",
        questions=[
            ("{What did [h] find [at]?|What did [h] find [found]?}", "[h] found an old map."),
            ("{Where was the map hidden?|Where was the map?}", "The map was hidden [found]."),
            ("{How many steps did [h] take?|How many big steps did the map say?}", "[h] had to take [n] big steps."),
            ("{Why did they find only dirt at first?|Why did they dig in the wrong place?"
             "|What did [h] and [f] do wrong at first?}",
             "[h] and [f] held the map upside down."),
            ("{Who saw what was wrong with the map?|Who helped [h] to find the treasure?}",
             "[h]'s friend [f] saw what was wrong."),
            ("{What was the treasure?|What did [h] and [f] find in the end?}", "The treasure was [prize]."),
        ],
        about="who found a treasure map [at]",
        summary="[h] found an old map [at], and after one mistake [h] and [f] found [prize].",
    )


@plot("teamwork", heroes=("person", "animal", "role"))
def boat_trip(s):
    fit(s, things=BIG_THINGS, places=FAR + HOME + ("lake", "river", "pond", "harbor"))
    s.set("water", "{lake|river|bay|wide lake|blue bay|wide river}")
    s.set("plug", "{a lump of wax|a cork|an old sock|a bit of clay|a piece of cloth}")
    s.set("board", "{a flat board|a big wooden spoon|an old broom|a frying pan|a long stick}")
    s.set("call", "{a bell|a horn|a drum|a flute|a happy song}")
    s["trouble"], s["tshort"], s["fix"], s["fshort"] = s.rng.choice([
        ("{Drip, drip, drip|Glug, glug, glug}! There was a hole in the boat, and water came in.",
         "There was a hole in the boat",
         "[f] pushed [plug] into the hole. {At the same time|Meanwhile} [h] scooped the water out with a {bucket|pot"
         "|cup}.",
         "[f] pushed [plug] into the hole, and [h] scooped the water out."),
        ("{Splash|Plop}! The only oar fell into the water and floated away.",
         "The oar fell into the water and floated away",
         "[h] found [board] in the boat. {They used it as an oar|It made a good oar}, and [h] and [f] took turns.",
         "[h] and [f] used [board] as an oar and took turns."),
        ("{Bump|Crunch}! The boat was stuck on the sand, and it did not move at all.",
         "The boat was stuck on the sand",
         "[h] and [f] went to the back of the boat and rocked it. {Left, right, left, right!"
         "|\"One, two, three!\" they called.} "
         "{At last|Slowly} the boat slid free.",
         "[h] and [f] rocked the boat together until it slid free."),
        ("{Soon|Then} a thick white fog came. {They could not see anything|They could not see the land}.",
         "A thick fog came and they could not see the land",
         "\"Listen,\" said [f]. Far away they heard [call]. [h] rowed, and [f] pointed to where the sound came from.",
         "They listened to [call] far away, and [h] rowed toward the sound."),
        ("{Whoosh|Huff and puff}! A strong wind pushed the boat {the wrong way|far away from the land}.",
         "A strong wind pushed the boat the wrong way",
         "\"We must row together,\" said [f]. [h] rowed on the left, and [f] rowed on the right. {\"One, two! One, "
         "two!\" they called.|They counted each stroke out loud.}",
         "[h] rowed on the left and [f] rowed on the right, both together."),
    ])
    return Story(
        text="""[open] [day] [h] had {an important job|something to do|a plan}. [He] wanted to bring @a [oa] [o] to [his] [g], who was waiting [at]. But the [p] was on the other side of the [water]. "{We can take the little [col] boat|Let us take the little [col] boat|There is a little [col] boat}," said [his] friend [f].
[h] put the [o] {in the middle of the boat|into the boat|in the safest spot}, and off they went. {The water was smooth and bright.|Small fish swam beside them.|A white bird flew above them.||} {"I feel like a captain!" said [h].|"This is easy!" said [h].|[h] hummed a little sailor song.||}
But {in the middle of the [water]|halfway across|a little later} there was trouble. [trouble] "{Oh no|Oh dear|Help}! {What shall we do|What now|What can we do}?" {cried|asked} [h]. {For a moment [he] could not think.|[He] {looked around|felt [sad]} and held the [o] tight.|[h] was afraid for the [o].||}
"{Stay calm|Do not worry|We can do this}," said [f]. "{We are two, and two can do a lot|If we help each other, we will get there|Let us think}." [fix] {It was hard work, but it worked|It worked|They did not stop, and it worked}!
{Soon|At last|Before long} the boat reached the other side. [His] [g] was standing there and {waved|smiled}. "{What a fine [o]|What @a [oa] [o]}! {And what brave sailors|And what a good crew}!" [ghe] said. [h] {laughed|smiled proudly|was [happy]}. "I could not have done it without [f]." {[moral]|} {[end]|Then they all had some [food] by the water.|That night, [h] dreamed of boats.}""",
        questions=[
            ("{What did [h] want to bring to [his] [g]?|What was in the boat with [h] and [f]?}",
             "[h] had @a [oa] [o] for [his] [g]."),
            ("{Where was [h]'s [g] waiting?|Where did [h] want to go?}", "[h]'s [g] was waiting [at]."),
            ("{What went wrong on the [water]?|What was the trouble on the way?}", "[tshort]."),
            ("{How did they solve the problem?|What did [h] and [f] do to get across?}", "[fshort]"),
            ("{Who went with [h]?|Who was in the boat with [h]?}", "[h]'s friend [f] was in the boat too."),
            ("{Did they get to the other side?|Did the [o] get to [h]'s [g]?}",
             "Yes, the boat reached the other side, and the [o] was safe."),
        ],
        about="who went on a boat trip with @a [o]",
        summary="[h] and [f] took @a [o] across the [water] in a boat, had trouble on the way, and solved it together.",
    )


@plot("courage", heroes=("person", "animal", "role"))
def the_big_climb(s):
    fit(s, things=BIG_THINGS, places=FAR + HOME + ("hill", "tower", "cave"))
    s.set("hill", "{hill|mountain|rocky hill|steep mountain|cliff}")
    s.set("trick", "{sang a little song|counted every step|looked only at the next step|hummed a merry tune"
          "|thought of something nice|whispered \"I can do it\"}")
    return Story(
        text="""[open] {Near|Not far from|Close to} the [p] there was a [hill]. It was so high that the clouds {sat on top|touched it|rested on it}. [h] had never {been up there|gone to the top}, because [he] was afraid of high places. {"Maybe next year," [he] always said.|"It is nice down here," [he] always said.|"My feet like the ground," [he] always said.||}
[day] [h] saw @a [oa] [o] {on the table|by the door|on a chair}. "Oh dear! Your [g] is working up there and {forgot|needs} the [o]," said [his] friend [f]. "{Somebody must bring it.|Who will bring it?} I {have hurt my foot|have a sore foot}, so I cannot climb." [h] {swallowed|took a deep breath|looked up and up}. "{I will do it|Then I will go|I will try}," [he] said, {in a very small voice|but [he] shook a little|and [his] heart went thump}.
The first part was easy. {There were flowers|There were bees and soft moss|There was grass} along the way. Then the way became steep, and [h] looked down. {Everything looked so small!|How far away the ground was!|The trees were as small as toys!||} [He] {stopped|froze|sat down} and held the [o] {tightly|close}. "{I cannot go on|It is too high|I want to go home}," [he] {said|whispered}.
Then [h] {had an idea|remembered something|thought of a trick}. [He] [trick]. {One step, and then one more.|Step by step, [he] went on.|And one foot went in front of the other.||} {The wind pulled at [him]|A stone rolled away|A big bird flew by}, but [h] {went on|did not stop|did not turn back}. [He] [trick], again and again.
And {suddenly|all at once|then} there was no more up. [h] was at the top! "My [o]! {You brought it all the way here|You came all the way up with it}?" said [his] [g] and {hugged [him]|smiled from ear to ear|jumped for joy}. From up there [h] could see the whole [p], {as small as a button|as small as a toy|tiny and bright}. "{I was scared the whole time|I was so scared}, but {I did it|here I am}!" said [h]. {[moral]|} {[end]|And the way down was much easier.|[h] told [f] all about it that night.}""",
        questions=[
            ("{What was [h] afraid of?|Why had [h] never been to the top?}", "[h] was afraid of high places."),
            ("{What did [h] carry up?|What did [h] bring to the top?}", "[h] carried @a [oa] [o] to the top."),
            ("{Why did [f] not go?|Why could [f] not climb?}", "[f] had a sore foot."),
            ("{What did [h] do to feel brave?|What was [h]'s trick?|How did [h] go on when it was steep?}",
             "[h] [trick]."),
            ("{Who was at the top?|Who was waiting for the [o]?}", "[h]'s [g] was at the top."),
            ("{What could [h] see from the top?|What did [h] see from up there?}", "[h] could see the whole [p]."),
        ],
        about="who was afraid of high places and climbed to the top of a [hill]",
        summary="[h] was afraid of high places but climbed to the top of the [hill] to bring [his] [g] the [o].",
    )


@plot("listening", heroes=("person", "animal", "role"))
def lost_in_the_woods(s):
    fit(s, things=BIG_THINGS, places=FAR + HOME + ("forest", "snowy forest"), animals=("snail", "turtle"))
    s.set("tree",
          "{a tree with two tops|a tree full of holes|a fallen tree|a tree with [col] mushrooms"
          "|a tree that looked like a giant}")
    s["sound"], s["sounded"] = s.rng.choice([
        ("sing as loud as you can", "sang as loud as [he] could"),
        ("tap on a log with a stick", "tapped on a log with a stick"),
        ("whistle three times, again and again", "whistled three times, again and again"),
        ("clap two stones together", "clapped two stones together"),
        ("call my name", "called for [his] [g]"),
        ("drum on a hollow tree", "drummed on a hollow tree"),
    ])
    return Story(
        text="""[open] [day] [h] {walked through the woods|was on [his] way through the woods|took the path through the woods} to the [p]. [He] had [his] [oa] [o] with [him]. {"Stay on the path," [his] [g] had said.|"Do not leave the path," [his] [g] had told [him].} {"I know, I know!" said [h].|"Of course!" said [h].|"Yes, yes," said [h], who was only half listening.}
Then @a [aa] [a] {came by|peeked out from a bush|crossed the path}. {It was so cute that [h] followed it|"Wait for me!" cried [h] and followed it|[h] wanted to see where it lived and followed it}. {Over a log, under a branch, around a rock|Left, right, and left again|Deeper and deeper into the woods} they went. All at once the [a] was gone. And so was the path! {"Oh no, I am lost!" said [h].|[h] was lost.|"Where am I?" cried [h].}
[h] {ran|hurried|walked} this way, and [he] came to [tree]. [He] {ran|hurried|walked} that way, and [he] came to [tree] again. "{I am going in circles|I keep coming back here|This is the same tree}!" said [h]. {A tear rolled down [his] face.|[He] felt [sad].|[He] hugged the [o], and [his] lip began to shake.||}
Then [h] remembered what [his] [g] {always said|had taught [him]|had once told [him]}: "If you are lost, stay where you are and [sound]. {I will come|Then I can find you}." So [h] sat down by the tree with the [o]. [He] [sounded]. {It was hard to wait.|The shadows grew longer.|Nothing happened, but [h] did not run away.||} {[He] did it again, and again.|[He] did not stop.|"I must not give up," [he] thought.||}
"[h]! {There you are|I found you|I can hear you}!" It was [his] [g], who {came through the bushes|had looked for [him] everywhere|pushed the branches aside}. {They hugged for a long time.|[h] jumped up and gave [ghim] a big hug.|} "{You stayed in one place|You did the right thing}," said [his] [g]. "That was {clever|wise|smart}." {[moral]|} Then [h] took the [o], and they {went home together|walked home side by side|went back to the path}. {After that, [h] always stayed on the path.|That night, [h] was glad to be in [his] own bed.|"I will stay on the path from now on," said [h].|}""",
        questions=[
            ("{Why did [h] leave the path?|What did [h] follow?|How did [h] get lost?}",
             "[h] left the path to follow @a [aa] [a]."),
            ("{Where did [h] want to go?|Where was [h] going?}", "[h] wanted to go to the [p]."),
            ("{How did [h] know that [he] was going in circles?|What did [h] see again and again?}",
             "[h] came to [tree] again."),
            ("{What did [h] do so that [his] [g] could find [him]?|What did [h] do when [he] was lost?}",
             "[h] stayed in one place and [sounded]."),
            ("{Who found [h]?|Who came to help [h]?}", "[h]'s [g] found [him]."),
            ("{What did [h] have with [him]?|What did [h] carry?}", "[h] had [his] [oa] [o] with [him]."),
        ],
        about="who got lost in the woods",
        summary="[h] followed @a [a] and got lost in the woods, but [he] stayed in one place until [his] [g] found "
                "[him].",
    )


@plot("teamwork")
def the_rescue(s):
    fit(s, things=BIG_THINGS, places=FAR + HOME, animals=FLIERS + BIG_ONES + ("frog", "turtle"))
    s["spot"], s["alone"], s["failed"], s["fix"], s["fshort"] = s.rng.choice([
        ("at the bottom of a deep hole", "reached down into the hole", "The hole was too deep",
         "[h] and [f] found a long {branch|board"
         "|plank}. It was too heavy for one, but not for two. They put it into the hole, "
         "and the [a] {climbed out|came up, step by step}.",
         "[h] and [f] put a long piece of wood into the hole, and the [a] came up."),
        ("on a stone in the middle of a fast stream", "stepped into the water", "The water was too fast",
         "[h] and [f] {carried|pulled"
         "|rolled} a big log to the stream. They pushed together until it touched the stone, "
         "and the [a] {crossed it like a bridge|came across it}.",
         "[h] and [f] made a bridge out of a big log."),
        ("under a pile of fallen branches", "pulled at the biggest branch", "The branch was too heavy",
         "[h] pulled on one side, and [f] pulled on the other. \"One, two, three!\" They lifted branch after branch, "
         "until the [a] {was free|could come out}.",
         "[h] and [f] lifted the branches together."),
        ("in a net that somebody had left behind", "pulled at the net", "The knots became even tighter",
         "[f] held the net still, so that it did not pull. [h] {untied|opened} one knot after the other, "
         "until the [a] {was free|could come out}.",
         "[f] held the net still, and [h] opened the knots."),
        ("on top of a high wall", "stretched as high as [he] could", "The wall was too high",
         "[h] and [f] {brought|carried} boxes and put one on top of the other. [f] held them steady, [h] climbed up, "
         "and the [a] {came down with [him]|climbed down behind [him]}.",
         "[h] and [f] made a tower out of boxes, and [h] climbed up."),
        ("behind a big rock in a small cave", "pushed against the rock", "The rock did not move",
         "[h] and [f] put a strong stick under the rock. They both leaned on it, and the rock {rolled away|moved}. "
         "Out came the [a]!",
         "[h] and [f] moved the rock with a strong stick."),
    ])
    s.set("noise", "{squeak|cry|small voice|whimper|soft call}")
    return Story(
        text="""[open] [day] [h] was {on [his] way|going|walking} to the [p]. [He] {was carrying|had} @a [oa] [o]. {[He] liked to [ouse].|The [o] was new, and [he] wanted to show it to everyone.|} {[He] walked fast and sang.|[He] could hardly wait.|It was going to be a great day.||}
{Suddenly|Then|All at once} [h] heard a [noise]. {[He] stopped and listened.|"Who is there?" [he] asked.|"Is somebody there?" [he] called.||} It was @a [aa] [a]! It was stuck [spot]. "{Please help me|Help! I cannot get out|I am stuck}," {said|cried|begged} the [a]. {It was shaking.|It looked so scared.|It had been there all night.||}
[h] put the [o] down {in the grass|at once|on the ground}. "{Do not be afraid|Do not cry}! I will {help you|get you out}." [h] [alone]. But it did not work. [failed]. {[h] tried again and again, until [he] was out of breath.|It was too hard for one alone.|[h] tried three times.} {"I need help," said [h].|"I will fetch my friend," said [h].|"Wait here, I will be right back," said [h].}
[h] {ran|hurried|rushed} to [his] friend [f] and told [fhim] {everything|about the [a]|what had happened}. {"Then let us go!" said [f].|[f] did not wait a second.|"Two are stronger than one," said [f].||} [fix]
"{Thank you, thank you|Oh, thank you both|You saved me}!" {cried|said|cheered} the [a]. {It danced around them.|It was [happy].|It rubbed its little head against [h].||} "{What were you going to do today|Where were you going}?" [h] picked up the [o]. "{Come with us and see|We will show you}!" [he] said. So all three went to the [p] together. {[moral]|} {[end]|The [a] liked the [o] very much.|And the [a] got the first turn with the [o].}""",
        questions=[
            ("{Who was stuck?|Who needed help?}", "@A [aa] [a] was stuck."),
            ("{Where was the [a] stuck?|Where did [h] find the [a]?}", "The [a] was stuck [spot]."),
            ("{Why could [h] not do it alone?|Why did it not work at first?}", "[failed]."),
            ("{Who helped [h]?|Who came to help?}", "[h]'s friend [f] came to help."),
            ("{How did they save the [a]?|How did [h] and [f] help the [a]?}", "[fshort]"),
            ("{Where did they go at the end?|Where did all three go together?}",
             "[h], [f] and the [a] went to the [p] together."),
        ],
        about="who saved @a [a] that was stuck",
        summary="[h] found @a [a] that was stuck [spot], and [h] and [f] saved it together.",
    )


@plot("teamwork")
def the_broken_bridge(s):
    fit(s, things=BIG_THINGS + FOOD_THINGS, places=FAR + HOME)
    s.set("cause", "{storm|flood|strong wind|big wave|falling tree}")
    s.set("signal", "{a paper boat|a note on a long pole|a note in a bottle|a note on a kite|a note tied to a stone}")
    s.set("stuff", "{boards|planks|logs|flat stones|wooden beams}")
    return Story(
        text="""[open] [h] lived on one side of {a stream|a river|a deep ditch}, and [his] friend [f] lived on the other. {Every day|Each day} they met in the middle of the bridge. Then they went to the [p] {together|side by side} with [h]'s [oa] [o].
But {one night|one day|one dark night} a [cause] broke the bridge. {[h] stood on one side, and [f] stood on the other.|[h] could see [f], but [he] could not get to [fhim].|"[f]!" shouted [h]. "[h]!" shouted [f]. But they were too far apart.} {[h] was [sad].|"Who will play with me now?" said [h].|The [o] {was no fun|was not so nice} without [f].||}
{First|At first}, [h] tried to {jump|jump across}. {Splash|Plop}! {[He] was wet from head to toe.|[He] landed in the mud.|} Then [he] waited for somebody to {come and fix it|build a new bridge}, but nobody came. "{Then we will do it ourselves|Then we must build a new one|I have an idea}," said [h]. [He] sent [f] a message, and it was [signal]. It said: "{Let us build|We can build} a bridge, you from your side and I from mine!"
[f] {understood at once|nodded and jumped up and down|waved to say yes}. Every day, [h] brought [stuff] to [his] side, and [f] brought [stuff] to [fhis] side. {Push, pull, tie, and knock!|They worked and worked.|They tied them, and they tested them.||} [h]'s [g] {helped with the knots|showed [h] how to make it strong|brought them some [food]}. {Sometimes a piece fell into the water, and they had to start again.|It was slow, but each day the gap was a little smaller.|Every evening they waved good night across the water.||} It took them [n] days.
On the last day, [h] put down the last piece, and the bridge was {done|ready|finished}. [h] took one step, and [f] took one step. {And there they were, in the middle!|They met in the middle and hugged.|"Hello, neighbor!" said [f], and they both laughed.} {[moral]|} Then they took the [o] and went {straight|right away|back} to the [p]. {[end]|This bridge was even better than the old one.|Even the ducks liked the new bridge.}""",
        questions=[
            ("{What broke the bridge?|Why was the bridge broken?}", "A [cause] broke the bridge."),
            ("{Who lived on the other side?|Who was [h]'s friend?}", "[h]'s friend [f] lived on the other side."),
            ("{How did [h] send a message to [f]?|What was [h]'s message to [f]?}", "[h]'s message was [signal]."),
            ("{What was the bridge made of?|What did they use for the bridge?}",
             "[h] and [f] made the bridge with [stuff]."),
            ("{How many days did it take?|How long did they work on the bridge?}", "It took [h] and [f] [n] days."),
            ("{Where did they go when the bridge was done?|What did [h] and [f] do at the end?}",
             "[h] and [f] took the [o] and went to the [p]."),
        ],
        about="who built a new bridge with a friend",
        summary="When a [cause] broke the bridge between them, [h] and [f] built a new one from both sides.",
    )


@plot("courage", heroes=("person", "animal", "role"))
def the_night_walk(s):
    fit(s, things=BIG_THINGS + FOOD_THINGS, only=OUTSIDE)
    s.set("light", "{a small lamp|a candle in a jar|a lantern|a little light|a glowing lantern}")
    s["noise"], s["cause"] = s.rng.choice([
        ("Tap, tap, tap", "an old shutter in the wind"), ("Whooo", "the wind in an empty bottle"),
        ("Creak, creak", "a gate that needed some oil"), ("Drip, drop", "water that fell into a bucket"),
        ("Flap, flap", "some clothes on a line"), ("Rustle, rustle", "dry leaves on the ground"),
    ])
    s.set("place2", "{behind a barrel|next to a bench|under a cart|beside a wall|behind a basket}")
    return Story(
        text="""[open] One night, [h] {could not sleep|lay awake|was in bed with open eyes}. {Something was missing|Something was not right}. "My [o]!" [he] {said|cried|gasped}. "I left it [at]!" It was @a [oa] [o], and [h] {loved it very much|could not sleep without it|had never lost it before}.
{[h] looked out. It was very dark.|Outside it was as dark as ink.|The night was black and quiet.||} "{I am afraid of the dark|The dark is scary}," said [h]. "But my [o] is out there, all alone." {[h] told [his] [g], who gave [him]|[h] woke [his] [g], who gave [him]|[His] [g] was still awake and gave [him]} [light] and said, "{Go slowly|Take your time}, and look at each thing twice. I will {watch|wait} at the door." So [h] went to the [p].
[noise]! {What was that|Oh, what was that}? [h] {jumped|stopped|shook all over}. {"Is it a monster?" [he] whispered.|"A ghost!" [he] thought.|[He] wanted to run home.||} But then [he] {held up the light|lifted the light} and looked twice. It was only [cause]. "{How silly|Oh, just that}," said [h] {and laughed a little|and went on|and felt a bit braver}.
{Next|A little later|Then} [h] saw two {round|bright|shiny} eyes [place2]. {They looked right at [him].|They did not blink.|[His] heart beat fast.||} [h] {took a deep breath|was brave} and lifted the light once more. It was @a [aa] [a]! "{I was so scared of your light|I thought you were a monster}," said the [a]. "{But I was scared of you|And I was scared of you}!" said [h]. {They both had to laugh.|Then they both felt better.|} "I know where your [o] is," said the [a]{| softly}. "{Come with me|Follow me}."
And there, {close by|not far away|in a quiet spot}, was the [o]! "Thank you!" {said|cried} [h] and {hugged it|held it close}. On the way home [h] {did not run at all|even hummed a song|looked up and saw a thousand stars}. {"The dark is not so bad," [he] told [his] [g].|"I looked at each thing twice," [he] told [his] [g].|[His] [g] was very proud of [him].||} {[moral]|} {Soon [h] was fast asleep.|That night, [h] slept very well.|Then [h] put the [o] next to [his] bed and closed [his] eyes.|After that, [h] and the [a] often looked at the stars together.}""",
        questions=[
            ("{What did [h] leave [at]?|Why did [h] go out at night?}", "[h] had left [his] [oa] [o] [at]."),
            ("{What was [h] afraid of?|Why was it hard for [h] to go out?}", "[h] was afraid of the dark."),
            ("{What made the noise?|What was the strange noise?}", "It was only [cause]."),
            ("{Whose eyes did [h] see?|Who was [place2]?|Who looked at [h] in the dark?}", "It was @a [aa] [a]."),
            ("{What did [h]'s [g] say?|What did [his] [g] tell [h] to do?}",
             "[h]'s [g] told [him] to look at each thing twice."),
            ("{Did [h] find the [o]?|Did [h] get the [o] back?}",
             "Yes, the [a] showed [h] the way, and [h] found the [o]."),
        ],
        about="who went out in the dark to find [his] [o]",
        summary="[h] went out in the dark to find [his] [o], met @a [a], and was not afraid anymore.",
    )


@plot("listening", heroes=("person", "animal", "role"))
def the_balloon_flight(s):
    fit(s, things=BIG_THINGS + ("balloon",), only=OUTSIDE)
    s.set("shape",
          "{[col] and white|[col] with yellow stars|[col] with white stripes|as [col] as could be"
          "|[col] with a smiling face}")
    s.set("land",
          "{in a soft haystack|in a field of flowers|in a shallow pond|on a soft green hill"
          "|in the middle of a garden party|in a big heap of leaves}")
    s["knob"], s["knobact"] = s.rng.choice([
        ("pull the rope slowly", "pulled the rope slowly"), ("turn the little wheel", "turned the little wheel"),
        ("make the flame small", "made the flame small"), ("open the flap at the top", "opened the flap at the top"),
        ("push the long handle down", "pushed the long handle down"),
    ])
    return Story(
        text="""[open] [day] {a huge balloon with a basket|a big hot-air balloon|a great round balloon with a basket} stood [at]. It was [shape]. It belonged to [fintro]. "{You may sit in the basket|You can look inside}," said [f] to [h]. "But do not untie the knot. And remember: if you want to go down, you must [knob]."
{"Yes, yes," said [h], who was looking at the sky.|"I know, I know," said [h].|[h] nodded, but [he] only heard half of it.||} [h] put [his] [oa] [o] into the basket and climbed in after it. {It was fun to play captain.|[He] pretended to fly over the sea.|} Then [h] {looked at the knot|saw the knot|touched the knot}. "{I will only make it a little loose,|What happens if I open it just a bit?|Just one little tug!}" [he] thought. Whoosh! The knot was open, and the balloon went up!
{Up, up, up|Higher and higher|Up into the blue} went [h]. The whole [p] was as small as {a toy|a cup|a button}. "{This is wonderful|I can fly|Look at me}!" [h] shouted at first. But then {the wind blew harder|it got cold|the balloon rocked}, and the [p] was far away. {"I want to go down!" cried [h].|"How do I get down?" cried [h].|Now [h] was not so happy anymore.||}{ [He] shouted for help, but only a bird heard [him].| [He] held the [o] tight and wished for the ground.|}
"{Think, [h], think!|What did [f] tell me?|What did [f] say?}" [he] {thought|said to [himself]}. {[He] closed [his] eyes and tried to remember.||} "I must [knob]!" So [h] [knobact]. {Pffff!|Hisssss!|Ssssss!} {Slowly, slowly|Little by little|Bit by bit}, the balloon came down. It landed [land].
[f] {came running|hurried over|came as fast as [fhe] could}. "{Are you all right|Are you hurt}?" "{I am sorry|I am so sorry}, [f]. I opened the knot," said [h]. "{I did not listen well. But one thing I did remember!|Luckily, I remembered one thing that you said.}" {[f] was glad that [h] was safe.|"That one thing saved you," said [f].|} {[moral]|} {The next time, [h] and [f] flew together, and the [o] came too.|Then [f] took [h] and the [o] for a real flight, nice and slow.|} {And [h] listened to every word.|[end]|}""",
        questions=[
            ("{What did the balloon look like?|What color was the balloon?}", "The balloon was [shape]."),
            ("{What did [f] tell [h] not to do?|What was [h] not allowed to do?}",
             "[f] told [h] not to untie the knot."),
            ("{Why did the balloon go up?|How did [h] get into the sky?}",
             "The balloon went up because [h] opened the knot."),
            ("{How did [h] get down again?|What did [h] do to come down?}",
             "[h] [knobact], and the balloon came down."),
            ("{Where did the balloon land?|Where did [h] come down?}", "The balloon landed [land]."),
            ("{What did [h] have in the basket?|What did [h] take into the balloon?}",
             "[h] had [his] [oa] [o] in the basket."),
        ],
        about="who flew away in a balloon",
        summary="[h] opened the knot of a balloon and flew away, but remembered [f]'s words and came down safely.",
    )


@plot("courage", heroes=("person", "animal", "role"))
def the_lighthouse(s):
    fit(s, things=BIG_THINGS + ("lamp", "lantern", "candle", "mirror"))
    s.set("keeper", "{Captain Brock|Captain Salt|Old Hattie|Grandfather Finch|Old Barnaby|Aunt Gull}")
    s.set("reason", "{had a bad cold|had a sore leg|had a high fever|had hurt both arms|had a bad headache}")
    s.set("bright",
          "{six candles and a big mirror|all the lamps from the house|an old lantern and a silver pan"
          "|a big fire in an iron pot|four lamps and a shiny tray}")
    s.set("steps", "{a hundred|two hundred|ninety-nine|more than a hundred}")
    return Story(
        text="""[open] [h] lived by the sea, {close to|next to|not far from} a tall lighthouse. Every night its light {showed the ships the way|told the ships where the rocks were|shone over the waves}. [keeper] {took care of|looked after} the light.
{One morning|One windy day|One autumn day}, [h]'s [g] sailed away in a little boat. "I will {get|buy} you @a [oa] [o]," [ghe] {said|promised}. "I will be back tonight." {[h] could hardly wait.|[h] stood on the beach and waved.|} But when night came, there was no light in the lighthouse! {The wind howled, and the waves were high.|Black clouds hid the moon.|}
"{Something is wrong|Where is the light}! My [g]'s boat will hit the rocks," cried [h]. [He] {ran|hurried} to [his] friend [f], and together they went to the lighthouse. [keeper] [reason], and the big lamp was {broken|empty|cold}. "{Then we must make a new light|We have to make a light|We need another light}!" said [h]. {"Up there? In the dark?" asked [f].|The stairs were dark.|} {"I am scared too," said [h]. "But we must go."|[h] was scared as well, but [he] went first.|"Stay close to me," said [h], although [he] was scared too.}
There were [steps] steps. {Round and round|Up and up} they went, and they carried [bright]. At the top, [h] and [f] {put everything together|worked fast|did not stop to rest}. {Flash!|And then|Suddenly} a {warm|golden|strong} light shone out over the water. {They stayed there for hours.|"Come home," whispered [h] again and again.|}
At last [f] {shouted|pointed}: "{A boat! I see a boat|There! There is a boat}!" [h] {flew down the stairs|ran down to the beach|rushed down all the steps}. There was [his] [g], {wet but safe|tired but safe}, with the [o] in the boat. "{I saw your light|A light showed me the way}," said [his] [g]. "{We made it|That was us}!" said [h]. [His] [g] {gave [him] the [o] and hugged them both|held them both tight|could not believe it}. {[moral]|} {[end]|[h] put the [o] next to [his] bed that night.|The [o] was nice, but having [his] [g] home was nicer.}""",
        questions=[
            ("{Why did [h]'s [g] sail away?|What did [h]'s [g] want to get?}",
             "[h]'s [g] wanted to get @a [oa] [o] for [h]."),
            ("{Why was the night dangerous?|What was wrong that night?}",
             "There was no light in the lighthouse, and the boat could hit the rocks."),
            ("{Why did [keeper] not help?|What was the matter with [keeper]?}", "[keeper] [reason]."),
            ("{What did they use to make a new light?|How did [h] and [f] make a light?}",
             "[h] and [f] used [bright]."),
            ("{How many steps did the lighthouse have?|How many steps did they climb?}", "There were [steps] steps."),
            ("{Was [h] scared?|Did [h] feel afraid on the stairs?}", "Yes, [h] was scared too, but [he] went up."),
            ("{Did the boat come home?|Did [h]'s [g] come home?}",
             "Yes, [h]'s [g] saw the light and came home safely."),
        ],
        about="who made a light in a lighthouse",
        summary="When the lighthouse was dark, [h] and [f] made a new light and [h]'s [g] came home safely.",
    )


@plot("kindness", heroes=("person", "animal", "role"))
def the_train_ride(s):
    fit(s, things=BIG_THINGS + ("train",), places=("moon", "train station"), animals=FLIERS + BIG_ONES)
    s.set("train", "{[col] train|little [col] train|long [col] train|old steam train}")
    s["why"], s["whyshort"] = s.rng.choice([
        ("I have lost my brother, and I think he is on the other side", "It had lost its brother"),
        ("I hurt my foot, and it is so sore", "It had hurt its foot"),
        ("I am so tired that I cannot take one more step", "It was too tired to take one more step"),
        ("I am so hungry that I cannot move", "It was too hungry to move"),
        ("The train is so loud that I am too scared to move", "The loud train scared it so much"),
        ("I do not know the way home", "It did not know the way home"),
    ])
    return Story(
        text="""[open] [day] [h] {went|got} on @a [train]. [He] wanted to visit [his] friend [f] [at] and bring [fhim] a present. It was @a [oa] [o]. [h] put the [o] on the seat and looked out of the window. {Clickety-clack! Fields and houses flew by.|Chug, chug, chug! Cows and trees went past.|}
Then the train {slowed down and stopped|stopped with a long squeal|stopped so fast that the [o] almost fell}. "{What is wrong|Why do we stop}?" asked [h]. "@A [a] is sitting on the track," said the driver. {The people on the train got cross.|"We will all be late!" said a lady with a big hat.|}
{The driver blew the whistle|The driver rang the bell|The driver shouted}. {Toot, toot|Ding, ding|Go away}! The [a] only {closed its eyes|made itself small|shook}. But the [a] still did not move. "{That is too loud|Maybe it is afraid|All that noise does not help}," thought [h].
[h] {climbed down|got off the train} and {went slowly|walked softly} to the [a]. [He] sat down {beside it|on the ground} and {spoke very gently|hummed a soft song}. "{Hello, little one|Hello}. Why are you {sitting here|here}?" asked [h]. "[why]," said the [a] in a tiny voice. "{Oh, you poor thing|I see|Then let me help you}," said [h]. "Come with me on the train. {At the [p], my friend [f] and I will help you|We will help you, my friend [f] and I}." And [h] carried the [a] into the train.
{Everyone cheered.|"Well done!" said the driver.|} Soon the train was there, and [f] was waiting. [h] gave [f] the [o], and [f] {loved it|was [happy]|laughed with joy}. "{And who is this|Who is your little friend}?" asked [f]. {[h] told [fhim] everything, and they took good care of the [a].|"This is our new friend," said [h], and together they helped the [a].} {[moral]|} {[end]|They all shared some [food] under a tree.|That evening the [a] felt much better.}""",
        questions=[
            ("{Who did [h] want to visit?|Where was [h] going on the train?}",
             "[h] wanted to visit [his] friend [f] [at]."),
            ("{What present did [h] bring?|What did [h] give to [f]?}", "[h] gave [f] @a [oa] [o]."),
            ("{Why did the train stop?|What was on the track?}",
             "The train stopped because @a [a] was sitting on the track."),
            ("{Why did the [a] not move?|What was wrong with the [a]?}", "[whyshort]."),
            ("{How did [h] help the [a]?|What did [h] do that the others did not do?}",
             "[h] sat down by the [a] and asked why it was there."),
            ("{What happened to the [a] at the end?|Where did the [a] go?}",
             "[h] took the [a] on the train, and [h] and [f] helped it."),
        ],
        about="who rode on a train that stopped",
        summary="A train stopped because of @a [a] on the track, and [h] helped it by being gentle.",
    )


@plot("patience", heroes=("person", "animal", "role"))
def the_robot_that_stopped(s):
    fit(s, things=BIG_THINGS + FOOD_THINGS + ("toy robot", "computer"), places=("moon",))
    s["robot"] = named(s, "Tik,Zuzu,Bolto,Pip-Nine,Gizmo,Klonk,Beepo,Rolly,Copper,Dot")
    s["cause"], s["fix"] = s.rng.choice([
        ("a little leaf was stuck between two wheels", "took the leaf out"),
        ("a tiny screw was loose", "turned the screw until it was tight"),
        ("there was sand in its knees", "blew all the sand away"),
        ("a wire had come out", "put the wire back in its place"),
        ("a [aa] ladybug was sleeping on its main wheel", "carried the ladybug to a leaf"),
        ("its little door was open and it was cold inside", "closed the little door"),
        ("its spring was not wound up", "turned the key ten times"),
    ])
    s.set("feature",
          "{round eyes like lamps|a square head and long arms|three wheels and a shiny nose|@a [col] light on its head"
          "|a tin belly and a deep voice}")
    return Story(
        text="""[open] [h] had a friend who was a robot. The robot was called [robot], and it had [feature]. {"Beep, good morning!" [robot] said each day.|[robot] could sing and add numbers.|[robot] and [h] did everything together.} [day] [robot] was carrying [h]'s [oa] [o] to the [p]. {They were in the middle of a song.|[h] was telling [robot] a joke.|They were almost there.||} Then it said "Bzzzt," and it stopped.
"{[robot]? What is wrong?|[robot], can you hear me?|[robot], wake up!}" {said|cried|called} [h]. But the robot {did not answer|did not move|just stood there}. {Its eyes were dark.|Its arms hung down.|Not one light was on.||} [h] {was [sad]|got scared|did not know what to do}. {First [he] pushed it.|[h] shook it a little.|[h] tapped its head.} {Nothing|Nothing at all}! {"Maybe it needs a kick," said somebody.|"Throw it away and get a new one," said somebody.|"That thing is too old," said somebody who came by.} "No!" said [h]. "{[robot] is my friend|You do not throw a friend away}."
[h] {ran to get|called|sent for} [his] [g], who {knew a lot about machines|could fix clocks|had a box full of tools}. {"Can you fix [robot]?" asked [h].|"Please, make [robot] well again!" said [h].} "{We must not hurry|We need time and good eyes}," said [his] [g]. "First we look. Let us look at one part, and then at the next."
So they looked. {The battery was full.|The feet were fine.|The ears were fine.} {The head was fine too.|The arms were good.|The big wheel went round and round.||} It took a long, long time. {"This is so slow," said [h].|[h] wanted to stop, but [he] did not.|[h]'s back hurt, but [he] kept looking.||} Then, at the very last part, [h] {saw it|saw what was wrong|found it}: [cause]! [h] [fix], {very carefully|as gently as [he] could|and then they waited}.
{Bzzz. Click. Whirr.|Click, click, beep.|Beep... beep... beep!} [robot]'s lights came on. "Hello, [h]," said [robot]. "{Why is it so late|Did I sleep|Are we at the [p] yet}?" [h] {laughed and hugged the robot|gave the robot a big hug|danced around the robot}. {[moral]|} Then [robot] picked up the [o], and {off they went to the [p]|they went on to the [p]}. {"Beep, thank you, my friend," said [robot].|[robot] sang all the way.|[h] and [robot] were the best of friends.|And they finished the song together.|They were late, but very happy.}""",
        questions=[
            ("{Who was [robot]?|What was the name of the robot?}", "[robot] was a robot and [h]'s friend."),
            ("{What was [robot] carrying?|What did the robot carry for [h]?}", "[robot] was carrying [h]'s [oa] [o]."),
            ("{What did [robot] look like?|What did the robot have?}", "[robot] had [feature]."),
            ("{Why did the robot stop?|What was wrong with [robot]?}", "[robot] stopped because [cause]."),
            ("{How did [h] fix the robot?|What did [h] do to help [robot]?}", "[h] [fix]."),
            ("{Who helped [h] to look?|Who did [h] ask for help?}", "[h] asked [his] [g] for help."),
            ("{Did [h] give up?|Did [h] throw the robot away?}", "No, because [robot] was [h]'s friend."),
        ],
        about="whose robot friend stopped moving",
        summary="[h]'s robot friend [robot] stopped, and after looking patiently at every part [h] made it work again.",
    )


@plot("friendship", heroes=("person", "animal", "role"))
def the_shy_dragon(s):
    fit(s, things=BIG_THINGS + FOOD_THINGS, places=FAR + HOME + ("cave", "barn"))
    s["dragon"] = named(s, "Ember,Smoky,Rumble,Sparky,Flick,Ashy,Puff-Puff,Glimmer,Cinder,Moss")
    s.set("look",
          "{green with purple spots|blue as the sea|golden with a red tail|silver with soft ears"
          "|orange with short wings|[col] from head to tail}")
    s.set("hide",
          "{in a cave behind the [p]|behind a hill near the [p]|in an old barn near the [p]"
          "|under the big bridge near the [p]|behind a waterfall near the [p]}")
    s.set("gift",
          "{a basket of [fruit]|a necklace of flowers|a warm stone in the shape of a heart|a shiny blue feather"
          "|a cup of sweet berries}")
    return Story(
        text="""[open] [day] {people said|everyone said|the neighbors said} that there was a dragon [hide]. {"It must be wild!" said one.|"It eats shoes!" said one.|"Keep away from it," they said.||} "{Has anybody talked to it|Did anyone say hello to it}?" asked [h]. {Nobody had.|They all shook their heads.|No, nobody had.||} {So|And so} [h] took [his] [oa] [o] and went to look.
[h] saw {a puff of smoke|the tip of a tail|a little cloud of steam}. "{Hello! My name is [h]|Hello, dragon! I am [h]}," [he] called. {At once the tail was gone.|Something big hid in the dark.|A big thing rolled itself up like a ball.||} "{Please go away|Do not look at me}," said a {tiny|shaky|soft} voice. "{Everybody is afraid of me|People scream when they see me}." [h] {was surprised|could not believe it|smiled}. The dragon was shy!
{"I will not scream," said [h].|"I am not afraid," said [h].|"That is all right," said [h].||} "I will leave my [o] here for you. {You can play with it when I am gone|You may use it}." {[He] put the [o] on the ground|[He] left the [o]} and went home. {"Will it like the [o]?" [h] thought all evening.|"You are kind," said [his] [g], when [h] told [ghim] about it.|}
The next day [h] came back. Next to the [o] lay [gift]. "{Is that for me?|Thank you!|Oh!}" said [h]. "{It is lovely|How kind of you}." This time, the dragon {showed its nose|came out a little bit|showed one eye}. On the third day, it showed its head and its wings. It was [look]. "{I am [dragon]|My name is [dragon]}," it {said|whispered}. "{Can you show me how to use the [o]|Will you play with me|Do you want to be my friend}?" {"Yes, yes, yes!" said [h].|"I would love to!" said [h].|"Of course!" said [h].}
{So they played with the [o] until it was dark.|They played together and laughed until smoke came out of [dragon]'s nose.} {Later|After some days}, [h] brought [his] friend [f] along. {[f] was afraid at first, but then [f] laughed too|[f] said hello very softly, just as [h] had told [fhim]|[f] waited quietly until [dragon] came out}. {[moral]|} {[end]|And soon nobody was afraid of [dragon] anymore.|From then on, [dragon] was not so shy.}""",
        questions=[
            ("{Where did the dragon hide?|Where was the dragon?}", "The dragon was [hide]."),
            ("{Why did the dragon hide?|Why was the dragon sad and shy?}",
             "The dragon was shy because people were afraid of it."),
            ("{What did [h] leave for the dragon?|What did [h] give to the dragon?}",
             "[h] left [his] [oa] [o] for the dragon."),
            ("{What did the dragon give to [h]?|What lay next to the [o]?}", "The dragon gave [h] [gift]."),
            ("{What was the dragon's name?|What was the dragon called?}", "The dragon's name was [dragon]."),
            ("{What did the dragon look like?|What color was the dragon?}", "The dragon was [look]."),
            ("{Was the dragon wild?|Was the dragon dangerous?}",
             "No, the dragon was only shy, and it became [h]'s friend."),
        ],
        about="who made friends with a shy dragon",
        summary="Everyone was afraid of a dragon, but [h] left it @a [o] and it became [his] friend.",
    )


@plot("curiosity")
def the_old_ruin(s):
    fit(s, things=BIG_THINGS + FOOD_THINGS + ("box", "letter"), places=FAR + HOME + ("castle", "tower"))
    s.set("ruin",
          "{an old castle with no roof|an old tower with a round door|an old mill with no wheel"
          "|an old house full of ivy"
          "|an old temple with tall stones|an old stone fort}")
    s.set("sign", "{a star|a moon|a heart|a small crown|a sun|a fish}")
    s.set("room",
          "{a tiny room with [col] walls|a small room under the stairs|a secret room with a round window"
          "|a hidden room full of dust}")
    return Story(
        text="""[open] Behind the [p] stood [ruin]. {Nobody had lived there for a long time.|Owls slept in its windows.|} "{Who lived there|What is inside|What can we find in there}?" [h] {asked|wondered} again and again. [day] [h] and [his] friend [f] went to {find out|explore it|look}.
Inside it was {cool and quiet|dark and still|gray and silent}. {A drop of water went plip, plop.|A spider sat in its web.|} "Hello!" called [h]. "{Hello, hello, hello|Hello, hello}," {said|answered} the echo. {[f] jumped, and then they both laughed.|"Who is that?" asked [f].|[f] came a little closer to [h].||} {They looked into every corner|They looked high and low}, but they found only {dust and leaves|stones and leaves|old leaves}. "{There is nothing here|Let us go home|This is just an empty place}," said [f].
"{Wait|One moment|Look}," said [h]. {[He] had seen|[He] pointed to|There was} a stone with a sign on it: it was [sign]. "{Why is it only on this stone|What does it mean}?" asked [h]. [He] pushed the stone with all [his] might. {Nothing happened|It did not move}. Then [f] pushed too. {Rumble, rumble|Crack|Grrrr}! A small door opened, and behind it was [room].
In the room there was {a wooden box|a dusty box|a box without a lock}, and in the box there was @a [oa] [o]. {It was very old, but not broken.|} Under the [o] lay a note. [h] read it {out loud|slowly}: "{Whoever finds this may keep it|If you find this, it is yours}. {Always ask questions|Stay curious}!" And under the words was a name. [h]'s mouth fell open. It was the name of [his] [g]!
{They ran all the way home.|[h] and [f] rushed home.} "{You found it|So you found my secret}!" said [his] [g] and laughed. "When I was little, I hid it there for somebody as curious as me." {[h] was proud, and so was [f].|[h] hugged the [o] tight.|} {[moral]|} {[end]|Then [his] [g] told them stories about the old days.|And they all wondered what to explore next.}""",
        questions=[
            ("{What stood behind the [p]?|What did [h] and [f] explore?}", "[ruin] stood behind the [p]."),
            ("{Who said hello to [h] in the ruin?|What answered when [h] called?}", "The echo answered [h]."),
            ("{What sign was on the stone?|What was on the stone?}", "The sign on the stone was [sign]."),
            ("{How did they open the door?|How did [h] find the room?}", "[h] and [f] pushed the stone with the sign."),
            ("{What was in the box?|What did [h] find in the room?}", "There was @a [oa] [o] in the box."),
            ("{Who hid the [o]?|Who had put the [o] there long ago?}", "[h]'s [g] had hidden the [o] there."),
            ("{Why did [h] not go home when [f] wanted to go?|Why did [h] not go home?}",
             "[h] stayed because [he] saw a stone with a sign on it."),
        ],
        about="who explored an old ruin with a friend",
        summary="[h] and [f] explored an old ruin and found @a [oa] [o] that [h]'s [g] had hidden long ago.",
    )
