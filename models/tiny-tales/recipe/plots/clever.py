"""Fables and puzzles: tricks, trades, contests and clues."""
import words
from plots.adventure import BIG_THINGS, FAR, FOOD_THINGS, HOME, OUTSIDE, fit, named, stranger
from story import Story, plot


@plot("courage")
def the_clever_trick(s):
    fit(s, things=FOOD_THINGS + BIG_THINGS)
    s["big"] = stranger(s, "troll,giant,ogre,bear,wolf,tiger")
    s["bigname"] = named(s, "Grumm,Bogo,Humbo,Rumpus,Morgan,Big Barto,Stomper,Grolo")
    s["dare"], s["act"], s["then"] = s.rng.choice([
        ("stand on your head until I have counted to fifty", "stood on his head", "While [bigname] stood on his head"),
        ("keep your eyes closed until I have counted to fifty", "closed his eyes",
         "While [bigname]'s eyes were closed"),
        ("hold up the big rock until I have counted to fifty", "held up the big rock",
         "While [bigname] held up the rock"),
        ("lie still like a log until I have counted to fifty", "lay down and did not move",
         "While [bigname] lay still"),
        ("stay under your hat until I have counted to fifty", "pulled his hat over his face",
         "While [bigname] was under his hat"),
    ])
    s["dareshort"] = s["dare"].replace("your", "his").replace("I have", "[h] had")
    return Story(
        text="""[open] {On the way to|Near|Behind} the [p] lived a big [big]. His name was [bigname], and he took whatever he liked. {"Mine!" he always said.|He never said please.|Everybody was afraid of him.||} [day] he saw [h] with @a [oa] [o]. "{I like that|Give me that|That is nice}," {growled|said} [bigname], and he took the [o].
[h] {stamped|was [sad]|almost cried}. "{Let it be|Run|Come away}," whispered [his] friend [f]. "He is {ten times as strong as you|too big and too strong}." "{But I can think|Strong is not everything|Then I must use my head}," said [h]. {[He] thought for a moment.|[He] walked up and down.|[His] heart went thump, but [he] stayed.||} Then [h] went {up to|right up to} the [big].
"{Dear [bigname]|[bigname]}," said [h]. "{Everyone says that you are strong|They say you can do all things|I hear that you are the strongest of all}. But I bet {there is one thing you cannot do|one thing is too hard for you}. You cannot [dare]." "{Ha|Ho, ho|Pah}! {That is easy|Nothing is easier|I can do that in my sleep}!" {roared|cried} [bigname]. He put down the [o] and [act]. "{Start to count|Count, little one}!" he said.
"One, two, three," counted [h]. {Then [he] winked at [f].|[He] made a sign to [f].|[f] understood at once.||} [then], [f] {went on tiptoe|sneaked up} and {took|got} the [o]. "Forty-nine, fifty!" {called|said} [h] {from far away|from the other side of the fence|at last}. [bigname] {jumped up|looked around}. "{Did I win?|I did it!} But where is the [o]?" "{Back with me|Here, where it belongs|I have it again}!" said [h].
{First [bigname] got red. Then he laughed so hard that the ground shook.|[bigname] stared at [h]. Then he laughed and laughed.|[bigname] growled. But then he had to smile.} "{That was a good trick|You got me, little one|Nobody ever played with me before}! {Will you play again tomorrow|Can we play again}?" "{Yes, if you ask before you take things|Only if you say please from now on}," said [h]. {And he did.|[bigname] promised it to [h].|"Please," said [bigname].||} {[moral]|} {[end]|And after that, [bigname] took only what was given to him.|}""",
        questions=[
            ("{Who took the [o]?|What was the name of the [big]?}", "[bigname] the [big] took the [o]."),
            ("{What did the [big] take?|What did [bigname] take from [h]?}", "[bigname] took [h]'s [oa] [o]."),
            ("{What was the trick?|What did [h] tell the [big] to do?}",
             "[h] told [bigname] that he could not [dareshort]."),
            ("{How far did [h] count?|To what number did [h] count?}", "[h] counted to fifty."),
            ("{Who got the [o] back?|What did [f] do?}", "[f] took the [o] while [h] counted."),
            ("{Was the [big] angry at the end?|Was [bigname] still angry at the end?}",
             "No, [bigname] wanted to play again."),
        ],
        about="who tricked a big [big]",
        summary="A big [big] took [h]'s [o], but [h] and [f] got it back with a clever trick.",
    )


@plot("humility")
def the_boaster(s):
    fit(s, things=BIG_THINGS, only=OUTSIDE)
    s["boast"], s["contest"], s["error"], s["way"] = s.rng.choice([
        ("I am the fastest of all", "to run a race to the old mill and back",
         "lay down for a nap by the mill because [xhe] was so far ahead",
         "[h] ran on, step by step"),
        ("I am the best at carrying things", "to carry an egg on a spoon around the pond",
         "ran and waved to everyone, and the egg fell down",
         "[h] walked slowly and looked only at the egg"),
        ("I am the strongest of all", "to pull a heavy cart up the hill", "pulled so wildly that the wheel came off",
         "[h] pulled calmly and rested now and then"),
        ("I can jump the farthest", "to jump over the stream from stone to stone",
         "looked around to see who was watching and fell into the water",
         "[h] looked at each stone before [he] jumped"),
        ("I can build the highest", "to build the highest tower of stones",
         "put on the stones so fast that the tower fell down",
         "[h] put one stone on the other with great care"),
        ("I can see the best", "to find ten blue beads in the grass",
         "talked so much that [xhe] stepped right over the beads",
         "[h] looked under leaf after leaf"),
    ])
    return Story(
        text="""[open] [h] knew [xintro]. {All day long [x] boasted.|[x] liked to boast.|"Look at me!" [x] always said.} "[boast]," {said [x] to everyone|[x] told everyone|cried [x]}. "Nobody can beat me, {and surely not you|least of all you}, [h]!" {[h] said nothing.|[h] just smiled.|[h] felt small.||}
[day] there was a contest [at]. The prize was @a [oa] [o]. {The task was|Everyone had} [contest]. "{That [o] is already mine|I have won already|This will be easy}," said [x] and laughed. {[h] would have loved to win the [o].|[h] looked at the [o] and sighed.|"I would like to win that [o]," thought [h].||} "{Just try|You can do it|Do it your way}," said [his] friend [f]. "{Do not listen to [x]|Do not look at [x]}."
"{Ready, set, go|One, two, three, go}!" {[x] was far ahead at once.|At first it looked good for [x].|Everyone looked at [x].} "{See how good I am|See that|This is too easy}!" {shouted|called} [x]. But then [x] [error]. {Oh dear!|Oops!|} [way]. {[f] hardly dared to look.|It was hard, but [he] did not stop.|[He] did not look left or right.||} And {in the end|at last}, [h] {had won|was the winner}!
{Everybody clapped.|Everyone cheered for [h].|"Hooray for [h]!" cried [f].||} [h] got the [o]. [x] {sat on the ground and looked at [xhis] feet|was red in the face|did not say a word}. {"Now [h] will laugh at me," thought [x].|"Now they will all laugh," thought [x].} But [h] {sat down next to [xhim]|went over to [xhim]|did not laugh}. "{You are really good at it|You are good, [x]|You started better than I did}," [he] said. "{You do not have to say it all the time|You do not need to shout about it}."
"{I am sorry that I boasted, [h]|I am sorry, [h]|That was silly of me, [h]}," said [x] {after a while|softly}. "{Come and try the [o] with us!|Do you want to use the [o] too?|Let us share the [o] today!}" said [h]. {[moral]|} {[end]|And so all three, [h], [f] and [x], had a good day.|After that, [x] boasted only a little.}""",
        questions=[
            ("{Who boasted?|Who liked to boast?}", "[x] boasted all the time."),
            ("{What did [x] say about [xhimself]?|What did [x] say to everyone?}", "[x] said, \"[boast].\""),
            ("{What was the contest?|What did they have to do?}", "The contest was [contest]."),
            ("{What was the prize?|What could one win?}", "The prize was @a [oa] [o]."),
            ("{Why did [x] not win?|What went wrong for [x]?}", "[x] [error]."),
            ("{Who won the contest?|Who got the [o]?}", "[h] won and got the [o]."),
            ("{Did [h] laugh at [x]?|Was [h] mean to [x] at the end?}", "No, [h] was kind to [x] and shared the [o]."),
        ],
        about="who met a boaster",
        summary="[x] boasted all the time, but [h] won the contest with care and shared the prize.",
    )


@plot("courage")
def the_small_helps_the_big(s):
    fit(s, things=BIG_THINGS, places=FAR + HOME)
    s["big"] = stranger(s, "giant,elephant,dragon,bear,ox,moose")
    s["bigname"] = named(s, "Bombo,Tantor,Magnus,Olaf,Grum,Rolo,Bartok,Humphrey")
    s["trouble"], s["short"], s["help"] = s.rng.choice([
        ("there is a sharp splinter in my side", "he had a sharp splinter in his side", "pulled out the splinter"),
        ("a bee sits in my ear and hums without end", "a bee sat in his ear and hummed",
         "asked the bee politely to come out"),
        ("a fish bone is stuck between my teeth", "a fish bone was stuck between his teeth",
         "looked into his mouth and got the bone out"),
        ("a burr is stuck on my back, where I cannot reach", "a burr was stuck on his back",
         "climbed up on his back and took the burr off"),
        ("something in my nose makes me sneeze all day", "something in his nose made him sneeze",
         "took a little feather out of his nose"),
        ("a thin rope is tight around my foot", "a thin rope was tight around his foot",
         "untied the tiny knot in the rope"),
    ])
    return Story(
        text="""[open] {[h] was not very big|[h] was small for [his] age|[h] was smaller than all the others}, and {some|many} people laughed about it. "{Such a little one cannot do much|You are too small to help|You are no bigger than a bean}," they said. {That made [h] [sad].|[h] wished to be big and strong.|"I am not so small inside," thought [h].}
[day] [h] was on [his] way to the [p] with [his] [oa] [o]. {Boom, boom!|The ground shook.|There was a noise like thunder.||} "Ooooh! Ow!" {cried|roared} somebody. There on the road was a huge [big] named [bigname]! {Everybody ran away.|All the people hid.|The others were far away already.} "{Run, [h]|Come, [h], run}!" called [his] friend [f]. But [h] {stood still|stayed} and {held the [o] tight|looked up and up}.
"{Why do you cry|What is wrong|Does something hurt}?" asked [h]. {[bigname] looked left and right.|[bigname] blinked.|The [big] stopped.||} "{Who said that|Who is talking}?" "{Down here|I did, down here}!" said [h]. "Oh, little one," said [bigname]. "{It is terrible|I cannot stand it any longer|It has been like this for [n] days}: [trouble]! {I am too big to do anything about it|The big ones tried, but their fingers are too thick|No big one can help me}."
"{Hold still|Do not move|I will try}," said [h]. {[He] put down the [o].|[He] gave the [o] to [f].|[He] put the [o] on the ground.} {[His] heart beat fast|[He] was a bit afraid|[f] held [fhis] breath}, but [he] {went close|came close}. {Very, very carefully|Softly|Slowly}, [h] [help]. {"Ready!" said [h].|"That was all," said [h].|Done!||} [bigname] {laughed so loudly that the birds flew up|danced so that the trees shook|wept with joy}. "{It is gone! It is gone|The pain is gone|You did it}! {You are the greatest of all|A small one helped me when no big one could}!"
{The others came back and stared.|One by one, the others came out.|And what did the others say? Nothing at all!||} [bigname] {carried [h], [f] and the [o]|lifted up [h], [f] and the [o] and carried them} all the way to the [p]. "{If you ever need somebody big, call me|When you need a big friend, call me}," he said. "And if you need somebody small, call me," said [h]. {[moral]|} {[end]|Nobody laughed at [h] anymore.|}""",
        questions=[
            ("{Why did people laugh at [h]?|What did people say about [h]?}", "People said that [h] was too small."),
            ("{Who cried and roared?|Who did [h] meet on the way?}", "It was a huge [big] named [bigname]."),
            ("{What was wrong with the [big]?|Why did [bigname] cry?}", "[bigname] cried because [short]."),
            ("{How did [h] help?|What did [h] do for [bigname]?}", "[h] [help]."),
            ("{Did [h] run away?|Did [h] run away with the others?}", "No, [h] stayed and asked what was wrong."),
            ("{How did [h] get to the [p]?|Who carried [h] to the [p]?}", "[bigname] carried [h] and [f] to the [p]."),
        ],
        about="who was small and helped a huge [big]",
        summary="[h] was small, but [he] helped [bigname], a huge [big], when no big one could.",
    )


@plot("sharing")
def two_who_quarreled(s):
    fit(s, things=BIG_THINGS + FOOD_THINGS, places=("moon",))
    s["thief"] = stranger(s, "goose,crow,monkey,goat,magpie")
    s["spot"], s["getshort"], s["get"] = s.rng.choice([
        ("on top of a high wall", "[f] climbed on [h]'s shoulders",
         "[h] stood against the wall, and [f] climbed on [h]'s shoulders"),
        ("in the top of a tree", "[h] shook the tree, and [f] caught the [o] in a cloth",
         "[h] shook the tree, and [f] held out a cloth to catch the [o]"),
        ("on a little island in the pond", "they made a raft from two boards",
         "[h] brought one board and [f] brought one board, and together they made a raft"),
        ("on the roof of a shed", "[h] held the ladder, and [f] went up", "[h] held the ladder, and [f] went up"),
        ("behind a thick hedge", "[h] held the branches apart, and [f] crept through",
         "[h] held the branches apart, and [f] crept through"),
    ])
    s["rule"], s["ruleshort"] = s.rng.choice([
        ("You have it today, and I have it tomorrow", "They took turns: one day [f], one day [h]"),
        ("One of us has it in the morning, and one in the afternoon",
         "One had it in the morning and one in the afternoon"),
        ("It can live here, and we both come and use it", "They left the [o] there, so that both could use it"),
        ("Let us only use it together", "They used the [o] only together"),
    ])
    return Story(
        text="""[open] [day] [h] and [his] friend [f] {went for a walk|played|were out} [at]. {There, on the ground,|Right in front of them|Under a bench} {lay|was} @a [oa] [o]. It belonged to nobody. {"I saw it first!" cried [h].|"It is mine!" said [h].|[h] grabbed it.} {"No, I saw it first!" cried [f].|"No, mine!" said [f].|[f] grabbed it too.}
[h] pulled on one side, and [f] pulled on the other. "{Let go|Give it to me}!" "{No, you let go|Never}!" {They shouted so loudly that the birds flew away.|They got red in the face.|They pulled and pushed until both fell down.||} "{You are not my friend anymore|I will never play with you again|You are mean}," {shouted|said} [h]. {They put the [o] on the ground and turned their backs to each other.|They were so angry that they forgot to hold the [o].}
{Somebody had been watching|Nobody saw what came near|They did not look at the [o]}. Flap, hop! A [thief] {took|grabbed} the [o] and {ran off|was gone} with it. "{Stop|Hey|Oh no}!" {cried|called} [h] and [f]{ at the same time|}. The [thief] {looked at the [o] and saw that one could not eat it|soon got tired of it|shook its head} and left it [spot]. {There it was, and nobody could get it.|[h] tried to get it alone, but [he] could not.|First [f] tried alone, and then [h] did. It was no use.||}
[h] looked at [f], and [f] looked at [h]. "{Alone we cannot do it|I cannot do it without you|We could do it together}," said [h]. {[f] nodded.|"You are right," said [f].|"Then let us try," said [f].} [get]. {And there they had it|Soon they had the [o] back}!
"{You take it|You can have it}," said [f]. "{No, you|You take it}," said [h]. {They both laughed.|And then they had to laugh.|They looked at each other and giggled.||} {"I am sorry that I shouted," said [h].|"I was silly," said [h].|} "{I know what we do|I have a plan}," said [f]. "[rule]." {[h] liked that.|"Yes!" said [h].|"That is fair," said [h].||} {[moral]|} {[end]|And the [o] was more fun for two.|They never quarreled about the [o] again.}""",
        questions=[
            ("{Why did [h] and [f] quarrel?|What did [h] and [f] want to have?}",
             "[h] and [f] both wanted the [oa] [o]."),
            ("{Where did they find the [o]?|Where were [h] and [f]?}", "They found the [o] [at]."),
            ("{Who took the [o] while they quarreled?|Who came and took the [o]?}", "A [thief] took the [o]."),
            ("{Where did the [thief] leave the [o]?|Where was the [o] then?}", "The [thief] left it [spot]."),
            ("{How did they get the [o] back?|What did they do to get the [o]?}",
             "They helped each other: [getshort]."),
            ("{How did they share the [o]?|What did they decide in the end?}", "[ruleshort]."),
        ],
        about="who quarreled with a friend over @a [o]",
        summary="[h] and [f] quarreled over @a [o] until a [thief] took it, then got it back together and shared it.",
    )


@plot("listening", heroes=("person", "animal", "role"))
def the_lazy_one(s):
    fit(s, things=FOOD_THINGS + BIG_THINGS + ("blanket", "coat", "scarf"), places=FAR + HOME)
    s["work"], s["worked"], s["not"] = s.rng.choice([
        ("gather wood for the winter", "carried home log after log", "no wood for the fire"),
        ("mend the roof before the storm", "nailed board after board", "a big hole in the roof"),
        ("bring in the [fruit] before the frost", "filled one basket after the other", "nothing in the pantry"),
        ("close the cracks in the wall before the snow", "filled every crack with clay",
         "wind in every corner of the house"),
        ("dig a ditch before the big rain", "dug a little every day", "water up to the bed"),
    ])
    return Story(
        text="""[open] [h] was also {a bit lazy|rather lazy|good at doing nothing}. {All day [he] sat [at] with [his] [oa] [o].|[He] liked best to sit [at] with [his] [oa] [o].|Most days [he] lay in the grass with [his] [oa] [o].} [His] friend [f] lived next door. "{It is time to|We should|We must} [work]," said [f]. "{Come, [h], let us do it together.|Will you come, [h]?|We can start today.}" "{Tomorrow|Not now|Later}," said [h]. "{The sun is so warm|I am so comfortable|There is plenty of time}."
So [f] {began alone|went to work alone}. [f] [worked]. {Sweat ran down [fhis] face.|[fHe] whistled at work.|[fHe] was tired every evening.||} [h] {looked on and yawned|played with the [o]|counted the clouds}. "{You work too much, [f].|Why do you hurry so, [f]?|Sit down and rest, [f].}" {That was all [he] did.|And [he] closed [his] eyes.|Then [he] yawned again.||} {The next day, it was the same|Day after day went by like this}: "Tomorrow," said [h], and turned over.
Then, {one night|one cold night}, {the sky got black|the wind began to howl}. {It stormed and stormed.|It got colder than ever before.|There had never been weather like that.||} [f] {sat warm and dry at the table|was warm and safe at home|slept well}. But [h] had [not]! {[He] shook all over.|[He] held the [o], but that did not help.|"Oh, why did I wait?" said [h].||} {At midnight|In the middle of the night|At last}, [he] knocked at [f]'s door. "{Please, [f], may I come in|May I stay with you, [f]}?" [he] asked {in a small voice|and looked at the floor}.
[f] {thought of all the long days of work|looked at [h] for a moment|was quiet for a moment}. Then [fhe] {opened the door wide|made room by the fire|moved over}. "{Come in, of course|You are my friend, so come in}. {There is hot soup|Here is some [food]}." {[h] was ashamed.|[h] ate and did not look up.|Tears came to [h]'s eyes.||} "{You were right|I should have listened to you}," said [h].
The next morning, [h] {got up before the sun|was the first one up}. {[He] worked as hard as two.|[He] worked until noon without a rest.|} [He] {helped [f] with everything|did [f]'s work and [his] own}. {"Sit down and rest," said [f] and laughed.|"Are you still the same [h]?" asked [f].|} And when the work was done, they sat [at] with the [o], side by side. {[moral]|} {[end]|A rest is best after work.|}""",
        questions=[
            ("{What was [h] like at first?|How was [h] before the cold night?}", "At first, [h] was lazy."),
            ("{What did [f] want to do?|What did [f] say they should do?}", "[f] wanted to [work]."),
            ("{What did [h] do while [f] worked?|What did [h] say when [f] asked [him] to help?}",
             "[h] did not help and did not want to work yet."),
            ("{Why was [h] in trouble that night?|What was wrong at [h]'s home?}", "[h] had [not]."),
            ("{Did [f] let [h] in?|Was [f] kind to [h]?}", "Yes, [f] let [h] in."),
            ("{What did [h] do the next morning?|How did [h] change?}",
             "The next morning, [h] got up early and worked hard."),
        ],
        about="who was lazy",
        summary="[h] was lazy while [f] worked, but after a bad night [he] learned to work too.",
    )


@plot("sharing")
def the_greedy_one(s):
    fit(s, things=BIG_THINGS + FOOD_THINGS + ("basket", "bucket", "jar", "pot", "box"),
        places=FAR + HOME + ("orchard", "market"), animals=("snail", "butterfly", "bat"))
    s["holder"], s["broke"] = s.rng.choice([
        ("basket", "the bottom of the basket fell out"), ("sack", "the sack tore from top to bottom"),
        ("big pot", "the handle of the pot broke off, and it tipped over"), ("cart",
                                                                             "the wheel of the cart broke, and it fell "
                                                                             "on its side"),
        ("hat", "the hat came apart"), ("bucket", "the handle of the bucket broke, and it fell over"),
    ])
    s.set("lost",
          "{down the hill and into the river|into a deep ditch|under the feet of a herd of cows|into the mud"
          "|down a rabbit hole}")
    return Story(
        text="""[open] [day] [h] found {a little garden|a sunny corner|an old garden} full of ripe [fruit] near the [p]. {There were more than [he] could count.|They shone in the sun.|They smelled wonderful.||} "{They are all mine|All for me|I will take them all}!" {cried|said} [h]. [He] put down [his] [oa] [o], got a [holder], and {began to pick|picked and picked}.
@A [aa] [a] came by. "{They look so good|Oh, [fruit]|What nice [fruit]}! {May I have one|Can you give me one|Could I have just one}?" "No," said [h]. "{I need them all|I found them|There are not enough for two}." {The [a] hung its head and sat down.|The [a] sighed and waited.|} Then [his] friend [f] came. "{Let me help you,|Give me some, and I will help you carry the [holder],|Shall we eat them together?}" said [f]. "No," said [h] again. "{I do not need help|Then I would have to share|I can do it alone}."
{Soon the [holder] was full.|The [holder] was full to the top.} "{Stop now, it is too heavy|That is enough, [h]}," said [f]. But [h] {put ten more on top|put more and more on top|pushed even more in}. [He] pulled, and {[he] groaned|[he] puffed}, and came {as far as the bridge|as far as the bend in the road|only a few steps}. {Crack|Rip, crash|Snap}! [broke]! All the [fruit] rolled [lost]. Not one was left. {[h] had wanted all and had nothing.|[h] stood there with nothing at all.|[h] sat down in the road and wept.||}
{The [a] came up slowly.|Then the [a] was there again.|Somebody touched [h]. It was the [a].} "{You dropped three on the way|I found three in the grass}," it said. "{One for you, one for [f], and one for me|There is one for each of us}." {[h] could not believe it.|[h] got red.|"For me?" asked [h].||} "{But I did not give you any|I was so greedy, and you share with me|After all that I said}!" "{Three are better shared|They taste better together|I like to share}," said the [a].
They sat down and ate. {It was the best fruit that [h] had ever eaten.|Never did anything taste so good.|} "{I am sorry|I will not be so greedy again|I was silly}," said [h]. {Then [he] remembered the [o]. "Come," [he] said. "Let us all use it!"|And then [h] fetched the [o], and they all had a turn.|Then [h] got [his] [o] and let [f] and the [a] have it first.} {[moral]|} {[end]|And it was a good day after all.|}""",
        questions=[
            ("{What did [h] find?|What was near the [p]?}", "[h] found ripe [fruit]."),
            ("{Who asked [h] for one?|Who came by first?}", "@A [aa] [a] asked [h] for one."),
            ("{Did [h] share at first?|Did [h] give some to the [a] and to [f]?}",
             "No, [h] wanted to have all the [fruit]."),
            ("{What did [h] put the [fruit] in?|What did [h] use to carry the [fruit]?}",
             "[h] put the [fruit] in a [holder]."),
            ("{What went wrong?|Why did [h] lose the [fruit]?}", "[h] took too many, and [broke]."),
            ("{Where did the [fruit] go?|Where did the [fruit] roll?}", "The [fruit] rolled [lost]."),
            ("{How many did the [a] find?|How did the [a] share?}",
             "The [a] found three and gave one to each of them."),
        ],
        about="who was greedy and wanted all the [fruit]",
        summary="[h] wanted all the [fruit] and lost them, but @a [a] shared its last three with [h] and [f].",
    )


@plot("curiosity")
def the_riddle_at_the_gate(s):
    fit(s, things=("mirror", "candle", "shell", "clock", "egg", "broom", "needle", "umbrella", "ladder"),
        places=("moon",))
    s["guard"] = stranger(s, "owl,stone lion,toad,raven,tortoise,badger")
    s["riddle"], s["wrong"], s["hint"], s["answer"] = s.rng.choice([
        ("I run beside you all day long, but at night I am gone. You can never catch me. What am I", "a dog",
         "[h] walked up and down and saw something dark walk along on the ground", "a shadow"),
        ("I have no mouth, but I answer you in the mountains. I always say your last word. What am I", "a parrot",
         "\"Oh no!\" called [h]. \"No... no...\" said the rocks", "an echo"),
        ("I have one eye, but I cannot see. I leave a tail of thread behind me. What am I", "a pirate",
         "[h] saw an old sack that somebody had mended with thread", "a needle"),
        ("I am tall when I am young and short when I am old. The wind can end my life. What am I", "a grandfather",
         "[h] saw a light flicker in a window", "a candle"),
        ("I have teeth, but I do not bite. I live close to your head. What am I", "a crocodile",
         "a girl with tangled hair walked by", "a comb"),
        ("The more you take away from me, the bigger I get. What am I", "a cake",
         "[h] saw a mole throw earth out of the ground", "a hole"),
        ("I have a bed, but I never sleep. I run, but I have no feet. What am I", "a child",
         "[h] heard water splash over the stones", "a river"),
        ("I go up and down the hill, but I never move. What am I", "a goat",
         "[h] looked down at [his] feet and at the ground under them", "a road"),
        ("I have a face and two hands, but no legs. I tell you something all day. What am I", "a teacher",
         "[h] heard it strike twelve far away", "a clock"),
        ("I fly without wings, and I cry without eyes. What am I", "a baby bird", "a drop fell on [h]'s nose",
         "a cloud"),
        ("Everyone can open me, but no one can close me again. There is gold inside of me. What am I",
         "a treasure chest", "[h] heard a hen cluck", "an egg"),
    ])
    return Story(
        text="""[open] [day] [h] and [his] friend [f] wanted to go to the [p]. {But there was a tall gate|But a big iron gate stood in the way|On the way, they came to a high gate}, and {on top of it sat|beside it sat|in front of it sat} an old [guard]. "{Nobody comes through here without an answer|Stop! First you must answer a riddle|Who wants to pass must solve my riddle}," said the [guard]. "You have three tries."
{"I love riddles," said [h].|"Tell us," said [h].|"Please begin," said [h].} The [guard] {closed its eyes|spoke slowly}: "[riddle]?" {It was quiet.|"Hm," said [h].|[h] and [f] looked at each other.||} {[f] spoke first.|[f] did not think for long.} "It is [wrong]!" {cried|said} [f]. "{Wrong|No}," said the [guard]. [f] tried once more. "Is it a turnip?" {"Wrong again|"No, it is not|"Surely not}," said the [guard]. "{You have one try left|Only one more try}."
"{Wait, [f]|Let us not guess|Let us think}," said [h]. "{What do we know about it?|Let us look at each word again.|Each word must fit.}" [He] {said the riddle over and over|asked [himself] one question after the other}. {They sat down and thought so long that the [guard] fell asleep.|[f] wanted to go home, but [h] did not.|The sun went higher and higher.||} Just then, [hint]. {[h] began to smile.|[h] jumped up.|"I have it!" cried [h].} {Every word fit!|It all fit together!|}
"Dear [guard], {I know it|I have the answer}," said [h]. "It is [answer]!" {The [guard] opened both eyes.|It was quiet for a moment.|The [guard] nodded slowly.||} "Right! {You have a clever head|That is the answer|You solved it}," it said. {Creak|Squeak, creak}! The gate {swung open|opened wide}. Behind it, {on a stone|on a bench}, lay @a [oa] [o]. "{That is for you|This is the prize|Take it with you}," said the [guard].
{"How did you find it out?" asked [f]. "I asked myself questions, and I looked around," said [h].|"I only guessed," said [f]. "But you looked and thought."} {Then they took the [o] and went on|So they took the [o] and went on} to the [p]. {[moral]|} {[end]|On the way, [h] made up a riddle about the [o].|All the way, they asked each other riddles.}""",
        questions=[
            ("{Who sat at the gate?|Who asked the riddle?}", "An old [guard] sat at the gate and asked a riddle."),
            ("{What was the riddle?|What did the [guard] ask?}", "The riddle was: \"[riddle]?\""),
            ("{What was the answer to the riddle?|What did [h] say?}", "The answer was [answer]."),
            ("{What did [f] say first?|What was the first wrong answer?}", "[f] said that it was [wrong]."),
            ("{How many tries did they have?|How many times could they answer?}", "[h] and [f] had three tries."),
            ("{What was behind the gate?|What was the prize?}", "@A [oa] [o] was behind the gate."),
            ("{Who solved the riddle?|Which of the two found the answer?}", "[h] found the answer."),
        ],
        about="who had to solve a riddle at a gate",
        summary="An old [guard] asked a riddle at the gate, and [h] thought hard and found that the answer was "
                "[answer].",
    )


@plot("honesty")
def the_fair_judge(s):
    fit(s, things=FOOD_THINGS + BIG_THINGS)
    s["mark"], s["wrongmark"] = s.rng.sample(["a small star", "a tiny scratch like a moon", "two green dots",
                                              "a drop of red paint", "a little heart",
                                              "the letter B", "a crack like a bolt of lightning", "a small fish"], 2)
    s.set("cloth", "{cloth|apron|shawl|leaf|towel}")
    return Story(
        text="""[open] {Whenever two people quarreled, they came to [h], who was always fair.|Everyone knew that [h] was fair. So when there was a quarrel, people came to [h].|[h] was known to be fair, and many came to ask [him].} [day] [f] and [x] came, and both held on to @a [oa] [o]. "{It is mine|This [o] belongs to me}!" said [f]. "{No, it is mine|That is not true, it is mine}!" said [x]. {They both pulled at it.|Both of them looked very sure.|}
"{One after the other|Quiet, please|Slowly}," said [h]. "{My grandma gave it to me|I got it on my birthday|I have had it since I was very small}, and then I lost it [at]," said [f]. "{I bought it|I have had it for a long time|It was always mine}," said [x], but [xhe] looked {at [xhis] feet|out of the window|away}. {[h] thought. Who told the truth?|How could [h] find out?|}
Then [h] had an idea. [He] {looked at the [o] from all sides|turned the [o] around} and put @a [cloth] over it. "There is a mark {underneath|on the bottom|on the back}. {Whisper in my ear what it is|Whisper to me what it looks like}," said [h]. [x] {went first|wanted to go first} and whispered, "{It is|I think it is} [wrongmark]." Then [f] came and whispered, "It is [mark]. {I know it well|I see it every day|I would know it anywhere}."
[h] took the [cloth] away {and showed the mark|and turned the [o] over}. It was [mark]! "{So the [o] is [f]'s|Then the [o] belongs to [f]}," said [h]. {[x] turned as red as a beet.|[x] began to cry.|Everybody looked at [x].||} "I found it [at]," said [x] {softly|at last}. "{It was so nice that I lied|I did not tell the truth}. I am sorry."
{"Thank you for telling the truth now," said [h].|"It was brave to say that," said [h].} [f] {thought about it|looked at [x]}. "{You found it, and it was not lost forever|You kept it safe}," said [f]. "{You may use it on Sundays|If you ask me, you may use it too|Come over, and we will use it together}." {[moral]|} {[end]|And so everyone went home in peace.|That is how [h] judged, and all were happy with it.}""",
        questions=[
            ("{What did [f] and [x] quarrel about?|What did both want to have?}",
             "[f] and [x] quarreled about @a [oa] [o]."),
            ("{Who was the judge?|Who did they ask?}", "[h] was the judge, because [he] was fair."),
            ("{What mark was on the [o]?|What was the mark?}", "The mark was [mark]."),
            ("{What did [x] say about the mark?|What was [x]'s wrong answer?}",
             "[x] said that the mark was [wrongmark]."),
            ("{Who was the owner of the [o]?|Whose [o] was it?}", "The [o] belonged to [f]."),
            ("{How did [h] find out the truth?|What did [h] ask them?}",
             "[h] covered the [o] and asked both about the mark."),
            ("{Where did [x] find the [o]?|How did [x] get the [o]?}", "[x] found the [o] [at]."),
        ],
        about="who was a fair judge",
        summary="[f] and [x] both said that @a [o] was theirs, and [h] found out with a clever question that it was "
                "[f]'s.",
    )


@plot("honesty")
def the_false_alarm(s):
    fit(s, things=BIG_THINGS, places=FAR + HOME)
    s["danger"], s["real"], s["save"] = s.rng.choice([
        ("The bull is loose", "the bull came down the road", "[f] opened a gate, and the bull ran into a field"),
        ("The river is rising", "the river rose over its banks", "[f] helped [h] to close the water gate"),
        ("There is a fire in the hay", "smoke came out of the hay",
         "[f] came with two buckets of water and put the fire out"),
        ("The geese have run away", "the geese ran down the road",
         "[f] and [h] ran around the geese and drove them home"),
        ("The boat is floating away", "the boat began to float away", "[f] caught the rope and pulled the boat back"),
        ("The goats are in the cabbage", "the goats jumped into the cabbage",
         "[f] held out some salt, and the goats came out"),
    ])
    s.set("bell", "{big bell|horn|gong|loud whistle|iron bell}")
    return Story(
        text="""[open] [h] had {a job|an important job}: [he] sat {near|close to} the [p] with @a [bell] and kept watch. {Nothing ever happened.|Day after day, nothing happened.|It was a quiet job.||} {Not even [his] [oa] [o] could help.|[He] had played with [his] [oa] [o] for hours, and now [he] was tired of it.|[He] had [his] [oa] [o] with [him], but even so it was dull.} "{I am so bored|How boring this is|If only something would happen}," said [h].
So {one day|one fine day|one dull day} [he] {sounded|used} the [bell] and shouted, "Help! [danger]!" {Everyone dropped their work and came.|From all sides people came running.|Doors flew open, and everybody came.} {Some had brooms, and some had flour on their faces.|The baker came with dough on his arms.|} "{Where|Where is it}?" they called. "{Ha, ha|Ha, ha, ha}! {It was only a joke|You should see your faces|I fooled you}!" said [h]. {The people shook their heads and went home.|"That is not funny," said an old man.|They were not pleased.||} The next day, [h] did it again. {They came once more, and they were even more cross.|Only half of them came, and they were angry.|} "{Do not do that again|One day we will not believe you}," said [his] friend [f].
On the third day, [h] sat there with the [o]. {Then [he] looked up.|Suddenly [he] heard something.|[His] mouth fell open.} It was true: [real]! {[h] sounded the [bell] with all [his] might.|The [bell] had never been so loud.|} "Help! [danger]! {This time it is true|It is true! It is true|Really}!" [he] cried. {The people heard it. "Just a joke," they said and went on with their work.|"We know that game," said the people, and nobody came.|Nobody came. They only laughed.} {Tears ran down [h]'s face.|"Why did I lie?" said [h].|[h] was [sad].}
But somebody {came|came running}: it was [f]! "{I heard your voice, and it shook|You sounded so scared|I was not sure, so I came to look}, [h]," said [f]. {They did not lose any time.|"What must we do?" asked [h].|"Quick!" said [h].||} [save]. {It was just in time.|That was close!|}
{"Thank you for coming," said [h].|"You believed me," said [h].|} Then [he] {went from door to door|went to all the people} and {said that [he] was sorry|told them that [he] was sorry}. {It took a long time until they believed [him] again.|"We will see," they said.|They saw that [he] meant it.||} {[moral]|} {[end]|After that, [h] only used the [bell] when it was true.|And [h] never called for nothing again.}""",
        questions=[
            ("{What was [h]'s job?|What did [h] have to do?}", "[h] kept watch near the [p] with @a [bell]."),
            ("{Why did [h] call for help the first time?|Why did [h] play the joke?}",
             "[h] was bored and made a joke."),
            ("{What did [h] shout?|What did [h] call out?}", "[h] shouted, \"Help! [danger]!\""),
            ("{What happened on the third day?|What was true on the third day?}", "On the third day, [real]."),
            ("{Why did the people not come on the third day?|Why did nobody believe [h]?}",
             "The people did not come because [h] had fooled them before."),
            ("{Who came to help?|Who believed [h]?}", "[h]'s friend [f] came to help."),
            ("{How did [f] help?|What did [f] do?}", "[save]."),
        ],
        about="who called for help as a joke",
        summary="[h] called for help as a joke, so nobody but [f] came when it was true.",
    )


@plot("kindness")
def the_contest(s):
    fit(s, things=BIG_THINGS, places=FAR)
    s["make"], s["accident"], s["lend"], s["made"] = s.rng.choice([
        ("the tallest tower of blocks", "bumped into [xhis] tower, and it fell down", "half of [his] own blocks",
         "towers"),
        ("the best soup", "spilled all [xhis] carrots on the ground", "half of [his] own carrots", "soups"),
        ("the prettiest crown of flowers", "sneezed, and all [xhis] flowers blew away", "half of [his] own flowers",
         "crowns"),
        ("the finest picture", "knocked over [xhis] paint, and it ran into the grass", "half of [his] own paint",
         "pictures"),
        ("the funniest hat", "dropped [xhis] glue, and the jar broke", "half of [his] own glue", "hats"),
        ("the longest chain of paper", "spilled water on [xhis] paper", "half of [his] own paper", "chains"),
    ])
    if s.rng.random() < 0.5:
        ending = """But then the old judge {lifted one finger|stood up again}. "[x] made the best one," he said. "But [x] could not have done it without [h]. {So there are two winners today|That is why I see two winners}!" [x] {pulled|led} [h] to the front, and they held up the [o] together."""
        winner, result = "[x] and [h] both won.", "[x] and [h] won together"
    else:
        ending = """{[h] had to sit down for joy.|[h] could not believe it.|"Me?" said [h].} "[h] made it with only half of {the things|all that [he] had}," said the old judge. "That is {twice as hard|harder than it looks}." {Nobody clapped louder than [x].|[x] ran up to [h] and hugged [him].|And [x] cheered the loudest of all.}"""
        winner, result = "[h] won.", "[h] won"
    s["first"] = "[x]" if "both" in winner else "[h]"
    s["result"] = result
    return Story(
        text="""[open] [day] there was a contest [at]. Who could make [make]? {The prize was|And the winner would get} @a [oa] [o]. {[h] wanted it very much.|[h] had dreamed of such @a [o] for a long time.|"Oh, I would love to have that [o]!" said [h].||} "{I am sure that you can do it|You can do it|I believe in you}," said [his] friend [f].
{Next to [h] sat [xintro].|[xintro] had the place next to [h].} {Everyone began at once|A bell rang, and they began}. {All went well|It went well} for a while. {[h] worked with great care.|[h] was ahead of the others.|[f] looked on and did not say a word.||} But then [x] [accident]! {"Oh no!" cried [x].|[x] sat there and wept.|"Now it is all over," said [x].||} {The others looked away and went on.|Nobody else stopped working.|The others were glad, for now there was one less.||}
[h] {looked at [his] own work|stopped}. {There was not much time left.|"If I stop now, I will lose," [he] thought.} {[He] looked at the [o].|[He] looked at [f].|} Then [he] {got up|went over to [x]} and gave [x] [lend]. "{Here, take it|Start again|You can still do it}," said [h]. "{But then you have less|But you need it yourself}," said [x]. "{It is more fun if we both make something|We both should have a chance|Hurry, there is still time}!" said [h].
{Ding!|The bell rang again.|Time was up.} The old judge went from one to the next{ and looked at all the [made]|}. {It was so quiet that one could hear a fly.|He took a long time.|He smiled and wrote something down.||} "The winner is... [first]!" he said. ENDING
{On the way home|That evening}, [h], [f] and [x] {all used the [o]|took turns with the [o]}. {"Half was enough," said [h].|"You gave me half, so you have half of my luck," said [x].|"That was the best part of the contest," said [f].||} {[moral]|} {[end]|They met again the next day, all three.|}""".replace("ENDING", ending),
        questions=[
            ("{What was the contest about?|What did they have to make?}", "They had to make [make]."),
            ("{What was the prize?|What could the winner get?}", "The prize was @a [oa] [o]."),
            ("{What happened to [x]?|Why did [x] need help?}", "[x] [accident]."),
            ("{How did [h] help [x]?|What did [h] give to [x]?}", "[h] gave [x] [lend]."),
            ("{Did the others help [x]?|Did everyone help [x]?}", "No, only [h] helped [x]."),
            ("{Who won the contest?|Who was the winner?}", winner),
        ],
        about="who helped somebody in a contest",
        summary="In a contest to make [make], [h] helped [x], and in the end [result].",
    )


@plot("sharing")
def counting_for_the_party(s):
    fit(s, things=BIG_THINGS + FOOD_THINGS, places=FAR + HOME + ("market",), animals=("snail",))
    guests = s.rng.randrange(3, 7)
    each = s.rng.choice((2, 3))
    lost = s.rng.randrange(2, 5)
    total = guests * each
    number = words.NUMBERS
    s.update(guests=number[guests], each=number[each], total=number[total], lost=number[lost],
             left=number[total - lost])
    s["how"], s["howshort"] = s.rng.choice([
        ("There was a hole in the basket, and some [fruit] had fallen out", "there was a hole in the basket"),
        ("[h] had been hungry on the way and had eaten some", "[h] had eaten some on the way"),
        ("[h] had given some to an old woman on the way", "[h] had given some to an old woman"),
        ("A goat had put its nose into the basket and had eaten some", "a goat had eaten some"),
        ("Some [fruit] had rolled out when [h] jumped over a ditch",
         "some had rolled out when [h] jumped over a ditch"),
    ])
    return Story(
        text="""[open] [h] wanted to give a {little party|party} [at]. "{How many will we be?|Who will come?|Let me count.}" [h] counted: "{With me, that makes|With [f] and the others and me, that makes|All of us together make} [guests]. Everyone should get [each] [fruit]. {So how many do I need|How many is that}?" {[He] drew little circles on the ground.|[He] put down small stones, [each] for each one.|[He] thought hard.||} {It was|That made} [total]. "I need [total] [fruit]!" said [h].
So [h] {took a basket and went out|went out with a basket} and picked [total] [fruit]. {The way was long, but [he] sang.|It was hot, and the basket was heavy.|[He] counted them twice.||} When [he] got to the [p], [he] {counted once more|counted again, just to be sure}. "{Oh no|Oh dear|That cannot be}! Only [left]!" [how]. {[h] was [sad].|"Now it is not enough," said [h].|[h] looked into the empty part of the basket.||}
[f] {was already there|was the first to come} and {saw [h]'s face|asked what was wrong}. "{There should be [total], and there are only [left]|I had [total], and now I have only [left]}," said [h]. "{How many are missing|So how many do we need}?" asked [f]. They both counted. "[lost]!" they said {together|at the same time}.
{@A [aa] [a] had heard it all.|Just then, @a [aa] [a] came by.} "I know where there are more," said the [a]. "{Behind that wall|By the old fence} is a garden full of them. {If I may come to your party, I will show you!|May I come to your party too?}" "{Of course|With pleasure}!" said [h]. {The [a] showed them the way.|They went there together.|} "But now we are one more," said [f]. "So we need [each] for the [a] too." {"Then we pick those as well!" said [h].|[h] laughed. "How well you count!"|} They picked enough for all.
{Then the others came.|Soon everyone was there.} {Everyone got [each], and nobody got less.|Each one got [each], the big ones and the small ones.} {They ate and played with [h]'s [oa] [o].|[h] brought [his] [oa] [o], and they all had a turn.|After that, they played with the [oa] [o] of [h] until it was dark.} {[moral]|} {[end]|It was a fine party.|And the [a] came to every party after that.}""",
        questions=[
            ("{What did [h] want to give?|Where was the party?}", "[h] wanted to give a party [at]."),
            ("{How many [fruit] should everyone get?|How many did each one get?}", "Everyone got [each] [fruit]."),
            ("{How many [fruit] did [h] need at first?|How many [fruit] did [h] pick?}",
             "[h] needed [total] [fruit], because [guests] times [each] is [total]."),
            ("{How many [fruit] were left in the basket?|How many did [h] count then?}", "Only [left] were left."),
            ("{How many [fruit] were missing?|How many more did they need?}",
             "[lost] were missing, because [total] minus [left] is [lost]."),
            ("{Why were there not enough?|Why were some [fruit] gone?}", "Some were gone because [howshort]."),
            ("{Who knew where there were more?|Who helped them to find more?}",
             "@A [aa] [a] knew where there were more."),
        ],
        about="who counted [fruit] for a party",
        summary="[h] needed [total] [fruit] for a party, lost [lost] of them, and found more with the help of [f] and "
                "@a [a].",
    )


CULPRITS = {  # who it was: (the three clues, what they say together)
    "goose": (("a white feather", "wet footprints with three toes", "a loud honk behind the wall"),
              "It is white, it likes water, and it honks"),
    "goat": (("a tuft of gray hair", "a cabbage with a bite in it", "two small holes from hooves in the mud"),
             "It has gray hair, it eats cabbage, and it has hooves"),
    "cat": (("a soft hair", "paw prints as small as coins", "a saucer that was licked clean"),
            "It has soft hair, small paws, and it loves milk"),
    "crow": (("a black feather", "a row of shiny buttons on a wall", "a nutshell that fell from above"),
             "It is black, it loves shiny things, and it sits high up"),
    "squirrel": (("some nutshells", "a long red hair", "scratches on the bark of a tree"),
                 "It eats nuts, it has a red tail, and it climbs trees"),
    "snail": (("a shiny line on the ground", "a leaf with round holes",
               "a track that was very, very short for one night"), "It leaves a shiny line, it eats leaves, and it is "
                                                                   "slow"),
    "beaver": (("chips of wood", "a wet, flat track like the track of a board", "a tree with the marks of big teeth"),
               "It gnaws wood, it has a flat tail, and it has big teeth"),
    "bear": (("a brown hair on a thorn", "a footprint as big as a plate", "an empty honey pot"),
             "It is brown, it has big feet, and it loves honey"),
}


@plot("curiosity")
def the_detective(s):
    culprit = stranger(s, ",".join(CULPRITS))
    clues, because = CULPRITS[culprit]
    clues = s.rng.sample(clues, 3)
    fit(s, things=BIG_THINGS + FOOD_THINGS, places=FAR)
    s.update(culprit=culprit, c1=clues[0], c2=clues[1], c3=clues[2], because=because)
    s["reason"], s["reasonshort"] = s.rng.choice([
        ("My little one was sad, and it made him laugh", "its little one was sad"),
        ("I thought that nobody wanted it anymore", "it thought that nobody wanted the [o]"),
        ("It is so nice, and I have never had anything nice", "it had never had anything nice"),
        ("I wanted to ask, but I was too shy", "it was too shy to ask"),
        ("I only wanted to look at it for one night", "it wanted to look at the [o] for one night"),
    ])
    s["wrong"] = stranger(s, "fox,dog,magpie,hen,pig")
    return Story(
        text="""[open] [day] {something strange had happened|there was a mystery} [at]: [f]'s [oa] [o] was gone! "{Last night it was still here|I left it right here}," said [f]. {[fHe] was close to tears.|"Who takes a thing like that?"|"I will never see it again."} "{Do not touch anything|Stay calm|I will find it}," said [h], [fhis] friend. "{We need clues|First we look for clues|A good detective looks for clues}."
{"It was the [wrong]!" said a neighbor. "The [wrong] takes everything."|"I am sure it was the [wrong]," said a neighbor.} "{You did not see it, so we do not know|That is no clue}," said [h] and {got down on the ground|began to look}. {For a long time there was nothing.|[He] looked at every stone.|[He] even looked under the leaves.||} Then [he] found the first clue: [c1]. "{Aha|Look here|Interesting}!" said [h]. {"That is nothing," said the neighbor.|"What does it mean?" asked [f].|[He] {wrote it down|showed it to [f]}.}
{A little farther on|Not far away|Behind the next corner}, there was the second clue: [c2]. {"Hm, hm," said [h].|"Now it gets better," said [h].|[f] scratched [fhis] head.||} And {then|a few steps on}, they {came upon|noticed} the third clue: [c3]. "{Now I know it|That is enough|Three clues are enough}!" said [h]. "{Put them together, [f]|Think of all three, [f]}! [because]." {[f] thought for a moment.|[f]'s eyes became big.|} "The [culprit]!" {[fhe] cried|[fhe] said}.
[h] and [f] {went|hurried} to the [culprit]'s home. {And there was the [o]|There, in a corner, was the [o]|In front of it stood the [o]}! {The [culprit] hid its face.|The [culprit] began to cry.|The [culprit] looked at the ground.} "{Yes, it was me|I took it}," it said. "[reason]. {I am sorry|I wanted to bring it back}." {[f] got [fhis] [o] back and was not angry for long.|[f] took the [o] and held it tight.} "{Next time, just ask|You only have to ask}," said [f].
{The neighbor had to say sorry to the [wrong].||} {"How did you do it, [h]?" asked [f]. "I looked, and I asked, and I did not guess."|"You are the best detective in the world, [h]," said [f].|"Without your clues, I would never have found it, [h]," said [f].} {[moral]|} {[end]|And if something gets lost, everybody now goes to [h].|}""",
        questions=[
            ("{What was gone?|What was missing?}", "[f]'s [oa] [o] was gone."),
            ("{What was the first clue?|What did [h] find first?}", "The first clue was [c1]."),
            ("{What were the three clues?|What clues did [h] find?}", "The clues were [c1], [c2] and [c3]."),
            ("{Who took the [o]?|Who was it in the end?}", "The [culprit] took the [o]."),
            ("{Why did the [culprit] take the [o]?|Why had the [culprit] done it?}",
             "The [culprit] took it because [reasonshort]."),
            ("{Was it the [wrong]?|Did the [wrong] take the [o]?}", "No, it was the [culprit]."),
            ("{Who found out the truth?|Who was the detective?}", "[h] was the detective and found out the truth."),
        ],
        about="who looked for clues like a detective",
        summary="[f]'s [o] was gone, and [h] followed three clues and found out that the [culprit] had taken it.",
    )


TRADES = {  # a thing: (who needs it, what for)
    "a brass button": ("a sailor", "My coat is open, and I am cold"),
    "a ball of string": ("a fisherman", "My net is torn"),
    "a jar of honey": ("a singer", "My throat is so sore"),
    "a warm cap": ("a shepherd", "My ears are so cold"),
    "an umbrella": ("an ice cream seller", "The sun melts all my ice cream"),
    "a sack of flour": ("a baker", "I have no flour left for my bread"),
    "a broom": ("a stable boy", "My stable is so dirty"),
    "a lantern": ("a night watchman", "My lantern broke, and night is coming"),
    "a pair of scissors": ("a tailor", "My scissors do not cut anymore"),
    "a cushion": ("an old coachman", "My seat is so hard"),
    "a bag of nails": ("a carpenter", "I need to mend a roof today"),
    "a pot of paint": ("a toy maker", "My wooden horse still has no color"),
}


@plot("patience", heroes=("person", "animal", "role"))
def the_market_trade(s):
    fit(s, things=("button", "umbrella", "broom", "lantern", "needle"), places=FAR + HOME)
    first, second, third = s.rng.sample([thing for thing in TRADES if s["kind"] not in TRADES[thing][0]], 3)
    name = lambda thing: "the " + thing.split(" ", 1)[1]
    s.update(t1=first, t2=second, t3=third, t1s=name(first), t2s=name(second), t3s=name(third),
             who1=TRADES[first][0], who2=TRADES[second][0], who3=TRADES[third][0],
             why1=TRADES[first][1], why2=TRADES[second][1], why3=TRADES[third][1])
    for i in "123":
        s["the" + i] = "the " + s["who" + i].split(" ", 1)[1]
    return Story(
        text="""[open] [day] [h] saw @a [oa] [o] in a shop window near the [p]. "{How I would love to have it|That would be a gift for my [g]|My [g] always wanted one}!" [he] said. But it cost a lot, and [h] had only [t1]. "{For that you get nothing|With that you will not get far|That is not worth much}," said [his] friend [f]. "{Wait and see|We will see}," said [h] {and went off|and set out|and went on [his] way}.
{On the road|At the corner|In front of an inn}, [he] met [who1]. "[why1]," said [the1]. "{Then you need [t1s].|Would you like to have [t1s]?|Take [t1s], if you like.}" {"How kind! Then take|"That is just what I need! Take|"Wonderful! I will give you} [t2] for it," said [the1]. {[h] thanked [the1] and went on.|"You never know what it is good for," thought [h].|}
{A little farther on|In front of an old house|A little later} there sat [who2] {and sighed|and shook a sad head}. "[why2]," said [the2]. [h] {held out|gave away} [t2s]. "{You saved my day|You come at the right time|How good of you}! Here, take [t3]." {Half the day was over.|[h] was tired, but [he] did not stop.|"That was two," said [h] and smiled.||} {Somebody wanted to give [him] [fruit] for it, but [h] waited for something better.||}
{At last|In the evening|When the sun was low}, [h] {came to|stood in front of} the shop again. On the steps sat [who3]. "[why3]," said [the3]. {"And the shop cannot help me."|"Nobody can sell me what I need."|} {[h]'s heart jumped.|[h] held [his] breath.|} "I have [t3]," {said [h]|[he] said}. "{What do you want for it?|Name your price!}" {[h] pointed to the window.|[h] looked at the window.} "That [o]," [he] said. And [the3] {went in, bought the [o], and gave it to [h]|bought it and put it in front of [h]}!
{[f] could not believe it.|[f]'s mouth fell open.} "{How did you do it?|That is magic!}" "{I took my time, and I asked what people needed|No, I just listened and waited|One step at a time}," said [h]. {[moral]|} That night, [his] [g] got the [o] and {hugged [him]|was [happy]}. {[end]|"It is the best gift in the world," said [his] [g].|}""",
        questions=[
            ("{What did [h] want to have?|What did [h] see in the shop window?}", "[h] wanted @a [oa] [o]."),
            ("{What did [h] have at first?|What was the first thing that [h] had?}", "At first, [h] had [t1]."),
            ("{What did [the1] give to [h]?|What did [h] get for [t1s]?}", "[the1] gave [h] [t2]."),
            ("{What did [the2] give to [h]?|What did [h] get for [t2s]?}", "[the2] gave [h] [t3]."),
            ("{What did [the3] need?|What did [h] give to [the3]?}", "[the3] needed [t3]."),
            ("{Who was the [o] for?|Who got the [o] in the end?}", "The [o] was for [h]'s [g]."),
            ("{Why did it work?|How did [h] get the [o]?}",
             "[h] was patient and traded step by step until [he] got the [o]."),
        ],
        about="who traded one thing after the other",
        summary="[h] had only [t1], but step by step [he] traded it for @a [oa] [o].",
    )


@plot("listening", heroes=("person", "animal", "role"))
def the_long_way(s):
    fit(s, things=BIG_THINGS + FOOD_THINGS, places=FAR + HOME + ("swamp", "river"))
    s["short"], s["stuck"], s["warn"] = s.rng.choice([
        ("through the swamp", "[h] sank into the mud up to the belly", "The ground there is soft"),
        ("over the icy hill", "[h] slid down again and again", "The ice there is smooth as glass"),
        ("through the thorns", "the thorns held [h] on all sides", "The thorns there let nobody go"),
        ("across the river", "[h] had to turn around, for the water was too fast", "The water there is fast"),
        ("through the dark wood", "[h] could not see and walked in a circle",
         "It is so dark there that all trees look the same"),
        ("through the field of the big bull", "[h] had to climb a tree and wait until the bull went away",
         "The bull there does not like guests"),
    ])
    s.set("event", "{show|feast|big race|concert|puppet show|dance}")
    return Story(
        text="""[open] [day] there was a [event] near the [p], and everybody wanted to be there {in time|at noon}. [h] and [his] friend [f] set out. [h] carried [his] [oa] [o]. {Soon the road split in two.|They came to a place where two roads met.} {There sat|On a stone sat} @a [aa] [a]. "{Which way is shorter|Which is the best way}?" asked [h].
"{The short way is long, and the long way is short|The left way is short but long, and the right way is long but short}," said the [a]. {"That makes no sense!" said [h] and laughed.|"What a silly thing to say!" said [h].|"Can you not speak clearly?" said [h].} "The left way goes [short]," said the [a]. "[warn]. {Think about it|Think well}."
"{Short is short|I take the left way|The left way is only half as far}," said [h]. {[He] did not listen anymore.|[He] was off already.|} "{I will take the long one|Then I will take the long way alone}," said [f]. "I think the [a] {knows the way|knows why it said that}." {They waved to each other.|"I will be there first!" called [h].|"I will keep a seat for you," said [h].}
At first, [h] went fast. {"How easy!" [he] sang.|[He] could see the [p] already.|[He] even danced a little with the [o].||} But then it went [short], and [stuck]. {[His] [o] was dirty, and so was [he].|[He] lost the [o] and had to look for it.|[He] called, but nobody heard [him].||} {It took one hour, and then two.|The sun moved on and on.|[He] was [sad].||} "{Now I understand the [a]|So that is what the [a] meant}," said [h] at last. [He] went all the way back, and then [he] took the long way.
{When [h] came there, tired and late|When [he] arrived at last}, the [event] was {almost over|just about to end}. [f] {had been there for hours|had seen it all} and {had kept a seat for [h]|came to meet [h]}. {"The short way was long," said [h].|"I should have listened," said [h].|"Next time I will think first," said [h].} [f] {laughed and cleaned the [o]|told [him] all about it|gave [him] some [food]}. {[moral]|} {On the way home, they met the [a], and [h] said thank you.|They went home together, and they took the long way.} {[end]|}""",
        questions=[
            ("{Where did [h] and [f] want to go?|What did [h] and [f] want to see?}",
             "[h] and [f] wanted to go to the [event]."),
            ("{Who did they ask for the way?|Who sat where the road split?}", "They asked @a [aa] [a]."),
            ("{Which way did [h] take?|Where did the short way go?}", "[h] took the left way, and it went [short]."),
            ("{Which way did [f] take?|How did [f] go?}", "[f] took the long way."),
            ("{What went wrong for [h]?|Why was [h] late?}", "On the short way, [stuck]."),
            ("{Who was there first?|Who came in time?}", "[f] was there first."),
            ("{What did [h] carry?|What did [h] have with [him]?}", "[h] carried [his] [oa] [o]."),
        ],
        about="who took the short way",
        summary="[h] took the short way and came late, but [f] listened to @a [a], took the long way, and was there in "
                "time.",
    )
