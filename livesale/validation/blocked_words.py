"""Blocked words in a room, found in one pass over a text, for any number of words.

It finds a word with anything between its letters (spaces, points, emoji, invisible characters), in
full width, in capitals, or with strokes and accents. A word of Latin letters counts only as a whole
word: it finds `as s`, but not `pass`, and no word made from parts of two innocent ones.
"""

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from ahocorasick_rs import AhoCorasick

from livesale.errors import Refused
from livesale.settings import Settings, config_folder

MAX_WORDS = 100_000
SETTING = "LIVESALE__LIVE__BLOCKED_WORDS"


class BlockedWords:
    """The blocked words; created once per process."""

    def __init__(self, words: Iterable[str]) -> None:
        folded = {fold(word)[0] for word in words}
        self._words = sorted(folded - {""})
        self._automaton = AhoCorasick(self._words, store_patterns=False)

    def __len__(self) -> int:
        return len(self._words)

    def found_in(self, text: str) -> bool:
        """Whether the text has one of the words."""
        letters, places = fold(text)
        found = self._automaton.find_matches_as_indexes(letters, overlapping=True)
        return any(self._stands(text, letters, places, start, end) for _, start, end in found)

    @staticmethod
    def _stands(text: str, letters: str, places: list[int], start: int, end: int) -> bool:
        """Whether a match is not part of a longer word of Latin letters."""
        first, last = places[start], places[end - 1]
        if letters[start].isascii() and first and _folds_to_latin(text[first - 1]):
            return False
        behind = text[last + 1 : last + 2]
        return not (letters[end - 1].isascii() and behind and _folds_to_latin(behind))


def fold(text: str) -> tuple[str, list[int]]:
    """The text for comparisons: letters and digits only, without case, width and accents; and the
    index in `text` of each of them."""
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for letter in _fold(character):
            letters.append(letter)
            places.append(place)
    return "".join(letters), places


def words_file(settings: Settings) -> Path:
    """The file in the settings, else the one in the package."""
    named = settings.live.blocked_words
    return Path(named) if named else config_folder() / "blocked-words.txt"


def load_words(path: Path) -> BlockedWords:
    """The words of a UTF-8 file, one on each line; lines that begin with # are comments. Ignores
    words without a letter or digit.

    Raises Refused if the file cannot be read, or has too many words.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(SETTING, f"{path} cannot be read: {error}", "Use a file in UTF-8.") from None
    words = [line.strip() for line in lines if not line.startswith("#")]
    if len(words) > MAX_WORDS:
        raise Refused(SETTING, f"{path} has {len(words)} lines", f"Use at most {MAX_WORDS}.")
    return BlockedWords(words)


def _fold(character: str) -> str:
    if character.isascii():
        return character.lower() if character.isalnum() else ""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", character).casefold())
    return "".join(letter for letter in plain if letter.isalnum())


def _folds_to_latin(character: str) -> bool:
    folded = _fold(character)
    return bool(folded) and folded[0].isascii() and folded[0].isalpha()
