"""Plots about friends: how one finds them, hurts them, helps them and keeps them."""
from plots.fitting import BIG, GROWN, LARGE_ANIMALS, fit
from story import Story, plot

OUTSIDE = ("park", "forest", "beach", "farm", "garden", "river", "lake", "hill", "playground", "meadow", "field",
           "pond", "orchard", "backyard", "valley")


@plot("sharing")
def two_and_one(s):
    fit(s, without=BIG + GROWN + ("mirror", "cup", "plate", "bottle", "candle", "needle", "letter", "clock", "lamp"),
        places=OUTSIDE)
    s.set("into", "{a muddy puddle|a thorny bush|a heap of leaves|the high branches of a tree|a wide ditch|a patch of nettles}")
    s.set("under", "{under a bush|in the grass|beside the path|behind a stone|next to an old stump}")
    s["there"] = s["into"].replace("a ", "the ", 1) if s["into"].startswith("a ") else s["into"]
    return Story(
        text="""[open] [day] [h] and [f] {were [at]|went to the [p]|met [at]}. {[f] was @a [fkind] and [h]'s best friend.|[h] and [f], @a [fkind], did everything together.|[f] was @a [fkind] who lived close to [h].} {They were looking for something to do.|They saw [see1], and they saw [see2].|They ran and laughed.||} Then they both saw it at the same time. Something lay [under]. It was @a [oa] [o]!
"{I saw it first|It is mine|Mine}!" [h] shouted. "{No, I did|No, it is mine|I saw it before you}!" [f] shouted. {[h] pulled on one side, and [f] pulled on the other.|[h] held one end of the [o], and [f] held the other.|They both grabbed the [o], and neither of them let go.} {They pulled to the left. They pulled to the right.|They huffed and they puffed.|Their faces got red.|} "{Let go|Give it to me|You let go}!" [h] cried. "{Never|You first|No, you}!" [f] cried.{\n|\n| }{Whoosh|Zip|Pop}! The [o] {slipped away|flew out of their grip|shot up into the air} and landed in [into]. [h] fell to one side, and [f] fell to the other. {Bump!|Ouch!|Plop!||} {For a moment nobody said a word.|@A [a] stopped to stare at them.|They sat there and looked at each other.||} {"Now look what you did," said [h].|"This is your fault," said [f].|"Now nobody has it," said [h].||} {They both felt [sad].|Then they both looked down at the ground.}
{Just then, somebody came along.|Then they heard steps.|At that moment, the bushes moved.} It was [xintro]. "{Have you seen @a [o]|Did you find @a [o]|Is there @a [o] here}?" [x] asked. "{I lost mine here yesterday|I dropped mine on the way home|I have looked for mine all day}." {[h] felt [his] ears get hot.|[h] and [f] looked at each other.|[h] swallowed.||} {"It is in [there]," said [h] softly. "We pulled on it. We are sorry."|"We found it, but then we had a fight about it," said [h]. "It is in [there]. Sorry."}
{[f] held [h] tight, and [h] reached for the [o].|[h] and [f] worked together and got the [o] back.|[h], [f] and [x] had to work together to get the [o] back.} {[x] wiped it clean.|Luckily, the [o] was still in one piece.|The [o] was dirty, but that did not matter.||} "{Would you like to play with it too|Do you want to use it with me|Shall we share it}?" [x] asked. "{There are three of us, so we can take turns|It is boring all alone|With three it is more fun}."{\n| | }{So [h] had the first turn, then [f], then [x].|"You can go first, [f]," said [h]. "No, you go first," said [f].|They made up a game for three.} {[moral]|[end]|And nobody said "mine" anymore that day, not even [h].|The [o] had never had so many friends.}""",
        questions=[
            ("{What did [h] and [f] find?|What did they see at the same time?}", "[h] and [f] found @a [oa] [o]."),
            ("{Where did the [o] lie?|Where was the [o] at first?}", "The [o] lay [under]."),
            ("{Why did [h] and [f] fight?|What was the fight about?}", "They both wanted the [o]."),
            ("{Where did the [o] land?|What did the [o] fall into?}", "The [o] landed in [into]."),
            ("{Whose [o] was it?|Who had lost the [o]?}", "The [o] was [x]'s."),
            ("{How did it end?|Did they share the [o] in the end?}", "In the end, all three of them shared the [o]."),
        ],
        about="who had a fight with a friend about @a [o]",
        summary="[h] and [f] had a fight about @a [o] that they had found, but it was [x]'s, and then all three shared it.",
    )


@plot("honesty")
def told_secret(s):
    fears = ["the dark", "thunder", "deep water", "spiders", "high places", "loud bells", "big shadows",
        "the wind at night"]
    s["fear"], s["fear2"], s["fear3"] = s.rng.sample(fears, 3)
    s.set("spot", "{under the old oak|behind the well|on the flat rock|by the fence|beside the hedge|on the fallen log|at the edge of the pond}")
    return Story(
        text="""[open] {[h]'s best friend was [fintro].|[h] had a friend, [fintro].} {They told each other everything.|They met almost every day.|They trusted each other.||} [day] they sat [spot], and [f] {looked around|leaned close|was very quiet}. "{Can you keep a secret|May I tell you something|Do you promise not to tell anyone}?" [f] asked. {[h] nodded.|[h] promised it.|"I promise," said [h].} {Then [f] whispered it|[f] said it very softly}: "I am afraid of [fear]."
{It was a small secret, but it felt big.|All the way home, [h] thought about it.|A secret is hard to carry. It wants to get out.||} {The next day|A day later}, [h] met [xintro]. {They talked and laughed.|They told each other jokes.|[x] told one funny story after the other.||} {[h] wanted to tell something funny too. And out it came.|"I know something," said [h], before [he] could stop [himself].|And then, oh dear, [h] opened [his] mouth.} "[f] is afraid of [fear]!" [h] said. {[x] laughed and laughed.|[x] thought that was very funny.|[x] giggled, and soon [x] told it to others.}
{By the evening|Soon|The very next morning}, everyone knew. {Somebody made a joke about it.|Somebody pointed at [f].|They all laughed at [f].} {[f] went red and ran away.|[f] did not say a word and walked off.|[f] looked at [h] once. Then [f] turned and left.} {That look hurt [h] more than a scratch.|[h] felt as if there was a stone in [his] tummy.|Suddenly, [h] did not find it funny at all.||} "{It is my fault|I did something bad|I broke my promise}," [h] thought.{\n|\n| }{[h] could have said that it was somebody else.|"I could say that it was not me," thought [h]. But that would be a lie.|At first [h] wanted to hide.} {But [he] got up and went to find [f].|Then [he] took heart and went to [f].} {[f] sat alone [spot].|There, [spot], sat [f].} "{I told it|It was me|I told your secret}," said [h]. "{I am very sorry|I am sorry. I wish I could take it back|It was wrong of me, and I am sorry}." {[f] said nothing for a while.|[f] wiped [fhis] nose.|"Why?" [f] asked. "I wanted to be funny," said [h].||}
Then [h] {went to the others with [f]|took [f] along to the others|climbed up where all could see [him]}. "{Listen, everyone|Hear me|I have something to say}!" [he] called out. "I am afraid of [fear2]!" {It was quiet.|Nobody laughed now.|They all stared at [him].||} "{I am afraid of [fear3]|Well, I am scared of [fear3]|And I do not like [fear3]}," [x] said slowly.{\n| | }{Then another one spoke, and then another.|Everybody was afraid of something!|One after the other, they all told what they feared.} {[f] began to smile.|[f] moved a bit closer to [h].|"You are still my friend," said [f].||} {[moral]|From that day on, [h] kept every secret.|And after that, a secret was safe with [h].}""",
        questions=[
            ("{What was [f]'s secret?|What was [f] afraid of?}", "[f] was afraid of [fear]."),
            ("{Who told the secret?|Did [h] keep the secret?}", "[h] did not keep the secret and told it to [x]."),
            ("{Where did [f] tell the secret?|Where did they sit when [f] told the secret?}", "[f] told the secret [spot]."),
            ("{Was [h] honest with [f]?|Did [h] tell [f] the truth?}", "Yes, [h] told [f] the truth and said sorry."),
            ("{What was [h] afraid of?|What did [h] tell the others?}", "[h] was afraid of [fear2]."),
            ("{What was [x] afraid of?|What did [x] fear?}", "[x] was afraid of [fear3]."),
        ],
        about="who could not keep a secret",
        summary="[h] told [f]'s secret, but then [he] said sorry and told everyone what [he] was afraid of [himself].",
    )


@plot("kindness", heroes=("person", "animal"))
def new_neighbor(s):
    fit(s, without=BIG + GROWN + ("plate", "cup", "spoon", "letter", "crayon", "sock", "boot", "flag"),
        places=("park", "forest", "market", "river", "lake", "hill", "playground", "library", "meadow", "pond",
        "beach", "harbor"))
    gap = s.pick(["hole in the fence", "gap in the hedge", "crack in the wall", "hole in the gate",
                 "small gap between two boards"])
    s["agap"], s["gap"] = "a " + gap, "the " + gap
    s.set("note", "{a drawing of the sun|a drawing of two friends|a paper star|a paper flower|a card with a smile on it|a paper heart}")
    return Story(
        text="""[open] {The house next door had been empty for a long time.|Nobody had lived next door for a whole year.|For a long time, the house next to [h] was dark and quiet.} [day] {there was light in it|a cart full of boxes stood in front of it|smoke came out of its chimney}. Somebody new had moved in!
{[h] ran over and called, "Hello!"|"Hello! Is anybody there?" [h] called.|[h] wanted to say hello at once.} {Nothing moved.|Nobody came out.|There was no answer.|} But through [agap], [h] saw {a nose|two eyes|a shadow}. {A moment later, there was nothing.|But only for a moment.|Then somebody ran away.} {"Somebody is very shy," said [h].|"Did I scare somebody away?" [h] wondered.|"Whoever it is, that one is hiding," thought [h].||} "{Go slowly|Do not shout|Give it a little time}," said [his] [g]. "{A shy friend is like a bird. It comes when it is quiet|Everything is new next door, and new things are scary|A shy friend needs small steps}."
So on the first day, [h] put some [fruit] in front of [gap] and {went away|left|tiptoed back}. {An hour later, the [fruit] were gone.|When [he] came back, nothing was left of them.|Soon [he] heard somebody munch.||} On the second day, [h] {brought|left|put down} some [food]. {That was gone very quickly!|Not one crumb was left.|This time [he] heard a soft "mmm".} On the third day, [h] made [note] and pushed it through [gap]. {It had taken [him] all morning.|"I hope you like it," [he] said.||} {Then [h] sat down and waited. And waited.|Nothing happened for a long time.|[h] waited until the sun was low.}
{Then something moved.|All at once, there was a rustle.|There was a scratch, and a bump, and a sigh.||} Through [gap] came @a [oa] [o]! "{This is for you|You can play with my [o]|You may use my [o]}," said a small voice. "{I am [f]|My name is [f]|They call me [f]}." {[h] did not shout.|[h] stayed very still.|[h]'s heart jumped, but [he] spoke softly.||} "{Thank you, [f]|Hello, [f]|That is a lovely [o], [f]}," said [h]. "{Shall we use it together?|It is more fun with two.|Will you show me how you use it?}"{\n|\n| }{Very slowly, [f] came out to [h].|The gate opened, and [f] stepped out to [h].|And then [f] came around the corner and stood before [h].} [f] was @a [fkind] with {a shy smile|crumbs around [fhis] mouth|bright eyes}. {They played with the [o] until it was dark.|First they played with the [o]. Then [h] showed [f] the [p].|They took turns with the [o] for a long, long time.} {[moral]|From that day on, [h] and [f] were friends.|That night, [h] was [happy].|And soon it was [f] who called "Hello!" to [h] every morning.}""",
        questions=[
            ("{Who moved in next door?|Who was the new neighbor?}", "[f], @a [fkind], moved in next door."),
            ("{What did [h] bring on the first day?|What did [h] leave first?}", "On the first day, [h] brought some [fruit]."),
            ("{What did [h] bring on the second day?|What came after the [fruit]?}", "On the second day, [h] brought some [food]."),
            ("{What did [h] make for the new neighbor?|What did [h] make on the third day?}", "[h] made [note] for the new neighbor."),
            ("{What did [f] give [h]?|What did [f] push through to [h]?}", "[f] gave [h] @a [oa] [o]."),
            ("{Why did [f] hide?|Why did [f] not come out at first?}", "[f] was shy, because everything was new."),
        ],
        about="who got a shy new neighbor",
        summary="[h] left gifts for [his] shy new neighbor [f], until [f] came out and they became friends.",
    )


@plot("teamwork")
def stuck_wagon(s):
    fit(s, things=("piano", "statue", "bed", "chest", "machine", "harp", "table", "pumpkin", "cake", "bell", "clock",
        "painting"), places=("park", "beach", "farm", "market", "lake", "hill", "village", "castle", "fair", "circus",
        "town", "school", "library"), animals=LARGE_ANIMALS)
    s["oa"] = s.pick("big, heavy, huge, great big, wonderful, enormous")
    s.set("stuck", "{deep in the mud|in soft sand|between two rocks|in a hole in the road|against a thick root}")
    s.set("need", "{for the party|for the big feast|for the concert|for the children|for a surprise}")
    return Story(
        text="""[open] [day] [h] was on the way to the [p]. {[He] pulled a wagon behind [him].|Behind [him] rolled a wooden wagon.|[He] had a wagon with four squeaky wheels.} On the wagon stood @a [oa] [o]. {It was needed [need], and it had to be there soon.|"They need the [o] [need]," [he] said. "I must hurry."|Everyone [at] was waiting for the [o]. It was [need].} {Squeak, squeak, and then no squeak. It stopped.|Then, all at once, the wagon stopped.|Suddenly there was a jolt.} It was stuck [stuck].{\n|\n| }[h] pulled. {[He] pulled until [he] was red in the face.|[He] pulled with all [his] might.|Heave, ho!||} The wagon did not move. {"Come on, you silly wagon!" [h] shouted.|"I can do this alone," [h] puffed.||} Then [f], @a [fkind], came by. "{Let me do it|I am strong|Step aside}," said [f]. {[f] pulled all alone, until [fhe] fell over.|[f] tried it too, but it was no good.|[f] pushed and pushed. Nothing.} Then [x], @a [xkind], came along. {"Ha, that is easy," said [x].|"I will show you how," said [x].|||} {[x] tugged until [xhe] was out of breath.|But [x] could not move it either.|[x] leaned against it and only slid down.}
{[h], [f] and [x] sat down next to the [o].|All three of them sat by the road. "The [o] will be late," said [h].|"It is much too heavy," said [f], and [h] sighed.} @A [aa] [a] had watched them. {It tilted its head.|It came closer.|||} {"Why do you take turns?" [f] said suddenly. "That is what the [a] must be thinking!"|[h] looked at the [a], and then at [his] friends. "We each tried alone," said [h]. "We never tried together!"|"Each of us was alone," said [x]. "But we are three!"}
{So [h] pulled in front, and [f] and [x] pushed from behind.|[h] and [f] took the front, and [x] took the back.|[h] took the left, [f] took the right, and [x] pushed from behind.} {"One, two, three, heave!"|"Ready? Now!"|"All together! Heave, ho!"} The wagon {shook|creaked|moved a tiny bit}. {"It moves!" [h] cried.|"A little more!" [f] groaned.|"Do not stop!" [x] cried.||}{\n| | }But {it rolled back|that was not quite enough|it needed just a little more}. Then the [aa] [a] came and pushed as well. {It was so small, but that was just what was missing.|It could only push a little bit. A little bit was enough!||} {Pop|Plop|Crunch}! The wagon was free.
They all {rolled on to the [p] together|went on to the [p], side by side|brought the wagon to the [p]}. {They came just in time.|They were not a minute too late.|Everybody cheered when they saw the [o].} "{Who brought the [o]|Who moved such a heavy [o]|Was it you}?" someone asked [h]. {"All of us," said [h]. [He] pointed at [f], at [x], and at the [a].|[h] pointed at the others. "All four of us," [he] said.|"We all did, and the [a] was the strongest," said [h] with a wink.} {Everyone clapped.|And the [o] stood there for all to see.|} {[moral]|[end]|And the [a] got the best place, right on top of the wagon.}""",
        questions=[
            ("{What was on the wagon?|What did [h] bring to the [p]?}", "@A [oa] [o] was on the wagon."),
            ("{Where was the wagon stuck?|What happened to the wagon?}", "The wagon was stuck [stuck]."),
            ("{Where did [h] want to go?|Where did the [o] have to go?}", "[h] wanted to bring the [o] to the [p]."),
            ("{Who tried to move the wagon?|Who came to help [h]?}", "[f] and [x] came to help [h]."),
            ("{Who helped at the very end?|Who gave the last little push?}", "@A [aa] [a] helped at the very end."),
            ("{How did they get the wagon free?|Why did it work in the end?}", "They got it free because they all worked together."),
        ],
        about="whose wagon was stuck",
        summary="[h]'s wagon with the [o] was stuck [stuck], and only when all worked together did it come free.",
    )


@plot("humility", heroes=("person", "animal"))
def the_race(s):
    fit(s, without=BIG + GROWN + ("needle", "candle", "letter"), animals=("bat", "owl"), places=("park", "forest",
        "beach", "farm", "river", "lake", "hill", "village", "meadow", "town", "valley", "field", "orchard"))
    s.set("goal", "{the old mill|the tall oak|the stone bridge|the red gate|the big rock|the little tower}")
    s.set("trouble", "{stuck in a thorn bush|caught in an old net|in a deep hole|under a fallen branch|tangled in some string|stuck between two stones}")
    return Story(
        text="""[open] {There was one thing that [h] said every day: "I am the fastest of all!"|[h] could run fast, and [he] told everyone about it.|"Nobody is as fast as I am!" [h] liked to say.} {"You told us," said [f].|[f], @a [fkind], was tired of hearing it.|[h]'s friend [f], @a [fkind], only smiled at that.} [day] there was a race [at]. {The first one to reach [goal] would win @a [oa] [o].|They had to run to [goal], and the prize was @a [oa] [o].|Whoever came to [goal] first would get @a [oa] [o].}
{"That [o] is as good as mine," said [h].|"You can stay at home, [f]," said [h]. "I will win."|"I will wait for you at the end," [h] said to [f].} {[f] did not answer.|"We will see," said [f].|"I just like to run," said [f].||} {Three, two, one, go!|"Ready, steady, go!"|A whistle blew. Go!} {[h] shot off like an arrow.|[h] ran so fast that the dust flew.|Off ran [h], far ahead of everyone.} {[He] ran past [see1].|[He] jumped over a stream.|[He] did not look left or right.||}{\n|\n| }Halfway there, {[h] heard a cry|there was a small cry|somebody called for help}. @A [aa] [a] was [trouble]. {"Help! Please help!"|"Oh, please stop!"|"I cannot get out!"} {[h] saw it. "I have no time!" [h] called and ran on.|"Somebody else will help you," said [h], and ran on.|[h] slowed down. Then [he] thought of the [o] and ran on.} {A minute later, [f] came. [f] stopped at once.|Then [f] came by, and [f] did not run on.|But when [f] came by, [fhe] stopped.} {"Hold still, little one," said [f].|"Do not be afraid," said [f].|"I am here," said [f]. "It will be all right."||} {[f] worked slowly and gently, until the [a] was free.|It took a long time, but in the end the [a] was free.|All the others ran past, but [f] stayed until the [a] was free.}
[h] reached [goal]. {"I won!" [h] shouted.|[He] threw [himself] on the grass and cheered.|"First!" [h] cried.||} [He] got the [oa] [o]. {But nobody clapped.|But it was strangely quiet.|But where were all the others?} {Then [he] saw them far down the road. They stood around [f] and the [a], and they cheered for [f].|[He] looked back. Everybody was with [f], who carried the [a] in.|At last they came. In the middle walked [f], last of all, with the [a]. And all of them cheered.}
[h] looked at the [o]. {It did not shine anymore.|Now it did not make [him] happy.|All at once it felt heavy.||} {"I was fast," [he] said quietly. "But you were good."|"I heard the cry, and I ran on," [he] said. "I am ashamed."|"I won the race," [he] said. "But you did the better thing."} {"This is yours, [f]," [h] said, and held out the [o].|"Take the [o], [f]. You are the winner," said [h].|And [h] gave the [o] to [f].} {"We can share it," said [f].|[f] laughed and hugged [him].|"Next time, we both stop," said [f].||} {[moral]|[end]|From then on, [h] still ran fast, but [he] did not boast.}""",
        questions=[
            ("{Who won the race?|Who was the fastest?}", "[h] won the race."),
            ("{What was the prize?|What could they win?}", "The prize was @a [oa] [o]."),
            ("{Where did the race end?|Where did they have to run?}", "They had to run to [goal]."),
            ("{What happened to the [a]?|Who called for help?}", "@A [aa] [a] was [trouble]."),
            ("{Who helped the [a]?|Did [h] help the [a]?}", "[h] ran on, but [f] stopped and helped the [a]."),
            ("{What did [h] do with the [o]?|Who got the [o] in the end?}", "[h] gave the [o] to [f]."),
        ],
        about="who wanted to win a race",
        summary="[h] won the race and the [o], but [f] stopped to help @a [a], so [h] gave the [o] to [f].",
    )


@plot("gratitude")
def swapped(s):
    fit(s, without=BIG + GROWN + ("bed", "needle", "letter", "candle", "coin", "key", "button", "diamond",
        "painting"), places=OUTSIDE)
    return Story(
        text="""[open] [h] had @a [o2a] [o2]. {[He] had it since [he] was very small.|[He] got it from [his] [g], long ago.|It was a little worn, but it was good.||} {[h] liked to [o2use].|Every day [h] took it out to [o2use].|} {Then one day,|One morning,|And then, one afternoon,} [his] friend [f], @a [fkind], {came by|ran up|met [h]} with something new: @a [oa] [o]! {"Look! I just got it!" [f] cried.|"Is it not wonderful?" [f] asked.|"Watch this!" [f] called.||}
{[h] looked at the [o], and then at the [o2].|[h] tried to smile, but [his] mouth would not do it.|Something pinched [h] inside.} {All at once, the [o2] looked old and dull.|Suddenly [h] did not like the [o2] anymore.|Next to the [o], the [o2] was nothing.} {That night, [h] could only think of the [o].|[h] went home early and did not say why.|"Why does [f] have @a [o]?" [h] grumbled. "Why not me?"} {[He] kicked the [o2] into a corner.|The [o2] had to sleep behind the door.|[He] did not even say good night to the [o2].||}
The next day, [h] {had an idea|ran to [f]|said it at last}. "{Let us swap|I would like to swap|We could swap for a day}," said [h]. "You get my [o2], and I get your [o]." {To [his] surprise, [f] jumped with joy.|"Really? You would do that?" [f] cried.|[f] beamed. "Oh, yes, please!"} So they swapped. {[h] took the [o] to the [p].|[h] hurried to the [p] with the [o].|With the [o], [h] ran to the [p].} {For a while it was great.|Oh, how fine it was at first!|The first hour was lovely.} {But the [o] was new, and [he] had to be careful all the time.|But then [he] was afraid to get it dirty.|But it was not as easy to use as [he] had thought.} {It did not feel like a friend.|And it did not smell like home.|Nothing about it was [h]'s own.||}{\n|\n| }{[h] sat down and thought of the [o2].|Soon [h] missed the [o2] very much.|"I wonder how my [o2] is," said [h].} {Then [he] heard a laugh.|[He] got up and went to look for [f].|[He] walked back, faster and faster.} There was [f] with the [o2]! {"This [o2] is the best thing ever," said [f].|"I always wanted your [o2]," said [f]. "I never dared to say it."|"You are so lucky to have it," said [f].} {[h] stared at [f].|[h]'s mouth fell open.|[h] could not believe [his] ears.||} "{You wanted my [o2]? I wanted your [o]|But I was jealous of you|Then we both wished for what the other had}!" [h] said. {They laughed so hard that they had to hold on to each other.|[f] began to giggle, and then they both laughed.|They looked at each other and burst out laughing.||}
{So [h] and [f] swapped back.|Then [h] took back the [o2], and [f] took back the [o].|[h] gave back the [o] and hugged the [o2].} {After that, they used the [o] and the [o2] together.|"We can play with both," said [f]. And they did.|One day they played with the [o], and the next day with the [o2].} {[moral]|[end]|That night, the [o2] slept right next to [h]'s pillow.}""",
        questions=[
            ("{What did [f] get?|What did [f] have that was new?}", "[f] got @a [oa] [o]."),
            ("{What did [h] have?|What was [h]'s own thing?}", "[h] had @a [o2a] [o2]."),
            ("{Why was [h] unhappy?|How did [h] feel about the new [o]?}", "[h] was jealous, because [f] had @a [o]."),
            ("{What did [h] and [f] swap?|What did they do the next day?}", "[h] gave [f] the [o2] and got the [o] for it."),
            ("{Where did [h] take the [o]?|Where did [h] go with the [o]?}", "[h] took the [o] to the [p]."),
            ("{Did [f] like the [o2]?|What did [f] think of the [o2]?}", "[f] liked the [o2] very much."),
        ],
        about="who was jealous of [his] friend's [o]",
        summary="[h] was jealous of [f]'s [o], but after a swap [he] saw how much [he] loved [his] own [o2].",
    )


@plot("friendship")
def the_promise(s):
    fit(s, without=BIG + GROWN + ("bucket", "paintbrush", "needle", "basket"),
        places=("fair", "circus", "beach", "lake", "zoo", "playground", "river", "meadow"))
    s.set("job", "{paint the fence|pick the last [fruit]|clean out the barn|mend the roof|rake up the leaves|stack the firewood}")
    late = s.rng.random() < 0.5
    if late:
        middle = """{[h] looked at the sky. The sun was still high.|"Just for a little while," thought [h].|"[f] can start without me," thought [h].} {So [he] went along.|And off [he] went with [x].|So [he] ran to the [p] with [x].} {They saw [see1], and they laughed a lot.|It was fun, and the time flew.|The [p] was full of sounds and colors.} {But then [h] saw two friends who worked side by side. [He] stopped.|But then a bell rang. It was already late!|But every time [h] laughed, [he] thought of [f].} "{Oh no, [f] is waiting|I gave my word|I promised}!" [h] cried. {[He] turned around and ran.|[He] ran all the way back.|[He] did not even say goodbye.}
{[f] was hard at work, all alone.|[f] had done half of it alone, and [fhe] was very tired.|There stood [f], hot and dusty, and half of the work was done.} "{I am late|I went to the [p] first|I forgot my promise. That was not right}," said [h]. "{I am sorry|I am so sorry|I am very sorry}." {[f] looked at [him] for a long time.|[f] was hurt. Anyone could see that.|"I thought that you would not come," said [f] softly.} {"Now sit down and rest," said [h]. "I will do the other half."|"You rest now," said [h]. "The other half is mine."} {And [h] worked until the sun was low.|[h] worked twice as hard as [he] ever had.|[h] did not stop until all was done.}"""
        s["kept"] = "[h] came too late, but then [he] said sorry and did the other half of the work."
        s["kept2"] = "Yes, at first [h] went along with [x], but then [he] ran back to [f]."
    else:
        middle = """{[h] looked at the [p] far away. Oh, [he] wanted to go!|That was hard. [h] bit [his] lip.|[h] took one step, and then [he] stopped.} {"I promised [f] something," said [h].|"[f] is waiting for me," said [h]. "I gave my word."|"I cannot," said [h]. "[f] needs me today."} {[x] laughed. "[f] will not mind!" [x] said. But [h] would mind.|"You can help tomorrow," said [x]. "A promise is a promise," said [h].|"But tomorrow it will all be over!" [x] said. [h] shook [his] head.} {And [he] walked on without looking back.|Then [he] ran to [f], so that [he] would not change [his] mind.|And [he] went to [f], with slow and heavy steps.}
{[f] was already waiting.|[f] stood there and waved.|When [f] saw [him], [fhis] face lit up.} "{You came|I knew you would come|I was afraid you would forget}," said [f]. {They worked side by side and sang.|They got hot, dusty and very tired.|The work was hard, but the talk was good.} {"Why are you so quiet?" [f] asked. Then [h] told [fhim] about the [p].|Then [h] told [f] about [x] and the [p].} {"And you still came to help me?" [f] asked.|[f] did not say anything, but [fhe] worked twice as fast.|[f] looked at [h] with big eyes.} {By noon, all was done!|In the late afternoon, all was done.|Together they were done much sooner than they had thought.}"""
        s["kept"] = "[h] kept [his] promise and helped [f]."
        s["kept2"] = "No, [h] went to help [f], because [he] had promised it."
    s["middle"] = middle
    return Story(
        text="""[open] {[h] had a friend named [f].|[h]'s friend was [fintro].|[f], @a [fkind], was a good friend of [h].} "{Will you help me tomorrow|Can you come tomorrow and help me|I need help tomorrow. Will you come}?" [f] asked. "{I have to [job]|I must [job], and it is too much for one}." "{I will be there|I promise|You have my word}," said [h].
The next day, the sun {shone|was bright|came up warm and gold}. {[h] was on [his] way to [f] when somebody called.|[h] had just set out to go to [f].|[h] had not gone far when [he] met a friend.} {It was [xintro].|Up ran [xintro].} "{Come with me to the [p]|I am going to the [p]. Come along|Let us go to the [p]}!" [x] called. "{There is so much to see, and I have @a [oa] [o] with me|I even brought my [oa] [o]|We can take turns with my [oa] [o]}!"
[middle]
{Then [f] went inside and came back with some [food].|When it was over, they ate [food] in the grass.|They sat down and shared some [food].} {And look who came up the road: [x] with the [o]!|A little later, [x] came by with the [o].|Then [x] came along with the [o].} "{It was not half as nice without you|You two look happy. I want to sit with you|All alone, it was no fun}," said [x]. {So in the end, [h], [f] and [x] all played with the [o].|And then [h], [f] and [x] took turns with the [o].|[h], [f] and [x] played with the [o] until it was dark.} {[moral]|[end]|And the next time, [x] came to help [h] and [f].}""",
        questions=[
            ("{What did [h] promise?|What did [f] need help with?}", "[h] promised to help [f] to [job]."),
            ("{Who called [h] on the way?|Who wanted [h] to come along?}", "[x] wanted [h] to come to the [p]."),
            ("{What did [x] have?|What did [x] bring?}", "[x] had @a [oa] [o]."),
            ("{Did [h] come in time?|What did [h] do about the promise?}" if late
             else "{Did [h] keep the promise?|How did [h] keep the promise?}", s["kept"]),
            ("{Did [h] go to the [p]?|Did [h] go along with [x]?}", s["kept2"]),
            ("{What did they eat?|What did [h] and [f] eat after the work?}", "They ate [food]."),
        ],
        about="who made a promise to a friend",
        summary="[h] had promised to help [f] to [job], and though [x] called [him] to the [p], "
                "[f] got help in the end.",
    )


@plot("friendship")
def the_letter(s):
    fit(s, without=BIG + GROWN + ("letter", "needle", "candle", "box", "pencil", "crayon"), places=("beach", "lake",
        "hill", "village", "island", "mountain", "harbor", "town", "city", "valley", "castle", "lighthouse"),
        animals=LARGE_ANIMALS + ("snail", "mole", "beetle", "ladybug", "butterfly"))
    s.set("lost", "{a puddle|a hollow tree|a bramble bush|the reeds|a pile of hay|an empty nest}")
    return Story(
        text="""[open] {[h]'s best friend was [f], but [f] had moved far away.|Last year, [h]'s friend [f] moved to a place far away.|[h] and [f] used to play every day. Then [f] moved far away.} Now [f], @a [fkind], lived in a house [at]. {It took three days to get there.|It was much too far to walk.||} {[h] missed [fhim] every day.|Without [f], the days were long.|"I wonder what [f] is doing," [h] often said.||}{\n|\n| }[day] [h] {sat down|took some paper|found a pen} and wrote a letter. {It was hard work.|[He] wrote slowly, word by word.|It took [him] the whole day.|} "Dear [f]," [he] wrote. "{I miss you|I think of you|It is not the same without you}. I have @a [oa] [o] now, and {I want to show it to you|nobody can play with it like you|I am keeping it for us}. {Please come back.|When can I see you?|Will you visit me?}" {At the bottom, [he] drew the [o].|Next to [his] name, [he] drew two friends and @a [o].|Under it, [he] drew a picture of the [o].}
{But on the way to the mailbox, a gust of wind came.|But when [h] went outside, the wind blew hard.|Then the wind came. Whoosh!} {It tore the letter away.|It took the letter and carried it off.|Up, up went the letter!} {[h] ran after it. It danced over the fences, and then it was gone.|"Stop! My letter!" [h] cried. But it was gone.|[h] jumped, but [he] could not catch it.} {[h] sat down on the step and felt [sad].|"Now [f] will never read it," said [h].|A tear fell on [his] nose.||}
{But [h]'s letter was not lost.|What [h] did not know was this: the letter was not lost.|Poor [h] did not know that the letter was not lost at all.} {The letter had come down in [lost], and there @a [aa] [a] found it.|It fell into [lost], and @a [aa] [a] found it there.} {The [a] could not read, but it liked the picture.|The [a] looked at the picture for a long time. It knew somebody who looked just like that!|The [a] saw that this was something important.||} {It carried the letter over hills and fields, all the way to [f]'s door.|It set off with the letter, and after some days it came to [f].|It took [n] days, but then the [a] dropped the letter in front of [f].}
{Weeks went by.|A long time went by.|Days and days went by, and [h] looked down the road.} Then there was a knock at the door. {And who stood there? [f]!|It was [f], with a bag and a big smile!|[h] opened it, and there stood [f]!} "{I got your letter|Your letter came|Somebody brought me your letter}," said [f].{\n| | }{It was wrinkled, and it had a bite in one corner.|[f] held it up. It was stained and torn, but one could read every word.|The letter was as wrinkled as an old leaf.||} "{And now show me your [o]|Let me see that [o]|I came to see the [o], and you}!" [f] said. {They hugged for a long time.|They hopped around the room together.|[h] laughed and cried at the same time.||} {[moral]|And [h] was [happy].|Then [h] got the [o], and it was just like old times.}""",
        questions=[
            ("{Who did [h] write to?|Who was the letter for?}", "[h] wrote a letter to [f]."),
            ("{Where did [f] live now?|Where had [f] moved?}", "[f] lived far away, in a house [at]."),
            ("{What did [h] draw in the letter?|What picture was in the letter?}", "[h] drew @a [o] in the letter."),
            ("{What happened to the letter?|Why was [h] sad about the letter?}", "The wind took the letter away."),
            ("{Where did the letter land?|Where did the [a] find the letter?}", "The letter landed in [lost], and @a [a] found it."),
            ("{How did it end?|Did [f] get the letter?}", "Yes, [f] got the letter and came to visit [h]."),
        ],
        about="who wrote a letter to a friend far away",
        summary="The wind took [h]'s letter away, but @a [a] brought it to [f], and [f] came to visit.",
    )


@plot("friendship")
def hide_and_seek(s):
    fit(s, without=BIG + GROWN + ("needle", "candle", "letter", "coin", "button", "diamond", "ring", "marble"),
        places=("park", "forest", "farm", "garden", "castle", "meadow", "field", "barn", "orchard", "backyard",
        "village"))
    s.set("spot", "{in a hollow tree|in an old barrel|under an upside-down boat|in a haystack|behind a curtain of ivy|inside a big basket}")
    sign, s["how"] = s.pick([
        ("the [o] lay right outside", "[f] saw the [o] lying outside."),
        ("a bit of the [oa] [o] stuck out", "[f] saw a bit of the [o] stick out."),
        ("there was the [oa] [o], forgotten on the ground", "[f] saw the [o] on the ground."),
        ("the [oa] [o] peeked out", "[f] saw the [o] peek out."),
    ])
    s.set("sign", sign)
    return Story(
        text="""[open] [day] [h] met [his] friends [at]. {[f] was there, and so was [x].|There were [f], @a [fkind], and [x], @a [xkind].|[f] and [x] were already waiting.} {[h] had brought [his] [oa] [o].|As always, [h] had the [oa] [o] with [him].|Under one arm, [h] carried the [oa] [o].} "{Let us play hide and seek|Today we play hide and seek|I want to play hide and seek}," said [x]. {"I will look for you," said [f]. "You two hide."|[f] was the one to seek.|[f] covered [fhis] eyes and began to count.}
{"This time nobody will find me," thought [h].|[h] wanted to find the best spot of all.|[h] ran here and there. No, not behind the bush. That was too easy.} Then [he] hid [spot]. {It was dark in there, and just big enough.|[He] made [himself] as small as could be.|It was warm and snug.||} {[f] counted to twenty and called, "Here I come!"|"Eighteen, nineteen, twenty!" [f] called out.|Far away, [f] counted, "Eighteen, nineteen, twenty!"} {Soon [h] heard how [f] found [x].|"Found you!" That was [x], behind a wall.|[x] was found at once, because [x] had to giggle.} But nobody found [h]. {[He] grinned and kept very still.|[He] held [his] breath.|Steps came close and went away again.||}{\n|\n| }{[h] waited. And waited. [His] eyes grew heavy.|It was so quiet and so warm that [h] yawned.|After a while, it got a bit boring. [h] put down [his] head.} And {soon|before long|without noticing}, [he] fell fast asleep.
{When [h] woke up, it was dark outside.|A cold wind woke [h]. It was night!|[h] opened [his] eyes. Where was the sun?} {Nobody was there.|All was still.|[h] could not hear a voice.||} {"They went home without me," thought [h].|"They forgot me," whispered [h].|"Maybe they do not even miss me," thought [h].} {Suddenly the good spot was not good anymore.|[h] wanted to climb out, but [his] legs were stiff.|A twig cracked, and [h] was scared.||}{\n| | }{Then, far away, [he] heard a voice.|Then a light came closer.|But what was that sound?} "{[h]! We are here|[h], please say something|[h]! [h]! We will not go home without you}!" It was [f]! {[f] had never stopped looking.|For hours, [f] had looked everywhere.|[f] was all dusty, and [fhis] voice was hoarse.||}
{At last|And then|Just in time}, [f] saw it: [sign]! "{That is [h]'s [o]|I know that [o]|The [o]! Then [h] must be close}!" [f] cried. {A moment later, [f] pulled [h] out.|[f] looked inside, and there was [h].|[h] crawled out, right in front of [f].} "{You won|You hid too well|Do not ever hide so well again}," said [f], and {hugged [h] tight|laughed with joy|took a deep breath}. {"You did not give up," said [h].|"I thought you had gone home," said [h]. "Never," said [f].|[x] came running too, and they were all together again.||} {[moral]|[end]|After that, [h] always picked a spot that was only half as good.}""",
        questions=[
            ("{What did they play?|What game did the friends play?}", "They played hide and seek."),
            ("{Where did [h] hide?|Where was [h] all the time?}", "[h] hid [spot]."),
            ("{Who was looking for the others?|Who was the one to seek?}", "[f] was looking for the others."),
            ("{Why did [h] not come out?|What happened while [h] was hiding?}", "[h] fell asleep." ),
            ("{How did [f] find [h]?|What helped [f] to find [h]?}", s["how"]),
            ("{Did [f] forget [h]?|Did [f] give up?}", "No, [f] kept looking until [fhe] found [h]."),
        ],
        about="who hid too well at hide and seek",
        summary="[h] hid [spot] and fell asleep, but [f] kept looking until [fhe] found [him].",
    )


@plot("teamwork")
def building_together(s):
    fit(s, things=("flag", "lantern", "blanket", "bell", "rope", "carpet", "lamp", "umbrella", "pillow", "basket",
        "painting", "mirror"), places=("park", "forest", "farm", "garden", "beach", "river", "hill", "meadow",
        "field", "pond", "orchard", "backyard"))
    s.set("what", "{hut|den|little house|fort|cabin|tree house}")
    s["m1"] = s.pick(["boards", "branches", "old boxes", "stones", "sticks", "logs"])
    s["m2"] = s.pick(["straw", "reeds", "big leaves", "moss", "hay", "bark"])
    return Story(
        text="""[open] {[h] and [f] wanted a place of their own.|[h] and [his] friend [f] had a big plan.|"We need a place just for us," [h] said to [f].} [f] was @a [fkind] who {had many ideas|was very strong|liked to build}. They wanted to build @a [what] [at]. {Inside, there would be @a [oa] [o].|They had already found @a [oa] [o] for it.|It would have a door, a roof and @a [oa] [o].}
{"We build it with [m1]," said [h].|"For @a [what] we need [m1]," said [h].|"I know how! We take [m1]," said [h].} {"No, with [m2]," said [f].|"It is better with [m2]," said [f].|"That is wrong. We need [m2]," said [f].} {They got louder and louder.|They stamped and shouted.|@A [a] ran away, because it was so loud.||} {"Then build your own!" [h] cried.|"Then I will do it without you!" [f] said.|"Fine, I will do it alone!" [h] said.} So [h] built @a [what] of [m1] on one side, and [f] built @a [what] of [m2] on the other. {They did not talk all day.|Each of them wanted to be faster.||}
In the evening, both were done. {[h] sat alone in the [what], and it was very quiet.|"Mine is the best," said [h]. But nobody was there to hear it.|[h] had nobody to talk to.||} {The [o] lay outside, because they could not agree who should have it.|The [o] lay between the two, and nobody used it.|Nobody took the [o]. It lay in the grass.} {At night, the wind blew hard.|Then the clouds came, and a strong wind.|When the moon was up, a wind came.} {Crack! Crash!|Creak! Crash!|Bump! Crash!} [h]'s [what] fell down. And {a moment later|right after that|then, with another crash}, [f]'s [what] fell down too.{\n|\n| }{There stood [h] and [f] in the dark.|[h] crawled out, and so did [f].|[h] and [f] came out and looked at the mess.} {"Mine had no good roof," said [h].|"My walls were fine, but the roof was bad," said [h].|"Your walls are still standing," said [f] to [h].} {"Mine had a good roof, but weak walls," said [f].|"And my roof is still in one piece," said [f].} {They looked at each other. Then they smiled.|It was quiet for a moment. Then [h] grinned.||} "{My walls|Walls of [m1]|We take the walls of [m1]}," said [h]. "{And your roof|And a roof of [m2]|And the roof of [m2]}!" 
{The next day, [h] and [f] built it together.|In the morning, [h] and [f] went to work side by side.|As soon as it was light, [h] and [f] started again, together.} {[h] made the walls of [m1], and [f] made the roof of [m2].|The walls were of [m1], and the roof was of [m2].|They took [m1] for the walls and [m2] for the roof.} {That night the wind came back, but nothing moved.|The wind came again. It blew and blew, but the [what] stood.|"Let the wind come," said [h]. It came, and nothing fell.} And in the middle of it was the [oa] [o], {for both of them|where both could see it|just as they had planned}. {[moral]|[end]|[h] and [f] sat inside and ate some [food].}""",
        questions=[
            ("{What did [h] and [f] want to build?|What was their plan?}", "[h] and [f] wanted to build @a [what]."),
            ("{Where did they build?|Where did they want to build it?}", "They built it [at]."),
            ("{What did [h] want to build with?|What was [h]'s [what] made of?}", "[h] wanted to build with [m1]."),
            ("{What did [f] want to build with?|What was [f]'s [what] made of?}", "[f] wanted to build with [m2]."),
            ("{Why did both fall down?|What happened at night?}", "The wind blew at night, and both fell down."),
            ("{How did they build the new one?|How did it end?}", "They built it together, with walls of [m1] and a roof of [m2]."),
        ],
        about="who built @a [what] with a friend",
        summary="[h] and [f] each built @a [what] alone, and the wind blew both down, so they built one together.",
    )


@plot("kindness")
def someone_different(s):
    fit(s, without=BIG + GROWN + ("candle", "letter"), places=OUTSIDE + ("village", "town", "harbor"),
        animals=LARGE_ANIMALS + ("frog", "turtle", "duckling", "snail"))
    s["odd"], s["oddq"], s["problem"], s["turn"], s["why"] = s.pick([
        ("""[x] hummed all day long. {Hmm, hmm, hmm, it went.|It was always the same tune.|[x] even hummed at lunch.}""",
         "[x] hummed all day long.",
         """{a thick fog came down|the fog came, white and thick}. {Nobody could see the path.|You could not see your own nose.|Everything was gone in the white.} {"Where are you all?" [h] called.|[h] bumped into a tree.|[h] held on to the [o] and did not dare to move.}""",
         """Then they heard it: hmm, hmm, hmm. {It was [x]!|That could only be [x]!} {"Go where the humming is!" [h] called.|"Follow the humming!" [h] called.} One by one, they {came out of the fog|found each other|found the way}, and [x] hummed until {the last one was there|all of them were safe}.""",
         "[x]'s humming led them through the fog."),
        ("""[x] counted everything. {Steps, leaves, clouds and even yawns.|"Fourteen, fifteen," [x] said all the time.|[x] counted the stones on the path.}""",
         "[x] counted everything.",
         """{they wanted to go home, but all the paths looked the same|they saw that they were lost}. {"Left," said [h]. "Right," said [f].|Nobody knew the way, not even [h].|[h] held the [o] tight and looked around.} {"We will never get home," [f] said to [h].|"Oh dear, which way?" [h] asked.}""",
         """"{We took ninety steps from the big tree|It was ninety steps from the bridge|From the gate it was ninety steps}, and then we turned," said [x]. "I counted." {They all fell silent.|"Are you sure?" [f] asked. [x] was sure.|[h] was amazed.} So [x] counted them back, {step by step|from one to ninety|slowly and clearly}, until {they knew the way again|they stood on the right path}.""",
         "[x] had counted the steps and led them back."),
        ("""[x] spoke only in whispers. {One had to come very close to hear it.|It was as soft as a leaf.|Even [x]'s laugh was a whisper.}""",
         "[x] spoke only in whispers.",
         """{they saw @a [aa] [a] that sat on a thin branch over the water|@a [aa] [a] got stuck on a thin branch over the water}. {"Come down!" they shouted, and it shook with fear.|Everybody shouted, even [h], and that made it worse.|The louder they called, the more afraid it was.} {[h] put down the [o] and did not know what to do.|"Hush, you scare it," said [h].}""",
         """Then [x] went up close and whispered, {"It is all right. Come to me."|"Little one, do not be afraid."|"I am here. Come to me."} {The [a] stopped shaking.|The [a] looked at [x].|[h] told the others to be quiet.} Nobody else made a sound. And slowly, bit by bit, the [a] came to [x].""",
         "[x]'s whisper calmed the [a], and it came to [x]."),
        ("""[x] did everything very slowly. {[x] walked slowly, and [x] talked slowly.|One step of [x] took as long as three of [h]'s.|[x] looked at every leaf on the way.}""",
         "[x] did everything very slowly.",
         """{[h] cried, "My [o] is gone!"|[h] saw that the [o] was gone.} {It had fallen down somewhere while they ran.|They had run so far, and it could be anywhere.} {They ran back and forth and looked, but they ran too fast to see it.|Everyone raced around. Nobody found it.}""",
         """Then [x] came up the path, slowly as ever. "{I saw something on the way|I think that you look for this|You ran right past it}," said [x], and held up the [o]. "{When you are slow, you see more|I look at everything|I have time to look}." {[h] hugged [x].|"Thank you, [x]!" [h] cried.|[h] was [happy].}""",
         "[x] was so slow that [xhe] saw the lost [o]."),
        ("""[x] carried a huge bag everywhere. {It was full of strings, spoons and bits of paper.|It clinked and rattled at every step.|"You never know," [x] always said.}""",
         "[x] carried a huge bag everywhere.",
         """{it began to pour with rain, and the little bridge on the path broke|the little bridge on the way home broke}. {"How do we get across?" [f] asked.|They stood there and could not get home.} {[h] held on to the [o] and shivered.|[h] put down the [o] and thought, but nothing came to [his] mind.}""",
         """"{Wait|One moment|Let me see}," said [x], and opened the bag. {Out came a spoon, three socks, and then a long rope.|Out came a cup, a bell, and then a long rope.|Out came some paper, a spoon, and then a long rope.} {They tied the rope from tree to tree.|[h] and [x] tied the rope to two trees.} And so all of them got across, {one after the other|even [h] with the [o]|safe and dry}.""",
         "[x] had a rope in the bag, and so they got home."),
    ])
    return Story(
        text="""[open] [h] and [his] friend [f] {often played|met every day|liked to play} [at] with the others. {They all liked the [oa] [o] best.|[h] always brought the [oa] [o].|Today they had [h]'s [oa] [o] with them.} [day] somebody new came. It was [xintro], and {there was something odd about [xhim]|[xhe] was not like the others|[xhe] was a bit different}. [odd]
{"That is silly," said one.|"How strange!" another one said.|Some of them laughed.} {"You cannot play with us," they said.|"Go and play somewhere else," they said.|Nobody wanted [x] in their game.} {[x] did not say anything and sat down alone.|[x] looked at the ground and went off a little way.|[x] just nodded and sat under a tree.||} {That did not feel right to [h].|[h] looked at [x], and it hurt [him] a little.|[h] thought about how it feels to be alone.||} {So [he] went over. "Do you want to play with the [o]?" [h] asked.|"Come, you can have a turn with my [o]," [h] said to [x].|[h] took the [o] over to [x] and sat down.} {"You would let me?" [x] asked.|[x]'s eyes lit up.|[x] smiled for the first time.||} {"Why do you want to play with that one?" [f] asked. "Why not?" [h] said.|[f] thought for a moment, and then came over too.}
{Later|After a while|When the sun was low}, [problem]
[turn]
{After that, nobody laughed at [x] anymore.|Now they all looked at [x] in a new way.|"We were wrong about you," said the others.} {"Will you play with us tomorrow?" they asked.|"Please come again tomorrow," [f] said.|"You can be on our team," they said.||} {"If [h] plays too," said [x], and smiled.|[x] nodded and smiled at [h].|"I would love to," said [x], and smiled at [h].} [h] {went and got|held up|waved with} the [o] {once more|again}, and they {laughed|cheered}. {[moral]|[end]|And if you go by, you can see [h], [f] and [x] with the [o].}""",
        questions=[
            ("{Who was new?|Who came to the others?}", "[x], @a [xkind], was new."),
            ("{What was different about [x]?|What was odd about [x]?}", s["oddq"]),
            ("{What did the others do?|Were the others kind to [x] at first?}", "At first, the others were not kind and did not want [x] in their game."),
            ("{What did [h] do for [x]?|Who was kind to [x]?}", "[h] was kind and let [x] play with the [o]."),
            ("{How did [x] help?|What did [x] do in the end?}", s["why"]),
        ],
        about="who made friends with somebody different",
        summary="The others laughed at [x], but [h] was kind to [xhim], and later [x] helped them all.",
    )


@plot("courage")
def on_stage(s):
    fit(s, without=BIG + GROWN + ("needle", "bed", "letter"), places=("school", "library", "village", "town",
        "market", "castle", "barn", "park", "fair", "garden"))
    s.set("part", "{moon|wind|old king|lost star|little sun|big bad wolf|last leaf|brave mouse|queen of the sea|snowman}")
    s.set("line", "{I have come to light your way|Here I am, and I will help you|Hear me, one and all|I will never leave you alone|The night is over at last}")
    return Story(
        text="""[open] {Soon there would be a play [at].|There was going to be a big play [at].|Everyone talked about the play that was coming up [at].} {"You can be the [part]," they said to [h].|[h] was going to be the [part].|And who would play the [part]? [h]!} {[He] had to hold @a [oa] [o] and say one thing|[He] had only one thing to say, with @a [oa] [o] next to [him]}: "[line]." {All week, [h] said it again and again.|[h] said it to the mirror, and [h] said it to the soup.|[h] even said it to @a [a].||} {[f], @a [fkind], practiced with [him].|[f], @a [fkind], played the tree. "You know it by heart," said [f].|[h]'s friend [f], @a [fkind], had a part too.}{\n|\n| }Then the day came. {There was no empty seat.|So many came to watch!|People sat everywhere, even on the window sills.||} {[h] peeked through the curtain.|Behind the curtain, [h] stood and shook.|[h]'s knees turned to jelly.||} "{There are so many of them|I cannot do it|I feel sick}," [h] whispered. "{Look only at me|Just think of me|Take a deep breath}," said [f]. "{I am right next to you|You are not alone up there|We go out together}."
{The curtain opened.|Up went the curtain.|A drum rolled, and the curtain opened.} [h] stepped out with the [o]. {All eyes were on [him].|The lights were very bright.|Somebody coughed. Then it was still.||} [h] opened [his] mouth, and {nothing came out|there was nothing in [his] head|the words were gone}. {One second. Two seconds. Three.|It was so quiet that you could hear a fly.||} {[His] ears burned, and [he] wanted to run away.|Somebody giggled.|[h] wanted to hide behind the [o].||} {And then, clonk, [he] dropped the [o]!|And then, bump, the [o] fell down!|And to make it worse, [he] let the [o] fall!}
{Then [f] walked over, as if it was part of the play.|[f] did not wait. [f] came to [his] side.|Somebody stood next to [him]. It was [f].} {[f] picked up the [o] and gave it to [h] with a bow.|"You lost this, dear [part]," said [f] in a loud voice, and gave the [o] back.|"Dear [part], here is your [o]," said [f], and gave it back.} {Everybody laughed, but it was a warm laugh.|The people liked that. They laughed and clapped.|Now [h] had to smile.||} {[h] held on to the [o] and looked at [f].|[h] took a deep breath, and another one.|[h] thought, "I am not alone."|} {And there they were again, all the words!|And then the words came back, one by one.|And suddenly [he] knew it.} "[line]!" [h] said, {loud and clear|so loud that the last row heard it|and [his] voice did not shake}.
{How they clapped!|The clapping did not stop.|Everybody stood up and clapped.|} {[h] and [f] bowed [n] times.|They had to bow [n] times.|[n] times they had to come out and bow.} {"I forgot everything," [h] said later. "Yes, and then you went on," said [f].|"I was so afraid," said [h]. "And you did it anyway," said [f].|"Were you not afraid?" [h] asked. "I was, but two are braver than one," said [f].} {Then [h] put the [o] away.|The [o] stood between them.|[h] held the [o] up high.||} {[moral]|[end]|And next year, [h] wants to play the [part] again.}""",
        questions=[
            ("{What part did [h] play?|Who was [h] in the play?}", "[h] played the [part]."),
            ("{What did [h] have to say?|What were [h]'s words?}", "[h] had to say, \"[line].\""),
            ("{What did [h] hold on the stage?|What did [h] drop?}", "[h] held @a [o] and dropped it."),
            ("{What went wrong?|What happened when [h] was on the stage?}", "[h] forgot the words and dropped the [o]."),
            ("{Who helped [h]?|How did [f] help [h]?}", "[f] picked up the [o] and gave it back to [h]."),
            ("{How many times did they bow?|How often did [h] and [f] bow?}", "They bowed {[n]|[num]} times."),
        ],
        about="who had a part in a play",
        summary="[h] played the [part] and forgot the words, but [f] helped [him], and then [he] said them loud and clear.",
    )


@plot("honesty")
def borrowed(s):
    fit(s, things=("boat", "drum", "doll", "truck", "train", "basket", "flute", "guitar", "violin", "plane", "car",
        "camera", "puppet", "lantern", "telescope", "sled", "wagon", "toy robot", "sword", "shield", "radio",
        "music box", "bucket", "rocket", "clock", "trumpet"), places=OUTSIDE)
    s["harm"], s["harm1"] = s.pick([
        ("caught on a nail and got a long scratch", "a long scratch"),
        ("fell down some steps and got a dent", "a dent"),
        ("slipped away and got a crack", "a crack"), ("bumped into a post, and a piece broke off", "a broken piece"),
        ("hit a sharp stone and got a hole", "a hole"),
        ("fell into a puddle and got a big brown stain", "a big brown stain"),
    ])
    s.set("gift", "{a green leaf|a painted star|a blue patch|a red ribbon|a white feather|a bright button}")
    return Story(
        text="""[open] {[h]'s friend [f] had @a [oa] [o].|[f], @a [fkind], owned @a [oa] [o].|There was one thing that [h] loved to look at: [f]'s [oa] [o].} "{May I borrow your [o]|Can I have the [o] for one day|Will you lend me your [o]}?" [h] asked. {[f] thought about it.|[f] held the [o] a little tighter.|"Hmm," said [f].||} "{Yes, but please take good care of it|All right, but be careful|You may, but bring it back tomorrow}," said [f]. "{I will|Of course|I promise}," said [h].
{[h] took the [o] to the [p].|Off went [h] to the [p] with the [o].|[day] [h] went to the [p] with the [o].} {It was so much fun to [ouse].|[He] could [ouse] as long as [he] liked.|What a day! Nothing was as nice as to [ouse].} {But then [h] was not careful.|[h] ran a bit too fast.|[h] looked at [see1], and not at the [o].} {It happened in a moment.|Oh no!|Then it happened.||} The [o] [harm]. {[h] stood as still as a post.|[h] felt cold all over.|[h]'s heart sank.||} "{Now [f] will be sad|It is not mine, and now this|I promised to be careful}," [h] whispered.{\n|\n| }{[h] turned the [o] so that the bad side could not be seen. "Maybe [f] will not notice," [he] thought.|"I could say that it was like this before," thought [h].|"I could say that @a [a] did it," thought [h].}{\n| | }{But the longer [he] thought about it, the worse [he] felt.|But [he] did not like that thought. It was like a pebble in a shoe.|But then [he] saw [f]'s kind face in [his] mind.} {"No," said [h] aloud. "I will say it."|"That would be a lie," [h] told [himself].|"No," [h] said at last. "That is not how friends do it."} {[He] walked to [f] with slow steps.|The way to [f] had never been so long.|So [he] went straight to [f].}
"{Here is your [o], and something bad happened|I have to tell you something about the [o]|Look, [f]. I broke my promise}," said [h]. "{I was not careful, and it has [harm1]|It has [harm1], and it was my fault|Because of me, it has [harm1]}. {I am so sorry|I am sorry|I am very, very sorry}." {[f] took the [o] and looked at it.|[f] was quiet for a while.|First, [f] was [sad].||} {"I thought you would hide it," said [f].|"You could have said nothing," said [f].|"It was not easy to tell me that," said [f].} "{I am glad that you told me|Thank you for the truth|Then I can trust you}."
{"Let us mend it together," said [h].|"I will mend it," said [h]. "I will work until it is right."|"Can we mend it?" [h] asked. [f] nodded.} {They sat down side by side and worked.|They worked the whole afternoon.|[f] held the [o], and [h] worked with great care.||} And right on the bad spot, they put [gift]. {"Now it is even nicer than before," said [f].|It looked wonderful.|"I like it better now," said [f].||} {[moral]|[end]|And the next week, [f] asked, "Do you want to borrow the [o] again?" This time, [h] was very, very careful.}""",
        questions=[
            ("{What did [h] borrow?|What did [f] lend to [h]?}", "[h] borrowed [f]'s [oa] [o]."),
            ("{Where did [h] take the [o]?|Where did [h] go with the [o]?}", "[h] took the [o] to the [p]."),
            ("{What happened to the [o]?|What went wrong?}", "The [o] [harm]."),
            ("{Did [h] tell the truth?|Did [h] hide what happened?}", "[h] told [f] the truth and said sorry."),
            ("{Was [f] glad that [h] told the truth?|What did [f] think about the truth?}", "[f] was glad that [h] told the truth."),
            ("{What did they put on the [o]?|What is on the [o] now?}", "They put [gift] on the [o]."),
        ],
        about="who borrowed [his] friend's [o]",
        summary="[h] borrowed [f]'s [o] and damaged it, but [he] told the truth, and they mended it together.",
    )
