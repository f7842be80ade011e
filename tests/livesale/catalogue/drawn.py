"""Pictures that tests draw."""

import io
import struct
import zlib
from typing import Any

from PIL import Image

RED, BLUE = (200, 10, 10), (10, 10, 200)
GPS = 0x8825
ORIENTATION = 0x0112


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 20), **options: Any) -> bytes:
    """Its left half is red, its right half is blue."""
    drawn = Image.new("RGB", size, RED)
    drawn.paste(BLUE, (size[0] // 2, 0, *size))
    target = io.BytesIO()
    drawn.save(target, kind, **options)
    return target.getvalue()


def with_place(orientation: int = 1) -> bytes:
    """A JPEG as a phone takes it: with its place, a maker's comment, and maybe on its side."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x010F] = "Secret Maker"
    exif.get_ifd(GPS)[2] = (31.0, 14.0, 9.0)
    return picture("JPEG", exif=exif, comment=b"secret comment")


def bomb(side: int = 30_000) -> bytes:
    """A small PNG that says that it has nearly a thousand million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(10_000_000), 9))
        + chunk(b"IEND", b"")
    )


def opened(raw: bytes) -> Image.Image:
    return Image.open(io.BytesIO(raw))
