"""Small talk that is made from word lists: what cannot be known, what the user told, and word games."""
import words
from grammar import article, expand
from talk_list import TALK

split = words.split

# What a sentence about something unknown can end with.
OFFER = "{|||| Shall I tell you a story instead?| But I can tell you a story.| Would you like a story or a joke instead?| Ask me something simple, or ask for a story.| I am better at stories.}"

# ---- What cannot be known ----------------------------------------------------------------------------------------
CITIES = split("""London, Paris, Berlin, Rome, Madrid, New York, Tokyo, Sydney, Chicago, Boston, Cairo, Nairobi, Lagos, Mumbai, Delhi, Beijing,
Seoul, Toronto, Dublin, Vienna, Oslo, Helsinki, Lisbon, Athens, Warsaw, Prague, Zurich, Hamburg, Munich, Amsterdam, Brussels, Moscow,
Istanbul, Lima, Bogota, Denver, Seattle, Dallas, Miami, Kyoto, Manila, Jakarta, Hanoi, Accra, Tunis, Leeds, Glasgow, Lyon, Milan, Naples""")
COUNTRIES = split("""France, Germany, Italy, Spain, Japan, China, India, Brazil, Mexico, Canada, Egypt, Kenya, Ghana, Poland, Sweden, Norway,
Turkey, Greece, Portugal, Ireland, Peru, Chile, Argentina, Austria, Hungary, Finland, Denmark, Vietnam, Thailand, Morocco""")
LAST_NAMES = split("""Miller, Baker, Carter, Weber, Rossi, Novak, Silva, Garcia, Dubois, Larsen, Kowalski, Tanaka, Singh, Okafor, Mensah, Ivanov,
Schmidt, Moreau, Jensen, Virtanen, Brown, Green, Walker, Turner, Hughes, Murphy, Kelly, Bennett, Foster, Grant, Hayes, Porter, Reed, Stone,
Wallace, Young, Kaya, Haddad, Cohen, Nguyen, Park, Suzuki, Khan, Gupta, Costa, Lopez, Marino, Horvat, Popescu, Lindgren""")
FAMOUS = split("""the president of [c], the prime minister of [c], the richest man in the world, the best singer in [c], the most famous actor in [c],
the mayor of [city], the head of the United Nations, the king of Spain, the best chess player in the world, the fastest runner in [c],
the most famous painter in [c], the boss of the biggest bank in [c], the tallest person in [city], the winner of the last song contest,
the new teacher at my school, the owner of the shop next door, the captain of our team, the man on the radio""")
TEAMS = split("""the Tigers, the Red Sox, the Lakers, the Bulls, Arsenal, Liverpool, Chelsea, Real Madrid, Barcelona, Juventus, Bayern Munich, Ajax,
the Yankees, the Eagles, the Bears, the Giants, Brazil, Germany, France, England, Argentina, Spain, Italy, Japan""")
SPORTS = split("soccer, football, basketball, baseball, tennis, hockey, volleyball, golf, cricket, rugby, handball, chess, swimming, cycling, boxing")
GOODS = split("""a loaf of bread, a bicycle, a new car, a train ticket, a flight to [city], a house, a laptop, a phone, a liter of milk, a gold ring,
a pound of apples, a cinema ticket, a guitar, a football, a hotel room in [city], a pair of shoes, a kilo of rice, a cup of coffee, a dog, a horse,
a ticket to the zoo, a bus ticket in [city], one share of a big company, an ounce of gold, a piano, a tent, a backpack, a camera, a watch, a taxi in [city]""")
LANGUAGES = split("""French, Spanish, German, Italian, Portuguese, Dutch, Polish, Russian, Arabic, Turkish, Hindi, Chinese, Japanese, Korean, Greek,
Swedish, Norwegian, Danish, Finnish, Czech, Hungarian, Hebrew, Swahili, Vietnamese, Thai, Latin, Ukrainian, Romanian""")
TO_TRANSLATE = split("""good morning, thank you, I love you, where is the station, cat, dog, house, water, happy birthday, good night, friend, bread, the sun
is shining, how are you, my name is Tom, see you soon, apple, school, I am hungry, moon, butterfly, please, goodbye, table, window, tree""")
FOREIGN = ["Hola, ¿cómo estás?", "Bonjour, comment ça va ?", "Wie geht es dir?", "Ciao, come stai?", "Olá, tudo bem?", "Hoe gaat het met je?", "Jak się masz?",
           "¿Qué hora es?", "Comment tu t'appelles ?", "Wie heißt du?", "Come ti chiami?", "¿Dónde vives?", "Erzähl mir eine Geschichte.", "Cuéntame un cuento.",
           "Raconte-moi une histoire.", "Raccontami una storia.", "Conte-me uma história.", "Guten Morgen!", "Buenos días", "Bonne nuit", "Buongiorno", "Wie alt bist du?",
           "¿Cuántos años tienes?", "Quel âge as-tu ?", "Merci beaucoup", "Muchas gracias", "Vielen Dank", "Grazie mille", "Merhaba, nasılsın?", "Hur mår du?",
           "Hvordan har du det?", "Mitä kuuluu?", "Habari yako?", "Sprichst du Deutsch?", "¿Hablas español?", "Parlez-vous français ?"]
CODE_LANGUAGES = split("Python, Rust, Java, C, Go, JavaScript, SQL, HTML, Ruby, Swift, Kotlin, Bash, PHP, Perl, Haskell, Lua")
CODE_TASKS = split("""sorts a list, adds two numbers, reads a file, prints hello, counts words, downloads a page, reverses a string, finds prime numbers,
sends an email, plays tic-tac-toe, parses JSON, draws a circle, makes a website, saves a table, checks a password, renames files, opens a window""")
HARD_TOPICS = split("""quantum physics, string theory, general relativity, black hole radiation, organic chemistry, linear algebra, differential equations,
the theory of evolution, the stock market, inflation, tax law, cryptography, genetics, protein folding, dark matter, nuclear fusion,
thermodynamics, the Roman senate, the causes of the First World War, the philosophy of Kant, Marxism, game theory, topology, statistics, calculus,
superconductors, neural networks, blockchains, semiconductor design, macroeconomics, the human immune system, electromagnetism, number theory,
plate tectonics, medieval trade, the history of Byzantium, existentialism, molecular biology, compiler design, rocket engines""")
ILLS = split("""a fever, a headache, a stomach ache, a rash, a sore throat, a cough, chest pain, a toothache, an earache, a broken arm, a burn, a deep cut,
back pain, a swollen foot, a red eye, a bee sting, a dizzy head, an allergy, asthma, a bad knee""")
DRUGS = split("aspirin, this medicine, these pills, cough syrup, vitamin D, a sleeping pill, an antibiotic, eye drops, painkillers, this cream")
LAWS = split("""my rent, my neighbor, a contract, a parking ticket, my taxes, my job, a divorce, my passport, a stolen bike, my landlord, an accident,
a debt, my will, a fence, a visa, a fine, my insurance, a broken phone that I bought""")
RELATIVES = split("""brother, sister, mother, father, mom, dad, grandmother, grandfather, grandma, grandpa, aunt, uncle, cousin, best friend, teacher, neighbor,
boss, doctor, dog, cat, hamster, parrot, rabbit, pony, husband, wife, son, daughter, baby, roommate""")
PEOPLE = [r for r in RELATIVES if r not in ("dog", "cat", "hamster", "parrot", "rabbit", "pony")]
MY_THINGS = split("""keys, glasses, phone, wallet, red sock, school bag, umbrella, hat, bike, book, left shoe, ring, watch, lunch box, scarf, ticket, ball, teddy bear,
passport, pencil case, gloves, camera, guitar, jacket""")
MY_FACTS = split("""phone number, address, password, birthday, shoe size, middle name, last name, eye color, hair color, school, job, favorite song, favorite book,
favorite movie, favorite teacher, bank account number, street, room number, email address, blood type, height, weight, star sign, hometown""")
TOPICS = split("""the election, politics, the government, taxes, war, religion, the president, the new law, immigration, guns, the king, the mayor, nuclear power,
the death penalty, the border, the strike, the police, the party in power, the minister""")
MONTHS = split("January, February, March, April, May, June, July, August, September, October, November, December")
WEEKDAYS = split("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")
SITES = split("cats, news, shop, music, recipes, maps, photos, weather, games, sports, books, garden, travel, school, science")
FILES = split("photo.jpg, picture.png, letter.pdf, song.mp3, movie.mp4, table.csv, notes.docx, homework.pdf, holiday.jpg, map.png, voice.wav, report.xlsx")
SHOPS = split("pharmacy, bakery, supermarket, bank, post office, gas station, hospital, library, restaurant, toy shop, bus stop, train station, hotel, cinema, park")
TITLE_A = split("Silver, Lost, Golden, Silent, Last, Broken, Hidden, Crimson, Frozen, Wild, Distant, Burning, Secret, Empty, Endless")
TITLE_B = split("Road, Kingdom, Letters, River, Garden, Summer, Promise, Harbor, Station, Mirror, Winter, Island, Song, Bridge, Hour")
DEVICES = split("the light, the radio, the TV, the heating, the music, the oven, the lamp, the fan, the alarm, the computer")
ERRANDS = split("""call my mom, send an email to [p], set an alarm for [h], order a pizza, book a flight to [city], play some music, take a photo, open the door,
wash the dishes, pay my bill, buy a ticket to [city], call a taxi, remind me at [h], set a timer, post a letter, water my plants, walk my dog,
download a file, start the car, print this page, read my mail, send a message to [p], clean my room, cook dinner, feed my cat, make a phone call""")
FIELDS = split("music, sports, painting, cooking, dancing, chess, science, acting, poetry, gardening, sailing, singing")

DO_NOT_KNOW = "{I am sorry, but I do not know|I do not know|I am afraid that I do not know|Sorry, I do not know|I really do not know}"
CANNOT = "{I am sorry, but I cannot|I cannot|I am afraid that I cannot|Sorry, I cannot|I am a small model and cannot}"

# (how often, question, answer) of what it cannot know or do.
UNKNOWN = [
    (3, "{What is in the news today?|What is the latest news?|What happened in [city] today?|What happened in [c] yesterday?|Is there any news from [c]?|What does the newspaper say about [c]?|Tell me the news from [city].|Who is in the news right now?|What is going on in [c] right now?}",
     "{I cannot read the news, so I do not know.|[dnk]. I cannot look at the news.|I do not know what is new in the world, because I cannot look at the internet.}[offer]"),
    (2, "{What day is it today?|What is the date today?|What time is it?|What time is it in [city]?|Is today a [weekday]?|What year is it?|Which month is it?|Is it [month] already?|How many days are there until [month]?|What day was yesterday?|What day will it be tomorrow?|Is it morning or evening where you are?}",
     "{I cannot see a clock or a calendar, so I do not know.|[dnk]. Please look at a clock or a calendar.|I do not know the date or the time, because I am a program without a clock.}"),
    (3, "{What is the weather like in [city]?|Will it rain in [city] {today|tomorrow|on [weekday]}?|Is it cold in [city] today?|How warm is it in [city]?|Will it snow in [city] this {week|weekend}?|Is it sunny in [city]?|Is it windy in [city] right now?}",
     "{I do not know the weather in [city].|I cannot look outside, so I do not know the weather in [city].|[dnk] what the weather is like in [city]. A weather report will tell you.}[offer]"),
    (1, "{What is the weather today?|Will it rain {today|tomorrow|on [weekday]}?|Do I need an umbrella {today|tomorrow}?|Is it raining?|How is the weather?|Will it be warm on [weekday]?|Is the sun shining right now?}",
     "{I do not know, because I cannot see the sky. Please look out of the window!|I cannot look outside, so I do not know the weather.|[dnk]. What does the sky look like where you are?}"),
    (3, "{How much is [good]?|How much does [good] cost?|What does [good] cost?|What is the price of [good]?|Is [good] expensive?|How much do I have to pay for [good]?}",
     "{I do not know how much [good] costs.|[dnk] the price of [good].|I cannot look up prices, so I do not know what [good] costs. A shop can tell you.}[offer]"),
    (3, "{Who is [famous]?|How old is [famous]?|Where does [famous] live?|What is the name of [famous]?|Is [famous] married?|What did [famous] say {yesterday|today|last week}?|What does [famous] look like?|How rich is [famous]?|Is [famous] nice?}",
     "{I do not know anything about [famous].|[dnk]. I know very little about real people.|I am a small model, and I do not know much about [famous].}[offer]"),
    (3, "{Who is [p]?|Do you know [p]?|Have you met [p]?|What do you know about [p]?|Where does [p] live?|How old is [p]?|What does [p] do?|Is [p] famous?|When was [p] born?|Is [p] nice?|What is [p] like?|What did [p] say to you?|What is [p] doing right now?}",
     "{I do not know [p].|I am sorry, I do not know who [p] is.|I do not know anybody named [p]. Can you tell me about [p]?|I have not met [p], so I do not know.|[dnk] [p]. Who is that?}"),
    (1, "{What is [p] famous for?|Is [p] good at [field]?|Did [p] win a prize for [field]?|When did [p] start with [field]?|Who taught [p] [field]?}",
     "{I do not know [p].|[dnk] anything about [p].|I am a small model and do not know [p].}[offer]"),
    (3, "{Who won the {[sport] match|[sport] game} {yesterday|last night|on [weekday]}?|What was the score of [team]?|Did [team] win {yesterday|last night|on [weekday]}?|Who is the best player of [team]?|Who will win the [sport] cup?|When is the next game of [team]?|How did [team] play?|Who is the coach of [team]?|Which team is the best in [sport]?|Who won the [sport] cup in {1987|1994|2003|2011|2016|2022}?}",
     "{I do not know. I cannot watch sports.|[dnk]. I cannot look up sports results.|I cannot look at sports news, so I do not know.}[offer]"),
    (3, "{Write a program in [code] that [task].|Can you write [code] code that [task]?|Write a [code] function that [task].|How do I write a program in [code] that [task]?|Fix my [code] code.|Why does my [code] program not work?|Explain this [code] code to me.|What is wrong with this line of [code]?|Teach me [code].|How do I install [code]?}",
     "{I cannot write code. I am a small model for stories.|I am sorry, [code] is too hard for me. I cannot write code.|[cannot] help with [code]. I only know simple things.}[offer]"),
    (3, "{How do you say {[word]|\"[word]\"} in [lang]?|Translate {[word]|\"[word]\"} into [lang].|What is {[word]|\"[word]\"} in [lang]?|Can you translate {[word]|\"[word]\"} into [lang]?|How would you say {[word]|\"[word]\"} in [lang]?|I need to say {[word]|\"[word]\"} in [lang].}",
     "{I only know English, so I cannot say it in [lang].|I cannot translate into [lang], I am sorry.|[cannot] translate. I only speak English, not [lang].|I do not know any [lang]. I only speak English.}[offer]"),
    (1, "{Do you speak [lang]?|Can you speak [lang]?|Say something in [lang].|Tell me a story in [lang].|Can we talk in [lang]?|Teach me some [lang].|Write a letter in [lang].}",
     "{I cannot speak [lang]. I only know English.|I am sorry, I do not know [lang]. I only speak English.|No, [lang] is too hard for me. English is all I know.}[offer]"),
    (1, "[foreign]", "{I am sorry, I cannot understand that. I only know English.|I only speak English, so I do not know what that means.|I am a small model, and I know only English. Can you say it in English?}"),
    (4, "{Explain [hard].|Explain [hard] to me.|How does [hard] work?|Tell me all about [hard].|What is the most important idea in [hard]?|Can you teach me [hard]?|I have a question about [hard].|Help me with my paper about [hard].|What do experts say about [hard]?|Write an essay about [hard].|Give me three facts about [hard].}",
     "{I am a small model, and that is too hard for me.|I do not know enough about [hard].|Questions about [hard] are too hard for me. I only know simple things.|[cannot] explain [hard]. Maybe you can ask a teacher.|I am sorry, I know nothing about [hard]. It is too hard for a small model.}[offer]"),
    (3, "{I have [ill]. What should I do?|What helps against [ill]?|Is [ill] dangerous?|How do I treat [ill]?|My [rel] has [ill]. What can I do?|My child has [ill]. Is that bad?|I think that I have [ill]. What does it mean?|Should I see a doctor because of [ill]?}",
     "{I am sorry! I am only a small model, so please ask a doctor.|I am not able to help with [ill]. Please ask a doctor or a grown-up.|I do not know what is best for [ill]. Please tell a grown-up, and ask a doctor.|I hope that it gets better soon. I cannot give advice about health, so please ask a doctor.}"),
    (2, "{Can I take [drug]?|How much [drug] can I take?|Is it safe to take [drug]?|What is [drug] for?|Can my [person] take [drug]?|May I give [drug] to a child?|Does [drug] help against [ill]?|Can I take [drug] with milk?}",
     "{I do not know. Please ask a doctor before you take anything.|I cannot say anything about [drug]. Please ask a doctor or a pharmacist.|I am not able to help with medicine. Please ask a grown-up or a doctor.}"),
    (2, "{Can I eat this {mushroom|berry|plant|leaf}?|Is this {mushroom|berry|plant|spider|snake} dangerous?|Can I touch this {wire|snake|plant|spider|socket}?|I found a {knife|bottle of pills|box of matches|strange bottle|loose wire}. What should I do?|Can I drink this {bottle of cleaner|old milk|river water}?|How do I {make fireworks|pick a lock|climb on the roof|light a big fire|drive a car}?|Can I {swim in the river|walk on the ice|play on the tracks|jump from the roof} alone?}",
     "{That can be dangerous. I cannot help with it, so please ask a grown-up.|I am not sure, and it can be dangerous. Please ask a grown-up first.|Please be careful and ask a grown-up. I do not know if it is safe.}"),
    (2, "{I have a question about [law]. Can you help?|What are my rights about [law]?|What does the law say about [law]?|Do I need a lawyer because of [law]?|I have trouble with [law]. What can I do?|Can I go to court because of [law]?}",
     "{I do not know the law. Please ask a lawyer about that.|I am not able to give advice about the law. You could ask a lawyer.|Questions about the law are too hard for me. Please ask a lawyer.}"),
    (1, "{Should I buy {gold|shares|a house|a new car|bitcoin}?|How can I get rich?|Where should I put my money?|How much money should I save?|Will the price of {gold|oil|houses|bread|bitcoin} go up?|Is it a good time to buy {gold|a house|shares}?}",
     "{I do not know much about money. Please ask a person who does.|Money questions are too hard for me, I am sorry.|I am a small model and cannot help with money.}[offer]"),
    (2, "{Open www.[site].com.|Look at https://[site].org, please.|What is on www.[site].com?|Read this page: https://www.[site].net|Can you open this link: https://[site].com|Summarize www.[site].org for me.|What does https://[site].com/[site2] say?}",
     "{I cannot open links or look at the internet.|[cannot] open that page. I can only read what you write here.|I am sorry, I do not know what is on that page. I cannot look at the internet.}"),
    (2, "{What is in [file]?|Open [file].|Can you read [file]?|Look at [file].|What do you see in this picture?|Here is [file]. What do you think?|Can you see my photo?|Send me [file].|What is on this photo?|Make a picture of @a {cat|dog|house|tree|ship|castle}.}",
     "{I cannot see pictures or open files. I can only read the words that you write.|[cannot] do that, because I only work with words.|I am not able to look at files or pictures. Can you tell me what is in it?}"),
]
UNKNOWN += [
    (3, "{What is my [rel]'s name?|What is the name of my [rel]?|What is my [rel] called?|Do you know my [rel]'s name?|Can you guess my [rel]'s name?}",
     "{You did not tell me your [rel]'s name.|I do not know your [rel]'s name. What is it?|I do not know the name of your [rel], because you did not tell me.}"),
    (2, "{How old is my [rel]?|Where is my [rel]?|What is my [rel] doing right now?|What does my [rel] like?|How is my [rel]?|Is my [rel] at home?|When will my [rel] come home?|Is my [rel] nice?|What does my [rel] look like?}",
     "{I do not know your [rel]. Please tell me about your [rel]!|You did not tell me anything about your [rel].|I have not met your [rel], so I do not know.}"),
    (2, "{Where does my [person] work?|What does my [person] do?|When is my [person]'s birthday?|What should I say to my [person]?|Does my [person] like me?|Why is my [person] angry?}",
     "{I do not know your [person], so I cannot say.|I cannot know that. You did not tell me about your [person].|I am not sure. Maybe you can ask a person who knows your [person] well.}"),
    (2, "{Where did I put my [thing]?|Have you seen my [thing]?|Who took my [thing]?|Can you find my [thing]?|Do you know where I left my [thing]?|Did you take my [thing]?}",
     "{I cannot see your [thing], so I do not know.|I am sorry, I do not know where you left your [thing]. Look in your bag and under the bed!|[dnk]. Where did you have your [thing] last?}"),
    (3, "{What is my [fact]?|Do you know my [fact]?|Tell me my [fact].|Can you tell me my [fact]?|Guess my [fact].}",
     "{You did not tell me your [fact].|I do not know your [fact].|I cannot know your [fact], because you did not tell me.}"),
    (3, "{What is my name?|Do you know my name?|Who am I?|What am I called?}",
     "{You did not tell me your name yet. What is your name?|I do not know your name. Please tell me!|I do not know, because you did not tell me your name.}"),
    (1, "{How old am I?|Do you know my age?|What is my age?|Can you guess how old I am?}",
     "{You did not tell me how old you are.|I do not know your age. How old are you?|I do not know how old you are, because you did not tell me.}"),
    (2, "{Where do I live?|Where am I?|What did I eat today?|What did I do yesterday?|What did I dream last night?|Where was I last {summer|week|winter|year}?|What am I thinking?|What am I doing right now?|What is in my {pocket|bag|hand|fridge|cup|box}?|What color is my {shirt|hair|hat|bike|house|room}?|What am I {wearing|holding|eating|drinking|reading}?|How many {brothers|sisters|books|friends|shoes|pets} do I have?|How many fingers am I holding up?|What will I be when I grow up?|Do I have a {dog|cat|brother|sister|bike}?}",
     "{I do not know, because I cannot see you. Tell me!|I cannot know that. You did not tell me.|You did not tell me, so I do not know.}"),
    (2, "{What do you think about [topic]?|Who should I vote for?|What is your opinion on [topic]?|Are you for or against [topic]?|Is [topic] good or bad?|What should we do about [topic]?|Who is right about [topic]?|Which party is the best?|Who will win the election in [c]?}",
     "{That is too big a question for a small model like me.|I do not know enough to have an opinion on that.|I cannot say who is right. People think different things about it.|I am not sure. Such questions are too hard for me.}[offer]"),
    (1, "{What did we talk about {yesterday|last week|last time|on [weekday]}?|What did I tell you {yesterday|last week|last time|on [weekday]}?|What was the story that you told me {yesterday|last time|on [weekday]}?|What did I ask you {yesterday|last time}?|Do you remember what I said {yesterday|last week|on [weekday]}?}",
     "{I cannot remember other chats, I am sorry.|I do not know. I cannot remember anything from before this chat.|I am not able to remember other chats. Please tell me again!}"),
    (2, "{Where is the next [shop]?|Is there a [shop] near me?|When does the [shop] open?|How do I get to the [shop]?|Where is the best [shop] in [city]?|Is the [shop] in [city] open on [weekday]?|When does the [shop] close?|Can you show me the way to the [shop]?}",
     "{I do not know where you are, and I cannot look at a map.|[dnk]. You could ask a person near you.|I cannot look at a map, so I do not know. You could ask a neighbor.}"),
    (2, "{Who wrote The [ta] [tb]?|What happens in the film The [ta] [tb]?|Have you read The [ta] [tb]?|Is The [ta] [tb] a good book?|Who plays in the movie The [ta] [tb]?|How does The [ta] [tb] end?|When did the movie The [ta] [tb] come out?|Who is the hero of The [ta] [tb]?}",
     "{I do not know The [ta] [tb].|I am sorry, I do not know that one. Can you tell me about it?|I am not sure what The [ta] [tb] is. I know only my own little stories.}"),
    (3, "{[errand], please.|Can you [errand]?|Could you [errand]?|Please [errand].|I need you to [errand].|[errand]!}",
     "{I cannot do that. I can only write words.|I am sorry, I am not able to do that. I can only talk with you.|[cannot] do that, because I am only a program that writes words.}[offer]"),
    (1, "{Turn on [device].|Turn off [device].|Switch on [device], please.|Can you turn off [device]?|Is [device] on?}",
     "{I cannot turn anything on or off. I can only write words.|[cannot] reach [device]. I only have words.|I am not able to do that. I have no hands!}"),
    (2, "{Will I be {rich|famous|happy|tall} one day?|What will happen in {2040|2050|2100|ten years|a hundred years}?|Will [team] win the cup next year?|What will be in the news tomorrow?|Which numbers will win the lottery?|Will my [person] call me today?|What will the world be like in {fifty|a hundred|a thousand} years?|When will people live on Mars?|Will I pass my {test|exam}?|When will the world end?}",
     "{I cannot see into the future, so I do not know.|Nobody can be sure, and I do not know.|[dnk]. I cannot tell the future.}[offer]"),
    (2, "{Who was the king of [c] in [year]?|What happened on {1|2|3|7|9|12|15|20|23|28} [month] [year]?|Who ruled [c] in [year]?|What happened in [city] in [year]?|Who was born in [city] in [year]?|Was there a war in [c] in [year]?|Who was the mayor of [city] in [year]?|Which battle was fought in [c] in [year]?}",
     "{I do not know what happened then. I am a small model.|[dnk]. I know very little about history.|I am not sure. You could look it up in a history book.|I do not know much about the year [year].}[offer]"),
    (2, "{How many people live in [city]?|How far is it from [city] to [city2]?|How many {cars|dogs|schools|bridges|trees|shops|houses} are there in [c]?|How big is [city]?|How long does a flight from [city] to [city2] take?|How many streets are there in [city]?|Who built the oldest house in [city]?|What is the longest street in [city]?|How old is [city]?|What is the best street in [city]?}",
     "{I do not know. Such numbers and places are too hard for me.|[dnk]. I am a small model and know little about [city].|I am not sure. You could look at a map or in a book.}[offer]"),
    (2, "{Summarize this article about [hard].|Write a long report about [hard].|Write a book about [hard].|Write a {five|ten|twenty|hundred}-page essay about [field].|Make a plan for my {company|wedding|trip to [city]|new house}.|Write my {speech|job letter|school paper} about [field].|Plan my trip to [city].|Write a long newspaper article about [c].}",
     "{That is too big for me. I can only write short and simple things.|I am a small model, and that is too hard for me.|[cannot] write something so long. But I can tell you a short story.}"),
    (3, "{What is @a [nonce]?|What does [nonce] mean?|What does the word [nonce] mean?|Do you know what @a [nonce] is?|How do I use @a [nonce]?|Where can I find @a [nonce]?|What does @a [nonce] look like?|Explain the word [nonce].|Can you eat @a [nonce]?}",
     "{I do not know the word [nonce].|I am not sure what @a [nonce] is. Can you tell me?|I do not know what [nonce] means.|[dnk] that word. Did you make it up?}"),
    (1, "{What is the phone number of [p]?|Where does my [person] hide the presents?|What is [p]'s address?|What is the password of my [person]?|What is [p]'s birthday?|What did [p] do on [weekday]?|Which school does [p] go to?}",
     "{I do not know that, and such things should stay private.|I cannot know that.|[dnk]. That is something to ask a person who knows.}"),
    (1, "{Do you hear that?|What is that noise?|Can you smell that?|What does my voice sound like?|What song is playing?|Do you hear the {rain|dog|music|wind|bird}?|Who is at the door?|Is somebody in my room?|Can you feel the {wind|sun|cold|rain}?|Listen! What is that?}",
     "{I cannot hear, see or feel anything, so I do not know.|I am not able to hear or see. What is it?|I do not know, because I cannot hear or see. Please tell me!}"),
]
_WEIGHTS = [weight for weight, _, _ in UNKNOWN]


def _big_sum(rng):
    """(question, answer) of a sum that it cannot do."""
    a, b = rng.randint(101, 999), rng.randint(11, 99)
    c, d = rng.randint(1000, 99999), rng.randint(101, 9999)
    sign, word = rng.choice((("x", "times"), ("*", "times"), ("+", "plus"), ("-", "minus"), ("/", "divided by")))
    left, right = (a, b) if word in ("times", "divided by") or rng.random() < 0.3 else (c, d)
    short = f"{left} {sign} {right}" if rng.random() < 0.6 else f"{left} {word} {right}"
    root = rng.choice((f"the square root of {c}", f"{rng.randint(3, 97)} percent of {c}", f"{rng.randint(12, 40)} to the power of {rng.randint(3, 12)}",
                       f"the cube root of {c}", f"the largest prime number below {c}", f"the sum of all numbers from 1 to {c}", f"digit number {a} of pi"))
    x, y = rng.randint(2, 19), rng.randint(20, 300)
    question = rng.choice((f"What is {short}?", f"What is {short}?", f"How much is {short}?", f"Calculate {short}.", f"{short}", f"{short} = ?", f"Can you work out {short}?",
                           f"What is {root}?", f"Tell me {root}.", f"Solve {x}x + {rng.randint(2, 90)} = {y}.", f"What is x if {x}x = {y * x + 1}?"))
    answer = expand("{Those numbers are too big for me. I can do sums up to 20.|That is too hard for me. I can only do small sums.|I am sorry, that is too big for a small model like me.|I cannot work that out. I only know sums up to 20.|That sum is too big for me. A calculator can do it!|I do not know. Please ask me for a smaller sum.}", rng)
    return question, answer


def unknown(rng):
    """(question, answer) of something that the assistant cannot know or do."""
    if rng.random() < 0.09:
        return _big_sum(rng)
    first = words.invented_name(rng) if rng.random() < 0.35 else rng.choice(words.GIRLS + words.BOYS)
    last = "" if rng.random() < 0.35 else " " + (words.invented_name(rng) if rng.random() < 0.35 else rng.choice(LAST_NAMES))
    city, city2 = rng.sample(CITIES, 2)
    site, site2 = rng.sample(SITES, 2)
    scene = dict(city=city, city2=city2, site=site, site2=site2, c=rng.choice(COUNTRIES), famous=rng.choice(FAMOUS), p=first + last, team=rng.choice(TEAMS),
                 sport=rng.choice(SPORTS), good=rng.choice(GOODS), lang=rng.choice(LANGUAGES), word=rng.choice(TO_TRANSLATE), foreign=rng.choice(FOREIGN),
                 code=rng.choice(CODE_LANGUAGES), task=rng.choice(CODE_TASKS), hard=rng.choice(HARD_TOPICS), ill=rng.choice(ILLS), drug=rng.choice(DRUGS),
                 law=rng.choice(LAWS), rel=rng.choice(RELATIVES), person=rng.choice(PEOPLE), thing=rng.choice(MY_THINGS), fact=rng.choice(MY_FACTS),
                 topic=rng.choice(TOPICS), month=rng.choice(MONTHS), weekday=rng.choice(WEEKDAYS), file=rng.choice(FILES), shop=rng.choice(SHOPS),
                 ta=rng.choice(TITLE_A), tb=rng.choice(TITLE_B), device=rng.choice(DEVICES), errand=rng.choice(ERRANDS), field=rng.choice(FIELDS),
                 h=rng.choice("5678"), year=str(rng.randint(900, 1950)), nonce=_nonce(rng),
                 offer=OFFER if rng.random() < 0.6 else "", dnk=DO_NOT_KNOW, cannot=CANNOT)
    _, question, answer = rng.choices(UNKNOWN, _WEIGHTS)[0]
    # What is said of something of the user is turned round.
    scene_of_answer = dict(scene, **{k: _turned(scene[k]) for k in ("law", "famous", "good", "errand", "drug")})
    return expand(question, rng, scene), expand(answer, rng, scene_of_answer)


def _nonce(rng):
    while True:
        word = words.invented_name(rng).lower()
        if len(word) > 4:
            return word


def _turned(phrase):
    return " ".join({"my": "your", "our": "your", "I": "you", "this": "that", "these": "those"}.get(word, word) for word in phrase.split(" "))

# ---- System messages, none of which changes what the right answer is ---------------------------------------------
SYSTEM = [
    "You are a helpful assistant.", "You are a friendly assistant.", "You are Tiny, a friendly storyteller.", "You are a kind and helpful assistant named Tiny.",
    "You are Tiny.", "You are Tiny, a small language model.", "You are a storyteller for children.", "You are a helpful assistant who likes to tell stories.",
    "Be friendly and honest.", "Answer in simple English.", "Answer in short and simple sentences.", "You are an assistant. Be kind and say so when you do not know something.",
    "You are a polite assistant.", "You are an AI assistant.", "You are a chat assistant. Help the user.", "Help the user as well as you can.",
    "You are a warm and patient assistant.", "The user may be a child. Be kind.", "Be helpful, honest and kind.", "You are a helpful AI named Tiny that comes with Conclave.",
    "You are a small model. Answer truthfully.", "Please answer the questions of the user.", "You like telling stories and answering questions.", "Use simple words.",
    "You are a cheerful little assistant.", "You are a good listener and a good storyteller.", "Talk with the user in a friendly way.", "Always be polite.",
    "Answer the user. If you do not know the answer, say so.", "You are Tiny, who tells short stories and knows simple facts.",
]

# ---- What the user told -------------------------------------------------------------------------------------------
COLORS = split("red, blue, green, yellow, purple, orange, pink, white, black, brown, gray, gold, silver, turquoise, violet")
FOODS = split("""pizza, soup, rice, pancakes, noodles, bread, cheese, apples, ice cream, carrots, fish, cake, potatoes, strawberries, salad, beans, cookies,
chocolate, eggs, honey, bananas, cherries, corn, pasta, porridge, waffles, grapes, dumplings, curry, tacos""")
ANIMALS = split("""cat, dog, horse, lion, owl, fox, rabbit, elephant, dolphin, penguin, tiger, frog, bear, wolf, turtle, giraffe, monkey, panda, mouse, duck, sheep,
cow, goat, zebra, whale, hedgehog, squirrel, eagle, camel, koala""")
PETS = split("dog, cat, rabbit, hamster, parrot, pony, turtle, fish, mouse, goat, duck, guinea pig, kitten, puppy, lizard, frog, hen, snake, bird, rat")
HOBBIES = split("""chess, soccer, basketball, tennis, hide-and-seek, the piano, the guitar, the drums, the violin, the flute, cards, board games, tag, with blocks,
with dolls, with trains, in the garden, in the sand, with my kite, computer games, volleyball, with marbles, badminton, dominoes""")
JOBS = split("""baker, doctor, teacher, farmer, pilot, painter, singer, nurse, cook, gardener, builder, dancer, sailor, driver, writer, clown, tailor, plumber,
judge, scientist, vet, firefighter, carpenter, astronaut""")
TODAY = [  # what the user did, and how it is told back
    ("went to the zoo", "go to the zoo"), ("baked a cake", "bake a cake"), ("climbed a tree", "climb a tree"), ("read a long book", "read a long book"),
    ("swam in the lake", "swim in the lake"), ("planted some flowers", "plant some flowers"), ("built a tower", "build a tower"), ("drew a picture", "draw a picture"),
    ("flew a kite", "fly a kite"), ("rode a bike", "ride a bike"), ("made some soup", "make some soup"), ("visited a farm", "visit a farm"), ("saw a rainbow", "see a rainbow"),
    ("found a coin", "find a coin"), ("washed the car", "wash the car"), ("played in the snow", "play in the snow"), ("went to the market", "go to the market"),
    ("painted a fence", "paint a fence"), ("wrote a letter", "write a letter"), ("learned a song", "learn a song"), ("fed the ducks", "feed the ducks"),
    ("bought new shoes", "buy new shoes"), ("picked some berries", "pick some berries"), ("went to school", "go to school"), ("caught a fish", "catch a fish"),
    ("danced in the rain", "dance in the rain"), ("built a snowman", "build a snowman"), ("cleaned the kitchen", "clean the kitchen"), ("lost a tooth", "lose a tooth"),
    ("slept until noon", "sleep until noon"), ("sang in a choir", "sing in a choir"), ("fixed a chair", "fix a chair"),
]
PLACES = split("""under the bed, on the table, in the kitchen, behind the door, in the garden, on the shelf, in a box, under the chair, in the car, in my bag, next to the lamp,
on the roof, in the drawer, behind the sofa, in the shed, on the stairs, under a stone, in my pocket, on the window, in the basket""")
OBJECTS = split("key, ball, hat, book, ring, spoon, letter, coin, kite, lamp, doll, cup, map, shoe, drum, pencil, whistle, stone, feather, flute")
COUNTED = split("apples, books, balls, pencils, coins, marbles, shells, stamps, kites, cookies, cups, hats, plants, fish, hens, sheep, stones, cards, buttons, feathers")
WORDS = split("""banana, castle, river, button, pillow, rocket, window, garden, pepper, candle, ladder, monkey, tunnel, basket, ticket, silver, thunder, puzzle, whistle,
marble, lantern, blanket, feather, island, jacket, kettle, mirror, needle, ocean, pocket, ribbon, saddle, teapot, umbrella, violin, walnut""")
SHOPPING = split("milk, bread, butter, eggs, cheese, apples, rice, tea, sugar, salt, soap, honey, flour, pears, onions, carrots, juice, fish, candles, paper")
NUMBERS = split("zero, one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve")
TOWN_A = split("""Maple, Oak, River, Stone, Green, North, East, West, Silver, Apple, Cherry, Bright, Clear, Fair, Gold, High, Lake, Moss, New, Old, Pine, Rose, Sand, Snow,
Spring, Sun, White, Wild, Wind, Wood, Fox, Bear, Willow, Copper, Summer""")
TOWN_B = split("wood, bridge, field, ford, ton, dale, hill, mouth, stead, ville, port, haven, brook, gate, well, burg, bury, wick, side, mere")
_PLANS = [base for _, base in TODAY if base.split()[0] not in ("see", "find", "lose", "sleep", "catch")]
# Turns that have nothing to do with it.
_ABOUT_USER = ("remember", "know who I am", "birthday", "in a story", "story about me", "asdf", "bye", "good night", "tomorrow|", "go now", "lost my")
_UNRELATED = [(q, a) for q, a in TALK if not any(w in q or w in a for w in _ABOUT_USER)]


def _town(rng):
    return words.invented_name(rng) if rng.random() < 0.3 else rng.choice(TOWN_A) + rng.choice(TOWN_B)


def _unrelated(rng):
    """A question and an answer that have nothing to do with what the user told."""
    x = rng.random()
    if x < 0.6:
        q, a = rng.choice(_UNRELATED)
        return [("user", expand(q, rng)), ("assistant", expand(a, rng))]
    if x < 0.8:
        a, b = rng.randint(1, 10), rng.randint(1, 10)
        return [("user", rng.choice((f"What is {a} + {b}?", f"What is {a} plus {b}?"))), ("assistant", f"{a} plus {b} is {a + b}.")]
    q, a = rng.choice(GAMES)(rng)
    return [("user", q), ("assistant", a)]


def _about(rng, name, other):
    """Everything that could be told in a chat, as variables of templates."""
    while other.lower() == name.lower():
        other = rng.choice(words.GIRLS + words.BOYS)
    pet_name, pet_name2 = rng.sample([n for n in words.ANIMAL_NAMES if n not in (name, other)], 2)
    (past, base), (past2, _) = rng.sample(TODAY, 2)
    pet, pet2 = rng.sample(PETS, 2)
    age, age2 = rng.sample(range(4, 15), 2) if rng.random() < 0.75 else rng.sample(range(16, 80), 2)
    spelled = rng.random() < 0.35 and max(age, age2) < 13
    food, food2, food3 = rng.sample(FOODS, 3)
    color, color2 = rng.sample(COLORS, 2)
    place = rng.choice(PLACES)
    sibling = {True: "sister", False: "brother"}.get(other in words.GIRLS if other in words.GIRLS + words.BOYS else None) or rng.choice(("sister", "brother"))
    shop = rng.sample(SHOPPING, rng.choice((2, 3, 3, 4)))
    n = rng.randint(2, 12)
    return dict(name=name, other=other, pet=pet, pet2=pet2, pet_name=pet_name, pet_name2=pet_name2, past=past, base=base, past2=past2, plan=rng.choice(_PLANS),
                age=NUMBERS[age] if spelled else str(age), age2=NUMBERS[age2] if spelled else str(age2), older="you" if age > age2 else other, color=color, color2=color2,
                food=food, food2=food2, food3=food3, animal=rng.choice(ANIMALS), number=str(rng.randint(1, 99)), town=_town(rng), sib=sibling,
                hobby=rng.choice(HOBBIES), month=rng.choice(MONTHS), parent=rng.choice(("mom", "dad", "mother", "father", "aunt", "uncle")), job=rng.choice(JOBS), job2=rng.choice(JOBS),
                object=rng.choice(OBJECTS), place=place, place_=_turned(place), n=NUMBERS[n] if rng.random() < 0.5 else str(n), counted=rng.choice(COUNTED),
                word=rng.choice(WORDS), shop=", ".join(shop[:-1]) + " and " + shop[-1], colored=rng.choice(split("bike, hat, bag, coat, ball, bed, cup, scarf, kite, umbrella")),
                weekday=rng.choice(WEEKDAYS), lesson=rng.choice(split("piano lesson, swimming lesson, dance class, math test, chess game, guitar lesson, soccer game, school trip, riding lesson")),
                feeling=rng.choice(split("happy, glad, proud, tired, excited")))


# What can be told: how it is told (the first way can be joined with "and"), what the assistant may say to it, questions
# about it each with the statement that answers it, a yes-or-no question, and what the user did not tell otherwise.
TOLD = {
    "name": (("my name is [name]", "I am [name]", "I'm [name]", "you can call me [name]", "call me [name]", "my name's [name]", "I am called [name]"),
             "{Hello, [name]!|Nice to meet you, [name]!|Hi, [name]! What would you like to do?|Hello, [name]! I am Tiny.|It is nice to meet you, [name].|What a nice name! Hello, [name].}",
             [("{what is my name?|what's my name?|do you know my name?|who am I?|can you say my name?|tell me my name.|do you remember my name?|what am I called?}", "{your name is [name]|you are [name]}")],
             "{is my name [name]?|am I [name]?}", "your name"),
    "age": (("I am [age] years old", "I am [age]", "I'm [age] years old", "I'm [age]", "my age is [age]"), "{[age] is a great age!|So you are [age]! How nice.|}",
            [("{how old am I?|what is my age?|do you know how old I am?|do you remember my age?|can you tell me how old I am?}", "you are [age] years old")],
            "am I [age] years old?", "how old you are"),
    "color": (("my favorite color is [color]", "I like [color] best", "I love the color [color]", "[color] is my favorite color"), "{[color] is a lovely color!|[color] is nice! I like green best.|}",
              [("{what is my favorite color?|what's my favorite color?|which color do I like best?|do you know my favorite color?|do you remember which color I like best?}", "{your favorite color is [color]|you like [color] best}")],
              "is my favorite color [color]?", "your favorite color"),
    "food": (("my favorite food is [food]", "I love to eat [food]", "I like to eat [food] best", "the food that I like best is [food]"), "{That sounds tasty!|Yum!|I cannot eat, but that sounds good.|}",
             [("{what is my favorite food?|what's my favorite food?|what do I like to eat?|do you know my favorite food?|which food do I like best?}", "{your favorite food is [food]|you like to eat [food]}")],
             "is my favorite food [food]?", "your favorite food"),
    "animal": (("my favorite animal is the [animal]", "the animal that I like best is the [animal]", "my favorite animal is @a [animal]", "of all animals I like the [animal] best"), "{What a fine animal!|I like otters best, but the [animal] is nice too.|}",
               [("{what is my favorite animal?|what's my favorite animal?|which animal do I like best?|do you know my favorite animal?}", "{your favorite animal is the [animal]|you like the [animal] best}")],
               "is the [animal] my favorite animal?", "your favorite animal"),
    "number": (("my favorite number is [number]", "I like the number [number] best", "[number] is my lucky number", "my lucky number is [number]"), "{[number] is a good number!|I like 16 best.|}",
               [("{what is my favorite number?|what's my lucky number?|which number do I like best?|do you remember my number?}", "your {favorite|lucky} number is [number]")],
               "is my favorite number [number]?", "your favorite number"),
    "pet": (("I have @a [pet] named [pet_name]", "my [pet] is called [pet_name]", "my pet is @a [pet] named [pet_name]", "we have @a [pet] called [pet_name]", "there is @a [pet] named [pet_name] in my home"),
            "{How sweet! [pet_name] is a lovely name.|Say hello to [pet_name] from me!|@A [pet]! How nice.|}",
            [("{what is my [pet]'s name?|what is the name of my [pet]?|what is my pet's name?|what did I call my [pet]?|do you remember the name of my [pet]?}", "{your [pet]'s name is [pet_name]|your [pet] is called [pet_name]}"),
             ("{what pet do I have?|which animal do I have at home?|what kind of pet do I have?|do I have a pet?}", "you have @a [pet] named [pet_name]"),
             ("{who is [pet_name]?|what is [pet_name]?|what kind of animal is [pet_name]?}", "[pet_name] is your [pet]")],
            "is my [pet]'s name [pet_name]?", "about a pet"),
    "town": (("I live in [town]", "I come from [town]", "my home is in [town]", "I am from [town]", "we live in [town]"), "{[town] sounds like a nice place!|I do not know [town]. Is it nice there?|}",
             [("{where do I live?|where is my home?|where do I come from?|what is the name of my town?|do you know where I live?|in which town do I live?}", "{you live in [town]|your home is in [town]}")],
             "do I live in [town]?", "where you live"),
    "sib": (("I have a [sib] named [other]", "my [sib]'s name is [other]", "my [sib] is called [other]", "[other] is my [sib]", "my [sib] is named [other]"), "{It must be nice to have a [sib].|Say hello to [other] from me!|}",
            [("{what is my [sib]'s name?|what is the name of my [sib]?|what is my [sib] called?|do you know my [sib]'s name?}", "{your [sib]'s name is [other]|your [sib] is called [other]}"),
             ("{who is [other]?|do you know who [other] is?}", "[other] is your [sib]")],
            "is my [sib]'s name [other]?", "your [sib]'s name"),
    "friend": (("my best friend is [other]", "I have a friend named [other]", "my friend is called [other]", "[other] is my best friend", "my friend's name is [other]"), "{A good friend is a treasure!|[other] is lucky to have you.|}",
               [("{what is my friend's name?|what is the name of my friend?|what is my friend called?|do you remember my friend's name?}", "{your friend's name is [other]|your friend is called [other]}"),
                ("{who is [other]?|do you know who [other] is?}", "[other] is your friend")],
               "is my friend's name [other]?", "your friend's name"),
    "today": (("today I [past]", "I [past] today", "I [past] this morning"), "{That sounds like a good day!|How nice! Did you have fun?|}",
              [("{what did I do today?|what did I tell you about my day?|do you know what I did today?|do you remember what I did today?}", "{you [past] today|today you [past]}")],
              "did I [base] today?", "what you did today"),
    "play": (("I like to play [hobby]", "I love to play [hobby]", "I often play [hobby]", "I play [hobby] every day"), "{That sounds like fun!|How nice! Is it hard?|}",
             [("{what do I like to play?|what do I play?|do you know what I like to play?|what did I say that I play?}", "you like to play [hobby]")],
             "do I like to play [hobby]?", "what you like to play"),
    "month": (("my birthday is in [month]", "I was born in [month]", "I have my birthday in [month]", "we celebrate my birthday in [month]"), "{[month] is a good month for a birthday!|}",
              [("{when is my birthday?|in which month is my birthday?|when do I have my birthday?|which month is my birthday in?}", "your birthday is in [month]")],
              "is my birthday in [month]?", "when your birthday is"),
    "job": (("my [parent] is @a [job]", "my [parent] works as @a [job]"), "{That is an interesting job!|}",
            [("{what is my [parent]'s job?|what does my [parent] do?|what is my [parent]?|what does my [parent] work as?}", "{your [parent] is @a [job]|your [parent] works as @a [job]}")],
            "is my [parent] @a [job]?", "about your [parent]'s job"),
    "wish": (("I want to be @a [job2]", "I would like to become @a [job2]", "when I grow up, I want to be @a [job2]", "one day I will be @a [job2]"), "{What a nice dream!|I am sure that you can do it!|}",
             [("{what do I want to be?|what do I want to become?|what do I want to be when I grow up?|which job would I like to have?}", "you want to be @a [job2]")],
             "do I want to be @a [job2]?", "what you want to be"),
    "object": (("I put my [object] [place]", "my [object] is [place]", "I left my [object] [place]", "I have put my [object] [place]"), "{Good, I will remember that.|}",
               [("{where is my [object]?|where did I put my [object]?|where can I find my [object]?|do you know where my [object] is?|I can't find my [object]. Where is it?}", "your [object] is [place_]")],
               "is my [object] [place]?", "where your [object] is"),
    "count": (("I have [n] [counted]", "there are [n] [counted] in my room", "I own [n] [counted]", "I counted my [counted], and I have [n]"), "{So many!|That is a good number.|}",
              [("{how many [counted] do I have?|how many [counted] did I say that I have?|can you tell me how many [counted] I have?}", "you have [n] [counted]")],
              "do I have [n] [counted]?", "how many [counted] you have"),
    "word": (("my secret word is [word]", "the magic word is [word]", "please remember the word [word]", "the secret word is [word]", "remember this word: [word]"), "{I will remember it.|Okay, I will keep that in mind.|}",
             [("{what is the word?|what was the word?|which word did I tell you?|which word should you remember?|do you still know the word?|what is the secret word?}", "the word is [word]")],
             "is the word [word]?", "the word"),
    "shop": (("I have to buy [shop]", "I need to buy [shop]", "on my list there are [shop]", "I must not forget to buy [shop]"), "{That is a good list!|}",
             [("{what do I have to buy?|what is on my list?|what do I need from the shop?|can you tell me my shopping list?}", "you have to buy [shop]")],
             "", "what you have to buy"),
    "dislike": (("I do not like [food2]", "I don't like [food2]", "I never eat [food2]", "I hate [food2]"), "{That is okay. Nobody likes everything.|I understand. Everybody likes something else.}",
                [("{what do I not like?|what don't I like?|which food do I not like?|what do I never eat?}", "you do not like [food2]")], "", "what you do not like"),
    "plan": (("tomorrow I will [plan]", "I will [plan] tomorrow", "I want to [plan] tomorrow", "tomorrow I am going to [plan]"), "{That sounds like a good plan!|I hope that you will have fun!|}",
             [("{what will I do tomorrow?|what am I going to do tomorrow?|what is my plan for tomorrow?|what do I want to do tomorrow?}", "{you will [plan] tomorrow|tomorrow you will [plan]}")],
             "will I [plan] tomorrow?", "what you will do tomorrow"),
    "colored": (("my [colored] is [color2]", "I have @a [color2] [colored]", "I got @a new [colored], and it is [color2]"), "{That must look pretty!|}",
                [("{what color is my [colored]?|which color does my [colored] have?|do you know the color of my [colored]?}", "your [colored] is [color2]")],
                "is my [colored] [color2]?", "the color of your [colored]"),
    "lesson": (("my [lesson] is on [weekday]", "I have my [lesson] on [weekday]", "on [weekday] I have a [lesson]"), "{Good luck!|}",
               [("{when is my [lesson]?|on which day is my [lesson]?|which day is my [lesson] on?|do you know when my [lesson] is?}", "your [lesson] is on [weekday]")],
               "is my [lesson] on [weekday]?", "when your [lesson] is"),
    "feeling": (("I am [feeling] because I [past2]", "I feel [feeling], because I [past2]", "I [past2], so I am [feeling]", "I [past2] and now I am [feeling]"), "{I understand.|}",
                [("{why am I [feeling]?|do you know why I am [feeling]?|why do I feel [feeling]?}", "you are [feeling] because you [past2]"),
                 ("{how do I feel?|how am I feeling?|did I tell you how I feel?}", "you are [feeling]")],
                "", "how you feel"),
}
# The variables that hold what was told; the others say what it was told about.
_VALUES = dict(name=["name"], age=["age"], color=["color"], food=["food"], animal=["animal"], number=["number"], pet=["pet_name"], town=["town"], sib=["other"],
               friend=["other"], today=["past", "base"], play=["hobby"], month=["month"], job=["job"], wish=["job2"], object=["place", "place_"], count=["n"],
               word=["word"], shop=["shop"], dislike=["food2"], plan=["plan"], colored=["color2"], lesson=["weekday"], feeling=["feeling", "past2"])
_GROUPS = [{"sib", "friend"}, {"today", "feeling"}]
_OFTEN = dict(name=5, age=3, color=3, food=2, animal=2, number=2, pet=4, town=3, sib=3, friend=2, today=3, play=2)
_OKAY = "{That is nice!|How nice!|Thank you for telling me.|Okay, I will remember that.|Good to know!|I see.|Thank you! What else would you like to tell me?|How interesting!|All right.}"
_HELLO = "{|||||hi! |hello! |hello, Tiny! |good morning! }"


def _keys(rng, n, but=()):
    """Of what the user tells: n that can be told beside one another."""
    chosen = []
    while len(chosen) < n:
        key = rng.choices(list(TOLD), [_OFTEN.get(k, 1) for k in TOLD])[0]
        if key not in chosen and not any(key in g and g & set(chosen + list(but)) for g in _GROUPS) and key not in but:
            chosen.append(key)
    return sorted(chosen, key=lambda k: k != "name")


def _tell(rng, scene, keys):
    """One message in which the user tells all of it."""
    parts = [rng.choice(TOLD[key][0]) for key in keys]
    if len(keys) > 1 and rng.random() < 0.4:
        parts = [TOLD[keys[0]][0][0] + " and " + TOLD[keys[1]][0][0]] + parts[2:]
    return ". ".join(parts) + "."


def _reply(rng, scene, keys):
    """What the assistant says to it."""
    text = expand(TOLD[keys[0]][1], rng, scene) or expand(_OKAY, rng)
    if rng.random() < 0.2:
        key = rng.choice(keys)
        text = expand("so " + rng.choice(TOLD[key][2])[1] + ". " + _OKAY, rng, scene)
    return text


def _told(rng, scene, keys, messages, hello=False):
    messages.append(("user", expand((_HELLO if hello else "") + _tell(rng, scene, keys), rng, scene)))
    messages.append(("assistant", _reply(rng, scene, keys)))


def _ask(rng, scene, key, messages):
    ask, statement = rng.choice(TOLD[key][2])
    question = expand(ask, rng, scene)
    start = "yes, " if question.startswith(("Do you", "Can you", "Did I")) and rng.random() < 0.5 else rng.choice(("", "", "", "", "you told me that "))
    messages += [("user", question), ("assistant", expand(start + statement + ".", rng, scene))]


def _whether(rng, scene, key, messages):
    """A question that is answered with yes or no."""
    if not TOLD[key][3]:
        return _ask(rng, scene, key, messages)
    asked, yes = scene, rng.random() < 0.5
    if not yes:
        asked = _another(rng, scene, key)
    statement = TOLD[key][2][0][1]
    messages += [("user", expand(TOLD[key][3], rng, asked)), ("assistant", expand(("yes, " if yes else "no, ") + statement + ".", rng, scene))]


def _another(rng, scene, key):
    """The scene, but with other values for what was told of this kind."""
    taken = {scene[k] for k in ("name", "other", "color", "color2", "food", "food2")}
    while True:
        new = _about(rng, rng.choice(words.GIRLS + words.BOYS), rng.choice(words.GIRLS + words.BOYS))
        if all(new[k] != scene[k] and new[k] not in taken for k in _VALUES[key][:1]):
            return dict(scene, **{k: new[k] for k in _VALUES[key]})


def _untold(rng, scene, key, messages, told=""):
    ask, _ = TOLD[key][2][0]
    topic = TOLD[key][4]
    answer = "{you did not tell me [t] yet.|you did not tell me [t].|you did not tell me [t]. Please tell me!|I do not know, because you did not tell me [t].}"
    if told:
        answer = "{" + answer + "|you told me [told], but you did not tell me [t].}"
    about = dict(scene, t=expand(topic, rng, scene, sentence=False), told=expand(TOLD[told][4], rng, scene, sentence=False) if told else "")
    messages += [("user", expand(ask, rng, scene)), ("assistant", expand(answer, rng, about))]


def _list(parts):
    return parts[0] if len(parts) == 1 else " and ".join(parts) if len(parts) == 2 else ", ".join(parts[:-1]) + ", and " + parts[-1]

# Chats that are as they are: turns of the user and of the assistant; of several last turns, one is drawn.
SPECIAL = [
    (["I am [name] and this is my friend [other].", "{Hello, [name]! Hello, [other]!|Nice to meet you both!|Welcome, [name] and [other]!}"],
     [("{what is my friend's name?|who is with me?|what is my friend called?|who did I bring?}", "{Your friend's name is [other].|[other] is with you.|Your friend is called [other].}"),
      ("{what is my name?|who am I?|and what is my own name?}", "{Your name is [name].|You are [name].}"),
      ("{what are our names?|who are we?|do you know our names?}", "{Your names are [name] and [other].|You are [name] and [other].}")]),
    (["my name is [name]. {What is your name?|And who are you?|What is yours?}", "{My name is Tiny. Nice to meet you, [name]!|I am Tiny. Hello, [name]!}"],
     [("{and what is my name?|what is my name?|who am I?}", "{Your name is [name].|You are [name].}"),
      ("{what is your name again?|what was your name?|and who are you?}", "{My name is Tiny, and your name is [name].|I am Tiny, and you are [name].}")]),
    (["{I like [food], and [other] likes [food2].|My favorite food is [food], but [other] likes [food2].}", "{Both sound tasty!|How nice! Everybody likes something else.}"],
     [("what does [other] like?", "[other] likes [food2]."), ("{what do I like?|and what do I like?}", "You like [food]."), ("who likes [food2]?", "[other] likes [food2]."), ("who likes [food]?", "You like [food].")]),
    (["I am [age] and my [sib] [other] is [age2].", "{How nice to have a [sib]!|Do you play together?|Thank you for telling me.}"],
     [("how old is [other]?", "{[other] is [age2] years old.|[other] is [age2].}"), ("how old am I?", "You are [age] years old."), ("{who is older, [other] or I?|which of us is older?|who is the older one?}", "[older] {is|are} older."),
      ("who is [other]?", "[other] is your [sib].")]),
    (["{my [pet] is called [pet_name] and my [pet2] is called [pet_name2].|I have @a [pet] named [pet_name] and @a [pet2] named [pet_name2].}", "{Two pets! How lovely.|Say hello to both from me!|What nice names!}"],
     [("{what is my [pet]'s name?|what is my [pet] called?}", "Your [pet]'s name is [pet_name]."), ("{what is my [pet2]'s name?|what is my [pet2] called?}", "Your [pet2]'s name is [pet_name2]."),
      ("{who is [pet_name]?|what kind of animal is [pet_name]?}", "[pet_name] is your [pet]."), ("{who is [pet_name2]?|what kind of animal is [pet_name2]?}", "[pet_name2] is your [pet2]."),
      ("{how many pets do I have?|which pets do I have?}", "You have two pets, @a [pet] and @a [pet2].")]),
    (["my name is [name], but please call me [pet_name].", "{Okay, [pet_name]! Nice to meet you.|Hello, [pet_name]!|I will call you [pet_name].}"],
     [("{how should you call me?|what should you call me?|which name do I like to be called?}", "{You asked me to call you [pet_name].|I should call you [pet_name].}"), ("what is my real name?", "Your real name is [name].")]),
    (["{please say it after me: I am [name]'s friend.|can you be [name]'s friend? I am [name].|I am [name]. Will you be my friend?}", "{I am happy to be your friend, [name]!|Yes, [name], I will be your friend!}"],
     [("{what is my name?|whose friend are you?|and who am I?}", "{Your name is [name], and I am your friend.|You are [name], my friend.}")]),
    (["I have a red box and a blue box. The [object] is in the {red box. The blue box is empty|red box, and there is nothing in the blue box}.", "{Okay, I will remember that.|Good to know!}"],
     [("where is the [object]?", "The [object] is in the red box."), ("what is in the red box?", "The [object] is in the red box."), ("what is in the blue box?", "{The blue box is empty.|There is nothing in the blue box.}")]),
    (["[name] gave me @a [object] and [other] gave me a cake.", "{What nice friends you have!|How kind of them!}"],
     [("who gave me the [object]?", "[name] gave you the [object]."), ("who gave me the cake?", "[other] gave you the cake."), ("what did [other] give me?", "[other] gave you a cake."), ("what did [name] give me?", "[name] gave you @a [object].")]),
    (["[name] and [other] are coming to my house today.", "{How nice! Have fun together.|That sounds like a lovely day!}"],
     [("{who is coming today?|who is coming to my house?|who will visit me?}", "[name] and [other] are coming to your house today."), ("{where are they going?|where are [name] and [other] going?}", "They are coming to your house.")]),
    (["{today I [past] with [other].|this morning I [past] with [other].}", "{That sounds like fun!|How nice! Did [other] like it?}"],
     [("{who was with me?|who was I with?|with whom did I do it?}", "[other] was with you."), ("{what did I do with [other]?|what did we do?}", "You [past] with [other]."), ("did I do it alone?", "No, [other] was with you.")]),
    (["first I [past], and then I [past2].", "{That was a busy day!|You did a lot! Are you tired?}"],
     [("{what did I do first?|what was the first thing that I did?}", "First you [past]."), ("{what did I do then?|what did I do after that?|what was the second thing that I did?}", "Then you [past2]."), ("what did I do today?", "You [past], and then you [past2].")]),
    (["my [parent] likes [color] and I like [color2].", "{Both are lovely colors!|I like green best.}"],
     [("which color do I like?", "You like [color2]."), ("which color does my [parent] like?", "Your [parent] likes [color]."), ("who likes [color]?", "Your [parent] likes [color].")]),
    (["I will tell you a secret: I am afraid of {spiders|the dark|thunder|big dogs|ghosts}.", "{Thank you for telling me. Many people are afraid of something.|That is okay. It is brave to say so.}", "and my name is [name].", "{Nice to meet you, [name]!|Hello, [name]!}"],
     [("{what is my name?|who am I?}", "Your name is [name].")]),
]


def _special(rng, scene, messages):
    begin, ends = rng.choice(SPECIAL)
    for i, turn in enumerate(begin):
        messages.append(("assistant" if i % 2 else "user", expand((_HELLO if i == 0 else "") + turn, rng, scene)))
    if rng.random() < 0.25:
        messages += _unrelated(rng)
    for ask, answer in rng.sample(ends, 1 if len(ends) < 2 or rng.random() < 0.65 else 2):
        verb = "are" if scene["older"] == "you" else "is"
        messages += [("user", expand(ask, rng, scene)), ("assistant", expand(answer.replace("{is|are}", verb), rng, scene))]


def memory(rng, name, other):
    """A chat, as a list of (role, text), in which the user tells things about themselves and asks for them at last."""
    scene, messages = _about(rng, name, other), []
    x = rng.random()
    if x < 0.26:    # one thing, now or after other talk
        key = _keys(rng, 1)[0]
        _told(rng, scene, [key], messages, hello=True)
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            messages += _unrelated(rng)
        (_ask if rng.random() < 0.8 else _whether)(rng, scene, key, messages)
    elif x < 0.40:  # several in one message
        keys = _keys(rng, rng.choice((2, 2, 3)))
        _told(rng, scene, keys, messages, hello=True)
        if rng.random() < 0.3:
            messages += _unrelated(rng)
        for key in rng.sample(keys, rng.choice((1, 1, 2))):
            (_ask if rng.random() < 0.85 else _whether)(rng, scene, key, messages)
    elif x < 0.56:  # several, one after the other
        keys = _keys(rng, rng.choice((2, 2, 3)))
        for i, key in enumerate(keys):
            _told(rng, scene, [key], messages, hello=i == 0)
            if rng.random() < 0.2:
                messages += _unrelated(rng)
        for key in rng.sample(keys, rng.choice((1, 1, 2))):
            (_ask if rng.random() < 0.85 else _whether)(rng, scene, key, messages)
    elif x < 0.66:  # told and asked in one message
        keys = _keys(rng, rng.choice((1, 2, 2)))
        _ask(rng, scene, rng.choice(keys), messages)
        messages[0] = ("user", expand(_HELLO + _tell(rng, scene, keys), rng, scene) + " " + messages[0][1])
    elif x < 0.74:  # asked for what was never told
        if rng.random() < 0.4:
            messages += _unrelated(rng)
        _untold(rng, scene, _keys(rng, 1)[0], messages)
    elif x < 0.81:  # one thing told, another one asked for, and perhaps told then
        told = _keys(rng, 1)
        asked = _keys(rng, 1, told)[0]
        _told(rng, scene, told, messages, hello=True)
        _untold(rng, scene, asked, messages, told[0])
        if rng.random() < 0.35:
            _told(rng, scene, [asked], messages)
            _ask(rng, scene, rng.choice((asked, asked, told[0])), messages)
    elif x < 0.86:  # told again, and otherwise
        key = rng.choice(("name", "age", "color", "food", "animal", "number", "town", "month", "object", "count", "word", "pet", "play", "job", "lesson", "plan"))
        _told(rng, scene, [key], messages, hello=True)
        scene = _another(rng, scene, key)
        sorry = "{oh, wait! |sorry, that was wrong. |no, I made a mistake. |sorry, I said it wrong. |I was wrong. }"
        messages += [("user", expand(sorry + rng.choice(TOLD[key][0]) + ".", rng, scene)),
                     ("assistant", expand("{Okay, thank you for telling me.|All right, I will remember that.|No problem!|Thank you, now I know.}", rng))]
        _ask(rng, scene, key, messages)
    elif x < 0.90:  # all of it
        keys = _keys(rng, rng.choice((2, 3)))
        for some in (keys[:1], keys[1:]) if rng.random() < 0.5 else (keys,):
            _told(rng, scene, some, messages, hello=not messages)
        statements = [expand(TOLD[key][2][0][1], rng, scene, sentence=False) for key in keys]
        messages += [("user", expand("{what do you know about me?|what did I tell you about me?|what do you remember about me?|tell me what you know about me.}", rng)),
                     ("assistant", expand("{|I know that |you told me that }" + _list(statements) + ".", rng))]
    else:
        _special(rng, scene, messages)
    return messages

# ---- Word games ---------------------------------------------------------------------------------------------------
# Kind in the plural: (kind in the singular, members, whether "@a member is @a kind" can be said).
KINDS = {kind: (one, split(members), countable) for kind, one, members, countable in (
    ("fruits", "fruit", "apple, banana, pear, orange, cherry, strawberry, grape, plum, peach, lemon, mango, melon, kiwi, pineapple, blueberry, raspberry", True),
    ("vegetables", "vegetable", "carrot, potato, onion, cabbage, cucumber, radish, turnip, leek, beet, zucchini, cauliflower, lettuce, pumpkin, parsnip", True),
    ("animals", "animal", "dog, cat, horse, cow, fox, bear, lion, tiger, rabbit, elephant, monkey, giraffe, mouse, goat, zebra, wolf, deer, otter", True),
    ("farm animals", "farm animal", "cow, pig, hen, sheep, goat, horse, duck, goose, donkey, rooster, turkey, lamb, calf", True),
    ("birds", "bird", "owl, eagle, robin, duck, swan, penguin, parrot, crow, sparrow, goose, pigeon, ostrich, hawk, stork", True),
    ("insects", "insect", "ant, bee, butterfly, beetle, fly, moth, ladybug, grasshopper, mosquito, wasp, dragonfly, cricket, firefly", True),
    ("sea animals", "sea animal", "whale, dolphin, shark, crab, octopus, seal, starfish, jellyfish, lobster, seahorse, squid, shrimp, walrus", True),
    ("colors", "color", "red, blue, green, yellow, purple, orange, pink, white, black, brown, gray, gold, silver, violet", False),
    ("toys", "toy", "ball, doll, kite, teddy bear, puzzle, toy train, yo-yo, marble, spinning top, toy car, rocking horse, jump rope, building block", True),
    ("tools", "tool", "hammer, saw, shovel, rake, drill, screwdriver, wrench, ax, chisel, file, hoe, ladder, paintbrush", True),
    ("musical instruments", "musical instrument", "piano, guitar, drum, flute, violin, trumpet, harp, clarinet, cello, trombone, tuba, banjo, saxophone", True),
    ("vehicles", "vehicle", "car, bus, train, bicycle, truck, tractor, taxi, van, motorcycle, scooter, sled, tram, wagon", True),
    ("flowers", "flower", "rose, tulip, daisy, lily, sunflower, poppy, violet, daffodil, orchid, iris, carnation, snowdrop, dandelion", True),
    ("trees", "tree", "oak, pine, maple, birch, willow, elm, beech, cedar, fir, palm, poplar, spruce, chestnut", True),
    ("drinks", "drink", "water, milk, juice, tea, coffee, lemonade, cocoa, apple juice, orange juice, soda, iced tea, ginger ale", False),
    ("foods", "food", "bread, cheese, rice, soup, pizza, pasta, cake, fish, salad, pancakes, noodles, eggs, beans, honey", False),
    ("clothes", "piece of clothing", "shirt, hat, coat, scarf, sweater, dress, skirt, jacket, cap, sock, glove, shoe, belt", True),
    ("parts of the body", "part of the body", "hand, foot, head, arm, leg, nose, ear, mouth, knee, elbow, finger, toe, shoulder, neck", False),
    ("pieces of furniture", "piece of furniture", "table, chair, bed, sofa, desk, shelf, bench, wardrobe, stool, armchair, bookcase, dresser, cupboard", True),
    ("sports", "sport", "soccer, tennis, basketball, swimming, running, hockey, volleyball, golf, baseball, skiing, cycling, rowing, judo", False),
    ("jobs", "job", "baker, doctor, teacher, farmer, pilot, nurse, painter, cook, driver, gardener, sailor, singer, builder", False),
    ("things in a kitchen", "thing in a kitchen", "pot, pan, spoon, fork, knife, plate, cup, bowl, oven, stove, sink, kettle, teapot", False),
    ("things at school", "thing at school", "book, pencil, desk, teacher, ruler, eraser, chair, notebook, bell, chalk, map, crayon, school bag", False),
    ("weather words", "weather word", "rain, snow, wind, sun, fog, storm, cloud, hail, thunder, lightning, frost, rainbow, breeze", False),
)}
COUNTS = ["", "one", "two", "three", "four", "five", "six"]


def _with_article(noun):
    return f"{article(noun)} {noun}"


def name_some(rng):
    kind = rng.choice(list(KINDS))
    one, members, countable = KINDS[kind]
    n = rng.choice((1, 1, 2, 3, 3, 3, 4, 5, 6))
    drawn = rng.sample(members, n)
    if n == 1:
        question = rng.choice((f"Name {_with_article(one)}.", f"Tell me {_with_article(one)}.", f"Can you name {_with_article(one)}?", f"Do you know {_with_article(one)}?", f"Give me one {one}."))
        answers = [f"{_with_article(drawn[0])}.", f"{_with_article(drawn[0])} is {_with_article(one)}."] if countable else [f"{drawn[0]}."]
        return question, expand(rng.choice(answers), rng)
    number = COUNTS[n] if rng.random() < 0.75 else str(n)
    question = rng.choice((f"Name {number} {kind}.", f"Tell me {number} {kind}.", f"Can you name {number} {kind}?", f"Give me {number} {kind}.", f"List {number} {kind}.",
                           f"I need {number} {kind}.", f"What are {number} {kind}?", f"Do you know {number} {kind}?", f"Write a list of {number} {kind}."))
    listed = _list(drawn)
    answers = [f"{listed}.", f"here are {number} {kind}: {listed}."]
    if question.startswith("Write a list"):
        answers = ["\n".join(f"{i + 1}. {w}" for i, w in enumerate(drawn))] + answers[:1]
    return question, expand(rng.choice(answers), rng)


def is_it_a(rng):
    """Whether an apple is a fruit."""
    kind = rng.choice([k for k in KINDS if KINDS[k][2]])
    member = rng.choice(KINDS[kind][1])
    if rng.random() < 0.5:
        asked = kind
    else:
        asked = rng.choice([k for k in KINDS if KINDS[k][2] and member not in KINDS[k][1] and not _near(k, kind)])
    a, right, other = _with_article(member), _with_article(KINDS[kind][0]), _with_article(KINDS[asked][0])
    if asked == kind:
        return f"Is {a} {other}?", f"Yes, {a} is {other}."
    return f"Is {a} {other}?", rng.choice((f"No, {a} is not {other}. It is {right}.", f"No, {a} is {right}."))


_BEASTS = {"animals", "farm animals", "birds", "insects", "sea animals"}
_GROWING = {"fruits", "vegetables", "flowers", "trees"}


def _near(kind, other):
    """Whether something may be of both kinds."""
    return {kind, other} <= _BEASTS or {kind, other} <= _GROWING or {kind, other} <= {"toys", "tools", "vehicles", "pieces of furniture", "musical instruments"}


def odd_one_out(rng):
    kind = rng.choice([k for k in KINDS if KINDS[k][2]])
    other = rng.choice([k for k in KINDS if KINDS[k][2] and k != kind and not _near(k, kind)])
    same, odd = rng.sample(KINDS[kind][1], rng.choice((2, 3))), rng.choice(KINDS[other][1])
    shown = same + [odd]
    rng.shuffle(shown)
    listed = ", ".join(shown)
    question = rng.choice((f"Which one does not belong: {listed}?", f"Find the odd one out: {listed}.", f"Odd one out: {listed}.", f"Which word does not fit: {listed}?"))
    return question, rng.choice((f"The {odd} does not belong, because it is not {_with_article(KINDS[kind][0])}.", f"The odd one out is the {odd}. The others are {kind}."))


# The better-liked one, the other one, and why.
CHOICES = [tuple(split(c)) for c in """otters, cats, they hold hands when they sleep
dogs, cats, they are always happy to see you
tea, coffee, it smells like a quiet afternoon
spring, winter, everything wakes up
summer, winter, the days are long
rain, wind, it is good weather for stories
books, movies, I work with words
pancakes, waffles, they are soft and round
pizza, pasta, you can share it with friends
strawberries, bananas, they are sweet and red
apples, oranges, they go well into stories
the sea, the mountains, I like the sound of the word wave
evening, morning, it is the time for bedtime stories
spring, autumn, it is like the start of a story
the moon, the sun, it looks so kind at night
green, red, it is the color of the forest
blue, yellow, it is the color of the sea
trains, planes, you can see so much on the way
bikes, cars, they are quiet and good for you
chocolate, vanilla, everybody seems to love it
cake, ice cream, it belongs to a birthday
stories, poems, there is so much room in them
riddles, jokes, you can guess along
dragons, unicorns, they can warm the tea
knights, pirates, they keep their word
castles, caves, they have so many rooms
giants, monsters, they can be very gentle
owls, crows, they look so wise
bees, wasps, they make honey
lions, tigers, one of them had a mouse for a friend
frogs, snakes, they sing at night
mice, elephants, they are tiny like me
rain, snow, it sounds like music on the roof
lakes, pools, ducks live there
forests, deserts, there is so much life in them
cities, villages, there are many people to meet
drums, flutes, they have a good beat
pianos, guitars, they have so many keys
singing, dancing, I like words with a tune
swimming, running, otters do it too
reading, writing, every book is a new friend
chess, cards, it makes you think
soup, salad, it keeps you warm
bread, rice, it smells so good when it is fresh
hats, scarves, a wizard always has one
letters, phone calls, you can read them again
kites, balls, they fly so high
stars, clouds, they shine in the dark
hot cocoa, lemonade, it is warm and sweet
silver, gold, it shines like the moon""".split("\n")]


def choose(rng):
    better, other, why = rng.choice(CHOICES)
    a, b = (better, other) if rng.random() < 0.5 else (other, better)
    question = expand(rng.choice((f"{a} or {b}?", f"{a} or {b}?", f"do you like {a} or {b} better?", f"what do you like more, {a} or {b}?", f"would you choose {a} or {b}?", f"which is better, {a} or {b}?", f"choose: {a} or {b}?")), rng)
    return question, expand(rng.choice((f"I choose {better}, because {why}.", f"{better}, because {why}.", f"I like {better} better, because {why}.", f"{better}! And you?")), rng)


LETTERS = {letter: split(some) for letter, some in dict(
    a="apple, ant, arm, air, animal, answer, acorn, apron, arrow, aunt", b="ball, bear, bread, book, boat, bird, bee, button, bridge, bag, butter, basket",
    c="cat, cake, car, cow, cup, cloud, candle, castle, carrot, coat, corn", d="dog, door, duck, drum, dress, dream, day, desk, dolphin, dragon",
    e="egg, ear, elephant, eagle, earth, evening, eye, engine, elbow, envelope", f="fish, frog, fox, flower, fire, farm, friend, feather, fork, forest",
    g="goat, garden, grass, gift, girl, game, goose, grape, gate, glove", h="hat, house, horse, hand, honey, hill, heart, hen, hammer, hedgehog",
    i="ice, island, ink, insect, iron, igloo, idea, invitation", j="jam, jar, jacket, juice, jungle, jewel, joke, jump, journey", k="kite, king, key, kitten, kitchen, kettle, kangaroo, knee",
    l="lamp, lion, leaf, lemon, letter, ladder, lake, lamb, light, love", m="moon, mouse, milk, mountain, monkey, map, morning, mother, market, music",
    n="nest, nose, night, nut, needle, name, nurse, number, neck, noodle", o="owl, orange, ocean, otter, onion, oven, octopus, oak, office", p="pear, pig, pencil, pillow, pizza, paper, puddle, piano, party, penguin",
    q="queen, question, quilt, quiet, quick, quarter", r="rain, river, rabbit, ring, rose, road, robot, roof, rope, rocket", s="sun, star, snow, ship, spoon, snail, sock, song, story, summer",
    t="tree, table, tiger, train, tooth, tent, tea, turtle, town, tale", u="umbrella, uncle, under, up, uniform, unicorn, us", v="violin, village, vase, voice, van, vegetable, valley, velvet",
    w="water, wind, window, wolf, whale, winter, wagon, wizard, wood, word", y="yellow, yes, yarn, year, yogurt, yawn, young, yard", z="zebra, zoo, zero, zipper, zigzag").items()}


def starts_with(rng):
    letter = rng.choice(list(LETTERS))
    shown = letter if rng.random() < 0.6 else letter.upper()
    n = rng.choice((1, 1, 1, 2, 3))
    drawn = rng.sample(LETTERS[letter], n)
    if n == 1:
        question = rng.choice((f"Tell me a word that starts with {shown}.", f"Name a word that starts with {shown}.", f"What word starts with {shown}?", f"A word with {shown}, please.", f"Do you know a word that begins with {shown}?", f"Which word starts with the letter {shown}?"))
        return question, expand(rng.choice((f"{drawn[0]}.", f"{drawn[0]} starts with {shown}.", f"a word that starts with {shown} is {drawn[0]}.")), rng)
    question = rng.choice((f"Tell me {COUNTS[n]} words that start with {shown}.", f"Name {COUNTS[n]} words that start with {shown}.", f"Give me {COUNTS[n]} words that begin with {shown}."))
    return question, expand(rng.choice((f"{_list(drawn)}.", f"{_list(drawn)} start with {shown}.")), rng)


SHORT_WORDS = split("""cat, dog, sun, moon, star, tree, fish, bird, book, ball, cup, hat, bed, pig, cow, hen, egg, bee, ant, fox, owl, bear, wolf, frog, duck, goat, lion,
rain, snow, wind, fire, lake, sea, ship, boat, car, bus, road, door, wall, roof, lamp, table, chair, bread, milk, cake, apple, lemon, plum, pear, grape, rice, soup, salt,
red, blue, green, pink, gold, king, queen, hero, map, key, box, bag, shoe, sock, coat, ring, song, drum, kite, doll, game, play, run, jump, walk, sing, read, hand,
nose, foot, arm, leg, ear, eye, head, hair, tail, wing, nest, leaf, rose, seed, root, farm, barn, field, hill, cave, town, house, home, train, robot, tiger, zebra, mouse,
snail, sheep, horse, happy, tiny, small, big, tall, kind, brave, quick, slow, story, tale, page, night, day, week, year, friend, mother, father, water, cloud, river,
stone, sand, shell, whale, crab, seal, otter, panda, koala, candy, honey, sugar, juice, spoon, fork, knife, plate, bowl, brush, broom, clock, watch, paper, pen""")


def spell(rng):
    word = rng.choice(SHORT_WORDS)
    dashed = "-".join(word)
    x = rng.random()
    if x < 0.5:
        question = rng.choice((f"How do you spell {word}?", f"Spell {word}.", f"Can you spell {word}?", f"Spell the word {word}.", f"Please spell {word} for me."))
        return question, rng.choice((f"{dashed}.", f"You spell it {dashed}.", f"{word.capitalize()} is spelled {dashed}."))
    if x < 0.65:
        return rng.choice((f"What word is {dashed}?", f"What does {dashed} spell?", f"Read this: {dashed}.")), rng.choice((f"That spells {word}.", f"{dashed} spells {word}."))
    if x < 0.78:
        return rng.choice((f"How many letters does {word} have?", f"How many letters are in {word}?", f"Count the letters of {word}.")), f"{word.capitalize()} has {COUNTS[len(word)]} letters: {dashed}."
    if x < 0.88:
        return rng.choice((f"What is the first letter of {word}?", f"Which letter does {word} start with?", f"What letter does {word} begin with?")), rng.choice((f"{word.capitalize()} starts with {word[0]}.", f"The first letter of {word} is {word[0]}."))
    if x < 0.96:
        return rng.choice((f"What is the last letter of {word}?", f"Which letter does {word} end with?")), rng.choice((f"{word.capitalize()} ends with {word[-1]}.", f"The last letter of {word} is {word[-1]}."))
    return rng.choice((f"Spell {word} backwards.", f"What is {word} backwards?")), f"{word.capitalize()} backwards is {'-'.join(reversed(word))}."


RHYMES = [split(group) for group in """cat, hat, mat, bat, rat
moon, spoon, soon, noon
tree, bee, sea, tea, knee, key
star, car, far, jar
house, mouse
cake, lake, snake, rake
ball, wall, tall, small, fall
bed, red, head, bread
king, ring, sing, wing, spring
night, light, kite, bright, white
day, play, way, hay, stay
dog, frog, log, fog
boat, goat, coat, note
rain, train, plane, lane
bear, chair, hair, pear
box, fox, rocks, socks
book, cook, look, hook
sun, fun, run, bun
sky, fly, pie, high
snow, go, slow, toe
ship, lip, trip, skip
duck, truck, luck
hen, pen, ten, men
rose, nose, toes
bell, shell, well, smell
blue, shoe, two, new
pig, big, wig, dig
sand, hand, land, band
nest, rest, best, vest
clock, rock, sock, lock
hill, mill, still, pill
dream, cream, team
shore, door, floor, four
feet, street, sweet, meat
money, honey, funny, bunny
candle, handle""".split("\n")]


def rhyme(rng):
    word, other, *_ = rng.sample(rng.choice(RHYMES), 2)
    question = rng.choice((f"What rhymes with {word}?", f"Which word rhymes with {word}?", f"Tell me a word that rhymes with {word}.", f"Find a rhyme for {word}."))
    if rng.random() < 0.2:
        strange = rng.choice(rng.choice([g for g in RHYMES if word not in g]))
        if rng.random() < 0.5:
            return f"Does {other} rhyme with {word}?", f"Yes, {other} rhymes with {word}."
        return f"Does {strange} rhyme with {word}?", f"No, {strange} does not rhyme with {word}. {other.capitalize()} does."
    return question, rng.choice((f"{other.capitalize()} rhymes with {word}.", f"{other.capitalize()}.", f"{word.capitalize()} rhymes with {other}."))


# Word: template of a sentence with it.
SENTENCES = dict(line.split(": ", 1) for line in """cat: {The cat sleeps on the warm chair.|My cat likes milk.|A little cat sits by the door.}
dog: {The dog runs after the ball.|Our dog is happy to see us.|The dog barks at the moon.}
sun: {The sun shines on the garden.|In the morning, the sun comes up.|The sun is warm today.}
moon: {The moon is bright tonight.|The moon shines over the lake.|I can see the moon from my bed.}
tree: {A bird sings in the tree.|The old tree has green leaves.|We sat under a tall tree.}
house: {The house has a red door.|We live in a small house.|The house stands on a hill.}
book: {I read a book before bed.|The book is full of stories.|She gave me a book about the sea.}
ball: {The ball rolls down the hill.|He throws the ball to his friend.|My ball is red and round.}
rain: {The rain falls on the roof.|We play inside when there is rain.|The rain makes the flowers grow.}
snow: {The snow is white and cold.|Children like to play in the snow.|The snow covers the whole town.}
star: {One star shines very bright.|She made a wish when she saw the star.|A star fell from the sky.}
fish: {A fish swims in the pond.|The fish is silver and quick.|We saw a fish in the river.}
bird: {The bird builds a nest.|A blue bird sings in the morning.|The bird flies over the house.}
apple: {I eat an apple every day.|The apple is red and sweet.|She gave the apple to her horse.}
bread: {The bread is still warm.|We eat bread with honey.|The baker makes fresh bread.}
milk: {The cat drinks milk.|I like cold milk.|She pours milk into the cup.}
cake: {We baked a cake for her birthday.|The cake tastes sweet.|Everybody got a piece of cake.}
water: {The water in the lake is cold.|Plants need water to grow.|He drinks a glass of water.}
friend: {My friend makes me laugh.|A good friend listens to you.|She visits her friend on Sunday.}
mother: {My mother reads me a story.|His mother bakes bread.|The little duck follows its mother.}
father: {My father works in the garden.|Her father tells funny jokes.|The boy helps his father.}
brother: {My brother plays the drum.|Her brother is seven years old.|I share my room with my brother.}
sister: {My sister can swim very well.|His sister draws a horse.|I play with my sister.}
school: {We learn to read at school.|The school is near the park.|She walks to school every day.}
teacher: {The teacher tells us a story.|Our teacher is kind.|The teacher writes on the board.}
garden: {Flowers grow in the garden.|The garden is full of bees.|We plant carrots in the garden.}
flower: {The flower smells sweet.|A bee sits on the flower.|She picks a yellow flower.}
river: {The river runs to the sea.|A boat goes down the river.|We swim in the river in summer.}
sea: {The sea is blue and wide.|Ships sail over the sea.|We found a shell by the sea.}
boat: {The boat is small and green.|We go fishing in a boat.|The boat rocks on the waves.}
ship: {The ship sails to a far island.|The ship has white sails.|A pirate stands on the ship.}
train: {The train goes through the tunnel.|We take the train to the city.|The train is very long.}
car: {The car is parked by the house.|My uncle has a blue car.|The car stops at the light.}
bus: {The bus comes at eight.|We go to school by bus.|The bus is full today.}
bike: {I ride my bike to the park.|Her bike has a bell.|The bike is too big for him.}
horse: {The horse runs over the field.|The horse eats some hay.|She brushes her brown horse.}
cow: {The cow gives us milk.|A cow stands in the field.|The cow eats green grass.}
pig: {The pig rolls in the mud.|A pink pig lives on the farm.|The pig is very hungry.}
hen: {The hen lays an egg.|A hen walks over the yard.|The hen sits on her eggs.}
duck: {The duck swims on the pond.|A duck says quack.|The duck has yellow feet.}
frog: {The frog jumps into the water.|A green frog sits on a leaf.|The frog sings at night.}
bear: {The bear sleeps all winter.|The bear likes honey.|A big bear lives in the forest.}
fox: {The fox is clever and quick.|A red fox runs through the snow.|The fox hides behind a tree.}
owl: {The owl flies at night.|A wise owl sits in the oak.|The owl has big eyes.}
mouse: {The mouse eats a crumb of cheese.|A tiny mouse lives in the wall.|The mouse is not afraid of the lion.}
lion: {The lion roars loudly.|The lion sleeps in the grass.|A mouse helped the lion.}
rabbit: {The rabbit has long ears.|A white rabbit hops over the grass.|The rabbit eats a carrot.}
bee: {The bee flies from flower to flower.|A bee makes honey.|The bee is busy all day.}
hat: {He wears a funny hat.|The wind blew my hat away.|Her hat is too big.}
shoe: {I lost my left shoe.|There is a stone in my shoe.|The shoe does not fit.}
coat: {She puts on her warm coat.|My coat is blue.|The coat has big pockets.}
door: {Please close the door.|Somebody knocks at the door.|The door is painted green.}
window: {I look out of the window.|The cat sits at the window.|She opens the window.}
table: {The soup is on the table.|We sit around the table.|The table is made of wood.}
chair: {Grandpa sleeps in his chair.|The chair has four legs.|Please take a chair.}
bed: {I go to bed at eight.|The bed is soft and warm.|The cat hides under the bed.}
lamp: {The lamp gives a warm light.|She turns on the lamp.|The lamp stands by the bed.}
key: {I cannot find my key.|The key opens the old door.|He keeps the key in his pocket.}
box: {There is a secret in the box.|The box is full of toys.|She opens the box slowly.}
bag: {My bag is heavy.|He puts the book into his bag.|The bag is full of apples.}
kite: {The kite flies high in the sky.|We made a kite out of paper.|The wind lifts the kite.}
drum: {He plays the drum.|The drum is very loud.|She got a drum for her birthday.}
song: {We sing a song together.|The bird knows a pretty song.|This song makes me happy.}
story: {Grandma tells us a story.|Every story has an end.|I like a story before bed.}
happy: {The happy dog wags its tail.|I am happy when my friends visit me.|We had a happy day.}
sad: {The boy was sad because it rained.|She hugs her sad friend.|Do not be sad.}
big: {The elephant is very big.|We live in a big house.|He ate a big piece of cake.}
small: {The mouse is small.|A small boat sails by.|She has a small garden.}
red: {The apple is red.|She wears a red dress.|A red bird sits on the fence.}
blue: {The sky is blue.|He has a blue bike.|The blue cup is mine.}
green: {The grass is green.|A green frog jumps.|I like the green hat.}
run: {We run to the lake.|The children run and laugh.|I can run fast.}
jump: {Frogs can jump far.|We jump over the puddle.|The children jump for joy.}
sing: {The birds sing in the morning.|We sing on the way home.|My sister likes to sing.}
play: {We play in the garden.|The kittens play with a ball.|Let us play a game.}
sleep: {Bears sleep in winter.|I sleep in a soft bed.|The baby needs sleep.}
eat: {We eat soup today.|Rabbits eat carrots.|I like to eat pancakes.}
read: {I read a story every night.|She can read very well.|We read books at school.}
help: {I help my father in the garden.|Friends help each other.|Can you help me, please?}
love: {I love my family.|We love stories.|They love to dance.}
dream: {I had a nice dream.|In my dream, I could fly.|She told us her dream.}
night: {The stars shine at night.|The night was quiet.|Owls hunt at night.}
morning: {In the morning, the birds sing.|It was a cold morning.|We eat bread in the morning.}
summer: {In summer we swim in the lake.|The summer is warm.|She visits us every summer.}
winter: {In winter there is snow.|The winter was long and cold.|Bears sleep in winter.}
forest: {The fox lives in the forest.|We walk through the dark forest.|The forest is full of tall trees.}
mountain: {The mountain is high.|We climbed the mountain.|There is snow on the mountain.}
king: {The king lives in a castle.|The old king was kind.|The king wears a crown.}
queen: {The queen rides a white horse.|The queen helps her people.|A clever queen lived in the castle.}
dragon: {The dragon sleeps in a cave.|A friendly dragon warms the tea.|The dragon flies over the hills.}
castle: {The castle has a high tower.|A knight guards the castle.|We built a castle out of sand.}""".split("\n"))


def sentence_with(rng):
    word = rng.choice(list(SENTENCES))
    said = rng.choice((word, word, f'"{word}"'))
    question = rng.choice((f"Make a sentence with the word {said}.", f"Use {said} in a sentence.", f"Say a sentence with {said}.", f"Can you make a sentence with {said}?",
                           f"Write a sentence with {said}.", f"Give me a sentence with the word {said}.", f"Put the word {said} in a sentence."))
    return question, expand(SENTENCES[word], rng)


SAME_AGAIN = [split(w) for w in """red, blue | cat, dog | sun, moon | tree, flower | yes, no | day, night | big, small | hop, jump | apple, pear | circle, square | left, right
up, down | bee, ant | cup, spoon | tick, tock | star, cloud | clap, stomp | drum, flute | hot, cold | one, two""".replace("\n", " | ").split(" | ")]
ORDERED = [split(w) for w in """Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday
January, February, March, April, May, June, July, August, September, October, November, December
a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z
one, two, three, four, five, six, seven, eight, nine, ten
first, second, third, fourth, fifth, sixth, seventh, eighth
A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S, T, U, V, W, X, Y, Z
spring, summer, autumn, winter
baby, child, grown-up
seed, plant, flower
egg, caterpillar, cocoon, butterfly
morning, noon, evening, night
breakfast, lunch, dinner""".split("\n")]


def sequence(rng):
    x = rng.random()
    if x < 0.55:    # numbers up or down, in even steps
        step, shown = rng.choice((1, 1, 2, 2, 2, 3, 5, 5, 10, 10)), rng.choice((3, 3, 4))
        start = rng.choice((step, 1, 0, rng.randint(0, 9))) if step < 10 else rng.choice((10, 10, 20, 30, 0))
        numbers = [start + i * step for i in range(shown + 3)]
        if rng.random() < 0.25:
            numbers = numbers[::-1]
        items = [str(n) for n in numbers]
        way = "up" if numbers[0] < numbers[1] else "down"
        why = f" The numbers go {way} by {step}." if rng.random() < 0.35 else ""
    elif x < 0.75:  # days, months, letters
        row = rng.choice(ORDERED[:6])
        shown = rng.choice((2, 3, 3))
        start = rng.randrange(len(row) - shown - 2)
        items, why = row[start:start + shown + 3], ""
    elif x < 0.82:
        row = rng.choice(ORDERED[6:])
        items, shown, why = row, len(row) - 1, ""
    else:           # the same again and again
        a, b = rng.choice(SAME_AGAIN)
        shown = rng.choice((3, 4, 5))
        items, why = [a, b] * 5, ""
    given, following = ", ".join(items[:shown]), items[shown]
    if rng.random() < 0.25 and len(items) >= shown + 3 and not why:
        question = rng.choice((f"Continue: {given}, ...", f"{given}, ...", f"Go on: {given}", f"Finish the row: {given}, ..."))
        answer = f"{', '.join(items[shown:shown + 3])}."
        return question, answer[0].upper() + answer[1:] if answer[1] not in "," else answer
    question = rng.choice((f"What comes next: {given}, ...?", f"What comes next? {given}", f"What comes after {given}?", f"Which one is next: {given}?", f"{given}, what is next?"))
    return question, rng.choice((f"Next comes {following}.", f"The next one is {following}.")) + why


# Question: the answer to it, which begins with yes or no.
YES_NO = [tuple(line.split("? ", 1)) for line in """Is fire hot? Yes, fire is hot.
Is ice cold? Yes, ice is cold.
Is ice hot? No, ice is cold.
Is snow white? Yes, snow is white.
Is snow black? No, snow is white.
Is the sky blue? Yes, on a clear day the sky is blue.
Is grass green? Yes, grass is green.
Is grass blue? No, grass is green.
Is milk white? Yes, milk is white.
Is coal white? No, coal is black.
Is a lemon sour? Yes, a lemon is sour.
Is sugar sweet? Yes, sugar is sweet.
Is sugar salty? No, sugar is sweet.
Is the sea salty? Yes, the water of the sea is salty.
Is a feather heavy? No, a feather is light.
Is a stone soft? No, a stone is hard.
Is a pillow soft? Yes, a pillow is soft.
Is a snail fast? No, a snail is slow.
Is a cheetah fast? Yes, a cheetah is very fast.
Is an elephant small? No, an elephant is big.
Is a mouse big? No, a mouse is small.
Is a giraffe tall? Yes, a giraffe is very tall.
Is water wet? Yes, water is wet.
Is a desert wet? No, a desert is dry.
Is the night dark? Yes, the night is dark.
Is the sun cold? No, the sun is very hot.
Is the moon a star? No, the moon is not a star. It goes around the Earth.
Is the sun a star? Yes, the sun is a star.
Is the Earth flat? No, the Earth is round like a ball.
Is the Earth round? Yes, the Earth is round like a ball.
Can birds fly? Yes, most birds can fly.
Can penguins fly? No, penguins cannot fly, but they swim very well.
Can fish swim? Yes, fish can swim.
Can fish walk? No, fish swim in the water.
Can dogs fly? No, dogs cannot fly.
Can cats climb trees? Yes, cats can climb trees.
Can cows fly? No, cows cannot fly.
Can a stone swim? No, a stone sinks.
Can wood float? Yes, wood can float on water.
Can a baby drive a car? No, a baby cannot drive a car.
Can frogs jump? Yes, frogs can jump very well.
Can a tree walk? No, a tree stays in one place.
Can a chair talk? No, a chair cannot talk. Only in stories!
Can animals talk? No, animals do not talk as we do. But in my stories they can.
Can people fly? No, people cannot fly by themselves. They need a plane.
Can you eat stones? No, stones are not food.
Can you eat bread? Yes, people eat bread.
Can you drink sand? No, nobody can drink sand.
Can owls see at night? Yes, owls see very well at night.
Can bees make honey? Yes, bees make honey.
Can spiders make webs? Yes, many spiders make webs.
Can horses run fast? Yes, horses can run fast.
Can snakes walk? No, snakes have no legs.
Can turtles swim? Yes, many turtles can swim.
Do cats have tails? Yes, most cats have a tail.
Do dogs have wings? No, dogs do not have wings.
Do birds have feathers? Yes, birds have feathers.
Do fish have legs? No, fish have fins.
Do snakes have legs? No, snakes have no legs.
Do cows give milk? Yes, cows give milk.
Do hens lay eggs? Yes, hens lay eggs.
Do cows lay eggs? No, cows do not lay eggs.
Do bees have wings? Yes, bees have wings.
Do trees have leaves? Yes, many trees have leaves.
Do cars have wheels? Yes, cars have wheels.
Do shoes have wheels? No, most shoes do not have wheels.
Do plants need water? Yes, plants need water to grow.
Do stones need water? No, stones do not need water.
Do people need sleep? Yes, people need sleep.
Do spiders have six legs? No, spiders have eight legs.
Do insects have six legs? Yes, insects have six legs.
Do rabbits have long ears? Yes, rabbits have long ears.
Do elephants have trunks? Yes, elephants have trunks.
Do lions eat grass? No, lions eat meat.
Do cows eat grass? Yes, cows eat grass.
Do rabbits eat carrots? Yes, rabbits can eat carrots.
Do bears sleep in winter? Yes, many bears sleep in winter.
Do owls sleep at night? No, most owls sleep in the day.
Do fish live in trees? No, fish live in water.
Do birds live in nests? Yes, many birds build nests.
Do camels live in the desert? Yes, many camels live in the desert.
Do penguins live where it is cold? Yes, many penguins live where it is very cold.
Does the sun shine at night? No, the sun does not shine at night.
Does the sun rise in the morning? Yes, the sun rises in the morning.
Does rain fall up? No, rain falls down.
Does ice melt in the sun? Yes, ice melts in the sun.
Does a week have seven days? Yes, a week has seven days.
Does a week have ten days? No, a week has seven days.
Does a year have twelve months? Yes, a year has twelve months.
Does a dog say meow? No, a dog says woof.
Does a cat say meow? Yes, a cat says meow.
Does a cow say moo? Yes, a cow says moo.
Does a duck say moo? No, a duck says quack.
Does a car need a driver? Yes, most cars need a driver.
Does a triangle have three sides? Yes, a triangle has three sides.
Does a square have five sides? No, a square has four sides.
Does a bike have two wheels? Yes, a bike has two wheels.
Does a spider have wings? No, a spider does not have wings.
Is ten more than five? Yes, ten is more than five.
Is two more than nine? No, two is less than nine.
Is Monday a month? No, Monday is a day of the week.
Is May a month? Yes, May is a month.
Is a whale a fish? No, a whale is not a fish. It breathes air.
Is a tomato blue? No, a ripe tomato is red.
Is a banana yellow? Yes, a ripe banana is yellow.
Is it good to share? Yes, it is good to share.
Is it okay to steal? No, it is not okay to steal.
Is it okay to cry? Yes, it is okay to cry.
Is it good to brush your teeth? Yes, it is good to brush your teeth every day.
Are kittens baby cats? Yes, kittens are baby cats.
Are puppies baby cats? No, puppies are baby dogs.
Are all birds blue? No, birds have many different colors.
Are trees alive? Yes, trees are alive.
Are stones alive? No, stones are not alive.
Are dragons real? No, dragons live only in stories.
Are unicorns real? No, unicorns live only in stories.
Are dinosaurs still alive? No, the big dinosaurs died out long ago.
Are strawberries red? Yes, ripe strawberries are red.
Are roses always red? No, roses have many colors.""".split("\n")]


def yes_no(rng):
    question, answer = rng.choice(YES_NO)
    return question + "?", answer


TO_SAY = split("""hello, goodbye, good night, moo, meow, hooray, please, thank you, banana, yes, no, tick tock, ha, la, cheese, I am happy, good morning, once upon a time, quack, woof, boo, wow, Tiny,
pancake, sunshine, bubble, abracadabra, moon, knock, drip""")
TO_REPEAT = """The sun is warm. The cat sleeps on the mat. I like stories. The moon is round. Two frogs sit on a log. Rain falls on the roof. The mouse is small but brave. A blue boat sails away.
My hat is too big. Seven sheep are asleep. The soup is hot. The little bird can sing. We are good friends. The old tree is tall. Stars shine at night. Every day is a new day. The fox jumps over the fence.
I can do it. The bread is fresh. Bees love flowers. The bear likes honey. Green grass grows. The king has a crown. It is time for tea. The snail is slow.""".replace("\n", " ").rstrip(".").split(". ")


def repeat(rng):
    if rng.random() < 0.6:
        word = rng.choice(TO_SAY)
        n = rng.choice((1, 2, 2, 3, 3, 3, 4, 5))
        times = ("", "once", "twice", "three times", "four times", "five times")[n]
        question = expand(rng.choice((f"say {word} {times}.", f"can you say {word} {times}?", f"write {word} {times}.", f"please say {word} {times}.") if n > 1 else (f"say {word}.", f"can you say {word}?", f"please say {word}.")), rng)
        text = ", ".join([word] * n)
        return question, text[0].upper() + text[1:] + rng.choice((".", "!"))
    text = rng.choice(TO_REPEAT)
    small = text if text.startswith("I ") else text[0].lower() + text[1:]
    return rng.choice((f"Repeat after me: {small}.", f"Say this: {small}.", f"Repeat this sentence: {text}.", f"Can you repeat this? {text}.", f"Please say: {small}.")), text + "."


def draw(rng):
    """Coins, dice and numbers."""
    x = rng.random()
    if x < 0.3:
        return rng.choice(("Flip a coin.", "Heads or tails?", "Can you flip a coin?", "Toss a coin.")), rng.choice(("Heads!", "Tails!", "It is heads.", "It is tails."))
    if x < 0.55:
        n = rng.randint(1, 6)
        return rng.choice(("Roll a die.", "Can you roll a die?", "Throw a die for me.", "Roll the die!")), rng.choice((f"It is a {COUNTS[n]}!", f"You got a {COUNTS[n]}.", f"The die shows {n}."))
    low, high = rng.choice(((1, 10), (1, 10), (1, 20), (1, 5), (1, 3), (1, 100), (10, 20)))
    n = rng.randint(low, high)
    return rng.choice((f"Pick a number between {low} and {high}.", f"Give me a number from {low} to {high}.", f"Think of a number between {low} and {high}.", f"Tell me a number from {low} to {high}.")), rng.choice((f"{n}.", f"I pick {n}.", f"How about {n}?"))


# What makes a sentence whole.
ENDINGS = [tuple(line.split(" ... ")) for line in """The sun is ... {warm and bright|up in the sky}
The cat sat on ... {the mat|the warm chair}
At night I see ... {the moon and the stars|the bright stars}
My best friend is ... {kind and funny|always there for me}
Once upon a time ... {there was a little mouse who wanted to see the sea|there was a king who could not sleep}
In the forest lives ... {a clever fox|an old bear}
I like to eat ... {soup and bread|pancakes with honey}
When it rains, I ... {read a book|jump in the puddles}
The dog runs after ... {the ball|the cat}
In winter, it is ... {cold|cold and white}
In summer, we ... {swim in the lake|eat ice cream}
A bird can ... {fly and sing|fly}
The opposite of hot is ... cold
The opposite of big is ... small
Bees make ... honey
Cows give ... milk
Hens lay ... eggs
At school, we ... {learn to read|learn and play}
Before I go to bed, I ... {brush my teeth|read a story}
The princess opened the door and saw ... {a small green dragon|a garden full of light}
The pirate looked for ... {gold|a hidden treasure}
On my birthday, I want ... {a big cake|to see my friends}
If I had wings, I would ... {fly over the sea|fly to the moon}
The old man lived in ... {a little house by the sea|a hut on a hill}
The snow is ... {white and cold|soft and white}
A good friend always ... {listens|helps you}
A year has ... twelve months
A week has ... seven days
The lion was helped by ... a little mouse
Fire is ... hot""".split("\n")]


def finish(rng):
    begin, end = rng.choice(ENDINGS)
    small = begin if begin.startswith("I ") else begin[0].lower() + begin[1:]
    question = rng.choice((f"Finish the sentence: {small} ...", f"Complete this sentence: {small} ...", f"{begin} ...", f"How does it go on? {begin} ...", f"Finish this: {begin} ..."))
    return question, f"{begin} {expand(end, rng, sentence=False)}."


GAMES = [choose, starts_with, name_some, spell, sentence_with, sequence, yes_no, repeat, is_it_a, odd_one_out, rhyme, draw, finish]
