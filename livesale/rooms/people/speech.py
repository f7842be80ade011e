"""How a viewer's text is cleaned before others see it. No I/O.

The result is one line of plain text. Nothing in it is invisible, reverses the writing direction, or
grows out of its line; the client's text beside it stays in place.
"""

import unicodedata

MAX_MARKS = 4  # on one letter: Vietnamese has two, vocalised Hebrew three
MAX_JOINED = 4  # pictures in one emoji: a family has four

ZWJ = "\u200d"
_JOINERS = ("\u200c", ZWJ)
# Controls, invisible formatting, surrogates, private use, and what Unicode has not given a meaning.
_DROPPED = ("Cc", "Cf", "Cs", "Co", "Cn")
# Letters, marks and signs by their category, of which nothing can be seen: fillers of Hangul,
# vowels of Khmer that are implied, a joiner of graphemes, a note without a head.
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\U00016fe4\U0001d159"
_SPACES = ("Zs", "Zl", "Zp")
_WHITE = "\t\n\v\f\r\x85\u2800"  # a pattern of Braille without a dot is a space, too
_MARKS = ("Mn", "Me")


def clean(text: str) -> str:
    """The text as others may see it; empty when nothing of it can be seen.

    - composed (NFC); line breaks, tabs and all other white space become one space;
    - controls, marks of the writing direction and other invisible characters go, but for a joiner
      between two characters that are not spaces: emoji, Persian and Indian scripts need it;
    - an emoji is joined of at most MAX_JOINED, and a character carries at most MAX_MARKS marks.
    """
    kept: list[str] = []
    marks = joined = 0
    pending = ""
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        if category in _SPACES or character in _WHITE:
            pending = " "
        elif character in _JOINERS:
            pending = pending or character
        elif category in _DROPPED or character in _FILLERS:
            continue
        elif category in _MARKS:
            if not kept or pending == " " or marks == MAX_MARKS:
                continue
            marks += 1
            kept.append(character)
        else:
            if pending == ZWJ:
                joined += 1
            elif not _continues(category):
                joined = 0
            if kept and (pending == " " or (pending and joined < MAX_JOINED)):
                kept.append(pending)
            pending, marks = "", 0
            kept.append(character)
    return "".join(kept)


def _continues(category: str) -> bool:
    """Whether a character colours the picture before it: the tones of skin."""
    return category == "Sk"
