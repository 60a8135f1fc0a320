"""Plots of the home, the school and the market."""
from plots.fitting import BIG, GROWN, LARGE_ANIMALS, fit
from story import Story, plot


@plot("kindness")
def lost_thing(s):
    fit(s, without=BIG + GROWN + ("blanket", "scarf", "sock", "box", "boot", "pot", "pillow", "coat"))
    s.set("where", "{behind the big chair|under an old blanket|next to the back door|behind a stack of boxes|"
                   "under the stairs|beside the warm stove|behind the long curtain|in a dark corner of the shed}")
    s.set("soft", "{scarf|towel|sweater|sock|blanket|cloth}")
    return Story(
        text="""[open] {More than anything, [h] loved|The thing [h] loved most was|What [h] liked best of all was} [his] [oa] [o]. {[He] liked to [ouse].|Every day [he] took it out to [ouse].|[He] took it along almost everywhere.|}
[day] [h] {looked for|went to get|wanted} the [o], but it was gone. "{Oh no|Oh dear|Oh my}! Where is my [o]?" [h] {cried|asked|called out}. {[He] looked {in every box|under the table|on every shelf}. No [o]! [He] looked {in the yard|by the window|behind the door}. Still no [o]!|[He] looked high, and [he] looked low. [He] even looked {in the soup pot|under the rug|inside a boot}. The [o] was not there.} [h] {sat down and sniffed|felt [sad]|wanted to cry}.{\n|\n| }[h]'s friend was [fintro]. "{Do not cry|Do not worry|Cheer up}," said [f]. "{Four eyes see more than two|We will find it together|I am good at finding things}." {They started at one end and looked slowly, bit by bit.|They crawled around on the floor and peeked into every gap.|They made it a game and took turns to look.||} Then [f] {whispered|called softly}, "[h], come here!" There, [where], was the [o]! {Right beside it|Close to it|Leaning against it} lay @a [aa] [a], fast asleep.
[h] {reached for the [o]|was about to grab the [o]|wanted to shout for joy}. Then [he] stopped. "{If I take it now, I will wake the [a]|The [a] looks so tired|Look how well it sleeps}," [h] whispered. "{I can wait a little|Let us come back later|It can stay a bit longer}." {[He] put a soft [soft] over the [a] and tiptoed away with [f].|[h] and [f] tiptoed away, but first [h] put a soft [soft] over the [a].|Very gently, [h] laid a soft [soft] over the [a]. Then [he] sat down next to [f] to wait.}
{After a while|When the [a] woke up|An hour later}, [h] got [his] [o] back. The [a] got to keep the [soft]. {[moral]|"You are kind," said [f], and [h] smiled.|} {[h] was [happy] all day.|[h] and [f] shared the [o] until the sun went down.|And [h] never lost the [o] again.}""",
        questions=[
            ("{What did [h] lose?|What was missing?|What was [h] looking for?}", "[h] lost [his] [oa] [o]."),
            ("{Where was the [o]?|Where did they find the [o]?}", "The [o] was [where]."),
            ("{Who helped [h]?|Who found the [o]?}", "[f] helped [h] and found the [o]."),
            ("{What lay beside the [o]?|Who was asleep next to the [o]?}", "@A [aa] [a] was asleep next to the [o]."),
            ("{Why did [h] not take the [o] right away?|Why did [h] wait?}",
             "[h] did not want to wake the [a]."),
            ("{What did the [a] get to keep?|What did [h] give the [a]?}", "The [a] got to keep a soft [soft]."),
        ],
        about="who lost [his] [o]",
        summary="[h] lost [his] [oa] [o], and [f] found it [where] next to a sleeping [a].",
    )


@plot("honesty")
def broken_vase(s):
    fit(s, things=("ball", "kite", "plane", "rope", "sword", "flag", "umbrella", "broom", "shield", "wand", "cape",
        "truck", "shovel", "bucket", "hammer", "puppet", "toy robot", "backpack"))
    s.set("pot", "{blue vase|tall vase|yellow jug|flower pot|clay bowl|big teapot|glass bowl|white cup}")
    s.set("hid", "{under the bed|behind the couch|in a basket|under the rug|in an old boot|behind the wood pile}")
    s.set("fix", "{glue|sticky tape|a pot of glue and a brush|strong string and glue}")
    return Story(
        text="""[open] {[h] knew one rule very well.|There was one rule in the house.|[His] [g] had told [h] one thing many times.} {No playing with the [o] indoors|The [o] was for outside only|The [o] had to stay outside}.
[day] [h] was {bored|all alone|full of energy}. {"Just for a minute," [h] thought.|"I will be very careful," [h] told [himself].|"Nobody will know," [h] whispered.} [He] took the [oa] [o] inside and began to {jump and spin|dance around|hop about} with it. {Bump|Bang|Whoosh}! The [o] hit the [pot]. {Crash|Smash|Clink, clank}! The [pot] {broke into [n] pieces|fell to the floor and broke into [n] pieces|was in [n] pieces}.
[h]'s heart {went thump, thump, thump|beat fast|felt as heavy as a stone}. {[He] swept up all [n] pieces and hid them [hid].|Quickly [he] picked up the pieces and hid them [hid].|"I must hide this!" [h] thought. So the pieces went [hid].} {But then [h] could not eat [his] lunch.|But after that, even the [o] was no fun.|But [h]'s tummy felt funny all day.} {When [his] [g] smiled at [him], it felt even worse.|[He] could not stop thinking about the [pot].|A small voice inside kept saying, "Tell the truth."||}{\n|\n| }{At last|In the evening|Before bed}, [h] {took a deep breath|could not stand it anymore|stood up straight} and went to [his] [g]. "{I have to tell you something|Please do not be angry|I did something bad}," [he] said. "I played with the [o] inside, and I broke the [pot]. {I am so sorry|I am very, very sorry}."{\n| | }{It was quiet for a moment.|[h] looked at the floor.|A tear ran down [h]'s nose.||} Then [his] [g] {gave [h] a hug|took [h] in [ghis] arms|nodded slowly}. "I am sad about the [pot]," said [his] [g]. "But {it was brave to tell me|I am glad you told me the truth|a [pot] can be mended, and you were honest}."
[h] and [his] [g] got [fix] and {worked side by side|sat down at the table|put the pieces back together, one by one}. {The [pot] had lines all over, but it stood.|The [pot] looked a bit funny now, but [h] liked it even more.} {And the [o]? It stayed outside.|After that, [h] only used the [o] outside.} {[moral]|From then on, [h] told the truth right away.|[h] slept very well that night.|And if you ask [h], [he] will tell you the whole story.}""",
        questions=[
            ("{What did [h] break?|What broke?}", "[h] broke the [pot]."),
            ("{How did the [pot] break?|Why did the [pot] break?}", "[h] played with the [o] inside, and it hit the [pot]."),
            ("{How many pieces were there?|Into how many pieces did the [pot] break?}", "The [pot] broke into {[n]|[num]} pieces."),
            ("{Where did [h] hide the pieces?|Where did [h] put the broken pieces?}", "[h] hid the pieces [hid]."),
            ("{Did [h] tell the truth?|Was [h] honest in the end?}", "Yes, [h] told [his] [g] that [he] broke the [pot]."),
            ("{What did they use to mend the [pot]?|How did they fix the [pot]?}", "They mended the [pot] with [fix]."),
        ],
        about="who broke a [pot] with [his] [o]",
        summary="[h] broke the [pot] with [his] [o] and hid the pieces, but then [he] told [his] [g] the truth.",
    )


@plot("kindness")
def wrong_box(s):
    fit(s, without=BIG + GROWN + ("box", "ribbon"), places=("park", "market", "library", "bakery", "school", "harbor",
        "playground", "train station", "river", "pond", "lighthouse"))
    s.set("mark", "{a red star|a blue ribbon|a green stamp|a yellow sticker|two black stripes|a funny drawing of a snail}")
    s.set("carrier", "{mail carrier|mailman|postman}")
    return Story(
        text="""[open] {For a whole week|For many days|Since last Monday}, [h] had been waiting for a box. In the box would be @a [oa] [o]. {"Is it here yet?" [h] asked every morning.|Every morning [h] ran to the door to look.|[h] could hardly sleep at night.||}
[day] {there was a knock at the door|the bell rang|somebody knocked three times}. "{A box for you|Here is your box|Please sign here}," said the [carrier]. The box had [mark] on its side. [h] {tore off the paper|opened the lid|pulled at the string} {as fast as [he] could|right away|with a racing heart}. But what was this? {It was not @a [o] at all.|There was no [o] inside.} It was @a [o2a] [o2]! {[h] {frowned|blinked|was [sad]}.|"{This is not mine|This is all wrong|How odd}," [h] said.}
{The [o2] was very nice. [h] could keep it, and nobody would know.|For a moment, [h] thought about keeping the [o2]. It was so pretty.|[h] liked the [o2] too. It would be fun to [o2use].} Then [h] looked at the lid.{\n| | }{There was a name on it|A name was written there in tiny letters|Somebody had written a name on it}: [f]. "{Oh, [f] must be waiting too|Somewhere [f] is just as sad as I am|Then [f] has no [o2] today}," said [h]. {So [h] closed the box and set off.|[h] closed the lid again and went outside.|"I have to bring it to [f]," [h] decided.}
{[h] walked up one street and down the next.|[h] carried the box past [n] doors.|The box was heavy, and [h] had to rest twice.||} {At the last house|Near the [p]|Around the corner}, on a step, sat [fintro]. Next to [f] stood another box, and it had [mark] too! "{Are you [h]|Is your name [h]|Are you really [h]}?" [f] asked. "{I got your [o]|The [carrier] mixed up our boxes|I was just going to look for you}!"{\n|\n| }{They both began to laugh.|They laughed so hard that they had to sit down.|"What a mix-up!" [h] said with a grin.||} [h] gave [f] the [o2], and [f] gave [h] the [o]. {Then they tried out both things together.|First they wanted to [ouse]. Then it was time for the [o2].|They spent the whole afternoon with the [o] and the [o2].} {[moral]|"The wrong box brought me a friend," said [h].|} {[end]|From then on, [h] and [f] were friends.}""",
        questions=[
            ("{What was [h] waiting for?|What should have been in the box?}", "[h] was waiting for @a [oa] [o]."),
            ("{What was in the box?|What did [h] find in the box?}", "There was @a [o2a] [o2] in the box."),
            ("{Whose [o2] was it?|Who should have got the [o2]?}", "The [o2] was for [f]."),
            ("{What was on the side of the box?|What did the box look like?}", "The box had [mark] on its side."),
            ("{Did [h] keep the [o2]?|Did [h] take the [o2] for [himself]?}", "No, [h] gave the [o2] to [f], because it was not for [him]."),
            ("{How did [h] get the [o]?|Who had [h]'s [o]?}", "[f] had the [o] and gave it to [h]."),
        ],
        about="who got the wrong box",
        summary="[h] got a box with [f]'s [o2] by mistake, and [h] and [f] swapped and became friends.",
    )


@plot("patience")
def coin_jar(s):
    fit(s, without=BIG + GROWN + ("coin", "jar", "box", "cup", "pot", "whistle", "balloon", "letter"))
    need = s.rng.choice([("five", "5"), ("six", "6"), ("seven", "7"), ("eight", "8"), ("nine", "9"), ("ten", "10")])
    s["need"], s["neednum"] = need
    s.set("jar", "{glass jar|tin can|little box|brown bag|wooden cup|blue pot}")
    s.set("chore", "{carried water|swept the floor|pulled weeds|washed the dishes|raked leaves|fed the chickens|cleaned the windows}")
    s.set("sweet", "{bag of sweets|shiny whistle|paper hat|red balloon|big lollipop}")
    return Story(
        text="""[open] {At the market|In a small shop at the market|On a table at the market}, [h] saw @a [oa] [o]. {It was the best [o] in the world.|[h] could not look away.|[He] pressed [his] nose close to see it better.||} "How much is the [o]?" [h] asked. "It is [need] coins," said the {seller|old seller|woman at the shop|man at the shop}. [h] had {none|not one coin|no coins at all}.{\n|\n| }{"How can I get coins?" [h] asked at home.|[h] told [his] [g] about the [o].|That night [h] talked and talked about the [o].} "{You can help me|I need a good helper|If you work for it, you can buy it}," said [his] [g]. "{One job, one coin|For every job you will get one coin|Each day you help me, I will give you a coin}." So [h] [chore]. {Clink|Plink|Ping}! The first coin fell into the [jar]. {The next day, [h] [chore] again.|[h] helped the day after that, too.|Each day another coin went in.} Clink!
{When the [jar] was half full, [f] came by.|One day [f] came to visit.|Then [f], @a [fkind], came along.} "{Come and buy @a [sweet]|Let us spend your coins on @a [sweet]|With those coins you could get @a [sweet] today}!" [f] said. {[h] looked at the [jar] for a long time.|[h] wanted @a [sweet] very much.|Oh, that was hard! [h] thought and thought.} "No," said [h]. "{I want the [o] more|I am saving for the [o]|Then I would have to start all over}." {[f] shrugged and went off.|"You are very strong," said [f].|[f] could not believe it.||}
{The days went by slowly.|Some days [h] was tired, but [he] did not give up.|Rain or shine, [h] did [his] job.||} {At last|Then one morning|Finally}, [h] counted the coins. {There were [need]!|All [need] were there!|It was true: [need] coins!} [He] {ran|raced|hurried} to the market {with the [jar] in [his] bag|as fast as [he] could|and did not stop once}. {"Is the [o] still here?" [h] asked.|[h] held [his] breath.|} {Yes, it was still there!|There it was!|The seller smiled and gave it to [him].}
[h] {held the [o] tight all the way home|carried the [o] home like a treasure|was [happy]}. {"I paid for it all by myself," [he] told everyone.|"Now let us [ouse]!" [h] called to [f].|[f] came over, and they had fun with the [o] together.} {[moral]|That night, the [o] stood next to [h]'s bed.|It was worth every single coin.}""",
        questions=[
            ("{What did [h] want to buy?|What did [h] see at the market?}", "[h] wanted to buy @a [oa] [o]."),
            ("{How many coins was the [o]?|How much was the [o]?}", "The [o] was {[need]|[neednum]} coins."),
            ("{How did [h] get the coins?|What did [h] do for the coins?}", "[h] helped [his] [g] and [chore]."),
            ("{Where did [h] keep the coins?|What did [h] put the coins in?}", "[h] kept the coins in @a [jar]."),
            ("{What did [f] want to buy?|What did [f] want [h] to spend the coins on?}", "[f] wanted [h] to buy @a [sweet]."),
            ("{Did [h] get the [o] in the end?|Did [h] buy the [o]?}", "Yes, [h] saved [need] coins and bought the [o]."),
        ],
        about="who saved [his] coins for @a [o]",
        summary="[h] worked and saved [need] coins, and in the end [he] bought the [o].",
    )


@plot("courage", heroes=("person",))
def first_day(s):
    fit(s, without=BIG + GROWN + ("backpack", "coat", "bed", "painting", "broom", "needle", "hammer",
                                    "sword", "shovel", "bucket", "candle", "rope", "toaster", "pot"))
    s.set("hid", "{under the table|behind the coats|behind the bookshelf|behind the big door|in the reading corner|by the coat hooks}")
    s.set("song", "{a counting song|a song about a frog|a silly song about soup|a good morning song|a song about rain}")
    return Story(
        text="""[open] {Today was a big day for [h].|It was [h]'s first day of school.|A new day had come, and it was a very big one.} {[h] put on a new [col] sweater and packed [his] bag.|[h] ate some [food], but only two bites.|[h] woke up before the sun.||} {Into the bag went [his] [oa] [o].|At the very bottom of [his] bag was [his] [oa] [o].|[He] also took [his] [oa] [o], just in case.}
[h] and [his] [g] walked to school. {At the gate, [h] stopped.|The closer they came, the slower [h] walked.|The school looked as big as a castle.||} "{What if nobody likes me|What if I do everything wrong|What if I want to go home}?" [h] asked. [His] [g] {bent down|smiled|squeezed [h]'s hand}. "{Be brave for five minutes|Just say hello to one child|Only the first step is hard}," said [his] [g]. "{The rest will come by itself|After that, it gets easier|And I will wait for you at the gate}."{\n|\n| }{The room was full of noise.|There were so many children!|Inside, everybody was talking at once.||} {[h] did not know where to sit.|[h] held [his] bag tight.|[h]'s cheeks felt hot.||} Then [he] heard a tiny {sniff|sob|sound}. [hid] sat somebody, all alone. {It was [fintro].|[h] saw that it was [fintro].} "{I am scared|I want to go home|I do not know anybody here}," said [f].
"{I am scared too|Me too|It is my first day as well}," said [h]. {[He] opened [his] bag and took out the [o].|"But look what I have!" [h] pulled the [o] out of the bag.|Then [h] had an idea. [He] got out the [o].} "{Do you want to hold it|Would you like to see my [o]|Shall we look at it together}?" {[f] wiped [fhis] eyes and nodded.|Slowly, [f] began to smile.|[f] stopped crying.} {They took turns with the [o].|[h] showed [f] everything about the [o].|[f] held the [o] very carefully.||} {When the teacher clapped, they sat down side by side.|Soon they found two chairs next to each other.} Then the whole class sang [song], and [h] {sang the loudest|sang along|knew all the words}.
After school, [h] {ran out of the gate|came running|had a big grin}. [His] [g] asked, "{How was it|Were you brave|Was it hard}?" [h] {beamed|had so much to tell|took a deep breath}. "{At first I was scared, and then I forgot to be|I have a friend! [fHis] name is [f]|The [o] helped, and now I have a friend}," said [h]. {[moral]|[end]|The next day, [h] could not wait to go back.}""",
        questions=[
            ("{Where did [h] go?|What was [h] going to do that day?}", "[h] went to school for the first time."),
            ("{What was in [h]'s bag?|What did [h] take to school?}", "[h] took [his] [oa] [o] to school."),
            ("{Who was sitting alone?|Who did [h] meet at school?}", "[h] met [f] at school."),
            ("{Where was [f]?|Where was [f] sitting?}", "[f] was sitting [hid]."),
            ("{How did [h] help [f]?|What did [h] show [f]?}", "[h] showed [f] the [o]."),
            ("{What did the class sing?|What song did they sing?}", "The class sang [song]."),
        ],
        about="who had [his] first day at school",
        summary="On [his] first day at school [h] was scared, but [he] showed [f] the [o] and made a friend.",
    )


@plot("patience", heroes=("person", "animal"))
def new_baby(s):
    fit(s, without=BIG + GROWN + ("needle", "candle"))
    s["sib"], s["she"], s["sher"] = s.pick([("sister", "she", "her"), ("brother", "he", "his")])
    s["hsib"] = "sister" if s["he"] == "she" else "brother"
    names = ["Lulu", "Pip", "Bibi", "Nono", "Coco", "Tam", "Mimi", "Jojo", "Ari", "Bo", "Dodo", "Nilo"]
    s["baby"] = s.pick([name for name in names if name not in s.names])
    s.set("what", "{hummed a slow, soft song|sang very quietly|told a story in a whisper|made a sound like the wind|"
                  "counted very softly to ten|made a sound like the rain}")
    return Story(
        text="""[open] {One day a baby came to live in [h]'s home.|Then something new happened. A baby came!|Then came the day when a baby moved in with [h].} It was a baby [sib], and the baby's name was [baby]. {"Now I have somebody to play with!" [h] shouted.|[h] had so many plans for games.|"We will do everything together," said [h].||}
But [baby] {only slept and drank milk|could not walk or talk|did not know any games}. And [baby] cried. {"Waah! Waah!"|"Waaah!"|"Eeeh! Eeeh!"} {[h] covered [his] ears.|It was very loud.|[h] had never heard such a noise.||} {Everyone was busy with the baby.|Nobody had time for [h].|"Not now, [h]," the others said all day.} {[h] felt [sad].|[h] felt a bit left out.|[h] went and sat alone in a corner.||}
[day] [baby] cried and cried. {[h]'s [g] looked very tired.|Nobody knew what to do.|[h]'s [g] had tried everything.||} "{Let me try|I want to help|I have an idea}," said [h]. {[He] brought [his] [oa] [o] and waved it around.|First [h] fetched the [oa] [o] and held it up high.|[h] ran to get [his] [oa] [o].}{\n| | }But [baby] {cried even louder|only cried more|did not like the [o] one bit}. {Next [h] made a funny face. That did not work.|Then [h] jumped around. That did not help.|After that [h] did a silly dance. No, that was wrong too.} "{Babies need quiet things|A baby is still so new|Go slowly}," said [his] [g].{\n|\n| }{[h] thought about it.|[h] put down the [o] and took a deep breath.|So [h] sat down, very close to [baby].} Then [he] [what]. {Once, twice, three times.|For a long time nothing changed.|[He] did not stop, even when it took a while.||} {The crying got softer.|The waah became a wah, and the wah became a sigh.|[baby] gave a hiccup and looked up.} Then [baby] smiled for the very first time, and {it was a smile for [h]|[she] smiled at [h]|[sher] eyes were on [h]}.
"{You have a gift|You are a wonderful big [hsib]|Just look at that, [h]}," said [his] [g]. {[h] felt as tall as a tree.|[h] was [happy].|[h] grinned from ear to ear.||} "{When you are bigger, [baby], you may have my [o]|Someday I will show you my [o]|I can wait, [baby]. One day we will play with the [o]}," [h] whispered. Then [he] put the [o] {away for later|next to the baby|on the shelf}. {[moral]|From then on, [h] sat with [baby] every evening.|[baby] gave a tiny yawn, and [h] yawned too.|And soon [baby] fell asleep.}""",
        questions=[
            ("{Who came to live with [h]?|Who was new in [h]'s home?}", "A baby [sib] named [baby] came to live with [h]."),
            ("{What did [h] bring first?|What did [h] show the baby?}", "[h] brought [his] [oa] [o]."),
            ("{Did the [o] help?|Did [baby] like the [o]?}", "No, [baby] only cried more."),
            ("{How did [h] help [baby]?|What made [baby] stop crying?}", "[h] [what]."),
            ("{What did [baby] do in the end?|What did [baby] do for the first time?}", "[baby] smiled at [h] for the first time."),
        ],
        about="who got a baby [sib]",
        summary="[h]'s new baby [sib] cried a lot, until [h] [what] and [baby] smiled.",
    )


@plot("courage", heroes=("person", "role"))
def dentist(s):
    fit(s, without=BIG + GROWN + ("needle", "mirror", "toothbrush", "balloon", "crown", "candle", "chair"))
    s.set("doc", "Doctor {Plum|Bell|Reed|Finch|Hill|Stone|Brook|Marsh}")
    s.set("prize", "{a gold star|a red sticker|a new toothbrush|a new cup|a paper crown|a blue balloon}")
    return Story(
        text="""[open] {One tooth in [h]'s mouth hurt.|[h] had a sore tooth.|"Ow!" [h] said one morning. "My tooth!"} {It hurt when [he] ate [fruit].|It hurt when [he] bit into [fruit].|Even soft [fruit] made it hurt.||} "{We have to see the dentist|The dentist can help you|Let us go to the dentist}," said [his] [g].
[h] {shook [his] head|hid under a blanket|closed [his] mouth tight}. {"I will not go!" [h] said.|"It does not hurt anymore," [h] said, but that was not true.|"Maybe tomorrow," mumbled [h].} {[He] had heard that the dentist had big, loud tools.|Somebody had told [him] that the dentist was scary.|[He] thought of a long, sharp drill.||}{\n| | }{But the tooth hurt more and more.|But at lunch the tooth hurt so much that [h] cried.|But soon [h] could not even [hob].} So {in the end|at last} [h] {took|picked up|packed} [his] [oa] [o] and went. {With the [o] close by, [h] felt a bit braver.|"The [o] has to come too," said [h].|"If my [o] is with me, I can do it," [h] said.||}
In the waiting room sat [fintro]. [f] was {shaking like a leaf|very pale|even more scared than [h]}. "{Is it your first time|Are you afraid too|Do you have a sore tooth as well}?" [h] asked. [f] {nodded|whispered yes|could only nod}. {[h] thought for a moment.|[h] looked down at the [o].|It is odd, but now [h] felt a bit bigger.||} "{I will go first|Watch me|I can go in first}," said [h]. "{Then I will tell you how it was|After that, you will know what happens|You can hold my [o] while I am in there}."
The dentist was called [doc]. "{Open wide like a lion|Say aaah|Show me your teeth}," said [doc]. {[h] opened [his] mouth.|[h] shut [his] eyes and opened [his] mouth.|"Aaah," said [h].} {There was a tickle, a buzz and a splash of water.|It went buzz, and it tickled a little.|It buzzed like a bee, and it felt funny.} {[h] counted to [n]. Then it was over!|Before [h] could count to [n], it was done!|And after a count of [n], [doc] was done.} "{Is that all|Was that it|Are you finished}?" [h] asked. [doc] {laughed|nodded} and gave [him] [prize].{\n|\n| }[h] {ran|skipped|hurried} back to [f]. "{It only tickles|It is not so bad|You can do it}," said [h]. "{Hold my [o], and count to [n]|Take my [o] with you, and count slowly|Please look after my [o]}." {[f] went in, and soon [f] came back with a smile.|A little later, [f] came out and smiled.|[f] was brave as well.} {[moral]|[end]|That evening, [h] ate [fruit], and nothing hurt at all.}""",
        questions=[
            ("{Why did [h] go to the dentist?|What was wrong with [h]?}", "[h] had a sore tooth."),
            ("{What did [h] take along?|What did [h] take to the dentist?}", "[h] took [his] [oa] [o]."),
            ("{Who was in the waiting room?|Who else was scared?}", "[f] was in the waiting room and was scared too."),
            ("{What was the dentist called?|What was the name of the dentist?}", "The dentist was called [doc]."),
            ("{What did [h] get from [doc]?|What did the dentist give [h]?}", "[doc] gave [h] [prize]."),
            ("{Was it as bad as [h] thought?|Did it hurt a lot?}", "No, it was not so bad, and [h] was brave."),
        ],
        about="who had to go to the dentist",
        summary="[h] was afraid of the dentist, but [he] went first to help [f] and was brave.",
    )


@plot("friendship", heroes=("person", "animal"))
def moving_house(s):
    fit(s, without=BIG + GROWN + ("box", "whistle", "lamp", "scarf", "clock", "spoon", "boot", "sock", "book", "pot",
        "painting"), places=("park", "forest", "market", "river", "lake", "hill", "playground", "library", "meadow",
        "pond", "beach", "harbor", "orchard", "farm", "field", "bakery"))
    s.set("missing", "{the old apple tree|the creaky stairs|the round window|the sound of the old clock|the smell of the old kitchen|the small red door}")
    s.set("signal", "{waved @a [col] scarf|held up a lamp|drew a smile on the glass|knocked on the glass|blew a whistle|held up a sign}")
    return Story(
        text="""[open] {One spring, [h] had to move to a new house.|Then came the day when [h] had to move.|One day [his] [g] said, "We are going to live in a new house."} {Everything went into boxes.|They packed [n] big boxes.|The old house got more and more empty.} {[h] did not want to go.|[h] walked through all the rooms and said goodbye.|"I like it here," said [h].||} Most of all, [h] would miss [missing].{\n|\n| }The new house {was big and quiet|smelled of paint|had white walls and no pictures}. {Every step made an echo.|It did not feel like home.|Nothing was in the right place.||} {[h] looked for [his] [o], but it was still in some box.|"Where is my [o]?" [h] asked. Nobody knew which box it was in.|[h]'s [oa] [o] was lost among all the boxes.} {That night, [h] could not sleep.|[h] sat on a box and felt [sad].|[h] ate [his] supper without a word.} "{Give it time|A new house is like a new shoe. It must get soft first|Home is where we are together}," said [his] [g].
{The next morning|On the second day|After breakfast}, [h] {looked out of the window|pulled back the curtain|pressed [his] nose to the window}. Across the street there was another window, and in it was [fintro]. [f] [signal]. {[h] jumped back and hid. Then [he] peeked out again.|[h] did not know what to do. So [he] just smiled.|At first [h] was shy. Then [he] waved, just a little.} {[f] pointed at the door.|[f] made a funny face, and [h] had to laugh.|Then [f] was gone, and soon there was a knock at the door.}
A minute later, {they stood face to face|[f] stood at the door|both of them were in the hall}. "{Do you want to play|What is in all these boxes|Can I help}?" [f] asked. "{I have to find my [o]|My [o] is in one of the boxes|Help me look for my [o]}!" [h] said. {They opened box after box.|They crawled in and out of the boxes.|They turned the boxes into tunnels and towers.||}{\n| | }{There were pots, socks and books.|They found a clock, a spoon and one red boot.|They found everything else first.||} In the very last box was the [oa] [o]! {"Hooray!" [h] shouted.|"There you are!" [h] said.|[h] did a little dance.||}
{That afternoon, [f] showed [h] the way to the [p].|Then [f] took [h] to the [p].|Later they took the [o] to the [p].} {There they saw [see1], and [h] laughed.|They saw [see1] and [see2] there.|The [p] was [pa] and full of new things.} {In the evening, the house did not feel so big to [h] anymore.|When [h] came back, the house felt a bit more like home.|"I still miss the old house," said [h]. "But I like it here too." That was true.} {[moral]|That night, [h] fell asleep at once.|And every night, two friends waved from window to window.}""",
        questions=[
            ("{Where did [h] have to go?|Why was everything in boxes?}", "[h] had to move to a new house."),
            ("{What did [h] miss most?|What would [h] miss most of all?}", "[h] would miss [missing] most of all."),
            ("{Who was in the other window?|Who did [h] see across the street?}", "[h] saw [f] in the window across the street."),
            ("{What did [f] do at the window?|How did [f] say hello?}", "[f] [signal]."),
            ("{Where was the [o]?|Where did they find the [o]?}", "The [o] was in the very last box."),
            ("{Where did they go after that?|Where did [h] and [f] go in the afternoon?}", "They went to the [p]."),
        ],
        about="who moved to a new house",
        summary="[h] moved to a new house and felt lonely, until [f] came and helped [him] find the [o].",
    )


@plot("practice")
def mending(s):
    fit(s, things=("kite", "drum", "hat", "doll", "truck", "train", "umbrella", "lamp", "basket", "toy robot",
        "rocket", "clock", "lantern", "guitar", "violin", "box", "crown", "sword", "shield", "chair", "bucket",
        "scooter", "plane", "car", "radio", "puppet", "harp", "music box", "backpack", "broom", "machine", "mask",
        "book", "wagon", "swing", "sled"))
    first, second, third = s.rng.sample(["glue", "tape", "string", "a rubber band", "mud", "honey", "a ribbon"], 3)
    s["t1"], s["t2"] = first, second
    s.set("t3", "{a strong thread|a bit of wire|a small wooden peg|a strip of leather|a tiny screw|a patch of strong cloth}")
    return Story(
        text="""[open] {[h] had @a [oa] [o]. [He] took good care of it.|In [h]'s home there was @a [oa] [o].|[h] owned many things, but the [oa] [o] was the best.} [day] {there was a loud crack|something went snap|it slipped and fell}. The [o] was broken! {"Oh no, not my [o]!" [h] cried.|[h] stared at it with big eyes.|[h] was [sad].}
"{Throw it away|Just get a new one|That is the end of it}," said [x], @a [xkind] who was passing by. [h] shook [his] head. "{I do not want a new one|This is my [o], and I will mend it|It can be mended, I am sure}," said [h]. {[He] sat down and got to work.|And [he] went to look for tools.|[He] looked at the [o] from all sides.||}{\n|\n| }First, [h] tried [t1]. {It held for a moment. Then, plop, it came apart.|That looked good, but after a minute it fell apart.|It did not hold at all.} {"Hmm," said [h].|"Not like that," said [h].|[h] scratched [his] head.||} Next, [h] tried [t2]. {What a mess!|Now it was dirty, and it was still broken.|It came apart again. Clack!} {[h] stamped [his] foot.|[h] wanted to give up.|[h] took a deep breath and went for a walk.} {Just then|A little later|At that moment}, [f] came by. "{May I look|What are you doing|Why do you look so cross}?" [f] asked.
[h] showed [f] the [o]. {They looked at it together.|They turned it around and around.|[f] looked at it for a long time.||} "{Look, here is the weak spot|This corner has to be held very tight|It needs something strong, right here}," said [f]. {[h] ran to look in a drawer.|[h] searched in an old box.|They searched everywhere.}{\n| | }There [he] found [t3]. {[f] held the [o] still, and [h] worked slowly.|[h] worked, and [f] held both ends.|This time, [h] did not hurry.} {They held their breath.|[h] pulled at it, once, twice.|They counted to ten.||} It held!
The [o] {was as good as new|looked a little crooked, but it worked|was even stronger than before}. {"The third time did it!" [h] said.|"Thank you, [f]!" [h] shouted.|[h] and [f] cheered.||} {When [x] saw it, [xhis] mouth fell open.|[x] came back and looked at it from all sides.|[x] wanted to know how they did it.||} {[moral]|Then it was time to [ouse].|} {After that, everyone brought broken things to [h].|From then on, [h] could mend almost anything.|That evening, [h] went to bed proud and tired.|[h] kept the [o] for many, many years.}""",
        questions=[
            ("{What was broken?|What did [h] have to mend?}", "[h]'s [oa] [o] was broken."),
            ("{What did [h] try first?|What was the first thing [h] used?}", "First, [h] tried [t1]."),
            ("{What did [h] try next?|What was the second thing [h] tried?}", "Next, [h] tried [t2], but it did not work."),
            ("{Who helped [h]?|Who came by and helped?}", "[f] helped [h]."),
            ("{How did they mend the [o]?|What worked in the end?}", "They mended the [o] with [t3]."),
            ("{Did [h] throw the [o] away?|Did [h] get a new [o]?}", "No, [h] wanted to mend the [o]."),
        ],
        about="who mended [his] broken [o]",
        summary="[h]'s [o] was broken, but after two bad tries [h] and [f] mended it with [t3].",
    )


@plot("practice", heroes=("person", "role"))
def wheels(s):
    fit(s, things=("bike", "scooter", "skateboard"), without=("swing", "sled"),
        places=("park", "playground", "village", "town", "city", "harbor", "backyard", "farm", "market"))
    s["on"] = "climbed onto" if s["o"] == "bike" else "stood up on"
    s.set("into", "{a pile of leaves|a soft bush|a muddy puddle|the tall grass|a heap of hay|a sandy spot}")
    return Story(
        text="""[open] {For [his] birthday, [h] got @a [oa] [o].|[His] [g] gave [h] @a [oa] [o].|Last week, [h] found @a [oa] [o] in the shed.} {There was only one problem.|But there was a small problem.|It was beautiful, but oh dear!||} [h] did not know how to ride the [o].
[day] [h] took the [o] to the [p]. {"It cannot be so hard," [he] said.|"I will learn it in one minute," said [h].|[h] was sure that it would be easy.||} [He] [on] the [o], rolled a little way, and then it happened. {Crash|Bump|Plop}! [h] landed in [into]. {@A [a] looked up and blinked.|@A [a] was watching.|Nearby, @a [a] watched the whole thing.} {[h] got up and tried again. Bump!|"One more time," said [h]. Plop!|[h] did not cry. [He] brushed off the dirt and tried again. Crash!} {After an hour|Soon|Before long}, [h] had fallen [n] times.
{"I give up!" [h] shouted.|"I will never learn it," said [h].|[h] kicked a stone and sat down.} {Then [f] came along.|[f], @a [fkind], had seen it all.|Up came [fintro].} {"Do you know how often I fell?" [f] asked. "A hundred times!"|"I fell off for a whole week," said [f]. "Then I stopped looking down."|"You look at the ground," said [f]. "And so you go to the ground."}{\n| | }{Then [f] got up.|[f] looked at the [o] and nodded.|[f] held out the [o] to [h].} "{Look far ahead|Look at the other end of the [p]|Look where you want to go}, {and keep going|not at the ground|and do not stop}. I will run beside you."{\n|\n| }{[h] took a deep breath.|[h] wiped [his] nose and stood up.|"All right, I will try it," said [h].||} {[f] ran along and held on.|[f] ran beside [h] and called, "Look up! Look up!"|At first [f] held on tight.} {The [o] shook left and right, and then it was steady.|Left, right, left... and it worked!|There was a wobble, but [h] did not look down.} {"Do not let go!" [h] called. "I let go long ago!" [f] shouted.|Then [f] let go, and [h] did not even notice.|[f] could not keep up anymore and let go.} [h] was riding all alone!
[h] rode {all around the [p]|once around the [p], and then once more|from one end of the [p] to the other}. {Even the [a] seemed to cheer.|"Look at me!" [h] shouted.|The wind was in [his] face, and [he] laughed.||} {[moral]|"[n] times I fell, and then I could do it," said [h] proudly.|} {[end]|The next day, [f] and [h] went riding together.}""",
        questions=[
            ("{What did [h] want to learn?|What could [h] not do at first?}", "[h] wanted to learn to ride the [o]."),
            ("{Where did [h] practice?|Where did [h] try to ride?}", "[h] practiced [at]."),
            ("{How many times did [h] fall?|How often did [h] fall?}", "[h] fell {[n]|[num]} times."),
            ("{Where did [h] land?|What did [h] fall into?}", "[h] landed in [into]."),
            ("{Who helped [h]?|Who ran beside [h]?}", "[f] ran beside [h] and helped [him]."),
            ("{Did [h] learn it in the end?|How did it end?}", "Yes, in the end [h] could ride all alone."),
        ],
        about="who learned to ride @a [o]",
        summary="[h] fell [n] times [at], but [f] helped [him], and [he] learned to ride.",
    )


@plot("gratitude", heroes=("person", "animal", "role"))
def rainy_day(s):
    fit(s, without=BIG + GROWN + ("blanket", "train", "box", "umbrella", "coat", "pillow", "book"), places=("park",
        "beach", "zoo", "playground", "fair", "meadow", "lake", "circus", "hill", "pond", "forest", "farm", "garden"))
    s.set("boat", "{table|bed|couch|big box|bench|old chest}")
    s.set("ship", "{ship|train|castle|rocket|secret cave|submarine}")
    s.set("sea", "{blue blanket|green rug|old sheet|striped towel|big coat}")
    return Story(
        text="""[open] {For days, [h] had been looking forward to one thing.|[h] and [f] had a plan.|[h] had made a plan with [f], @a [fkind].} {They wanted to go to the [p] together.|They were going to spend the whole day [at].|Today [h] and [f] would go to the [p], and they would take the [o].} But when [h] woke up, {it was raining|rain was running down the window|drip, drop, drip, drop, it rained and rained}.
{"Stop it, rain!" [h] shouted at the sky.|"It is not fair!" [h] said.|"Maybe it will stop," said [h]. But it did not stop.||} {The rain only rained harder.|Drops as big as [fruit] fell down.|The street turned into a little river.||} {Soon [f] came in, dripping wet.|There was a knock. It was [f], as wet as a fish.|[f] came anyway, under a big [col] umbrella.} "{No [p] today|Our day is spoiled|Now we cannot go}," said [h], and felt [sad]. {They sat at the window and sighed.|For a while they just watched the drops.|They were both very quiet.||}
{Then [f] looked around the room.|Then they both looked at the [boat].|Suddenly [f] jumped up.} "{Who needs the sun? We have @a [boat]!|What if this is not @a [boat]?|Do you see that [boat]? It is much more than @a [boat]!}" [f] said. "{Right|Yes|Oh, yes}!" [h] cried. "The [boat] is our [ship]!" {They put the [sea] all around it.|They threw the [sea] over it.|[f] spread out the [sea] next to it.} {They needed the [oa] [o] too, and it went right on top.|The [oa] [o] became the most important part.|[h] brought the [oa] [o] and put it in front.} {The [o2a] [o2] came along as well.|"And the [o2]!" [f] said.|[f] found @a [o2] and took that along.||}
{"All aboard!" [h] called.|"Are you ready?" [f] asked. [h] was ready.|"Hold tight!" [f] cried.||} Off they went, [h] at the front and [f] behind the [o]. {They saw giants, and they saw whales. The [o] was their lookout.|They met a pirate, who was really a pillow. With the [o], they made him run.|They flew past the moon and landed on a cloud of pillows. The [o] showed them the way.} {When they were hungry, they ate [food] under the [sea].|At noon they shared some [food].|[h]'s [g] brought them some [food], and they ate it on board.} {They laughed until their tummies hurt.|They forgot all about the rain.|They did not hear the rain anymore.||}{\n|\n| }{In the evening, the rain stopped.|After a while, the sun came out.|Then a rainbow stood in the sky.} "{We can go out now|Look, it is dry outside|Now we can go to the [p]}," said [f]. [h] {laughed|shook [his] head|held on to the [o]}. "{Not yet! Our [ship] is still on its way|Tomorrow! First we have to save the [ship]|Oh no, it is much too nice in here}," said [h]. {[moral]|They played with the [o] until bedtime.|[h] patted the [o] and said, "Thank you, rain."|And that is how the worst day became the best day.}""",
        questions=[
            ("{Where did [h] want to go?|Where did [h] and [f] want to go?}", "They wanted to go to the [p]."),
            ("{Why could they not go?|Why did they stay inside?}", "They could not go because it rained."),
            ("{What did they turn the [boat] into?|What was the [boat] in their game?}", "The [boat] was their [ship]."),
            ("{Who came to visit [h]?|Who played with [h]?}", "[f] came and played with [h]."),
            ("{Did [h] want to go out when the rain stopped?|Was [h] still sad when the rain stopped?}",
             "No, [h] wanted to go on with the game."),
        ],
        about="who wanted to go to the [p], but it rained",
        summary="It rained, so [h] and [f] could not go to the [p], but they played inside and had a wonderful day.",
    )


@plot("listening")
def too_much_salt(s):
    fit(s, animals=LARGE_ANIMALS + ("frog", "turtle", "bat", "duckling"))
    s.set("who", "{the whole street|all the neighbors|[his] [g] and [f]|a big party|three hungry guests}")
    s.set("count", "{once|with care|twice|slowly}")
    return Story(
        text="""[open] [day] [h] wanted to {make|cook} [food] for [who], all by [himself]. "{Listen to one thing|Let me tell you something first|One small thing}," said [his] [g]. "{Only a pinch of salt|Put in just one pinch of salt|Take one pinch of salt, no more}." But [h] was {already humming|already busy|already in the kitchen}. {"Yes, yes," said [h].|"I know, I know," said [h].|[He] did not really listen.}{\n|\n| }{[h] put on an apron.|[h] got out the biggest bowl.|[h] found a long spoon.||} {[He] mixed and stirred.|Stir, stir, stir! What fun!|[He] stirred so fast that it splashed.||} "{Now for the salt|And now some salt|Salt comes last}," said [h]. "{A pinch? That is so little. I will take a cup|More must be better|I think it was a full cup}." And in went a whole cup of salt! {@A [a] sat on the window sill and watched.|@A [a] looked in at the window.|Outside the window, @a [a] tilted its head.}
{The first one to try it was [f].|Then [f] came by, because it smelled so nice.|[f], @a [fkind], was allowed to taste first.} [f] took one {bite|big bite|little bite}. {[fHis] eyes got big.|[fHis] face went red.|[f] made a very strange face.||} "{Water|Quick, water|Help, water}!" [f] cried, and drank [n] cups of water. {[h] tasted it too. "Ugh!"|[h] took a bite and spat it out. "Bah!"|"Is it that bad?" [h] asked. [He] tasted it. It was!} {Even the [a] did not want any.|[h] gave the [a] a bit, and it hurried away.|Not even the [a] would touch it.||}
[h] {hung [his] head|went red|sat down on the floor}. "{I did not listen|It is my fault|I was too quick}," [he] said to [his] [g]. "{How was it with the salt|Please tell me again about the salt|Will you tell me one more time}?" {[His] [g] did not scold.|[His] [g] smiled.|[His] [g] sat down next to [him].} "One pinch," said [his] [g], and showed [h] how much that was. {It was so little that it fit on one fingertip.|It was hardly more than a few grains.|It was just a tiny bit.||} {"Is that all?" [h] asked.|"That is tiny!" [h] said.|}
So [h] started again. {This time, [he] listened to every word.|This time, [he] asked before each step.|[He] did everything slowly.||} Mix, stir, and one pinch of salt. [h] checked it [count].{\n| | }{Soon a lovely smell filled the air.|What a smell!|It smelled so good that everyone came running.||} {[f] tried a very small bite. Then [f] wanted more!|"May I?" [f] asked. And then [f] asked for more.|[f] ate two big helpings.} {[h] was [happy].|[h] beamed.|[h] glowed with pride.||} {[moral]|And there was not one crumb left.|That evening, everyone went to bed full and happy.|Since then, [h] has always listened first.}""",
        questions=[
            ("{What did [h] want to make?|What did [h] cook?}", "[h] wanted to make [food]."),
            ("{Who was the food for?|Who did [h] cook for?}", "[h] cooked for [who]."),
            ("{How much salt did [h] put in the first time?|What went wrong?}", "[h] put in a whole cup of salt."),
            ("{How much salt was right?|How much salt should [h] have used?}", "Only one pinch of salt was right."),
            ("{How many cups of water did [f] drink?|How much water did [f] drink?}", "[f] drank {[n]|[num]} cups of water."),
            ("{Why was the food so bad at first?|Why did [f] need water?}", "[h] did not listen and used too much salt."),
        ],
        about="who put too much salt into [his] cooking",
        summary="[h] did not listen and put a cup of salt into the food, but then [he] tried again and used just one pinch.",
    )


@plot("gratitude")
def forgotten_birthday(s):
    fit(s, without=BIG + GROWN + ("ribbon", "candle", "coat"), places=("park", "beach", "garden", "meadow", "hill",
        "lake", "river", "barn", "orchard", "backyard", "playground", "pond", "field", "forest", "farm"))
    s.set("sign", "{a trail of ribbons|a row of paper arrows|a line of colored stones|a trail of flower petals|a row of chalk marks|a line of little flags|a long string of yarn}")
    s.set("cake", "{carrot cake|honey cake|berry cake|nut cake|lemon cake|pumpkin cake}")
    return Story(
        text="""[open] {Today was [h]'s birthday.|It was [h]'s birthday at last.|[h] jumped out of bed. It was [his] birthday!} {[He] waited for a song.|[He] waited for somebody to say, "Happy birthday!"|[He] looked around for a cake.||} But {nobody said anything|there was no song and no cake|it was just like any other day}.
{[h] went to [his] [g]. "Do you know what day it is?" [h] asked. "{It is a good day to sweep|A busy one|Oh, just a normal day}," said [his] [g], and hurried off.|[h] met [his] [g] outside. "Good morning!" [h] said. But [his] [g] only waved and hurried off.} {Then [h] met [f].|Next, [h] went to see [f].|On the path, [h] saw [f].} {[f] hid something behind [fhis] back.|[f] looked very busy.|[f] was carrying a big bag.||} "{Sorry, I have no time|I must run|Not now, [h]}!" [f] said, and was gone. {Even [his] friend [x] ran past without a word.|[his] friend [x] did not stop either.|[his] friend [x] just said hello and walked on.}{\n|\n| }"{They all forgot my birthday|Nobody thinks of me|Nobody knows that it is my birthday}," thought [h]. {[He] sat down on a stone and felt [sad].|A big tear ran down [his] nose.|[He] felt as small as an ant.} {@A [a] came close and sat beside [him].|@A [aa] [a] came up and looked at [him].|Only @a [aa] [a] stayed with [him].} {"At least you are here," said [h].|"Do you want to share my birthday?" [h] asked it.|[h] told the [a] all about it.||} {Then the [a] hopped a little way and looked back.|The [a] moved off a little and waited.|Then the [a] turned, as if to say, "Come!"} And there, on the ground, [h] saw [sign].
{"Where does that go?" [h] wondered.|"How strange!" [h] said.|[h] wiped [his] eyes and got up.||} [He] followed it {around a corner and over a bridge|up a hill and down again|past a fence and through some bushes}, all the way to the [p]. {It was very quiet there.|Nobody was to be seen.|[He] could hear somebody giggle.||} {Then, all at once...|And then...|One, two, three...} "Surprise!" {Out jumped [f], and [x], and [his] [g]!|There they all were: [f], [x] and [his] [g]!|[f] and [x] and [his] [g] came running from all sides!}
{"Did you think we forgot?" [f] asked.|"We had to keep it a secret," said [f].|"It was so hard not to tell you!" [f] said.||} There was @a [cake] with [n] candles on it, and a present too. {[h] pulled off the paper.|[h] opened it right away.|[h] shook it first. Then [he] opened it.||} It was @a [oa] [o]!{\n| | }{Soon everyone wanted to see the [o].|[h] did not let go of the [o] all day.|The [o] had a big [col] bow on it.} {"Just what I wanted!" [h] cried.|"Thank you, thank you!" [h] said.|[h] hugged everybody, one after the other.||} {The [a] got a big piece of cake.|Even the [a] got some cake.|} {[moral]|[end]|It was the best birthday of all.}""",
        questions=[
            ("{Why was [h] sad?|What did [h] think?}", "[h] thought that everyone had forgotten [his] birthday."),
            ("{What did [h] see on the ground?|What did [h] follow?}", "[h] followed [sign]."),
            ("{Where was the party?|Where did [h] find [his] friends?}", "The party was [at]."),
            ("{What did [h] get?|What was the present?}", "[h] got @a [oa] [o]."),
            ("{How many candles were on the cake?|How many candles did [h] have?}", "There were {[n]|[num]} candles on the cake."),
            ("{Did everyone forget the birthday?|Did [f] forget the birthday?}", "No, they planned a surprise party for [h]."),
        ],
        about="who thought that everyone forgot [his] birthday",
        summary="[h] thought that everyone forgot [his] birthday, but they had a surprise party for [him] [at].",
    )


@plot("curiosity", heroes=("person", "animal", "role"))
def night_noise(s):
    fit(s, without=BIG + GROWN + ("lamp", "candle", "lantern", "blanket", "pillow", "letter", "needle", "ribbon",
        "balloon"), animals=LARGE_ANIMALS + ("turtle", "snail", "butterfly"))
    noise, did = s.pick([
        ("tap, tap, tap", "tapped against"), ("scratch, scratch, scratch", "scratched at"),
        ("bump, bump, bump", "bumped against"),
        ("thump, thump, thump", "jumped up and down on"), ("rattle, rattle, rattle", "shook"),
        ("squeak, squeak, squeak", "pulled at"),
    ])
    s["noise"], s["did"] = noise, did
    s["noise1"] = noise.split(",")[0]
    s.set("light", "{lamp|candle|lantern|flashlight}")
    s.set("room", "{kitchen|hall|attic|cellar|shed|pantry}")
    guesses = ("monster", "ghost", "giant", "wolf", "troll", "bear", "pirate")
    s["guess"] = s.pick([g for g in guesses if g not in (s["kind"], s["fkind"])])
    return Story(
        text="""[open] {It was late, and [h] lay in bed.|One night, [h] could not fall asleep.|The moon was up, and [h] was already under the blanket.} {It was dark and still.|The whole house was asleep.|Everything was quiet.||} Then came a sound. [noise]! {[h] sat up.|[h] opened [his] eyes wide.|[h] pulled the blanket up to [his] nose.}
"What is that?" [h] whispered. [noise]! {"It must be @a [guess]!"|"Maybe it is @a [guess]."|"Only @a [guess] makes such a noise."} {[h] hid under the pillow.|[h] counted to [n] and hoped it would stop.|[h] lay as still as a stone.} But it did not stop. [noise]! {The longer [h] listened, the more [he] wondered.|[h] was scared, but [he] was also curious.|After a while, [h] was more curious than scared.} "{But does @a [guess] go [noise1]? I am not sure|Maybe it is not @a [guess] at all|But what is it really? That is the question}," [he] said to [himself]. "{I want to know|I have to find out|I will go and look}."
[h] {took|picked up|lit} a small [light] and tiptoed {to the door|along the wall|on bare feet} {to wake [his] friend [f], who was staying for the night|to [his] friend [f], who was sleeping over|to wake [f], the [fkind] who was staying for the night}. "{Come with me|Wake up, [f]|I hear something}," [he] said. "{A noise? I hear it too|Ooh, let us look|I am coming}," said [f] {with a yawn|sleepily|in a small voice}. {Step by step, they went on.|They held on to each other.|One board creaked, and they both jumped.||} The noise came from the [room]. {[h] pushed the door open.|Slowly, very slowly, the door opened.|[h] put one ear to the door. Then [he] opened it.||} {The light fell on the floor.|[h] held up the [light].|[f] held [fhis] breath.||}{\n|\n| }And there, in the middle of the [room], sat @a [aa] [a]! It [did] the [oa] [o]. [noise]! {"That is no [guess]," said [h], and began to laugh.|[h] laughed out loud. "So you are the [guess]!"|"Hello, little [guess]," said [h] with a smile.} {The [a] stopped and looked at them.|The [a] was just as surprised as they were.|The [a] blinked in the light.||} {"I think it wants to go out," said [f].|"It must have come in to get warm," said [f].|"Maybe it is hungry," said [f].||}
{[h] gave the [a] some crumbs and opened the window.|They opened the door, and the [a] went out into the night.|[h] opened the window, and out it went.} [h] {took the [o] and put it away|put the [o] back on the shelf|carried the [o] back to bed}. {"Now I know," [he] said happily.|"If we had not looked, I would still be scared," said [h].|"Good night, [f]," said [h]. "Good night, little [guess]!" [f] called.} {[moral]|Then they slept until morning.|And that night, there was no more noise.|[h] was never afraid of that noise again.}""",
        questions=[
            ("{What did [h] hear?|What was the noise like?}", "[h] heard a noise that went [noise]."),
            ("{What did [h] think it was?|What was [h] afraid of?}", "[h] thought it was @a [guess]."),
            ("{Who went with [h]?|Who did [h] wake up?}", "[f] went with [h]."),
            ("{Where did the noise come from?|Where was the noise?}", "The noise came from the [room]."),
            ("{Who made the noise?|What was it really?}", "It was @a [aa] [a] with the [o]."),
            ("{Was there really @a [guess]?|Did they find @a [guess]?}", "No, it was only @a [aa] [a]."),
        ],
        about="who heard a noise at night",
        summary="[h] heard a strange noise at night, and [he] and [f] found @a [a] with the [o] in the [room].",
    )
