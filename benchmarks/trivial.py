"""The smallest possible server: it answers every request with the same bytes, and parses nothing.

It shows the maximum rate of a load generator.
`python -m benchmarks.trivial PORT`
"""

import asyncio
import sys
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
END = b"\r\n\r\n"


class Answers(asyncio.Protocol):
    """Counts heads by their empty line; a body without an empty line counts as part of a head."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        self._rest = data[data.rfind(END) + len(END) :] if END in data else data
        count = data.count(END)
        if count:
            self._transport.write(ANSWER * count)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
