"""What the lists and drafts of operators have in common: filters, pages, versions."""

from typing import Annotated, Any

from msgspec import Meta, Struct
from sqlalchemy import ColumnElement, func

from livesale.validation.texts import whole

MAX_WORDS = 100

Version = Annotated[
    int, Meta(ge=1, le=2**31 - 1, description="the one that you read; refused if it has another")
]
Words = Annotated[str, Meta(max_length=MAX_WORDS, description="a part of the title, in any case")]
AfterId = Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="`next` of a page")]
Limit = Annotated[int, Meta(ge=1, le=100)]


class VersionQuery(Struct, frozen=True):
    """Without a `version`, whatever it is now."""

    version: Version | None = None


def has_words(title: Any, words: str) -> ColumnElement[bool]:
    """Whether a column of text contains these words, as they stand, in any case."""
    return func.lower(title).contains(words.strip().lower(), autoescape=True)


def several(values: list[str]) -> str:
    """The pattern of some of these values, with commas between them, or nothing."""
    one = f"({'|'.join(values)})"
    return rf"^({one}(,{one}){{0,{len(values) - 1}}})?$"


def split(text: str) -> list[str]:
    """The values of a parameter that fits `several`."""
    return [value for value in text.split(",") if value]
