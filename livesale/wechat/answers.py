"""Answers of other people's servers, read within bounds."""

from aiohttp import StreamReader


class AnswerTooLarge(Exception):
    """A server says more than it documents."""


async def read_bounded(content: StreamReader, most_bytes: int) -> bytes:
    """The whole body, in however many pieces it comes. Raises AnswerTooLarge."""
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > most_bytes:
            raise AnswerTooLarge
    return bytes(body)
