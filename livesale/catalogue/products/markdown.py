"""Descriptions: a safe subset of Markdown, checked when it is written.

Paragraphs, headings, lists, quotes, emphasis, code and links to https. No HTML and no pictures:
a product has its pictures beside the text.
"""

import re
from functools import lru_cache
from typing import Annotated

from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec import Meta

from livesale.validation.refusals import InvalidField

MAX_CHARACTERS = 10_000
# Control characters but line ends and tabs, and marks that turn the direction of text.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)

Markdown = Annotated[
    str, Meta(max_length=MAX_CHARACTERS, description="Markdown, without HTML and pictures")
]

_REFUSED = {
    "html_block": "HTML is not possible here.",
    "html_inline": "HTML is not possible here.",
    "image": "Add pictures to `pictures`.",
}
# HTML is recognised, so that it can be refused: it is never rendered.
_parser = MarkdownIt("commonmark", {"html": True, "maxNesting": 12})


MAX_MARKS = 400  # of each kind: the parser takes longer than a line for each


def check_markdown(field: str, text: str) -> None:
    """Raises InvalidField that names the line."""
    for number, line in enumerate(text.split("\n"), 1):
        if _UNSEEN.search(line):
            raise InvalidField(field, f"Line {number}: there is an invisible control character.")
    for mark in "[]<&`*_":
        if text.count(mark) > MAX_MARKS:
            raise InvalidField(field, f"There are too many {mark}: at most {MAX_MARKS}.")
    _parse(field, text)


@lru_cache(maxsize=1_000)
def render_markdown(text: str) -> str:
    """HTML of a description that was checked."""
    tokens = _parse("description", text)
    for token in _flat(tokens):
        if token.type == "link_open":
            token.attrSet("rel", "nofollow noopener noreferrer")
    html: str = _parser.renderer.render(tokens, _parser.options, {})
    return html


def _parse(field: str, text: str) -> list[Token]:
    tokens = _parser.parse(text)
    for token in tokens:
        line = token.map[0] + 1 if token.map else 1
        for one in (token, *(token.children or ())):
            if one.type in _REFUSED:
                raise InvalidField(field, f"Line {line}: {_REFUSED[one.type]}")
            if one.type == "link_open" and not str(one.attrGet("href")).startswith("https://"):
                raise InvalidField(field, f"Line {line}: a link must begin with https://.")
    return tokens


def _flat(tokens: list[Token]) -> list[Token]:
    return [one for token in tokens for one in (token, *(token.children or ()))]
