"""A server whose behaviour a test sets, request by request."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from loadtests.target import Target, parse_target

Answer = Callable[[bytes], Awaitable[bytes]]


def response(status: int, body: bytes = b"{}", *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 %d Because" % status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[Target]:
    """Answers each request by what `answer` gives for its bytes; nothing given hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                given = await answer(head + body)
                if not given:
                    break
                writer.write(given)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield parse_target(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
