"""Encodes a picture again, in three sizes, as WebP and JPEG: run by a Workshop.

Nothing of the file that was uploaded is kept but its pixels: no EXIF, no place, no comment, no
colour profile (colours are converted to sRGB), nothing behind the picture.
"""

import io
import sys
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from livesale.catalogue.pictures.containers import also, guess, kind_of
from livesale.catalogue.pictures.made import SIZES, Encoded, Made
from livesale.workshop.bench import WorkRefused, serve

_ORIENTATION = 0x0112
_ON_ITS_SIDE = (5, 6, 7, 8)


def encode(raw: bytes, max_pixels: int) -> Made:
    """Raises WorkRefused: picture_kind, picture_mixed, picture_pixels, picture_broken."""
    kind = kind_of(raw)
    if kind is None:
        raise WorkRefused("picture_kind", f"This is {guess(raw)}. Send JPEG, PNG, WebP or GIF.")
    other = also(raw)
    if other is not None:
        raise WorkRefused("picture_mixed", f"The {kind} file is also {other}.")
    Image.MAX_IMAGE_PIXELS = None  # our own bound is checked before anything is decoded
    try:
        with Image.open(io.BytesIO(raw), formats=(kind,)) as opened:
            width, height = opened.size
            if width * height > max_pixels:
                raise WorkRefused(
                    "picture_pixels",
                    f"It has {width} × {height} pixels; at most {max_pixels:,} are possible.",
                )
            if opened.getexif().get(_ORIENTATION) in _ON_ITS_SIDE:
                width, height = height, width
            opened.draft("RGB", (max(SIZES.values()),) * 2)  # a JPEG is decoded no larger
            opened.load()  # the first frame of an animation
            files = _encode(_to_srgb(ImageOps.exif_transpose(opened)))
            return Made(width, height, files)
    except WorkRefused:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as fault:
        raise WorkRefused("picture_broken", f"The {kind} file cannot be read: {fault}") from None
    except MemoryError:
        raise WorkRefused("picture_pixels", "It needs too much memory.") from None


def _to_srgb(picture: Image.Image) -> Image.Image:
    profile = picture.info.get("icc_profile")
    has_alpha = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
    if profile and picture.mode in ("RGB", "RGBA", "CMYK", "L"):
        # One that cannot be read leaves the colours as they are.
        with suppress(ImageCms.PyCMSError, OSError, ValueError):
            picture = ImageCms.profileToProfile(  # type: ignore[assignment]
                picture,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGBA" if picture.mode == "RGBA" else "RGB",
            )
    mode = "RGBA" if has_alpha else "RGB"
    return picture if picture.mode == mode else picture.convert(mode)


def _encode(picture: Image.Image) -> list[Encoded]:
    files: list[Encoded] = []
    for size, longest in SIZES.items():
        if max(picture.size) > longest:
            picture = ImageOps.contain(picture, (longest, longest), Image.Resampling.LANCZOS)
        bare = picture.copy()
        bare.info = {}  # comments and profiles would be written again
        for kind, raw in (("webp", _webp(bare)), ("jpeg", _jpeg(bare))):
            files.append(Encoded(size, kind, *bare.size, raw))
    return files


def _webp(picture: Image.Image) -> bytes:
    target = io.BytesIO()
    picture.save(target, "WEBP", quality=80, method=4)
    return target.getvalue()


def _jpeg(picture: Image.Image) -> bytes:
    if picture.mode == "RGBA":
        ground = Image.new("RGB", picture.size, "white")
        ground.paste(picture, mask=picture.getchannel("A"))
        picture = ground
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=82, optimize=True, progressive=True)
    return target.getvalue()


def _work(raw: bytes, arguments: Sequence[str]) -> bytes:
    return msgspec.msgpack.encode(encode(raw, int(arguments[0])))


if __name__ == "__main__":
    serve(_work)
    sys.exit(1)
