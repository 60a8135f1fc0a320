"""Plots in which something wonderful happens."""
from plots.adventure import BIG_ONES, BIG_THINGS, FAR, FOOD_THINGS, HOME, OUTSIDE, fit, named
from story import Story, plot


@plot("gratitude", heroes=("person", "animal", "role"))
def three_wishes(s):
    fit(s, things=FOOD_THINGS)
    s.set("giver", "{golden beetle|silver moth|tiny green bird|blue lizard|little glowing fish|white snail}")
    s.set("trap", "{under a fallen pot|in a muddy puddle|in a tangle of grass|between two stones|in an empty bottle}")
    s["silly"], s["sillydone"], s["trouble"] = s.rng.choice([
        ("I wish that it would rain [food]", "it rained [food]",
         "It fell on the roofs, on the trees and on [h]'s head"),
        ("I wish that I were as big as a house", "[h] was as big as a house",
         "[He] could not go through any door, and [he] had to sit outside"),
        ("I wish that I could fly", "[h] flew up into the air",
         "[He] could not come down, and [he] bumped into a cloud"),
        ("I wish that everything would sing", "everything began to sing",
         "The pots sang, the doors sang, and nobody could hear a word"),
        ("I wish that it were night all day", "it was night all day",
         "The flowers closed, the birds went to sleep, and nobody could see [h]"),
        ("I wish that I had a long, long nose", "[h] had a long, long nose",
         "[He] tripped over it, and [he] had to carry it in a basket"),
        ("I wish that I never had to sleep", "[h] could not sleep at all",
         "[He] was so tired and so bored, and [f] had gone to bed long ago"),
    ])
    return Story(
        text="""[open] [day] [h] was [at] and heard {a tiny cry|a very small voice|something squeak}. A [giver] was stuck [trap]! {Carefully, [h] got it out.|[h] helped it at once.|"Poor thing!" said [h] and set it free.} "{Thank you, [h]|You saved me, [h]}," said the [giver]. "Now you have three wishes. {Use them well|Be careful with them|Think before you speak}."
{[h] laughed and jumped with joy.|"Three wishes! Really?" asked [h].|[h] was so surprised that [he] sat down.||} {[He] did not think for long.|[He] had an idea right away.} "I wish that I had @a [oa] [o]!" {Puff|Pling|Zing}! There was @a [o], {just like that|as if it had always been there|right in front of [him]}. {[h] had great fun with it|It was lovely|[h] was [happy]}, but {soon|after a while} [he] wanted more.
"[silly]!" said [h]. And at once, [sillydone]! {At first it was funny.|"Ha, look at that!" said [h].|[h] laughed and laughed.||} But then it was not so funny. [trouble]. {"Oh no," said [h].|"Oh dear, what have I done?" said [h].|[h] did not laugh anymore.||} "{[f], help me!|[f], what can I do?|Oh, [f], what now?}" "{You still have one wish|There is one wish left|Use your last wish well}," said [his] friend [f].
[h] {thought about it for a long time|sat down and thought|took a deep breath}. {[He] could ask for a castle.|[He] could ask for gold.|[He] could ask for a crown.||} But [he] {looked at [f]|looked at the [o]|thought of [his] warm bed} and said, "I wish that everything were just as it was before." {Puff|Pling|Zing}! The trouble was over, and all was as before. Even the [o] was gone.
{"Are you sad about the [o]?" asked [f].|"Now you have nothing," said [f].|"All three wishes are gone," said [f].} "No," said [h]. "I have {a home, and I have you|a good friend and a good bed|you, and I have the sun and the wind}. {That is enough|I do not need more|That is more than enough}." {[moral]|} {[end]|Then they {shared some [fruit]|looked at the clouds|went for a walk} and were happy.}""",
        questions=[
            ("{Who gave [h] three wishes?|Where did the wishes come from?}", "A [giver] gave [h] three wishes."),
            ("{Why did [h] get three wishes?|What did [h] do to get the wishes?}",
             "[h] helped a [giver] that was stuck [trap]."),
            ("{What was [h]'s first wish?|What did [h] wish for first?}", "[h]'s first wish was @a [oa] [o]."),
            ("{What happened after the second wish?|What did the second wish do?}",
             "After the second wish, [sillydone]."),
            ("{What was [h]'s last wish?|What did [h] wish for at the end?}",
             "[h] wished that everything were just as it was before."),
            ("{Did [h] keep the [o]?|Was the [o] still there at the end?}",
             "No, after the last wish the [o] was gone."),
        ],
        about="who got three wishes",
        summary="[h] got three wishes, but the second one made trouble, so [he] used the last one to make all as it "
                "was before.",
    )


@plot("kindness")
def the_talking_thing(s):
    fit(s, things=FOOD_THINGS)
    s["want"], s["act"] = s.rng.choice([
        ("Please clean me, for I am so dusty", "[h] took a soft cloth and cleaned the [o] until it shone"),
        ("Please take me outside, for I have not seen the sun in years",
         "[h] took the [o] outside and let the sun shine on it"),
        ("Please tell me a story, for I am so bored", "[h] sat down and told the [o] a long story about a pirate"),
        ("Please put me next to a friend, for I am so lonely",
         "[h] put the [o] next to [his] own [o2], so that it was not alone"),
        ("Please find out where I come from, for I forgot",
         "[h] asked around until an old woman told [him] where the [o] came from"),
        ("Please sing for me, for it has been so quiet here", "[h] sang all the songs that [he] knew for the [o]"),
    ])
    s.set("spot",
          "{in a dark corner|behind some boxes|under a pile of leaves|under a bench|behind a door"
          "|in the shadow of a wall}")
    s.set("said2", "{said|whispered|piped|answered}")
    s.set("secret",
          "{bag of silver coins|pot of honey|box of sweets|little wooden flute|bag of marbles|jar of gold buttons}")
    return Story(
        text="""[open] [day] [h] saw @a [oa] [o] [at]. It was [spot], {and nobody looked at it|as if somebody had forgotten it|all alone}. {"How nice," said [h]. "I will take it home."|[h] wanted to {pick it up|look at it}.|[h] came closer to look at it.||} "{Be careful|Not so fast|Hey there}!" said a {tiny|thin|funny} voice.
[h] {jumped|looked left and right|looked behind [him]}. {Nobody was there.|There was nobody.|} "{Who said that|Who is speaking|Is somebody there}?" "{I did|It was me|Down here}," [said2] the voice. "I am the [o]!" {[h] rubbed [his] eyes.|[h] could not believe it.|[h]'s mouth fell open.||} "{But @a [o] cannot talk|I did not know that @a [o] can talk}!" "{I can, but nobody ever listens|I always could, but no one ever stopped to listen}," said the [o]. {It sounded sad.|And it sighed.|}
[His] friend [f] came by and laughed. "{[h] is talking to @a [o]!|Who talks to @a [o]?|That is just @a [o], [h]!}" {[h] did not mind.|But [h] stayed.|"Shh, [f]," said [h].||} "{What can I do for you|What would you like|Why are you so sad}?" [h] asked the [o]. "[want]," [said2] the [o]. {[h] nodded.|"I can do that," said [h].|"Of course," said [h].} So [act].
"{Ahh, that is good|Oh, how wonderful|That is better}," said the [o]. "You are {kind|very kind|good}, [h]. {Now listen well|Now I will tell you a secret|I want to give you something too}. {Under|Behind} the big tree {near the road|by the old wall}, there is a [secret] for you." [h] and [f] {ran there|went to look|hurried there}, and {it was true|the [o] was right}. There they found a [secret]! [f] {turned red|was very surprised}. "I am sorry that I laughed," [fhe] said to the [o].
From then on, the [o] {lived|stayed} with [h]. {[h] talked to it every evening.|It told [h] many old tales.|It liked to talk about the weather.||} And [f] {always said "good morning" to it|never laughed about it again|came to listen too}. {[moral]|} {[end]|[h] asked other things too, but only the [o] could talk.|}""",
        questions=[
            ("{What could the [o] do?|What was strange about the [o]?}", "The [o] could talk."),
            ("{Where was the [o]?|Where did [h] find the [o]?}", "The [o] was [spot]."),
            ("{Who laughed at [h]?|What did [f] do when [h] talked to the [o]?}", "[f] laughed at [h]."),
            ("{What did [h] do for the [o]?|How was [h] kind to the [o]?}", "[act]."),
            ("{What did they find in the end?|What was the [o]'s secret?}", "[h] and [f] found a [secret]."),
            ("{Where did the [o] live after that?|What happened to the [o] at the end?}", "The [o] lived with [h]."),
        ],
        about="who met @a [o] that could talk",
        summary="[h] was kind to @a [o] that could talk, and it told [him] where to find a [secret].",
    )


@plot("curiosity")
def the_magic_door(s):
    fit(s, things=BIG_THINGS + ("key", "bell"), places=("moon",))
    s.set("where",
          "{behind a curtain|under a stone stair|in the trunk of an old tree|behind a tall shelf|in a mossy wall"
          "|under a heap of hay}")
    s["n"] = s.pick("five,six,seven,eight,nine,ten,twelve")
    s.set("knock",
          "{knocked three times|said please|turned around twice|hummed a low note|tickled the handle|counted to ten}")
    s.set("land",
          "{a land where the rain fell up|a land where the trees grew [fruit] made of glass"
          "|a land where the stars hung low enough to touch"
          "|a land where all the houses had feet|a land where the clouds were soft beds"
          "|a land where every flower could whistle}")
    return Story(
        text="""[open] {In all the years, [h] had never seen|[h] thought that [he] knew everything [at], but [he] had never seen|Nobody had ever told [h] about} the little [col] door. [day] [he] found it [where]. It was {just big enough for [him]|so low that [he] had to bend down|round, like a big coin}. "{What is behind it|Where does it go|Who made this door}?" [h] wondered.
[He] pushed. {Nothing happened|It did not open}. [He] pulled. {Still nothing|It did not open at all}. Then [h] [knock], and {click|with a soft click|very slowly}, the door opened! {Warm light shone out.|A smell of honey came out.|} [h] took [his] [oa] [o] along {for luck|just in case|so that [he] was not alone} and went in.
{Behind the door|On the other side} was [land]! [h] {laughed out loud|stood there with wide eyes|could not stop looking}. There lived [fintro]. "{Welcome|Hello|A visitor}! You may {look at everything|stay and play}," said [f]. "But when the bell rings [n] times, the door will close." [h] {asked and asked|had a hundred questions|wanted to know everything}, and [f] {knew an answer to each one|showed [him] everything|answered and asked just as much}. {They ate some [food] under @a [col] sun.|They slid down a hill of feathers.|They played with the [o] until they were out of breath.}
Ding! Ding! The bell began to ring. "{The door|Oh, [h], the door|Quick}!" {cried|shouted} [f]. [h] ran {as fast as [he] could|like the wind}. {[He] almost slipped.|} Ding! {The door was closing.|The gap was getting small.|} At the last ring, [h] {jumped|slipped|rolled} through, and the door closed behind [him].
But where was the [o]? [h] had {left it with [f]|forgotten it on the other side}! {[h] was a little sad, but then [he] smiled.|"Then [f] will remember me," said [h].|"Now I have a reason to go back," said [h].||} {The next day|Next morning|Some days later}, the [o] lay in front of the little door, with a note: "{Come again|Please come back}, [h]! Your friend, [f]." {[moral]|} {[end]|And you can be sure that [h] did.|So [h] [knock] once more.}""",
        questions=[
            ("{Where was the little door?|Where did [h] find the door?}", "The little door was [where]."),
            ("{How did the door open?|What did [h] do to open the door?}", "[h] [knock], and the door opened."),
            ("{What was behind the door?|Where did the door go?}", "Behind the door was [land]."),
            ("{Who did [h] meet behind the door?|Who lived behind the door?}", "[h] met [f] there."),
            ("{How many times did the bell ring?|When did the door close?}",
             "The door closed when the bell rang [n] times."),
            ("{What did [h] forget?|What did [h] leave behind?}", "[h] left [his] [oa] [o] on the other side."),
            ("{Did [h] get the [o] back?|Did the [o] come back?}",
             "Yes, the [o] lay in front of the door with a note from [f]."),
        ],
        about="who found a magic door",
        summary="[h] found a magic door to [land], met [f] there, and came back just in time.",
    )


@plot("kindness")
def the_tiny_visitor(s):
    fit(s, things=FOOD_THINGS)
    s["tiny"] = named(s, "Mim,Tink,Dolly,Wee,Pipkin,Tib,Nib,Ollo,Fimble,Bit")
    s.set("size", "{thumb|button|walnut|clothes peg|teaspoon|pea pod}")
    s.set("house", "{an old teapot|a wooden shoe|an empty honey jar|a little flower pot|a broken clock|a tin box}")
    s.set("lost",
          "{a storm blew away my house|a goose sat on my house|the rain washed my house away"
          "|a [a] ate my house, for it was a mushroom|a big boot stepped on my house}")
    return Story(
        text="""[open] {One stormy night|Late one night|One cold evening}, there was a knock. It was {so soft that [h] almost did not hear it|as soft as a falling leaf|very, very soft}. [h] {opened the door|went to look}, but {nobody was there|[he] saw nobody}. "{Down here|Look down|I am down here}!" said a voice. And there stood a tiny woman, no bigger than a [size].
"{Good evening|Excuse me|Hello}," she said. "My name is [tiny]. [lost], and {I am so cold|I am wet and tired|I have no place to sleep}. {Everybody walks past me|Nobody sees me|The others shut the door}, because I am so small." {[h] bent down.|[h] could not believe [his] eyes.|[h] felt sorry for her.||} "{Come in|Please come in|You can stay here}," said [h]. {[He] gave her a drop of warm tea in a thimble.|[He] wrapped her in a warm sock.|[He] gave her a crumb of [food], and she was full.}
The next {morning|day}, [h] told [his] friend [f] about [tiny]. {"She needs a house," said [f].|"Where will she live?" asked [f].|"Let us help her," said [f].||} [h] {looked in every corner|thought and thought|searched the whole house} and found [house]. {They cut a small door and two windows.|[f] made a bed out of a leaf, and [h] made a lamp out of a berry.|[h] put moss on the floor, and [f] put a feather in for a bed.} They put the house next to [h]'s [oa] [o]. {"It is a palace!" cried [tiny].|[tiny] danced in every room.|[tiny] clapped and clapped.||}
But [h] {sighed|looked at the [o] and sighed}. {There was a deep scratch in the [o].|The [o] had become dull and gray.|The [o] was old, and its color was almost gone.} "{It used to be so nice|It was so pretty once}," [he] said. [tiny] {smiled and said nothing|only smiled|winked}. That night, she {worked until the moon went down|did not sleep at all|was very busy}. When [h] woke up, the [o] was covered with tiny golden stars! {Each one was smaller than a grain of sand.|Nobody big could have painted them.|They shone like real ones.||}
"{Oh, [tiny]|[tiny], how beautiful}!" {cried|said} [h]. "{You were kind to me, and so I wanted to be kind too|It is my thank you|One good thing for another}," said [tiny]. {[moral]|} {[end]|After that, [h] always listened for soft knocks.|And [tiny] stayed with [h] for many years.}""",
        questions=[
            ("{Who knocked at the door?|Who was at [h]'s door?}", "A tiny woman named [tiny] knocked at the door."),
            ("{How big was [tiny]?|How small was [tiny]?}", "[tiny] was no bigger than a [size]."),
            ("{Why did [tiny] need help?|Why did [tiny] have no home?}", "[tiny] had lost her house."),
            ("{What did [h] use to make a house?|What was [tiny]'s new house?}", "[tiny]'s new house was [house]."),
            ("{Who helped [h] to make the house?|Who helped [h]?}", "[h]'s friend [f] helped."),
            ("{How did [tiny] thank [h]?|What did [tiny] do with the [o]?}",
             "[tiny] painted tiny golden stars on the [o]."),
        ],
        about="who had a tiny visitor",
        summary="[h] gave a new home to [tiny], a tiny woman, and [tiny] painted golden stars on [h]'s [o].",
    )


@plot("kindness")
def the_little_cloud(s):
    fit(s, things=BIG_THINGS, only=OUTSIDE)
    s["cloud"] = named(s, "Puff,Wisp,Fluff,Nimby,Drizzle,Misty,Wolly,Cotton")
    s["why"], s["whyshort"] = s.rng.choice([
        ("I lost the other clouds in a storm, and I am all alone", "The cloud had lost the other clouds in a storm"),
        ("I am too small to rain, and the big clouds laughed at me", "The big clouds had laughed at the cloud"),
        ("I want to play, but everyone runs away from me", "The cloud wanted to play, but everyone ran away from it"),
        ("I fell asleep, and the wind went on without me", "The cloud fell asleep, and the wind went on without it"),
        ("nobody is ever happy to see a cloud", "The cloud thought that nobody was ever happy to see it"),
    ])
    s.set("dry", "{flowers|young trees|beans|pumpkins|bushes|carrots}")
    return Story(
        text="""[open] [day] [h] {looked up and saw|noticed} a little gray cloud. {When [h] walked, it flew. When [h] stopped, it stopped.|[h] went left, and the cloud went left. [h] went right, and the cloud went right.|It was right over [his] head, and it went wherever [h] went.} {"Shoo!" said [h].|"Are you following me?" asked [h].|"How strange," said [h].||}
Drip, drip! It rained on [h]'s [oa] [o]. {Drip, drip! It rained on [his] [food].|It rained on [his] nose.|It rained on [his] bed, too, for the window was open.||} {When [h] came to the [p], everyone ran away|Nobody wanted to stand next to [h]|People held up their umbrellas and went home}. "{Go home, [h]! You make us wet|Take your cloud away|Not you and your cloud again}," they {said|grumbled}. [h] {tried to hide under a bridge|ran as fast as [he] could|hid under a big hat}, but the cloud {waited for [him]|was just as fast|found [him]}.
{At last|In the end}, [h] {sat down on the grass|stopped and looked up|was too tired to run}. [He] was {wet and cross|cold and cross}. But then [he] saw that the cloud was {crying|shaking}. {The rain was not rain at all. It was tears!|Those drops were tears!} "{Why are you so sad|What is wrong, little cloud|Can I help you}?" asked [h]. "[why]," {said the cloud in a voice like wind|whispered the cloud}. "My name is [cloud]." {"Oh," said [h]. "I am sorry that I ran away."|"I will be your friend," said [h].|"You can stay with me," said [h].||}
[h] {told [cloud] a funny story|sang for [cloud]|played hide and seek with [cloud]}, and [cloud] {turned from gray to white|became white and round|stopped crying}. Then [h] had an idea. "{My friend [f] has a garden|[f], my friend, has a garden}, and the [dry] there are so dry. {Can you help|Will you help us}?" {[cloud] puffed itself up.|"I will try," said [cloud].|"Me?" asked [cloud]. "Yes, you!" said [h].} Over [f]'s garden, a soft rain came down. {The [dry] lifted their heads.|The [dry] looked fresh again.|All the leaves shone.||} "{Hooray for the cloud|What a wonderful cloud}!" cried [f].
{After that, everyone [at] was glad to see [cloud].|Now nobody wanted to send [cloud] away.|Soon others asked for [cloud] too.} {And when it was hot, it made shade for [h].|In the evening, it slept over [h]'s roof.|} {The [o] got wet now and then, but [h] did not mind.|It never rained on the [o] again.|} {[moral]|} {[end]|And [h] was never alone on a walk.|}""",
        questions=[
            ("{What followed [h]?|What flew over [h]'s head?}", "A little gray cloud followed [h]."),
            ("{What was the name of the cloud?|What was the cloud called?}", "The name of the cloud was [cloud]."),
            ("{What did it rain on?|What got wet?}", "It rained on [h]'s [oa] [o]."),
            ("{Why was the cloud sad?|Why did the cloud cry?}", "[whyshort]."),
            ("{How did the cloud help [f]?|What did [cloud] do in [f]'s garden?}",
             "[cloud] rained on the dry [dry] in [f]'s garden."),
            ("{Did [h] send the cloud away?|Was [h] still cross at the end?}", "No, [h] became the cloud's friend."),
        ],
        about="who was followed by a little cloud",
        summary="A sad little cloud followed [h] everywhere until [h] became its friend, and then it rained on [f]'s "
                "dry garden.",
    )


@plot("kindness")
def the_fallen_star(s):
    fit(s, things=BIG_THINGS + FOOD_THINGS + ("balloon", "kite", "rope"), only=OUTSIDE)
    s["try1"], s["try1s"] = s.rng.choice([
        ("[h] threw the star up as high as [he] could. It came down again and landed on [his] head",
         "[h] threw the star up"),
        ("[h] climbed to the top of a tall tree. But the sky was still far away",
         "[h] climbed a tall tree with the star"),
        ("[h] stood on a chair on top of a table on top of a box. Crash! It all fell down",
         "[h] stood on a chair on a table on a box"),
        ("[h] put the star on a seesaw, and [f] jumped on the other end. The star flew up and fell into a bush",
         "[h] and [f] put the star on a seesaw"),
        ("[h] tied the star to an arrow made of wood. But the arrow flew only over the fence",
         "[h] tied the star to an arrow"),
    ])
    s["way"], s["ways"] = s.rng.choice([
        ("They tied the star to [n] balloons and let them go", "The star went up with [n] balloons"),
        ("They tied the star to a kite, and the night wind took it up", "The star went up on a kite"),
        ("An owl heard them. \"I fly as high as the moon,\" it said, and it carried the star up",
         "An owl carried the star up"),
        ("They went to a still pond, where the sky was in the water. The star jumped into its own picture and was "
         "gone, and then it shone above them", "The star jumped into the picture of the sky in a pond"),
        ("They asked the moon. The moon let down a beam of light, and the star climbed up on it",
         "The star climbed up on a beam of moonlight"),
    ])
    return Story(
        text="""[open] One night, [h] could not sleep. {[He] sat at the window with [his] [oa] [o].|[He] held [his] [oa] [o] and looked at the sky.|[He] sat outside with [his] [oa] [o].} {Suddenly|All at once|Then} a light {fell from the sky|flew over the roofs|shot over the sky}. {Plop|Pling|Bump}! It came down [at]. {[h] took the [o] and ran there.|[h] jumped up, took the [o], and ran.}
There, {in the grass|on the ground|between some stones}, lay a little star. It was {warm like a cup of milk|as small as a plum|no bigger than a bun}, and its light was {weak|very low}. "{I leaned out too far|I was dancing, and I slipped|I wanted to see the world}," it {said|whispered}. "{Now I cannot get home.|I want to go home.|How will I get back?} {A star goes out if it stays on the ground|If I stay here, my light will go out}." [h] {felt so sorry for it|wanted to help it}. {[He] warmed it with [his] breath.|[He] held it close.|[He] laid it softly on the [o].||}
"{Wait here|Do not worry}," said [h] and {fetched|woke} [his] friend [f]. {First|At first}, [try1]. {"That was no good," said [h].|"Ouch," said the star.|"We must think of something else," said [f].||} {The star's light became weaker.|The night was almost over.|"Hurry, please," whispered the star.||}
{"I know!" said [f] at last.|[h] and [f] thought and thought.|"Maybe there is another way," said [h].} [way]. {Higher and higher it went.|It grew brighter and brighter.|[h] held [his] breath.||} {And there it was again|Then they saw it|And look, there it was}: the little star, in its place in the sky! It {winked|blinked} at [h]{ and [f]|, once, twice, three times|}. "{Good night, star|Goodbye, little star|Hold on tight next time}!" called [h].
{In the morning|The next morning|When the sun came up}, there was some {star dust|golden dust|silver dust} on the [o], and it {glowed|shone} in the dark ever after. {[moral]|} {[end]|And every night, one star shone a little brighter for [h].|And so [h] never needed a night light again.}""",
        questions=[
            ("{What fell from the sky?|What did [h] find [at]?}", "A little star fell from the sky."),
            ("{Where did the star come down?|Where did [h] find the star?}", "The star came down [at]."),
            ("{What did they try first?|What did [h] do that did not work?}",
             "At first, [try1s], but it did not work."),
            ("{How did the star get home?|How did they bring the star back to the sky?}", "[ways]."),
            ("{Who helped [h]?|Who did [h] fetch in the night?}", "[h]'s friend [f] helped [him]."),
            ("{Why did the star have to go home?|Why could the star not stay on the ground?}",
             "The star had to go home because its light would go out on the ground."),
            ("{What was on the [o] in the morning?|Why did the [o] shine in the dark?}",
             "There was dust from the star on the [o]."),
        ],
        about="who helped a fallen star",
        summary="[h] found a fallen star [at], and [h] and [f] helped it back into the sky.",
    )


@plot("curiosity", heroes=("person", "animal", "role"))
def the_painting(s):
    fit(s, things=("painting", "paintbrush", "crayon", "computer") + BIG_THINGS, places=("moon",))
    s["missing"], s["need"] = s.rng.choice([
        ("a door", "There is no door in our house, so we can never go in"),
        ("a moon", "There is no moon, so our nights are all black"),
        ("a bridge", "There is no bridge, so we can never cross the water"),
        ("a boat", "There is no boat, so we can never go to the other side"),
        ("a fire", "There is no fire, so we are always cold"),
        ("a smile for the [a]", "I have no mouth that smiles, so I always look sad"),
    ])
    s.set("wall", "{in [his] [g]'s house|in an old shop|in the town hall|in a long, cold hall|above the stairs}")
    return Story(
        text="""[open] {There was a big painting|A large old painting hung|An old painting in a golden frame hung} [wall]. It showed @a [p], and in front of it stood @a [aa] [a] with @a [oa] [o]. [h] {looked at it every day|loved to look at it|could look at it for hours}. {"What is behind the [p]?" [he] wondered.|"I wish I could go in there," [he] thought.|}
[day] [h] came very close, and [his] nose touched the painting. {It was not hard. It was soft, like water|It felt wet and cool|It moved like water}! {[h] put one foot in, and then the other.|Whoosh! It pulled [him] right in.|[h] closed [his] eyes and stepped in.||} {And there [he] was|All at once [he] stood} [at], {inside the painting|in the middle of the painting}. {Everything smelled of paint.|The sky had brush marks on it.|}
"{At last somebody came|How good that you are here}," said the [a]{. It did not look happy|}. "The painter {went away|got old} before the painting was done. [need]. {Can you help us|Will you help me}?" [h] {nodded|looked around|thought for a moment}. {In the grass lay a brush.|The [a] showed [him] a brush and some paint.|There was still some paint in a pot, and a brush too.} "{I am not a painter, but I will try|I have never painted much, but I can try|I will do my best}," said [h].
So [h] painted. {The first line was crooked.|Some paint ran down.|It was hard, but [he] did not stop.||} And then it was done: [missing]! "{This is what we needed|Now our world is whole|We waited so long for this}!" {cried|said} the [a]. "{Take the [o] as a thank you|The [o] is for you}." {But it was time to go home.|Then [h] heard somebody call.} "[h]! [h]!" It was [his] friend [f]. With one big step, [h] was {back|outside again}.
"{Where were you?|I looked for you everywhere!}" {said|cried} [f]. {[h] pointed to the painting.|"In there," said [h].|[h] smiled and pointed at the wall.} {[f] looked and looked.|[f] came closer.|} "{That is new|I never saw that before|That was not there before}: [missing]!" said [f]. And [h] held @a [oa] [o] {that smelled of fresh paint|with a bit of paint on it}. {[moral]|} {[end]|That was [h]'s and [f]'s secret.|"Next time, take me with you," said [f].}""",
        questions=[
            ("{What did the painting show?|What was in the painting?}",
             "The painting showed @a [p] and @a [aa] [a] with @a [oa] [o]."),
            ("{Where did the painting hang?|Where was the painting?}", "The painting was [wall]."),
            ("{Who did [h] meet in the painting?|Who asked [h] for help?}", "[h] met the [a] in the painting."),
            ("{What was missing in the painting?|What did [h] paint?}", "[h] painted [missing]."),
            ("{Why was the painting not done?|Who did not finish the painting?}", "The painter did not finish it."),
            ("{What did the [a] give to [h]?|What did [h] bring back from the painting?}",
             "The [a] gave [h] the [oa] [o]."),
        ],
        about="who went into a painting",
        summary="[h] went into a painting, met @a [a], painted [missing], and came back with @a [o].",
    )


@plot("listening")
def the_machine_that_made_too_much(s):
    fit(s, things=BIG_THINGS)
    s["much"] = s.pick("pancakes,muffins,bread rolls,noodles,dumplings,waffles,cookies,buns,jam tarts,cheese rolls")
    s["word"] = s.pick("Enough,Thank you,Stop it please,Good night,All done,Rumpledump,Hush now")
    s["start"] = s.pick("red,blue,green,yellow,white")
    s.set("spill", "{out of the door|down the stairs|over the fence|down the road|through the window}")
    return Story(
        text="""[open] [h]'s [g] had {built|made|put together} a machine. {It had wheels and pipes, and it|It had many buttons and a bell, and it|It} could make [much]. "{You push the [start] button, and it begins|Push the [start] button to start it}," said [his] [g]. "But listen, [h]. To make it stop, {you say|you must say} '[word]'." {"All right," said [h], but [he] was looking at [his] [oa] [o].|[h] was busy with [his] [oa] [o] and only said, "Mm."|[h] was playing with [his] [oa] [o]. "Yes, yes," [he] said.}
[day] [h]'s [g] was away, and [h] was hungry. {So [he]|[He]} pushed the [start] button. {Clank, clank, puff|Rattle, rattle, pop|Hum, hum, plop}! Out came hot [much]. {They smelled so good!|They were the best in the world.||} [h] ate [n] of them. But the machine {went on and on|did not stop|made more and more}.
[much] lay on the table. [much] lay on the floor. They {rolled|slid|tumbled} [spill]! "{Stop|Halt|No more}!" {cried|shouted} [h]. The machine did not stop. {[He] pushed all the other buttons, but that only made it faster.|[He] kicked it, but the machine only burped and went on.|} "What was the word? {If only I had listened!|Why did I not listen?}" {Soon the [o] was gone under a heap of [much].|Only the top of the [o] could be seen.|}
[His] friend [f] {saw the mess and came to help|came by and stared|came in, up to the neck in [much]}. "{Try to remember|Think back}, [h]. What were you doing when you heard the word?" [h] {closed [his] eyes|thought hard}. "I was looking at my [o], and my [g] said..." {[He] took the [o] and looked at it again.|[He] pulled out the [o] and looked at it.} And it came back to [him]! "[word]!" {shouted|called} [h]. {Puff|Click|Pfft}. The machine stood still.
When [h]'s [g] came home, {the whole house was full of [much]|[ghe] could not open the door}. {"I see that you did not listen," [ghe] said, but [ghe] had to laugh.|"Next time I will listen," said [h].|} {So [h] called all the neighbors|[h] and [f] called all the neighbors}, and they ate [much] for a week. {[moral]|} {[end]|And [h] never forgot the word again.|After that, [h] listened very well.}""",
        questions=[
            ("{What did the machine make?|What came out of the machine?}", "The machine made [much]."),
            ("{Who made the machine?|Whose machine was it?}", "[h]'s [g] had made the machine."),
            ("{How many did [h] eat?|How many [much] did [h] eat?}", "[h] ate [n]."),
            ("{What word stopped the machine?|How did [h] stop the machine?}",
             "The machine stopped when [h] said \"[word]\"."),
            ("{Why did [h] not know the word?|Why could [h] not stop the machine at first?}",
             "[h] did not listen, because [he] was busy with [his] [o]."),
            ("{What helped [h] to remember?|What did [h] look at to remember the word?}",
             "The [o] helped [h] to remember."),
            ("{What did they do with all the [much]?|What happened to the [much]?}",
             "[h] called the neighbors, and they ate [much] for a week."),
        ],
        about="whose machine made too much",
        summary="[h] did not listen, so a machine made far too many [much], until [he] remembered the word that "
                "stopped it.",
    )


@plot("sharing", heroes=("person", "animal", "role"))
def the_town_without_color(s):
    fit(s, places=FAR + HOME + ("town", "village", "valley", "city"))
    s["col"] = s.pick("red,blue,green,yellow,purple,orange,pink,golden")
    s.set("town", "{town|village|valley|little town}")
    s["taker"] = named(s, "Grizzle,Umbrus,Morgo,Dustin Gray,Mottle,Old Crumb,Fenwick,Glumm")
    s.set("store",
          "{in a hundred glass jars|in a big leather bag|in an iron chest|in bottles with tight corks"
          "|in a locked cupboard|in a row of wooden barrels}")
    s.set("why",
          "{I had no color in my life|nobody ever gave me anything bright|my house was always gray"
          "|I was all alone in my gray house}")
    return Story(
        text="""[open] One morning, [h] woke up, and everything was gray. {The sky was gray, and so was the grass.|The flowers were gray, and the sun was gray too.|[His] blanket was gray, and [his] [food] was gray.||} {Even [his] [oa] [o] had|[His] [oa] [o] also had} lost its color! "{Who took the colors|Where have all the colors gone}?" {cried|asked} [h]. Nobody in the [town] knew. {Nobody sang anymore.|Even the birds were quiet.|}
{Then|But} [h] saw something: a thin line of [col] drops on the ground. {It was the only color left.||} "{Let us follow it|That is a trail|Come with me}," [he] said to [his] friend [f]. They {followed the drops|walked along the line} past the [p] and up to a {lonely|crooked|tall} house. [h] {was a little afraid, but [he] knocked|took a deep breath and knocked|knocked three times}.
An old man opened. {His name was [taker]|It was [taker], who lived there alone}. Behind him [h] saw all the colors of the world [store]! "{Give them back|You took them|Those are ours}!" cried [f]. "{No|Never}," said [taker]. "I need them, because [why]." {[f] was angry, but |Then }[h] saw that the old man's eyes were sad.
"{Are you happy now|Did the colors make you happy}?" asked [h]. "No," he said {at last|very softly}. "{They do not shine when I am alone|They are dull when I look at them alone|They do not look so bright when I look at them alone}." "Colors are there to be {shared|seen by all}," said [h]. "{Come and live with us|Come down to the [town]|Be our neighbor}, and you will see them every day. I will share my [o] with you {too|as well|every day}." {A tear rolled down [taker]'s cheek.|"You want me?" asked [taker].|}
Then he opened everything. {Whoosh|Pop, pop, whoosh}! Red flew to the {roses|apples}, and blue flew up to the sky. {[h]'s [o] was as bright as before|The [o] got its color back too}. [taker] {moved to the [town]|came to live in the [town]}, and [h] and [f] {painted his house in ten colors|gave him [fruit] and flowers|visited him every day}. {[moral]|} {[end]|And nothing was gray but the mice.|From then on, the old man laughed a lot.}""",
        questions=[
            ("{What happened to the colors?|Why was everything gray?}",
             "The colors were gone because [taker] had taken them."),
            ("{What did [h] follow?|How did [h] find the house?}", "[h] and [f] followed a line of [col] drops."),
            ("{Where did [taker] keep the colors?|Where were the colors?}", "[taker] kept the colors [store]."),
            ("{Why did [taker] take the colors?|Why did the old man need the colors?}",
             "[taker] was lonely, and his life was gray."),
            ("{Did the colors make [taker] happy?|Was [taker] happy with the colors?}",
             "No, because he looked at them all alone."),
            ("{What did [h] offer to share?|What did [h] want to share with [taker]?}",
             "[h] wanted to share [his] [o] with [taker]."),
            ("{How did it end?|How did the colors come back?}",
             "[taker] let the colors out and came to live in the [town]."),
        ],
        about="who brought the colors back",
        summary="When all colors were gone, [h] and [f] found a lonely old man who had taken them, and he gave them "
                "back.",
    )


@plot("courage")
def the_dream(s):
    fit(s, things=FOOD_THINGS, animals=("owl",))
    s.set("thing", "{drop of moonlight|golden thread|silver button|blue feather|tiny bell|round white pebble}")
    s["guard"], s["calm"] = s.rng.choice([
        ("a cat as big as a house", "scratched it behind the ear"), ("a giant made of snow", "gave it a warm scarf"),
        ("a long green sea snake", "told it a joke"), ("a wolf made of smoke", "sang to it softly"),
        ("a bear as tall as a tree", "gave it some honey"), ("a grumpy stone lion",
                                                             "said something nice about its mane"),
    ])
    return Story(
        text="""[open] One night, [h] {fell asleep next to|went to bed with|fell asleep and held} [his] [oa] [o]. {And what a dream came to [him]!||} In the dream, the [o] grew {bigger and bigger|as big as a boat|until it was as big as a cart}. {It rose into the air.|It began to fly.} "{Climb on|Get on|Hop on}!" called [his] friend [f], who was already up there.
They flew {over the sleeping roofs|past the moon|between the stars} and landed [at]. But it was not the [p] that [h] knew. {The ground was soft like a pillow.|Everything was [col] and glowed.|} There sat @a [aa] [a] and {cried|wept}. "{I have lost my [thing]|My [thing] is gone}," it {said|sobbed}. "{Without it, I cannot wake the sun|It makes the sun come up}. It is behind [guard]!"
{[f] hid behind the [o].|"We should fly home," said [f].|"That is too scary for me," said [f].||} {[h] was scared too.|[h]'s heart beat like a drum.|[h] would have liked to hide as well.} {But [he] thought of the sun|But [he] looked at the [a]} and went {on tiptoe|step by step|slowly}. "{Who comes there|What do you want}?" asked a deep voice. "{I am [h], and I am not here to fight|I am only [h], and I am a bit afraid of you|Please do not be angry. I am [h]}," said [h]. Then [h] {came closer and|smiled and} [calm]. It {purred|smiled|sighed} and {let [him] pass|moved to the side}.
[h] {took|picked up} the [thing] and gave it to the [a]. "{You are so brave|How brave you are|Thank you, brave [h]}!" said the [a]. {It held it up high|It threw it into the air}, and the sky turned {pink and gold|red and gold}. "{Good morning|It is morning|The sun! The sun}!" {shouted|cried} [f].
{And [h] woke up.|Then [h] opened [his] eyes.} The sun was shining, and the [o] was small again. "{It was only a dream|What a dream}," said [h]. But what lay there on the pillow? It was a [thing]! {[h] ran to tell [f] about it.|"I had the same dream," said [f] later.|[h] put it in a safe place.||} {[moral]|} {[end]|And [h] looked forward to the next night.|Now [h] was not so afraid of things anymore.}""",
        questions=[
            ("{What happened to the [o] in the dream?|What did the [o] do in the dream?}",
             "In the dream, the [o] grew big and flew."),
            ("{Who flew with [h]?|Who was with [h] in the dream?}", "[h]'s friend [f] flew with [him]."),
            ("{What had the [a] lost?|Why did the [a] cry?}", "The [a] had lost its [thing]."),
            ("{Where was the [thing]?|Who was in front of the [thing]?}", "The [thing] was behind [guard]."),
            ("{What did [h] do to get the [thing]?|How was [h] brave?}", "[h] went up to [guard] and [calm]."),
            ("{What did [h] find on the pillow?|How did [h] know that it was not only a dream?}",
             "[h] found a [thing] on the pillow."),
        ],
        about="who had a strange dream",
        summary="In a dream, [h] flew on [his] [o] and was brave enough to bring @a [a] its [thing].",
    )


@plot("friendship", heroes=("person", "animal", "role"))
def the_runaway_shadow(s):
    fit(s, things=BIG_THINGS + FOOD_THINGS, only=OUTSIDE)
    s["bad"], s["sorry"] = s.rng.choice([
        ("step on it for fun", "I stepped on you"), ("laugh at its long legs", "I laughed at you"),
        ("call it a dull gray thing", "I called you dull and gray"), ("tell it to get out of the way",
                                                                      "I told you to get out of the way"),
        ("stick out [his] tongue at it", "I stuck out my tongue at you"), ("pour water on it", "I poured water on you"),
    ])
    s.set("hide",
          "{under a bridge|inside an empty barrel|behind a haystack|in the shade of a big tree|under an old cart"
          "|at the bottom of a dry well}")
    return Story(
        text="""[open] [h] had a shadow, {as everyone has|like everybody else}. {It came along wherever [he] went.|It did all that [he] did.|} But [h] was not very nice to it. [He] used to [bad]. {"It is only a shadow," [he] said.|"A shadow feels nothing," said [h].|[h] never thought about how the shadow felt.||}
{One sunny day|One bright morning|One hot afternoon|One fine summer day}, [h] was [at] with [his] [oa] [o]. {[He] looked down|[He] turned around}, and the shadow was gone! {The [o] had a shadow. The trees had shadows. Only [h] had none.|There was the shadow of the [o], but none of [h].|} "{How odd I look|I feel so strange|Something is missing}," said [h]. {It was lonely without the shadow.|Even the [o] was not fun now.|}
"{Have you seen my shadow?|My shadow has run away!}" {[he] said|said [h]} to [his] friend [f]. {"Maybe you made it sad," said [f].|"I would run away too, if you did that to me," said [f].|"Were you kind to it?" asked [f]. [h] turned red.} {Together they looked everywhere|They went to look for it}. {They looked behind the houses. They looked under stones.|They saw the shadow of a bird and the shadow of a cloud, but not [h]'s.|It was not by the wall. It was not on the road.||} "{Where is it dark|Where would a shadow go}?" {asked|wondered} [f]. "{Where it is dark, of course|In a dark place}," said [h]. And there it was, [hide]!
The shadow {sat there and shook|was small and pale|did not look up}. [h] sat down next to it. "[sorry]," said [h]. "{That was not nice of me|That was mean}. I am sorry. {You are always with me, and I never thanked you.|You are the one who never leaves me, and I did not see it.} {Will you come back|Do you want to be my friend}?" {Shadows cannot talk, but it|The shadow did not speak, but it|Then the shadow} {slowly stretched|moved a bit|came closer}. "{And you can play with the shadow of my [o]|The shadow of my [o] can be yours}," said [h]. {The shadow jumped up!|Now the shadow danced for joy.}
So they went back into the sun, [h], [f], [h]'s shadow and [f]'s shadow. {They all played with the [o].|They danced, all four of them.|They made rabbits and birds on a wall.||} {Every morning after that, [h] said hello to the shadow.|Every night after that, [h] said good night to the shadow.|} {[moral]|} {[end]|And the shadow never ran away again.|}""",
        questions=[
            ("{What ran away?|What did [h] lose?}", "[h]'s shadow ran away."),
            ("{Why did the shadow run away?|How was [h] not nice to the shadow?}",
             "[h] was not nice to it: [he] used to [bad]."),
            ("{Where was [h] when the shadow was gone?|Where did [h] see that the shadow was gone?}", "[h] was [at]."),
            ("{Where was the shadow?|Where did they find the shadow?}", "They found the shadow [hide]."),
            ("{Who helped [h] to look?|Who helped [h]?}", "[h]'s friend [f] helped."),
            ("{Was [h] sorry?|Did [h] say sorry?}", "Yes, [h] said sorry to the shadow."),
            ("{What could the shadow play with?|What did [h] share with the shadow?}",
             "The shadow could play with the shadow of [h]'s [o]."),
        ],
        about="whose shadow ran away",
        summary="[h] was not nice to [his] shadow, so it ran away, and [h] found it [hide] and said sorry.",
    )


@plot("practice")
def the_invention(s):
    fit(s, things=BIG_THINGS + FOOD_THINGS, places=("moon",))
    s["job"], s["fail1"], s["fail2"], s["good"] = s.rng.choice([
        ("pick [fruit]", "It threw the [fruit] over the fence", "It picked all the leaves and left the [fruit] behind",
         "It picked the [fruit] and laid them softly in a basket"),
        ("wash dirty socks", "It tied all the socks in knots", "It washed [h] and not the socks",
         "The socks came out clean and warm"),
        ("stir the soup", "It stirred so fast that the soup flew to the ceiling",
         "It stirred the tea and the cat's milk, but not the soup",
         "It stirred the soup slowly, round and round"),
        ("sweep the floor", "It swept the dust up in the air, and everyone sneezed", "It swept the rug out of the door",
         "It swept until the floor was bright"),
        ("open nuts", "It shot the nuts through the window", "It made the nuts into powder",
         "It opened nut after nut, and none was broken"),
        ("water the flowers", "It watered the road and the neighbor", "It made so much water that a duck moved in",
         "It gave each flower just a little water"),
        ("wake [h] in the morning", "It rang in the middle of the night", "It threw a bucket of water on the bed",
         "It played a soft song when the sun came up"),
    ])
    s.set("part",
          "{two wheels and a spring|an old fan and some string|a bicycle chain and a funnel|six spoons and a bell"
          "|a big spring and a tin can}")
    s.set("hint", "{heavier|steadier|slower}")
    return Story(
        text="""[open] [day] [h] had an idea. "I will make a machine that can [job]!" {[His] friend [f] laughed. "Nobody can make that," [fhe] said.|"Is that not too hard?" asked [his] friend [f].|[His] friend [f] was not so sure. "A machine?" [fhe] asked.} But [h] {began at once|was already at work|got to work}. [He] took [part]. {Bang, bang, tap, tap!|There was a lot of noise.|[He] drew a plan and lost it and drew it again.|}
The first machine {shook and hissed|puffed|went clack, clack}. [fail1]! {"Oh dear," said [h].|"Hm," said [h]. "Not like that."|[f] laughed until [fhis] belly hurt.||} [h] {took it apart|thought about it} and built {a second one|it again}. [fail2]! {"I told you so," said [f].|"Maybe you should stop," said [f].|Now [h] wanted to cry.} [h] was [sad]. {[He] kicked a stone.|[He] went for a walk and did not speak.|"I cannot do it," [he] said.||}
{Then [h] sat down [at] and looked at [his] [oa] [o].|To cheer [himself] up, [h] went to the [p] with [his] [oa] [o].|[h] took [his] [oa] [o] and sat [at] for a while.} {[f] came and sat down beside [him].|After some time, [f] came too.} "{What did you learn from the two tries|What went wrong}?" asked [f]. "{It moves too wildly|It jumps around too much}," said [h]. "It should be [hint]. It needs something on top..." {[He] looked at the [o]. Then [he] jumped up.|And then [he] stared at the [o].} "{The [o]|My [o]}! [f], {come with me|help me}!"
[h] put the [o] on top of the machine, and [f] {turned the last screw|held it tight|tied it with a string}. {They held their breath|"One, two, three," they said}. Click! The third machine {hummed like a bee|purred like a cat|ran without a sound}. [good]. "{It works|You did it|We did it}!" {they cheered|they both shouted}. {"And if it had not worked?" asked [f]. "Then I would make a fourth one," said [h].|"Three tries," said [f]. "You never gave up."|} {[moral]|} {[end]|The next day, [h] had a new idea.|And the [o] had the best place of all.}""",
        questions=[
            ("{What did [h] want to make?|What was [h]'s idea?}", "[h] wanted to make a machine that can [job]."),
            ("{What did [h] use for the machine?|What was the machine made of at first?}", "[h] took [part]."),
            ("{How many machines did [h] make?|How many tries did [h] need?}",
             "[h] made three machines, and the third one worked."),
            ("{What did the first machine do?|What went wrong with the first machine?}", "[fail1]."),
            ("{What did the second machine do?|What went wrong the second time?}", "[fail2]."),
            ("{What did [h] put on top of the machine?|What did the machine need?}",
             "[h] put the [o] on top of the machine."),
            ("{Did [h] give up?|Did [h] stop after the second machine?}",
             "No, [h] did not give up and tried a third time."),
        ],
        about="who invented a machine",
        summary="[h] made a machine that can [job]; it went wrong twice, but the third one worked.",
    )


@plot("kindness")
def the_song_that_heals(s):
    fit(s, things=BIG_THINGS, places=("moon",), animals=("snail", "beetle"))
    s["sick"], s["well"] = s.rng.choice([
        ("[h]'s [g] lay in bed and was ill", "[h]'s [g] sat up in bed and smiled"),
        ("the old apple tree had lost all its leaves", "green leaves came out on the old apple tree"),
        ("[h]'s [g] had not laughed for a whole year", "[h]'s [g] began to laugh, louder and louder"),
        ("the king's horse was sick and did not eat", "the king's horse stood up and ate a whole bucket of oats"),
        ("the village well was dry", "water rose in the village well, clear and cold"),
        ("[f] had a fever and could not get up", "[f] jumped out of bed and felt well again"),
    ])
    s["who1"], s["who2"] = s.rng.sample([
        "the wind in the reeds", "the rain on a roof", "a cricket in the grass", "the waves on the shore",
        "a kettle on the fire", "a clock in a quiet room", "an old man who hummed at work"], 2)
    return Story(
        text="""[open] {But [h] was [sad]|One day, [h] was [sad]|Now [h] was [sad]}, because [sick]. {Nobody knew what to do.|No doctor could help.|Many came to help, but nothing worked.||} "{I have heard of a song|There is a song} that makes all well again," said @a [aa] [a]. "{But it is lost, and nobody knows it all|It has three parts, and they are far apart}. I know only the last part. {The first two you must find|You must find the first two} yourself. Listen well!"
So [h] took [his] [oa] [o] and {went out into the world|set out|walked and walked}. {Every sound could be the song!|[He] listened to everything.|"What does a song like that sound like?" [he] wondered.||} {The first day, [he] heard nothing.|First [he] heard dogs and carts, but no song.|[He] heard a goose, but that was not it.||} Then [h] came to the [p]{, tired and dusty|}. {It was quiet there.|[He] closed [his] eyes.|} And [he] heard [who1]. {Hmm, hmm, la|La, li, la|Do, do, la}! It was the first part!
{A little farther on, [h] sat down to rest.|Later that day, [h] stopped to drink.|When night came, [h] lay awake under a tree.} {[He] put the [o] down and was very still.|[He] held the [o] and did not make a sound.} [He] heard [who2]. {Li, li, lo|Dum, di, dum|Lo, la, lo}! It was the second part! {[h] sang it again and again, so that [he] did not lose it.|[h] danced in a circle.|"Now I have two!" cried [h].||} {Then [he] hurried home.|[He] ran all the way home.}
The [a] {was waiting|sat by the gate} and taught [h] the last part. Then [h] sang. {At first [his] voice shook.|[He] was not a good singer, but [he] sang with all [his] heart.|It was a small voice, but it was warm.||} {It became quiet everywhere|Even the birds listened}. And when the song was over, [well]!
{"How did you do that?" people asked.|"What a song!" everyone said.|"Thank you, [h]!" everyone said.||} "{I only listened|I listened, and I wanted to help}," said [h]. {[moral]|} {After that, [h] taught the song to everybody, and first of all to [his] friend [f].|And [h] sang the song with [his] friend [f] on many evenings.|[h] and [his] friend [f] sang it together, and the [o] lay beside them.}""",
        questions=[
            ("{Why was [h] not happy at first?|What was wrong?}", "[h] was not happy because [sick]."),
            ("{Who told [h] about the song?|Who knew the last part of the song?}",
             "@A [aa] [a] told [h] about the song."),
            ("{How many parts did the song have?|How many parts did [h] have to find?}",
             "The song had three parts, and [h] had to find two."),
            ("{Where did [h] find the first part?|Who sang the first part of the song?}",
             "[h] heard the first part from [who1]."),
            ("{Where did [h] find the second part?|Who sang the second part of the song?}",
             "[h] heard the second part from [who2]."),
            ("{What did the song do?|What happened after [h] sang?}", "After [h] sang, [well]."),
            ("{What did [h] take along?|What did [h] carry on the way?}", "[h] took [his] [oa] [o] along."),
        ],
        about="who looked for a song that heals",
        summary="[h] found the three parts of a song that heals and sang it, and then [well].",
    )


@plot("gratitude")
def the_clock_that_stopped(s):
    fit(s, things=BIG_THINGS + FOOD_THINGS + ("clock", "pocket watch"), places=FAR + HOME, animals=BIG_ONES)
    s.set("frozen",
          "{A ball stood still in the air|A bird hung in the sky and did not fall"
          "|A drop of rain stopped in front of [h]'s nose"
          "|The water in the fountain stood like glass|The smoke over the roofs did not move}")
    s.set("did",
          "{with one foot in the air|with [fhis] mouth wide open|in the middle of a jump|in the middle of a word"
          "|with a spoon in front of [fhis] mouth}")
    return Story(
        text="""[open] Near the [p] there was a {tall|high|round} tower with a big clock. Tick, tock! It went {day and night|all year long}. [day] [h] was {out|on a walk} with [his] friend [f] and [his] [oa] [o]. {Suddenly|All at once} the clock stopped!
And everything else stopped too. [frozen]. [f] stood there [did]. "{[f]? Hello|[f], can you hear me}?" said [h]. [f] did not move. Only [h] could move, and the [o] was {warm|glowing}. {"Is it magic?" [h] wondered.|It must have been magic!|Maybe that was why.}
[h] {went up|climbed} all the steps of the tower. {They creaked.||} Behind the last wheel, there sat @a [aa] [a]. "{Are you the one who makes the clock go|Do you live here}?" asked [h]. "Yes," said the [a]. "{For a hundred years|For so many years} I have turned the wheels. And {not one time has anyone said|nobody ever said} thank you. {So I stopped.|So today I stopped.|Now I do not want to anymore.}"
{[h] thought about it. It was true.|"That is true," said [h] slowly.|[h] had never said it either.} "{I am sorry|Forgive us}, dear [a]. {You make the morning come|Without you, there is no time for anything}. Thank you for {every hour|every single tick|all your work}!" The [a] {looked up|wiped its eyes}. "{Say it again|Once more, please}," it {said|whispered}. "Thank you, thank you!" said [h]. {The [a] jumped up|The [a] smiled} and turned the wheel. Tick, tock!
{Down on the street, everything moved again.|Everything began to move again.} {[f] blinked.|[f] rubbed [fhis] eyes.|} "{Where were you|Did you go away}?" asked [f]. [h] told [fhim] everything. {After that, they brought the [a] some [food] each week.|After that, people waved to the clock each day.|From then on, [h] and [f] said thank you to the clock each day.||} {[moral]|} {[end]|And the clock never stopped again.|}""",
        questions=[
            ("{What stopped?|What happened to the clock?}", "The big clock stopped."),
            ("{What happened to [f]?|How did [f] stand there?}", "[f] did not move and stood there [did]."),
            ("{Who could still move?|Who was the only one who moved?}", "Only [h] could move."),
            ("{Who sat in the tower?|Who made the clock go?}", "@A [aa] [a] sat in the tower and made the clock go."),
            ("{Why did the [a] stop the clock?|Why had the clock stopped?}",
             "The [a] stopped because nobody ever said thank you."),
            ("{What did [h] say to the [a]?|How did [h] make the clock go again?}", "[h] said thank you to the [a]."),
        ],
        about="who found out why the clock stopped",
        summary="When the clock stopped and all stood still, [h] said thank you to the [a] who turned its wheels.",
    )
