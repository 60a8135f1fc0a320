"""Plots about weather, water, plants and animals."""
import words
from plots.fitting import BIG, GROWN, LARGE_ANIMALS, fit
from story import Story, plot

OUTSIDE = ("park", "forest", "farm", "garden", "river", "lake", "hill", "meadow", "field", "pond", "orchard",
           "backyard", "valley")
BABIES = ("kitten", "puppy", "duckling", "lamb", "chick", "piglet", "fawn", "calf", "fox cub", "bear cub")
BIRDS = ("bird", "robin", "sparrow", "owl")


@plot("patience")
def the_seed(s):
    fit(s, things=("bucket", "cup", "bottle", "jar", "teapot", "boot", "pot", "shell"), animals=LARGE_ANIMALS,
        places=("garden", "backyard", "farm", "meadow", "orchard", "field", "valley", "hill", "village"))
    s["plant"], s["grown"] = s.pick([
        ("sunflower", "as tall as a door, with a face like the sun"),
        ("pumpkin vine", "long and green, with one fat pumpkin"),
        ("bean plant", "so high that it looked into the window"), ("rose bush", "full of red flowers"),
        ("young apple tree", "thin and straight, with seven leaves"), ("tulip", "red and yellow, like a small fire"),
        ("bush of berries", "round and green and full of berries"), ("tomato plant", "heavy with round red tomatoes"),
    ])
    s.set("spot", "{by the fence|next to a gray stone|under the window|beside the path|close to the old wall}")
    s.set("unit", "{days|weeks}")
    return Story(
        text="""[open] [day] [h] {found a seed [at]|got a seed from [his] [g]|saw something tiny on the ground}. {It was as small as a crumb.|It was brown and not pretty at all.|It looked like nothing much.||} "{What is in there|What will it be|Is this a pea}?" [h] asked. "{Plant it, and you will see|That is a secret. Plant it, and wait|Give it earth, water and time}," said [his] [g].
So [h] dug a little hole [spot] and {laid|put|dropped} the seed in. {[He] filled the [oa] [o] with water and poured it on top.|Then [he] got some water in @a [oa] [o] and gave the seed a drink.|With the [oa] [o], [he] gave it some water.} {Then [he] sat down in front of it.|"Now grow!" [h] said.|"I am ready," [h] told the seed. "You can come out."||} Nothing happened. {\n|}On the next day, nothing. {On the day after that, nothing.|And then, nothing again.|} {"It is broken," said [h].|"Are you asleep down there?" [h] called.|[h] put one ear to the ground.} {[He] wanted to dig it up and look. "Stop!" [f] called.|[He] was about to dig it up, when [f], @a [fkind], came along.|[He] took a shovel. But [f], @a [fkind], shook [fhis] head.} "{A seed works in the dark|If you dig it up, it has to start again|You cannot hurry a seed}," said [f]. "{Tell it a story while you wait|Just bring it water|You will see, it is busy}."{\n|\n| }So every morning, [h] {came with the [o]|filled the [o]|brought water in the [o]} and {sang to the seed|told the seed the news|wished it a good day}. {It rained, and the sun shone.|@A [a] came to look, too.|Some days were long.||} After [n] [unit], there was something green! {"Look! Look!" [h] shouted.|[h] lay down on the ground to see it up close.|It was no bigger than a thumb.} {It grew, and it grew.|Then it grew faster and faster.|Every day it was a bit taller.||} At last it was @a [plant], [grown].
{"All this was in one little seed?" [h] asked.|"You were busy after all," [h] said to it.|[h] was [happy].} {[f] came to see it, and so did everyone else.|Soon @a [aa] [a] sat in its shade.|"And you did not dig it up," said [f].||} {[h] put the [o] next to it and smiled.|The [o] stood beside it, ready for the next morning.|[h] filled the [o] once more.||} {[moral]|[end]|And in the fall, [h] found a new seed.}""",
        questions=[
            ("{What did [h] plant?|What did [h] put into the ground?}", "[h] planted a seed."),
            ("{Where did [h] plant the seed?|Where was the seed?}", "[h] planted the seed [spot]."),
            ("{What did [h] use to bring water?|How did [h] bring water to the seed?}", "[h] brought the water in @a [oa] [o]."),
            ("{Why did [h] not dig up the seed?|Who told [h] to wait?}", "[f] told [h] to wait and not to dig up the seed."),
            ("{How long did it take?|How long did [h] wait for something green?}", "It took {[n]|[num]} [unit]."),
            ("{What grew from the seed?|What became of the seed?}", "The seed became @a [plant]."),
        ],
        about="who planted a seed",
        summary="[h] planted a seed [spot], waited [n] [unit], and it became @a [plant].",
    )


@plot("courage")
def the_storm(s):
    fit(s, things=("blanket", "coat", "umbrella", "cape", "tent", "carpet"), places=("park", "forest", "farm",
        "river", "lake", "hill", "meadow", "field", "pond", "orchard", "valley", "mountain", "beach"))
    s.set("shelter", "{an old barn|a hollow tree|a little hut|a dry cave|an empty mill|a shed full of hay}")
    s["theshelter"] = "the " + s["shelter"].split(" ", 1)[1]
    s.set("sky", "{lions|giants|drums|barrels|big wheels}")
    return Story(
        text="""[open] [h] and [f], @a [fkind], were [at] {when the sky turned dark|when it got dark all at once|when the first drops fell}. {[h] had [his] [oa] [o] under one arm.|Luckily, [h] had brought [his] [oa] [o].|[h] had taken along [his] [oa] [o].} {The wind pulled at the grass.|A cold wind came up.||} "{A storm|Run|Oh no, a storm is coming}!" [f] cried. They ran until they found [shelter]. {Just in time! Then the rain came down.|There they crawled inside.|They were wet to the bone.||}
{Flash!|A flash lit up everything.|There was a bright light.} {Boom|Crash|Rumble}! {[h] jumped.|[h] shut [his] eyes.|[h] held on to [f].} {"I do not like this," [h] whispered.|"I want to go home," said [h].|"Is it coming to get us?" [h] asked.} {[f]'s teeth chattered.|[f] was just as scared.|[f] could not say a word.||} Then they heard a {tiny|thin|sad} sound in the corner. {There sat @a [aa] [a], all wet and shaking.|It was @a [aa] [a], wet and full of fear.|@A [aa] [a] sat there and shook.}
{[h] looked at the [a]. It was so much smaller than [he] was.|"Oh, you poor little thing!" [h] said.|"You are even more afraid than I am," said [h].} {[He] forgot to be scared, just for a moment.|[h] swallowed [his] fear and crawled closer.|Flash! Boom! But this time, [h] did not hide.||} [He] took the [o] and put it over all three of them. {It was a bit tight, but warm.|Now they had a little house of their own.|Under the [o], it was dry and warm.||} "{Listen|I know what that is|I will tell you a secret}," said [h]. "{Those are [sky] up in the clouds|Up there, [sky] are rolling around|That is only the sky playing with [sky]}."{\n|\n| }{Flash! "One, two, three," [h] and [f] counted. Boom!|[h] and [f] counted after each flash. "One, two, three!" Boom!|"Let us count," said [h]. Flash! "One, two, three!" Boom!} {Next time they came to five, and then to nine.|Then they could count to five, then to eight.|And each time they could count a bit further.} "{It is going away|Do you hear it? It is getting tired|The storm is walking away}," said [f]. {The [a] stopped shaking.|The [a] put its head on [h]'s arm.|The [a] peeked out from under the [o].||}
{Then it was quiet, and only drops fell from the roof.|The rain grew soft, and then it stopped.|At last a ray of light fell in.} {[h], [f] and the [a] looked out of [theshelter].|[h] stepped outside, and the air smelled fresh and new.|[h] folded up the [o] and went outside.}{\n| | }{There was a rainbow over everything!|The whole world was washed and shiny.|The sun made all the puddles sparkle.||} "{You were so brave, [h]|I would like to be as brave as you|You kept us all safe}," said [f]. "{I was afraid the whole time|I was scared too|I was only brave because the [a] was so small}," said [h]. {[moral]|Then [h] wrapped the [a] in the [o] and brought it home.|The [a] rubbed against the [o] once more and was gone.}""",
        questions=[
            ("{Where were [h] and [f]?|Where were they when the storm came?}", "[h] and [f] were [at]."),
            ("{Where did they hide from the storm?|Where did they run?}", "They hid in [shelter]."),
            ("{Who else was there?|Who sat in the corner?}", "@A [aa] [a] sat in the corner and was afraid."),
            ("{What did [h] put over them?|How did [h] keep them warm?}", "[h] put the [oa] [o] over all three of them."),
            ("{What did they count?|What did they do at each flash?}", "They counted from the flash to the boom."),
            ("{Was [h] afraid?|Was [h] brave?}", "[h] was afraid, but [he] was brave for the [a]."),
        ],
        about="who was out in a storm",
        summary="In a storm, [h] and [f] hid in [shelter], and [h] was brave because @a [a] was even more afraid.",
    )


@plot("curiosity")
def snow_tracks(s):
    fit(s, without=BIG + GROWN + ("needle", "candle", "coin", "ring", "button", "marble", "diamond"), places=("park",
        "forest", "farm", "garden", "river", "lake", "hill", "meadow", "field", "village", "backyard", "valley",
        "snowy forest"), animals=LARGE_ANIMALS + ("butterfly", "ladybug", "beetle", "snail", "bat", "lizard", "frog",
        "turtle", "bird", "robin", "sparrow", "owl", "duckling", "chick", "mole"))
    s.set("shape", "{little stars|tiny hearts|small forks|round coins|little leaves|commas}")
    s.set("first", "{past a frozen puddle|around a snowy bush|under a fence|over a little bridge|along a stone wall}")
    s.set("then", "{behind a barn|between two fir trees|up a small hill|across a white field|through a hole in a hedge}")
    s["owner"], s["turn"], s["answer"], s["whose"] = s.pick([
        ("a", """There, under the roots of an old tree, was a hole. {[h] bent down and looked in.|[f] and [h] lay down in the snow and looked in.|They held their breath and peeked in.} Two eyes looked back! It was @a [aa] [a], and it had @a [oa] [o]. {"So you made the tracks," [h] said softly.|"Hello! Did you drag the [o] all this way?" [h] asked.|"It wants to keep the [o]," whispered [f].} {"That is my [o]!" [h] laughed. "I left it outside last night."|[h] knew that [o]. It was [his] own!|It was [h]'s own [o]. [He] had lost it in the snow.} {"You can keep the [o] until spring," [he] said.|"Keep the [o]. You need it more than I do," [he] said.|[He] let the [a] keep the [o], for the winter was cold.}""",
         "It was @a [aa] [a], and it had [h]'s [o].", "The tracks were from @a [aa] [a]."),
        ("x", """Then they heard a sniff. {Behind a tree sat [xintro].|In the snow sat [xintro].|And there stood [xintro].} "{I am looking for my [o]|I lost my [oa] [o]|My [o] is gone}," said [x]. "{And now I am lost, too|And my feet are so cold|And I do not know the way home}." {[h] looked at [x]'s boots. Under each one were small shapes. So that was it!|[x] wore boots with a pattern on the bottom. So that was it!|"You made the tracks!" [h] said. [x] had shapes on the bottom of [xhis] boots.} {[h] and [f] helped to look, and there, under some snow, was the [o].|They all looked together, and soon [f] pulled the [o] out of the snow.|Then [h] saw something in the snow. It was the [o]!} {Then they followed the tracks back home, and [x] carried the [o].|"The way home is easy," said [h]. "Take your [o], and we go back along our tracks."|[h] and [f] took [x] home, back along the tracks.}""",
         "It was [x], who had lost [xhis] [o].", "The tracks were from [x]'s boots."),
        ("own", """But how odd! {Now there were two tracks, and then three.|Next to the strange tracks were now other ones.|The longer they went, the more tracks there were.} And then they stood in front of [h]'s own door. {[h] scratched [his] head.|"We are back home!" [f] said.|"But we live here!" [h] said.} In front of the door stood @a [a], and it looked at them with big eyes. {It had come to [h]'s house, but [h] was not there. So it had followed [h]!|It had walked behind them the whole time, around and around.} {"You looked for me, and I looked for you!" [h] laughed.|[h] laughed so hard that [he] sat down in the snow.|"We followed you, and you followed us!" [f] laughed.} {The [a] wanted the warm [o] that lay by the door.|[h] let the [a] come in and gave it the [o] to sleep on.|They took the [a] in, and it played with the [o].}""",
         "They came back to [h]'s own door, and there was @a [a].", "The tracks were from @a [a] that was looking for [h]."),
    ])
    if s["owner"] == "own":
        fit(s, things=("blanket", "scarf", "pillow", "carpet", "coat", "hat", "mitten", "sock"))
    return Story(
        text="""[open] {One winter morning, everything was white.|In the night, it had snowed.|It was winter, and the snow was deep and new.} {[h] stepped outside with [his] nose in the air.|[h] ran out into the snow.|[h] could see [his] breath in the cold air.} But there were tracks in the snow! {They looked like [shape].|They had the shape of [shape].} {[h] had never seen such tracks.|"Who made these?" [h] asked.|"These are not mine," said [h].||}
{[h] called [his] friend [f].|"[f], come and look!" [h] called.|[h] ran to get [his] friend [f].} [f], @a [fkind], bent over the tracks. {"Is it a bird?" [f] asked. But they were too big for a bird.|"Is it a dragon?" [f] asked. But they were much too small for that.|"Is it a ghost?" [f] asked. But ghosts make no tracks.} "{There is only one way to find out|Let us follow them|I must know who it was}," said [h].
The tracks went [first], and then [then]. {Snow fell from the trees, plop, right on [h]'s head.|[f] sank in up to the knees, and [h] pulled [fhim] out.|Their noses got red, but they went on.||} {"Are you cold?" [f] asked. "Too curious to be cold," said [h].|"Maybe we should turn back," said [f]. "Just a little more," said [h].|"What if it is big?" [f] asked. "Then it would have big feet," said [h].||} {They came close to the [p] now.|They even came by the [p].|They were now close to the [p].}
[turn]
{That evening, they drank something hot.|At home, they warmed up with some [food].|Later, [h] told [his] [g] the whole story.||} {"I like tracks," said [h]. "They are like letters." Then [he] yawned.|"Every track tells a story," [h] thought, and fell asleep.|Before [he] fell asleep, [h] thought of the [o] and the tracks.} {[moral]|And outside, the snow began to fall again.|At night, new snow fell and covered all the tracks.}""",
        questions=[
            ("{What did [h] see in the snow?|What was in the snow?}", "[h] saw tracks in the snow."),
            ("{What did the tracks look like?|Which shape did the tracks have?}", "The tracks looked like [shape]."),
            ("{Who went with [h]?|Who helped [h] to follow the tracks?}", "[f] went with [h]."),
            ("{Where did the tracks go first?|Where did the tracks go?}", "The tracks went [first], and then [then]."),
            ("{Who did they find?|What did they find at the end of the tracks?}", s["answer"]),
            ("{Whose tracks were they?|Who made the tracks?}", s["whose"]),
        ],
        about="who found tracks in the snow",
        summary="[h] and [f] followed strange tracks in the snow, and in the end they found out who had made them.",
    )


@plot("kindness")
def lost_little_one(s):
    fit(s, things=("bell", "whistle", "drum", "flute", "trumpet", "violin", "guitar", "kazoo", "harp", "music box"),
        places=OUTSIDE)
    if s["a"] not in BABIES:
        s["a"] = s.pick([a for a in BABIES if a not in (s["kind"], s["fkind"], s["xkind"])])
    s.set("cry", "{wee, wee|oo, oo|mii, mii|eep, eep|uh, uh|ooh, ooh}")
    s.set("where", "{under a bush|behind a stone|in a ditch|beside a stump|in the tall grass|under a big leaf}")
    return Story(
        text="""[open] [day] [h] {walked through the [p]|was [at]|was on the way to the [p]} {with [his] [oa] [o]|and carried [his] [oa] [o]}. {Then [he] heard something.|There was a small sound.|[He] stopped. What was that?} "{[cry]}!" {It came from somewhere close.|It was very soft.|} [h] looked around, and there, [where], sat @a [aa] [a]. {It was all alone.|It was full of mud and shaking.|Big tears ran down its face.||}{\n|\n| }{"Why do you cry, little one?" [h] asked.|"Who are you?" [h] asked.|"Are you lost?" [h] asked.} "[cry]," said the [a]. {[h] understood. It had lost its mother.|[h] saw that it wanted its mother.|It looked to the left and to the right. It was looking for its mother.} {"I will help you," [he] said.|"We will find her," [he] said. "I promise."|"Do not be afraid. I am with you," [he] said.} {[He] gave it some [fruit], but it did not want any.|[He] wiped off the mud with some grass.|[He] gently picked it up.||}
First they met [f], @a [fkind]. "Have you seen the mother of this [a]?" [h] asked. "{No, not today|I have not seen anyone|I am sorry, no}," said [f]. "{But I will come with you|But three see more than two|But I will help you}." {They looked by the water, and they looked on the hill.|They looked behind every bush.|They asked everyone they met.||}{\n| | }Then they met [x], @a [xkind]. "{Yes|Oh, yes|I think so}," said [x]. "{I heard somebody call, far away|Somebody is running around and calling|There was somebody who called and called}. {But she is too far away to hear such a small voice|But she will never hear that tiny voice}."
{[h] looked at the [a], and then at the [o].|Then [h] had an idea.|"Too small a voice?" [h] said. "Then we need a big one!"} [He] took the [oa] [o] and played it as loud as [he] could. {What a noise!|It rang over hills and fields.|[f] covered [fhis] ears.||} Once. Twice. {Nothing. "Again," said [f].|They listened. Nothing.|Everything was still.} The third time, {there was an answer|somebody answered|they heard a call}! {The bushes shook.|There were quick steps.|Something came running.||} It was the mother!
{"{[cry]}!" And this time it was a cry of joy.|The [a] ran to her, and they rubbed noses.|The mother licked the [a] from head to toe.} {The mother looked at [h] for a long time, as if to say thank you.|Then the mother came to [h] and touched [his] arm with her nose.|"Now all is well," said [h], and [his] eyes were wet.} {"That is a fine [o]," said [f].|"Your [o] saved the day," said [x].|[h] patted the [o]. "Well done," [he] said.||} {[moral]|[end]|And whenever [h] plays the [o] now, @a [a] comes to listen.}""",
        questions=[
            ("{Who was lost?|Who did [h] find?}", "[h] found @a [aa] [a] that was lost."),
            ("{Where was the [a]?|Where did [h] find the [a]?}", "The [a] sat [where]."),
            ("{Why did the [a] cry?|What did the [a] want?}", "The [a] had lost its mother."),
            ("{Who heard somebody call?|What did [x] know?}", "[x] had heard somebody call far away."),
            ("{How did they find the mother?|What did [h] do to call the mother?}", "[h] played the [o] as loud as [he] could."),
            ("{How many times did [h] play the [o]?|When did the mother answer?}", "[h] played the [o] three times, and then the mother answered."),
        ],
        about="who helped @a [a] to find its mother",
        summary="[h] found a lost [a] and played the [o] until its mother heard it.",
    )


@plot("curiosity")
def moon_in_the_water(s):
    fit(s, things=("bucket", "basket", "rope", "spoon", "jar", "pot", "hat", "ladder", "umbrella", "cup", "shovel",
        "blanket"), places=("lake", "river", "pond", "harbor"))
    s.set("size", "{big|round|yellow|white|bright}")
    return Story(
        text="""[open] {One night, [h] could not sleep and went outside.|It was night, and the moon was full.|One clear night, [h] took a walk.} {The stars were out.|It was so quiet that [he] could hear the grass.|Everything was blue and silver.||} [h] came to the [p], and there [he] stopped. In the water lay the moon! It was [size], and it shook a little.
"{Oh no! The moon fell down|The moon fell into the water|Poor moon}!" [h] cried. {[He] ran to get [f], @a [fkind].|[He] woke up [his] friend [f], @a [fkind].|[f], @a [fkind], came running.} "{Look|Quick, look|See}! It will {drown|get cold|go out}!" [h] said. {[f] rubbed [fhis] eyes and looked at the water.|[f] looked down. It was true!|[f]'s mouth fell open.||} "{Without the moon, the nights will be black|We must save it|The stars will miss it}," said [f]. {"I know what to do," said [h].|"I will get it out," said [h].|"Wait here," said [h].||} [He] {ran home and came back with|fetched|went to get} @a [oa] [o].{\n|\n| }{[h] lay down and reached out with the [o].|[h] leaned far over the water with the [o].|[f] held [h] tight, and [h] reached out with the [o].} {Splash!|Swish!|Plish, plash!} The moon broke into a hundred pieces. {"Now I broke it!" [h] cried.|"What have you done?" [f] asked.|"Oh!" they both said.||} {They waited. Slowly, the pieces came together again.|But look, the pieces swam back to each other.|Then the water was still, and the moon was whole again.} {[h] tried it [n] times. Each time it broke, and each time it came back.|[n] times [h] tried, and [n] times it broke.|"Again," said [h]. [He] tried it [n] times.} {"It is slippery, this moon," said [h].|"It does not want to come," said [h].|"Strange," said [h]. "The [o] is always empty."||}
Then {@a [a] jumped in, and water flew in [h]'s face. [He] looked up to shake it off|[h] slipped and fell in, splash! [He] came up and looked at the sky|[h] got tired and fell on [his] back. [He] looked up}. And there was the moon, high up in the sky! "{[f]! There are two of them|It is back up there|But it is up there}!" [h] cried. {[f] looked up. [f] looked down. Up. Down.|[f] held up one arm. In the water, another arm went up.|[f] made a face at the water, and a face looked back.} "{It never fell|It was up there all the time|The water is like a mirror}," [f] said slowly. "{That down there is only its picture|The water just shows it|We tried to catch a picture}."
{They laughed until their tummies hurt.|[h] began to laugh, and then they both laughed.|"We saved a moon that was never lost," [h] laughed.||} {Then [h] put the [o] away, and they looked at both moons.|They put down the [o], sat side by side, and looked at both moons.|[h] looked at the [o]. "No moon for you today," [he] said.} {"Why does it shine?" [h] asked. "We can find that out tomorrow," said [f].|"And does the moon see us, too?" [h] asked. Nobody knew.|"Good night, moon," said [h]. "Good night, other moon," said [f].} {[moral]|And then, at last, [h] could sleep.|On the way home, the moon went with them.}""",
        questions=[
            ("{What did [h] see in the water?|What was in the water?}", "[h] saw the moon in the water."),
            ("{Where did [h] see the moon?|Where did [h] go that night?}", "[h] saw it [at]."),
            ("{What did [h] use to get the moon out?|What did [h] bring?}", "[h] used @a [oa] [o]."),
            ("{How many times did [h] try?|How often did [h] try to catch the moon?}", "[h] tried it {[n]|[num]} times."),
            ("{Why could [h] not catch the moon?|Was the moon really in the water?}", "The moon was in the sky, and the water only showed its picture."),
            ("{Who was with [h]?|Who wanted to save the moon with [h]?}", "[f] was with [h]."),
        ],
        about="who wanted to save the moon",
        summary="[h] and [f] tried to get the moon out of the water with @a [o], but it was only its picture.",
    )


@plot("teamwork")
def down_the_river(s):
    fit(s, things=("boat", "ball", "hat", "basket", "kite", "doll", "flute", "box", "plane", "boot", "drum",
        "umbrella", "scarf", "broom"), animals=LARGE_ANIMALS + ("butterfly", "ladybug", "snail", "beetle", "bat",
        "mole", "chick"))
    s.set("stream", "{river|stream|creek|brook}")
    s.set("block", "{a big stone|a fallen branch|some reeds|an old root|a little island of sand}")
    s.set("drop", "{waterfall|mill wheel|deep pool|wide lake}")
    return Story(
        text="""[open] [day] [h] and [f], @a [fkind], played by the [stream]. {[h] had brought [his] [oa] [o].|They had [h]'s [oa] [o] with them.|Of course, [h] had the [oa] [o] with [him].} {"Throw it to me!" [f] called.|They danced along the bank.|[h] wanted to show [f] something.||} Then {[h] slipped on the wet grass|the wind came|[f] did not catch it}, and splash! The [o] fell into the water.
{"My [o]!" [h] cried.|"Catch it! Catch it!" [f] cried.|"Oh no, the [o]!" [h] cried.||} {But the water was fast. It spun the [o] around and took it along.|Off went the [o], like a little ship.|The [o] turned once, as if to say goodbye, and was off.} {[h] ran along the bank. [f] ran, too.|[h] and [f] ran as fast as they could.|[h] ran after it, and [f] ran behind [h].} "{Down there is the [drop]|Soon it comes to the [drop]|If it gets to the [drop], it is gone}!" [f] shouted.
{[h] reached out. Too short!|[h] lay down and reached out. Almost!|[h] stretched and stretched, but it was too far.} {[f] took a stick. Too short!|[f] threw a stone. That only made it go faster.|[f] waded in, but it was too deep.||} Then the [o] {bumped into|got stuck on|stopped at} [block], {right in the middle|far from both sides}. {"It will not stay there for long," said [h].|"Quick, before it gets loose!" [f] cried.|It shook. It was about to get loose.||}{\n|\n| }{"Alone, I am too short," said [h].|"My arm is too short, and so is yours," said [h].|"You cannot reach it, and I cannot reach it," said [h].} "{But together we are long|But what if we make a chain|Then we must make one long arm}," said [f]. {That was it!|[h] understood at once.|Yes, that could work!} [x], @a [xkind], came along just then. "{We need you|Come and help|Quick, hold on to us}!" [h] called.{\n| | }So [x] held on to a tree and to [f]. [f] held on to [h]. {And [h] leaned out over the water, far, far out.|And [h] stepped into the cold water, one step, two steps.|And [h] reached out, farther than ever before.} {@A [a] near [block] watched with big eyes.|"A little more," [h] groaned. "A tiny bit more!"|"Hold tight!" [h] called.} Then [he] had it!
{They all fell back into the grass in one heap, with [h] on top.|"Pull!" [h] shouted, and they all pulled.|[h], [f] and [x] tumbled back and lay there and laughed.} The [o] was {wet, but whole|dripping, but safe|a bit muddy, but fine}. {"Nobody has an arm that long, but we do," said [x].|"You see, we were just long enough," said [f].|"Without the two of you, it would be gone," said [h].} {They put the [o] in the sun to dry.|[h] shook the water out of the [o].|[h] held on to the [o] very tightly now.||} {[moral]|[end]|And after that, they played with the [o] a bit farther from the water.}""",
        questions=[
            ("{What fell into the water?|What did [h] lose in the [stream]?}", "[h]'s [oa] [o] fell into the water."),
            ("{Where did they play?|Where were [h] and [f]?}", "They played by the [stream]."),
            ("{Where did the [o] get stuck?|What stopped the [o]?}", "The [o] stopped at [block]."),
            ("{Why were they in a hurry?|What was farther down the water?}", "Farther down was the [drop], and they were afraid to lose the [o]."),
            ("{Who helped [h] and [f]?|Who held on to the tree?}", "[x] helped them and held on to a tree."),
            ("{How did they get the [o] back?|How did they reach the [o]?}", "They made a chain, and [h] reached the [o]."),
        ],
        about="whose [o] fell into the water",
        summary="[h]'s [o] fell into the [stream], but [h], [f] and [x] made a chain and got it back.",
    )


@plot("listening")
def the_tide(s):
    fit(s, without=BIG + GROWN + ("needle", "candle", "coin", "ring", "button", "marble", "diamond", "letter",
        "crown", "flag"), places=("beach", "island"), animals=LARGE_ANIMALS)
    s.set("count", "{three|four|five|six|seven} towers")
    s.set("deco", "{shells|smooth stones|green seaweed|white feathers|bits of blue glass|little sticks}")
    return Story(
        text="""[open] [day] [h] went to the [p] with [his] [g]. {The sand was warm, and the sea was far out.|The sea was flat and far away.|There was so much sand, and nobody was there.||} {[h] put [his] [oa] [o] down on the sand.|[h] had brought [his] [oa] [o] and laid it down next to [him].|The [oa] [o] came along and lay in the sand.} "{I will build the biggest castle in the world|I am going to build a castle|Today I build a castle}!" [h] said. "{Build it up here, by the dunes|Then go up there, where the sand is dry|Not so close to the sea}," said [his] [g]. "{The water comes back|The sea only sleeps. It will come back|In the afternoon, the water comes back}."
{But down by the water, the sand was wet and good.|But the best sand was down there, close to the sea.|"But the sea is so far away," said [h].||} So [h] did not listen and ran down. [He] dug and patted {all morning|for hours|and sang a song}. {It got a wall, a gate and [count].|The castle had [count] and a gate.} [h] put [deco] on top, and [he] {put the [o] right in the middle, like a treasure|put the [o] inside the walls|leaned the [o] against the highest tower}. {"Nobody has ever built such a castle," said [h].||@A [a] came by and looked at it with respect.}
{Then a wave licked at the wall.|Swish! A wave came up to the wall.|Suddenly a wave came close.} {"Go away!" [h] told the sea.|"Stop!" [h] called. The sea did not stop.|"You are not invited," [h] said to the wave.||} Another one came, and another. {Plop, one tower was gone.|One tower fell, and then the next.|The gate was gone, and then the wall.} {[h] piled up more sand. It was no use.|[h] spread out both arms, but one cannot stop the sea.||} And then a big wave took the [o]! "{My [o]|No! Not my [o]|Help! My [o] is swimming away}!" [h] cried.
{Then somebody ran past [him].|There was a splash beside [h].|But somebody had seen it all.} It was [f], @a [fkind], and [fhe] ran right into the water. {[f] jumped after the [o] and caught it just in time.|[f] grabbed the [o] before the next wave came.|Soon [f] had the [o].||} {"This is yours, I think," said [f].|"The sea wanted to borrow it," said [f] with a grin.||} {[h] held the wet [o] tight and thanked [f].|[h] thanked [f] and hung [his] head.|"Thank you," said [h]. [His] voice was small.}{\n|\n| }{[h] went up to [his] [g]. "You told me," [he] said.|"I should have listened to you," [h] said to [his] [g].|"How did you know?" [h] asked [his] [g].} "{I once lost a castle as well|Long ago, I did not listen either|The sea taught me, too}," said [his] [g], and {laughed|smiled|winked}.{\n| | }{Then they built a new one, up by the dunes, and [f] helped.|"It is not too late," said [f]. So they built a new one up by the dunes.|So [h] and [f] built a second castle, where the sand was dry.} {The sea did not come that far.|The water came and went, but this castle stood.|In the evening, that one was still there.|} {[moral]|And the [o] got the best place of all.|[h] put the [o] on top and waved to the sea.}""",
        questions=[
            ("{What did [h] build?|What did [h] build in the sand?}", "[h] built a castle."),
            ("{What did [his] [g] say?|What did [h] not listen to?}", "[h]'s [g] said that the water comes back."),
            ("{How many towers did the castle have?|What did the castle have?}", "The castle had [count]."),
            ("{What did [h] put on the castle?|What was on top of the castle?}", "[h] put [deco] on top."),
            ("{What did the big wave take?|What did [h] almost lose?}", "A big wave took the [o]."),
            ("{Who saved the [o]?|How did [h] get the [o] back?}", "[f] ran into the water and saved the [o]."),
        ],
        about="who built a castle too close to the sea",
        summary="[h] did not listen and built a castle too close to the sea, and [f] had to save the [o].",
    )


@plot("practice")
def small_wings(s):
    fit(s, things=("pillow", "blanket", "basket", "hat", "coat", "carpet", "scarf", "bed", "cape", "mitten"),
        places=OUTSIDE)
    s["a"] = s.pick([a for a in BIRDS + ("crow",) if a not in (s["kind"], s["fkind"])])
    s.set("high", "{stone|stump|fence post|step|bucket|log}")
    s.set("goal", "{the lowest branch of a tree|the roof of a shed|the top of a gate|a sunny window sill|the arm of a scarecrow}")
    return Story(
        text="""[open] [day] [h] was [at]. {Something small lay in the grass.|Peep! What was that?|Under a tree, something moved.} It was @a [aa] [a]. {It had fallen out of its nest.|It flapped with its wings, but it stayed on the ground.|All the other birds were in the air, but this one was not.} {"Why do you not fly away?" [h] asked.|"Can you not fly?" [h] asked.|"Fly!" [h] said. "Fly home!"} {"Peep," said the [a], and that meant no.|The [a] hopped once and fell on its nose.|The [a] looked up at the sky and sighed.||}{\n|\n| }{[h] ran to [f], @a [fkind].|[h]'s friend [f], @a [fkind], came to look.|"What do we do?" [h] asked [f], @a [fkind].} "{It just has to learn|Nobody can do it on the first day|I think it needs to practice}," said [f]. "{We can help it|And we will be its teachers|Somebody has to help it}." {They found @a [oa] [o] and laid it on the ground.|[h] got @a [oa] [o] and put it down in the grass.|They put @a [oa] [o] on the ground.} "{Now it can fall without getting hurt|So it falls on something soft|If it falls, it falls on that}," said [h]. Then they set the [a] on a [high].
{"One, two, three, jump!" [h] called.|"Now!" [f] called.|"Spread your wings!" [h] said.} {Flap, flap, plop.|The [a] jumped, flapped once, and plop!|It jumped, it flapped, it fell.} It landed on the [o]. {"That was good," said [h]. It was not, but it was a start.|"Again," said [f].|"It does not matter. Try again," said [h].||} {Up on the [high]. Jump. Plop.|They set it back on the [high]. Flap, flap, plop.|Again it jumped, and again it went plop.} [n] times it fell. {The [a] hid its head under a wing.|The [a] did not want to go on.|"Maybe it will never learn," said [f] sadly.} {[h] sat down next to it. "I fell a lot too when I learned to walk," [h] said.|"Do you see the clouds?" [h] whispered to it. "They are waiting for you."|"Look," said [h], and [he] flapped with both arms until the [a] had to laugh.||}
{So the [a] tried once more.|Then the [a] shook its feathers and stood up.|The [a] took a deep breath.} {A soft wind came up.|[h] and [f] did not say a word.|Everything was still.||} {Flap. Flap. Flap, flap, flap!|It jumped. Did it fall? No, it did not!|It jumped, and the wind took it.} It was in the air! {It flew in a crooked line, but it flew.|It went up, down, and up again.|It wobbled like a leaf, but it stayed up.||} And it landed on [goal]. {"It flies!" [h] shouted. "It flies!"|[h] and [f] hugged and jumped up and down.|[h] threw [his] arms in the air.||}
{The [a] sang its first song for [h].|The [a] flew around [h]'s head three times.|The [a] looked down, very proud.||} {Then it flew off, higher and higher.|Then it flew to the others.|Soon it was only a dot in the sky.} {"It never gave up," [f] said to [h].|"Good luck," [h] called after it.|[h] waved for a long time.||} {[moral]|[h] picked up the [o] and carried it home.|Next spring, the [a] built a nest right next to [h]'s window. In it was a bit of the [o].}""",
        questions=[
            ("{What could the [a] not do?|What was wrong with the [a]?}", "The [a] could not fly."),
            ("{Where was [h]?|Where did [h] find the [a]?}", "[h] found the [a] [at]."),
            ("{What did they put on the ground?|What did the [a] fall on?}", "They put @a [oa] [o] on the ground."),
            ("{How many times did the [a] fall?|How often did the [a] fall?}", "The [a] fell {[n]|[num]} times."),
            ("{Where did the [a] land in the end?|Where did the [a] fly first?}", "The [a] landed on [goal]."),
            ("{Who helped the [a]?|Who were the teachers of the [a]?}", "[h] and [f] helped the [a]."),
        ],
        about="who helped @a [a] to learn to fly",
        summary="[h] and [f] helped @a [aa] [a] that could not fly, and after [n] falls it flew.",
    )


@plot("sharing")
def hungry_winter(s):
    fit(s, things=("basket", "jar", "box", "chest", "pot", "bucket", "backpack", "wagon"), animals=("butterfly",
        "ladybug", "snail", "beetle", "bat", "lizard", "frog", "turtle", "bear cub", "calf", "pony"))
    s.set("veg", "{a carrot|an onion|a potato|a turnip|a pumpkin|a handful of beans}")
    s.set("nuts", "{three nuts|a bit of cheese|some dry bread|a few mushrooms|a cup of corn|some salt}")
    return Story(
        text="""[open] {All summer, [h] had worked hard.|In the fall, [h] had filled [his] house with food.|Winter was coming, and [h] was ready.} {[He] had picked [fruit] and dried them in the sun.|[He] had gathered [fruit] every day.|There were dried [fruit] for every day.} Now they were in @a [oa] [o]. Then the snow came. {It snowed for a week.|It was colder than ever before.|The wind howled, and everything froze.||} {The winter was long, and the [o] got emptier.|Day by day, there was less in the [o].|It did not stop, and the [o] was soon half empty.}
Knock, knock! {At the door stood @a [aa] [a], white with snow.|It was @a [aa] [a], thin and cold.|[h] opened the door. There sat @a [aa] [a].} {It did not say anything, but its tummy growled.|It looked at [h] with hungry eyes.|Its tummy growled so loud that [h] heard it.||} {[h] looked into the [o]. There were only [n] [fruit] left.|In the [o], there were just [n] [fruit].} {"If I share, I will have less," thought [h].|"It is not enough for two," thought [h].|[h] thought about it for a moment.}{\n| | }{Then [he] saw how the [a] shook. "Come in," [he] said.|But how could [he] eat, with those eyes at the door? "Come in," [he] said.|"Come in," said [h]. "It is warm here."} {They sat by the fire, and each of them ate.|And [h] gave it some of the [fruit].|So [h] took out some [fruit] and gave them to the [a].}{\n|\n| }Knock, knock! {Now it was [fintro].|Who was that? It was [fintro].|There stood [fintro].} "{My wood is all gone|My house is so cold|My roof fell in}," said [f]. "{May I come in? I only have [veg]|Is there room for me? I have nothing but [veg]|I am so hungry! All I have is [veg]}." {"Come in," said [h]. "We will make room."|"There is always room," said [h].|[h] moved over. "Sit down," [he] said.}
Knock, knock! {Then came [x], @a [xkind], with snow up to the ears.|And then it was [x], @a [xkind], who had lost the way.|This time it was [x], @a [xkind], and [xhis] nose was blue.} {[x] had [nuts] in a little bag.|"I can give you [nuts]," said [x].|[x] held out [nuts] to [h].} {"We all have so little," said [f].|"That is not much for four," said [f].|They looked at what they had. It was not much.||} {"One by one, it is little," said [h]. "But in one pot, it is soup!"|Then [h] jumped up. "Put everything together!" [he] said. "We make soup!"|"Little and little and little makes a lot," said [h]. "Let us make soup!"}
{How it smelled!|Soon the pot bubbled and steamed.|[h] stirred, and they all sang.||} {There was enough for all of them, and even some left.|They ate and ate, and there was still some in the pot.|It was the best soup that [h] had ever had.} {And because there were four of them, it was warm in [h]'s house.|They told each other stories until the fire was low.|The wind howled outside, but nobody heard it.||} In the spring, {they all came back|they came back, one by one|there was a knock at the door again}. {Each one brought something, and soon the [o] was full to the top.|And each of them put something into [h]'s [o], until it was full.|They filled the [oa] [o] until nothing more would fit in.} {[moral]|"I gave a little, and got so much," said [h].|[h] looked at the full [o] and smiled.}""",
        questions=[
            ("{What was in the [o]?|What did [h] keep in the [o]?}", "There were [fruit] in the [o]."),
            ("{Who knocked first?|Who was the first one at the door?}", "First, @a [aa] [a] was at the door."),
            ("{What did [f] have?|What did [f] bring?}", "[f] had [veg]."),
            ("{What did [x] have?|What did [x] bring?}", "[x] had [nuts]."),
            ("{What did they make together?|What did they do with the food?}", "They put everything together and made soup."),
            ("{What happened in the spring?|How did it end?}", "In the spring they all came back and filled the [o]."),
            ("{How many [fruit] were left?|How many [fruit] did [h] still have?}", "There were only {[n]|[num]} [fruit] left."),
        ],
        about="who shared [his] food in a cold winter",
        summary="In a cold winter [h] shared [his] last [fruit] with @a [a], [f] and [x], and together they made soup.",
    )


@plot("humility")
def picnic_ants(s):
    fit(s, things=("key", "button", "ring", "coin", "needle", "diamond", "marble", "feather", "pebble", "seed",
        "ribbon", "crayon", "pencil"), places=("park", "forest", "farm", "garden", "river", "lake", "hill", "meadow",
        "field", "pond", "orchard", "valley"))
    s["tiny"] = "beetle" if "ant" in (s["kind"], s["fkind"], s["xkind"]) else "ant"
    s["oa"] = s.pick([w for w in words.THINGS[s["o"]][0].split(",") if w not in ("long", "tall")] or ["little"])
    s.set("crack", "{a crack in the ground|a hole under a root|a gap between two stones|a deep crack in the dry earth|a narrow hole in the ground}")
    s["thecrack"] = "the " + s["crack"].split(" ", 1)[1]
    return Story(
        text="""[open] [day] [h] and [f], @a [fkind], had a picnic [at]. They spread out @a [col] blanket {in the grass|in the shade|under a tree}. {There was [food], and there were [fruit].|They had [food], and for later they had [fruit].|They unpacked some [food] and some [fruit].} {And around [his] neck, on a string, [h] wore [his] [oa] [o].|[h] had [his] [oa] [o] with [him]. It was [his] lucky charm.|In [his] bag, [h] had [his] [oa] [o], as always.}
{"What is that?" [h] asked.|Then something tickled [h].|But they were not alone.||} @A [tiny] walked over the blanket. Behind it came another one, and another. {They carried crumbs that were bigger than they were.|They walked in a long line.||} {"Shoo!" [h] said. "This is our picnic!"|"Go away!" [h] cried. "You are much too small to have a picnic!"|[h] jumped up. "Thieves!" [he] cried.} {[He] wanted to brush them all away.|} "{Wait|Stop|Let them be}," said [f]. "{They only take what we drop|They just want the crumbs|They are hungry too}." {[h] grumbled. "What good is @a [tiny]?" [he] asked.|"But they are so small! What are they good for?" [h] asked.|"Nobody needs @a [tiny]," grumbled [h].} {But then [he] put a few crumbs down for them.|But in the end, [he] gave them some crumbs, too.|Still, [he] sat down again and let them have the crumbs.}
After lunch, {they rolled in the grass|they ran around|they played tag}. {And then [h] stopped.|When [h] came back, something was missing.|Suddenly [h] looked scared.} "{My [o]|My [o] is gone|I lost my [o]}!" [h] cried. They looked and looked. {At last, [f] found it.|Then [f] called, "Here!"|Then they saw it.} It had fallen into [crack]. {[h] tried it with a stick. The [o] only slid deeper.|[f] tried it with a straw. No luck.||} {"I will never get it back," said [h].|"It is too deep," said [f].|[h] lay down in the grass and was [sad].}{\n|\n| }{Then there was a tickle on [h]'s arm.|Then [h] saw a long thin line in the grass.|Something small walked past [h]'s nose.} The [tiny]s! {One after the other, they went down into [thecrack].|They marched straight into [thecrack].} {[h] held [his] breath.|"What are they doing?" [h] whispered.|"Look," whispered [f].||} And then, bit by bit, the [o] came up. {A hundred tiny legs pushed and pulled.|Under it were a hundred [tiny]s, and all of them pushed.|Some pulled, some pushed, and all of them worked.||} {"Heave, ho," whispered [h].|[h] could not believe [his] eyes.||}
{[h] took the [o] very gently.|There lay the [o], right in front of [h].|And then [h] had the [o] back.} "{I said that you are too small|I was wrong about you|I asked what you are good for}," [h] said, and got red. "{I am sorry. Thank you|Now I know it|You are the greatest}." {Then [he] broke [his] last bit of food in two, and the bigger half was for the [tiny]s.|Then [he] put down the biggest crumb that [he] could find.|And [he] laid some [fruit] in the grass, just for them.} {[moral]|[end]|From then on, [h] looked down before every step.}""",
        questions=[
            ("{Where was the picnic?|Where did [h] and [f] eat?}", "The picnic was [at]."),
            ("{What did they eat?|What did they have at the picnic?}", "They had [food] and [fruit]."),
            ("{Who came to the picnic?|Who took the crumbs?}", "Many [tiny]s came to the picnic."),
            ("{What did [h] lose?|What was gone after lunch?}", "[h] lost [his] [oa] [o]."),
            ("{Where was the [o]?|Where did the [o] fall?}", "The [o] had fallen into [crack]."),
            ("{Who got the [o] back?|How did [h] get the [o] back?}", "The [tiny]s brought the [o] up again."),
        ],
        about="who had a picnic with many little guests",
        summary="[h] thought that [tiny]s were good for nothing, but then they got [his] [o] out of [crack].",
    )


@plot("courage")
def voice_in_the_cave(s):
    fit(s, things=("lantern", "candle", "lamp", "rope", "drum", "bell", "flute", "shield", "broom", "whistle"),
        animals=("butterfly", "ladybug", "beetle", "snail", "bird", "robin", "sparrow", "chick", "duckling", "pony",
        "calf", "fawn"), places=("forest", "hill", "mountain", "valley", "beach", "island", "lake", "river", "jungle",
        "desert"))
    s["voice"], s["truth"], s["turn"] = s.pick([
        ("{Hooo! Hooo!|Hooo!}", "It was only the wind in a hole in the rock.",
         """{"There is a hole in the rock!" [h] called.|At the end of the cave, [h] felt cold air.|Then [h] felt a wind on [his] nose.} There was a hole in the rock, and the wind blew through it. Hooo! {"It is just the wind!" [h] laughed.|"The wind is playing the flute!" [f] said.|[h] put the [o] in front of the hole. The voice stopped. [h] took it away. Hooo!}"""),
        ("{Rrrr! Rrrr!|Rrrr!}", "It was only @a [aa] [a] that snored.",
         """{In the last corner, [h] saw a heap of leaves. It went up and down.|[h] took one more step and looked behind a rock.|Then [h] saw something round and soft.} There, fast asleep, lay @a [aa] [a], and it snored. Rrrr! {"So small, and so loud!" [f] whispered.|"That is our monster?" [f] asked.|[h] had to try hard not to laugh out loud.}"""),
        ("{Blub! Blub!|Blub!}", "It was only water that dripped into a pool.",
         """{Then [h] felt a drop on [his] nose.|Something wet fell on [h]'s head.|[h] stepped into something wet.} Water dripped from the roof into a deep pool, and each drop said, "Blub!" {"That is all?" [f] asked.|"A drop of water!" [h] laughed.|"We were afraid of a drop!" [h] said.}"""),
        ("{Clang! Clang!|Clang!}", "It was only an old bucket that swung in the wind.",
         """{Something hung from the roof, and it moved.|[h] looked up. Something hung there on a rope.|"There is something on a rope!" [h] called.} It was an old bucket. It swung in the wind and hit the wall. Clang! {"Hello, Mister Bucket," said [h].|"We were afraid of a bucket!" [h] laughed.|"That is a very small monster," [f] laughed.}"""),
    ])
    s.set("name", "{Dark|Black|Deep|Old|Cold} {Cave|Hole}")
    return Story(
        text="""[open] {Not far away, [at], there was a cave.|There was a cave [at].|Everyone knew about the cave [at].} They called it the [name]. {Nobody ever went in.|People said that a monster lived there.|Everybody walked around it.} {"It has a voice," they said.|"At night, it talks," they whispered.|"It will eat you up," people said.} And it was true. {If you stood near it, you could hear it.|From outside, you could hear it.|[h] had heard it, too.} "[voice]"
[day] [h] and [f] {stood in front of it|came by with @a [oa] [o]|sat on a rock close by}. {"What do you think it is?" [h] asked.|"Somebody should look," said [h].|"I want to know what it is," said [h].||} {"I will not go in there," said [f].|[f], @a [fkind], took a step back.|"Let us go home," said [f], @a [fkind].} {[h]'s heart beat fast.|[h] was scared, too. But [he] wanted to know.|[h] took a deep breath.||} "{I will take the [o] and go in|I have my [o], so I can do it|With the [o], I will be all right}," said [h]. {[f] bit [fhis] lip. "Then I will come, too," [f] said.|"Not without me," said [f].|"If you go, I go," said [f] in a small voice.}
{It was as black as a pocket in there.|Inside, it was cold and dark.|One step. Two steps. It got darker and darker.} {[h] held the [o] in front of [him].|[h] held on to the [oa] [o].|[h] did not let go of the [oa] [o].} "[voice]" {"I want to go back!" [f] said.|[f] held on to [h] and shook.|They both stood still.||} {[h] shook, too. "Three more steps," [he] said.|"Just to the next stone," said [h].|"It has not eaten us yet," whispered [h].||} {One. Two. Three.|So they went on, very slowly.|And on they went, bit by bit.}
[turn]
{They laughed so much that the whole cave laughed with them.|All the fear was gone, like smoke.|Now the cave was not scary anymore.||} {When they came out, the others stood there with pale faces.|Outside, everyone was waiting.|They ran out, and everyone stood around them.} "{Did it bite you|Did you see it|Was there a monster}?" someone asked. "{Come and see for yourselves|It is not a monster at all|You will laugh when you see it}," said [h]. {Then [he] took the [o] and showed it to all of them.|And with the [o] in front, [he] led them in, one by one.|[He] held up the [o] and went in again, and this time everyone came along.} {[moral]|Since then, they call it the Laughing Cave.|[end]}""",
        questions=[
            ("{Where was the cave?|Where did [h] go?}", "The cave was [at]."),
            ("{What was the cave called?|What was the name of the cave?}", "The cave was called the [name]."),
            ("{What did [h] take into the cave?|What did [h] hold in the cave?}", "[h] took @a [o] into the cave."),
            ("{Who went with [h]?|Did [h] go in alone?}", "[f] went into the cave with [h]."),
            ("{What was the voice in the cave?|What did they find out?}", s["truth"]),
            ("{Was there a monster?|Was [h] brave?}", "There was no monster, and [h] was brave and went to look."),
        ],
        about="who went into a dark cave",
        summary="[h] and [f] went into the cave with @a [o] and found out that the voice was not a monster.",
    )


@plot("teamwork")
def fallen_tree(s):
    fit(s, things=("box", "basket", "hat", "boot", "bucket", "pot", "teapot", "jar", "backpack", "drum", "lantern"),
        places=("park", "forest", "farm", "garden", "river", "hill", "meadow", "field", "orchard", "backyard",
        "valley"))
    nesters = BIRDS + ("squirrel", "mouse")
    if s["a"] not in nesters:
        s["a"] = s.pick([a for a in nesters if a not in (s["kind"], s["fkind"], s["xkind"])])
    s.set("tree", "{oak|apple tree|pine|willow|beech|chestnut tree}")
    s.set("line", "{moss|hay|soft grass|feathers|wool|dry leaves}")
    s.set("new", "{a maple|a birch|a cherry tree|a tall elm|a pear tree|a walnut tree}")
    return Story(
        text="""[open] {Close to [h]'s home, [at], stood an old [tree].|There was an old [tree] [at].|A very old [tree] grew [at].} {It had stood there for a hundred years.|[h] liked to sit under it.|Everybody loved it.||} One night, {a storm came|the wind was very strong|there was a big storm}. {Crack! Crash!|It howled and roared.|In the dark, there was a loud crash.||} In the morning, the [tree] lay on the ground.{\n|\n| }{[h] stood before it and felt [sad].|[h] could not believe it.|"Oh, poor old tree," said [h].} Then [he] heard a cry. {Between the branches sat @a [aa] [a].|There, among the leaves, was @a [aa] [a].|@A [aa] [a] ran back and forth on the trunk.} {It had lived in the tree, and now its home was gone.|Its home had been high up in the tree. Now there was nothing left of it.|Where its home had been, there was only a hole.} {"Do not cry," said [h]. "We will find you a new home."|"You can live with me," said [h]. But the [a] shook its head.|"You need a new house," said [h].} {"But I cannot do that alone," [he] thought.|[h] thought hard. That was a big job for one.|[h] scratched [his] head. Where should [he] start?||}
[h] called [his] friends. {First came [f], who was @a [fkind], and then came [x], who was @a [xkind].|Soon [f], @a [fkind], was there, and [x], @a [xkind], came too.|First came [f], @a [fkind]. Then came [x], @a [xkind].} "{What can I do|How can we help|Do you need me}?" [f] asked. "{I can climb|I am good at climbing|Let me do the high part}," said [f]. "{I can find soft things|I can bring something soft|I know where there are soft things}," said [x]. "{And I have @a [oa] [o]|And I will give my [oa] [o]|Then I bring my [oa] [o]}," said [h]. "{It will be a fine house|That can be the house|It has just the right size}."
{How they worked!|They all went to work at once.|Nobody stood around.||} [h] {turned the [o] on its side|cleaned the [o] inside and out|tied a strong string to the [o]}. [x] brought [line] {and stuffed it inside|to make it soft|for a bed}. {And [f] climbed up into [new] and tied the [o] to a branch.|[f] took the [o], climbed up into [new] and tied it there.|Up in [new], [f] tied the [o] to a strong branch.} {"A bit to the left!" [h] called.|"Is it tight?" [h] called up. "Very tight!" [f] called down.|"Do not fall!" [x] called.||} {The [a] watched and did not make a sound.|The [a] hopped from foot to foot.|The [a] looked at everything with big eyes.||}
{Then it was done.|At last, the house was ready.|When the sun went down, they were done.} The [a] {went up|looked at it from all sides|came closer, step by step}, {sniffed|peeked in|waited a moment}, and went inside. {Then a head came out of the [o], and it looked very happy.|They heard a rustle, and then a happy little song.|It turned around three times in the [o] and sat down.} {"Look, a happy [a]!" [h] said.|"Home, sweet home," said [f].|They all cheered.||} {And where the old [tree] had been, [h] planted a little one.|"And the old [tree]?" [f] asked. "We will plant a new one," said [h].|[h] sat down on the old trunk and looked up.||} {[moral]|[end]|And if you go there, look up. You can still see the [o].}""",
        questions=[
            ("{What did the storm do?|What happened in the night?}", "The old [tree] fell down in the night."),
            ("{Who lost its home?|Who had lived in the tree?}", "@A [aa] [a] had lived in the tree."),
            ("{What was the new house made of?|What did [h] give for the house?}", "[h] gave [his] [oa] [o] for the new house."),
            ("{What did [x] bring?|What did [x] do?}", "[x] brought [line]."),
            ("{Who climbed up?|What did [f] do?}", "[f] climbed up and tied the [o] to a branch."),
            ("{Where is the new house?|Where does the [a] live now?}", "The new house is in [new]."),
        ],
        about="who built a new home for @a [a]",
        summary="A storm took the home of @a [a], and [h], [f] and [x] made it a new one out of @a [o].",
    )


@plot("listening")
def the_bees(s):
    fit(s, things=("broom", "umbrella", "hat", "flag", "rope", "pot", "drum", "spoon", "trumpet", "shovel", "bucket",
        "sword"), places=("garden", "farm", "meadow", "orchard", "field", "valley", "backyard", "hill", "forest"))
    s.set("water", "{pond|rain barrel|brook|big puddle|fountain}")
    s.set("flower", "{clover|poppies|sunflowers|daisies|lavender|bluebells}")
    s["bee"] = "wild bee" if "bee" in (s["kind"], s["fkind"], s["xkind"]) else "bee"
    return Story(
        text="""[open] {[h] loved honey more than anything.|There was nothing that [h] liked better than honey.|"Mmm, honey!" [h] said every time [he] smelled it.} There was a hollow tree [at], and in it lived a hundred [bee]s. {All day long it went zzz, zzz.|They had the best honey in the world.|From it came the smell of honey.||} {"They have so much," said [h]. "I will get some."|"I want that honey," said [h].|"I will get some," said [h].}
"{Do not make any noise|You must go there slowly and quietly|If you go to the [bee]s, be calm}," said [his] [g]. "{They do not like noise|They are afraid of noise, just as you are|A quiet guest is a good guest}." {But [h] was gone already.|"Yes, yes," said [h], but [he] was already on [his] way.|But [h] only thought of honey.} {[He] grabbed @a [oa] [o] and ran to the tree.|With @a [oa] [o], [he] marched up to the tree.|[He] took @a [oa] [o] with [him].} "{Out of the way, [bee]s|Here I come|Give me your honey}!" [h] shouted. And [he] {waved the [o] around|swung the [o]|hit the tree with the [o]}. {Bang!|Whoosh!|Bump!||}{\n|\n| }Zzzzzz! {A black cloud came out of the tree.|The [bee]s came out, all hundred of them.|Out came the [bee]s, and they were angry.} {"Help!" [h] cried. [He] dropped the [o] and ran.|[h] dropped the [o] and ran as never before.|[h] threw away the [o] and ran. "Help! Help!"} {Over the fence, through the bushes, zzz!|They were behind [him] all the way.||} And then, splash, [he] jumped into the [water]. {Only [his] nose looked out.|There [he] sat until they were gone.|[He] stayed there for a long time.||}
{[f], @a [fkind], came along.|Then [f], @a [fkind], stood before [him].|A shadow fell on [him]. It was [f], @a [fkind].} "{Are you having a bath|Why do you sit in the [water]|Did you meet the [bee]s}?" [f] asked. {[h] told [fhim] everything.|"I wanted honey," said [h] in a small voice.|[h] got red and told [f] about it.||} {"You came like a thief," said [f]. "Come like a friend."|"They only wanted to save their home," said [f].||} {[h] thought about the words of [his] [g].|"That is what I heard at home," said [h]. "I did not listen."|Now [h] remembered what [his] [g] had said.} "{What do [bee]s like|How can I say sorry|What can I give them}?" [h] asked. "{Flowers|Quiet, and flowers|Flowers, of course}," said [f].
So the next day, [h] {came back|went there again} with [f]. {[He] did not shout, and [he] did not run.|[He] walked on tiptoe.|They walked slowly, and they did not say a word.||} Around the tree, they planted [flower]. {It took all day.|They dug and planted, as quietly as mice.||} {The [bee]s came and looked. Zzz, zzz. It did not sound angry.|One [bee] sat down on [h]'s nose, and [he] stayed quite still.|Zzz, said the [bee]s, and it sounded like a song.} {Weeks later, the flowers stood tall, and the [bee]s were happy.|In the summer, everything was in bloom.|Soon the flowers were everywhere.} And one morning, the [o] lay by the tree again, with {a piece of honeycomb|a big drop of honey|a bit of honey} on it, just for [h]. {"For me?" [h] whispered.|[h] and [f] shared it.|It was the sweetest honey that [h] had ever had.||} {[moral]|[end]|"Thank you," [h] said, very softly.}""",
        questions=[
            ("{What did [h] want?|What did [h] love?}", "[h] wanted honey."),
            ("{Where did the [bee]s live?|Where was the honey?}", "The [bee]s lived in a hollow tree [at]."),
            ("{Why were the [bee]s angry?|What did [h] do wrong?}", "[h] was loud and did not listen to [his] [g]."),
            ("{Where did [h] hide?|Where did [h] jump?}", "[h] jumped into the [water]."),
            ("{What did they plant?|How did [h] say sorry to the [bee]s?}", "[h] and [f] planted [flower] around the tree."),
            ("{What did [h] get in the end?|How did it end?}", "In the end, [h] got some honey from the [bee]s."),
        ],
        about="who wanted honey",
        summary="[h] was loud and made the [bee]s angry, but then [he] and [f] planted [flower], and [h] got some honey.",
    )
