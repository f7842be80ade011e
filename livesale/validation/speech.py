"""Cleans a text of a viewer, or a name, before others see it. No I/O.

The result is one line of plain text. It has no invisible characters, does not change the writing
direction, and does not overflow its line, so the text around it stays in place.
"""

import unicodedata

MAX_MARKS = 4  # marks on one letter: Vietnamese has two, vocalised Hebrew three
MAX_JOINED = 4  # parts of one emoji: a family has four

ZWJ = "\u200d"
_JOINERS = ("\u200c", ZWJ)
# Controls, invisible formatting, surrogates, private use, unassigned.
_DROPPED = ("Cc", "Cf", "Cs", "Co", "Cn")
# Invisible characters in the categories of letters, marks and symbols: Hangul fillers, implied
# Khmer vowels, the grapheme joiner, a note without a head.
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\U00016fe4\U0001d159"
_SPACES = ("Zs", "Zl", "Zp")
_WHITE = "\t\n\v\f\r\x85\u2800"  # a pattern of Braille without a dot is a space, too
_MARKS = ("Mn", "Me")


def clean(text: str) -> str:
    """The cleaned text; empty if it has no visible characters.

    - NFC; each run of white space becomes one space;
    - removes controls, direction marks and other invisible characters, except a joiner between two
      characters that are not spaces: emoji, Persian and Indian scripts need it;
    - an emoji has at most MAX_JOINED parts, a character at most MAX_MARKS marks.
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
    """Whether a character is a skin tone for the emoji before it."""
    return category == "Sk"
