"""An index of titles by pairs of characters, for Chinese and Latin. In memory; no I/O.

Chinese has no spaces between words: a text is cut into pairs of neighbours (bigrams), and what
contains all pairs of the query in a row is found. Latin words and numbers are found by their
beginnings: `tea` finds "Teapot". Case, width and accents do not matter.
"""

import re
import unicodedata
from array import array
from collections.abc import Iterator

from msgspec import Struct

MAX_TITLES = 100_000
MAX_HITS = 1_000  # that are ranked: the newest that match
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff"
_RUN = re.compile(rf"([{_CJK}]+)|((?:(?![{_CJK}_])\w)+)")


class Entry(Struct, frozen=True):
    """What is known of a product."""

    product_id: str
    title: str
    category: str
    status: str


class Hit(Struct, frozen=True, order=True):
    """Sorts the best first: where the words begin, how long the title is; then the newest."""

    rank: int
    product_id: str


class _Document(Struct, frozen=True):
    entry: Entry
    text: str


class SearchIndex:
    """Titles by product. Not more than `max_titles`: the oldest ids leave first."""

    def __init__(self, max_titles: int = MAX_TITLES) -> None:
        self._max = max_titles
        self._documents: list[_Document | None] = []  # by number; None: it has changed since
        self._numbers: dict[str, int] = {}
        self._postings: dict[str, array[int]] = {}
        self.left_out = 0  # titles that found no place

    def __len__(self) -> int:
        return len(self._numbers)

    def put(self, entry: Entry) -> None:
        """Add a product, or change it."""
        known = self._numbers.get(entry.product_id)
        if known is not None:
            before = self._documents[known]
            if before is not None and before.entry == entry:
                return
            if before is not None and before.entry.title == entry.title:
                self._documents[known] = _Document(entry, before.text)
                return
            self._documents[known] = None
        elif len(self._numbers) >= self._max:
            self.left_out += 1
            oldest = min(self._numbers)
            if oldest > entry.product_id:
                return
            self.remove(oldest)
        if len(self._documents) > 2 * len(self._numbers) + 1_000:
            self._compact()
        self._add(entry)

    def remove(self, product_id: str) -> None:
        number = self._numbers.pop(product_id, None)
        if number is not None:
            self._documents[number] = None

    def find(
        self, query: str, *, category: str = "", status: str = "", limit: int = MAX_HITS
    ) -> list[Hit]:
        """Products whose titles have all words of the query, the best first. An empty query, or
        one without letters and digits, finds nothing."""
        needles = list(_words(query))
        grams = {gram for needle in needles for gram in _grams(needle)}
        lists = [self._postings.get(gram) for gram in grams]
        if not needles or not all(lists):
            return []
        shortest = min((found for found in lists if found is not None), key=len)
        hits: list[Hit] = []
        for number in reversed(shortest):  # the newest first
            document = self._documents[number]
            if document is None or not all(needle in document.text for needle in needles):
                continue
            entry = document.entry
            if status and entry.status != status:
                continue
            if category and not _is_within(entry.category, category):
                continue
            place = min(document.text.find(needles[0]), 99)
            hits.append(Hit(place * 1_000 + min(len(document.text), 999), entry.product_id))
            if len(hits) >= limit:
                break
        hits.sort(key=lambda hit: hit.product_id, reverse=True)
        hits.sort(key=lambda hit: hit.rank)
        return hits

    def _add(self, entry: Entry) -> None:
        number = len(self._documents)
        words = list(_words(entry.title))
        self._documents.append(_Document(entry, "".join(words)))
        self._numbers[entry.product_id] = number
        for gram in {gram for word in words for gram in _grams(word)}:
            found = self._postings.get(gram)
            if found is None:
                found = self._postings[gram] = array("I")
            found.append(number)

    def _compact(self) -> None:
        """Forget what has changed."""
        entries = [document.entry for document in self._documents if document is not None]
        self._documents, self._numbers, self._postings = [], {}, {}
        for entry in entries:
            self._add(entry)


def _words(text: str) -> Iterator[str]:
    """The words of a text; one of Latin letters begins with a space."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    plain = "".join(
        char for char in unicodedata.normalize("NFD", folded) if not unicodedata.combining(char)
    )
    for found in _RUN.finditer(unicodedata.normalize("NFC", plain)):
        yield found[1] or f" {found[2]}"


def _grams(word: str) -> Iterator[str]:
    """Pairs of neighbours, and each single character of Chinese."""
    for at in range(len(word) - 1):
        yield word[at : at + 2]
    if word[0] != " ":
        yield from word


def _is_within(category: str, path: str) -> bool:
    return category == path or category.startswith(f"{path}/")
