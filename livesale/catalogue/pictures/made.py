"""What is made of a picture. Without Pillow, which only the process that encodes needs."""

from msgspec import Struct

MODULE = "livesale.catalogue.pictures.encode"
SIZES = {"large": 1_600, "medium": 750, "thumb": 240}  # px of the longer side, the largest first


class Encoded(Struct, frozen=True):
    """One file: `raw` is its content."""

    size: str
    kind: str  # webp or jpeg
    width: int
    height: int
    raw: bytes


class Made(Struct, frozen=True):
    """`width` and `height` are those of the picture that was uploaded, upright."""

    width: int
    height: int
    files: list[Encoded]
