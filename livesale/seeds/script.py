"""What happens in a round of the live room, second by second. No I/O.

A round is made of its number: who plays it again, after a crash, plays the same.
"""

import math
import random
from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from livesale.seeds import people as lines
from livesale.seeds.people import PEOPLE

ROUND_S = 240
POTS_EVERY = 15  # rounds: an hour
TEA_UNITS, POT_UNITS, SOUND_UNITS, PRIZE_UNITS = 12, 6, 400, 60
WINNERS = 3
BAG_S = 45.0


class Act(StrEnum):
    SAY = "say"  # a viewer; without a person, the host
    PIN = "pin"
    UNPIN = "unpin"
    CLAIM = "claim"  # reserve a unit
    BUY = "buy"  # reserve a unit, and pay
    REFILL = "refill"
    POTS = "pots"  # open the next drop of teapots
    BAG = "bag"
    ENTER = "enter"  # the lucky bag


class Beat(Struct, frozen=True, order=True):
    """At `at_s` of the round. `who` is a person's place in PEOPLE, -1 for the host, or the number
    of somebody in the crowd; `what` is a text or the code of a SKU."""

    at_s: float
    act: Act
    who: int = -1
    what: str = ""


TEA, POT, SOUND, MUG = "LS-TEA", "LS-TEAPOT", "LS-HEADPHONES", "LS-MUG-SAND"


def plan_round(number: int) -> list[Beat]:
    """The beats of a round, in time."""
    chance = random.Random(number)
    beats = [
        Beat(1, Act.SAY, what=lines.SAYS_TEA if number % 2 == 0 else lines.SAYS_AGAIN),
        Beat(2, Act.PIN, what=TEA),
        Beat(60, Act.SAY, what=lines.SAYS_SOLD_OUT),
        Beat(84, Act.PIN, what=SOUND),
        Beat(86, Act.SAY, what=lines.SAYS_SOUND),
        Beat(228, Act.REFILL),
        Beat(236, Act.UNPIN),
        *_shopping(chance),
        *_bag(number, chance),
        *_last_part(number, chance),
        *_chat(chance),
    ]
    return sorted(beats)


def viewers_at(second: float) -> int:
    """How many watch, some seconds after the beginning: waves, and never nobody."""
    slow = math.sin(second / 420) * 180 + math.sin(second / 97) * 60
    return max(40, round((860 + slow + math.sin(second / 13) * 9) * min(1.0, 0.2 + second / 90)))


def likes_at(second: float, chance: random.Random) -> int:
    """Likes of two seconds."""
    excited = 3 if second % ROUND_S < 60 else 1
    return chance.randint(1, 6) * excited


def _shopping(chance: random.Random) -> list[Beat]:
    """All tea is claimed in a minute. Half of it is not paid, comes back, and is bought later."""
    claims = (
        Beat(
            6 + number * 4 + chance.uniform(0, 2),
            Act.CLAIM if number % 2 else Act.BUY,
            number,
            TEA,
        )
        for number in range(TEA_UNITS)
    )
    later = (
        Beat(134 + number * 3 + chance.uniform(0, 2), Act.BUY, number, TEA)
        for number in range(TEA_UNITS, TEA_UNITS + 4)
    )
    sound = (Beat(90 + chance.uniform(0, 40), Act.BUY, 100 + number, SOUND) for number in range(3))
    return [*claims, *later, *sound]


def _bag(number: int, chance: random.Random) -> list[Beat]:
    """A lucky bag with its entries; every other one asks for a phrase."""
    has_phrase = number % 2 == 0
    how = lines.HOW_PHRASE if has_phrase else lines.HOW_FREE
    beats = [
        Beat(104, Act.SAY, what=lines.SAYS_BAG.format(how=how)),
        Beat(106, Act.BAG, what=lines.PHRASE if has_phrase else ""),
        Beat(156, Act.SAY, what=lines.SAYS_DRAWN),
    ]
    for who in chance.sample(range(len(PEOPLE)), 6):
        at_s = 109 + chance.uniform(0, 32)
        if has_phrase:
            beats.append(Beat(at_s, Act.SAY, who, lines.PHRASE))
        beats.append(Beat(at_s + 1.5, Act.ENTER, who))
    beats += (
        Beat(158 + chance.uniform(0, 10), Act.SAY, who, chance.choice(lines.THANKS))
        for who in chance.sample(range(len(PEOPLE)), 2)
    )
    return beats


def _last_part(number: int, chance: random.Random) -> list[Beat]:
    if number % POTS_EVERY:
        return [Beat(196, Act.PIN, what=MUG), Beat(198, Act.SAY, what=lines.SAYS_MUG)]
    return [
        Beat(192, Act.SAY, what=lines.SAYS_POT),
        Beat(194, Act.POTS),
        *(
            Beat(206 + who * 2 + chance.uniform(0, 1), Act.BUY, 200 + who, POT)
            for who in range(POT_UNITS)
        ),
    ]


def _chat(chance: random.Random) -> list[Beat]:
    """A comment every few seconds, about what is shown, by another person each time."""
    beats: list[Beat] = []
    at_s, last, said = 4.0, -1, [""]
    while at_s < ROUND_S - 4:
        who = chance.choice([one for one in range(len(PEOPLE)) if one != last])
        text = chance.choice([text for text in _topics(at_s, chance) if text not in said[-12:]])
        beats.append(Beat(round(at_s, 3), Act.SAY, who, text))
        said.append(text)
        last = who
        at_s += chance.uniform(2.5, 6.5)
    return beats


def _topics(at_s: float, chance: random.Random) -> Sequence[str]:
    if chance.random() < 0.4:
        return lines.ANYTIME + lines.ABOUT_TEA[:3]
    if at_s < 84 or 134 < at_s < 190:
        return lines.ABOUT_TEA + lines.ANYTIME[:3]
    if at_s < 134:
        return lines.ABOUT_SOUND + lines.ANYTIME
    return lines.ABOUT_POT + lines.ANYTIME
