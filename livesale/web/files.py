"""Reads a file that is uploaded: the body itself, or the one file of a multipart form."""

import asyncio

import structlog
from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from livesale.web.problems import Problem

TIMEOUT_S = 45.0  # for a whole file
_PARTS = 20  # of a form, before its file

# What a body that is no file, or no form, gives.
_TORN = (
    *(web.RequestPayloadError, HttpProcessingError, ConnectionError),
    *(ValueError, AssertionError),
)

log = structlog.get_logger(__name__)


async def read_file(request: web.Request, max_bytes: int) -> bytes:
    """The file. Raises Problem when there is none, or it is too large, too slow, or torn."""
    length = request.content_length
    if length is not None and length > max_bytes + 4_096:  # of the form around it
        raise too_large(max_bytes)
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Problem("unsupported_media_type", "A file must not be sent compressed.")
    try:
        async with asyncio.timeout(TIMEOUT_S):
            if request.content_type == "multipart/form-data":
                raw = await _read_form(request, max_bytes)
            else:
                raw = await read_bounded(request, max_bytes)
    except TimeoutError:
        raise Problem("request_timeout", headers={"Connection": "close"}) from None
    except _TORN as error:
        error.__traceback__ = None  # the body keeps the fault, and this would keep the body
        log.debug("incomplete file", fault=type(error).__name__)
        raise Problem("malformed_body", type(error).__name__) from None
    if not raw:
        raise Problem("malformed_body", "There is no file in the body.")
    return raw


async def read_bounded(request: web.Request, max_bytes: int) -> bytes:
    """The body. Raises Problem when it is too large."""
    found = bytearray()
    async for piece in request.content.iter_any():
        found += piece
        if len(found) > max_bytes:
            raise too_large(max_bytes)
    return bytes(found)


async def _read_form(request: web.Request, max_bytes: int) -> bytes:
    form = await request.multipart()
    for _ in range(_PARTS):
        part = await form.next()
        if part is None:
            return b""
        if isinstance(part, MultipartReader):
            raise ValueError("nested")
        if part.filename is not None:
            return await _read_part(part, max_bytes)
        await _read_part(part, 4_096)  # another field of the form
    raise ValueError("too many parts")


async def _read_part(part: BodyPartReader, max_bytes: int) -> bytes:
    found = bytearray()
    while piece := await part.read_chunk():
        found += piece
        if len(found) > max_bytes:
            raise too_large(max_bytes)
    return bytes(found)


def too_large(max_bytes: int) -> Problem:
    return Problem("body_too_large", f"At most {max_bytes} bytes.")
