"""Attributes of products and SKUs: a list of names and values, in the shop's order."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from livesale.validation.refusals import InvalidField
from livesale.validation.texts import PROSE_PATTERN, whole

MAX_ATTRIBUTES = 50


class Attribute(Struct, frozen=True, forbid_unknown_fields=True):
    """Such as 颜色: 红, or Size: L."""

    name: Annotated[str, whole(PROSE_PATTERN, min_length=1, max_length=50, examples=["Size"])]
    value: Annotated[str, whole(PROSE_PATTERN, min_length=1, max_length=200, examples=["L"])]


Attributes = Annotated[list[Attribute], Meta(max_length=MAX_ATTRIBUTES)]


def check_attributes(attributes: Sequence[Attribute]) -> None:
    """Raises InvalidField for a name that comes twice."""
    names = [one.name for one in attributes]
    for name in names:
        if names.count(name) > 1:
            raise InvalidField("attributes", f"The name {name!r} comes twice.")


def write_attributes(attributes: Sequence[Attribute]) -> str:
    return msgspec.json.encode(attributes).decode()


def read_attributes(text: str | None) -> list[Attribute]:
    return msgspec.json.decode(text, type=list[Attribute]) if text else []
