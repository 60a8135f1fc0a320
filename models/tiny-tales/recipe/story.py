"""What a plot gives, and the list of all plots."""
import dataclasses

PLOTS = []

LESSONS = {
    "sharing": "{sharing makes everything more fun|it feels good to share|when we share, everyone is happy}",
    "honesty": "{it is always best to tell the truth|telling the truth is brave|honest words make things better}",
    "patience": "{good things take time|waiting can be hard, but it is worth it|it pays to be patient}",
    "courage": "{being brave means trying even when you are scared|a little courage goes a long way|even small ones can be brave}",
    "kindness": "{a small act of kindness can change a day|kindness always comes back|being kind makes new friends}",
    "practice": "{practice makes us better|we learn by trying again and again|we should never give up}",
    "teamwork": "{working together makes hard jobs easy|friends can do big things together|many hands make light work}",
    "listening": "{it is wise to listen to others|we should think before we act|good advice is worth hearing}",
    "gratitude": "{it is good to be thankful for what we have|the best things are often already near us|saying thank you matters}",
    "humility": "{nobody is too small to help|it is not kind to boast|everyone is good at something}",
    "curiosity": "{asking questions is how we learn|there is always something new to find|a question can open a door}",
    "friendship": "{a true friend stays when things are hard|there is always room for one more friend|friends come in all shapes and sizes}",
}


@dataclasses.dataclass
class Story:
    """A story's templates. All share the scene's variables."""
    text: str          # paragraphs, one a line
    questions: list    # (question, answer) about this story alone; every answer can be read off the text
    about: str         # goes after "a story about a girl": "who lost [his] [o]"
    summary: str       # one sentence


def plot(lesson, heroes=("person", "animal", "role", "creature")):
    """Registers a plot: a function of the scene that gives a `Story`."""
    def register(f):
        f.lesson, f.heroes = lesson, heroes
        PLOTS.append(f)
        return f
    return register
