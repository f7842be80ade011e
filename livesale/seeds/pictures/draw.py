"""Draws one picture by its name, in a process of its own: run by a Workshop."""

import sys
from collections.abc import Sequence

from livesale.seeds.pictures.goods import GOODS
from livesale.seeds.pictures.people import LOOKS, avatar, studio
from livesale.workshop.bench import serve


def draw(name: str) -> bytes:
    """The picture as PNG: the same bytes each time."""
    if name == "studio":
        return studio()
    return avatar(name) if name in LOOKS else GOODS[name]()


def _work(_raw: bytes, arguments: Sequence[str]) -> bytes:
    return draw(arguments[0])


if __name__ == "__main__":
    serve(_work)
    sys.exit(1)
