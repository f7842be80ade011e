"""The port of probes of a writer or keeper: it answers, and strangers cannot fill it."""

import asyncio
from contextlib import suppress

import aiohttp

from livesale.settings import load_settings
from livesale.web import probes
from livesale.web.probes import serve_probes
from tests.ports import free_port


async def test_strangers_do_not_fill_the_port_of_probes() -> None:
    port, why = free_port(), [""]
    settings = load_settings(http__head_timeout_s=0.2, probes__port=port)
    url = f"http://127.0.0.1:{port}"
    async with serve_probes(settings, lambda: why[0]), aiohttp.ClientSession() as session:

        async def status(path: str) -> int:
            async with session.get(url + path, headers={"Connection": "close"}) as reply:
                await reply.read()
                return reply.status

        assert [await status(path) for path in ("/livez", "/readyz", "/metrics")] == [200] * 3
        why[0] = "writer (SQL is away)"
        assert [await status(path) for path in ("/livez", "/readyz")] == [200, 503]
        # when more strangers come than it has places, and say nothing or begin a head for ever
        lines = [b"", b"GET /livez HTTP/1.1\r\n"]
        strangers = [
            await asyncio.open_connection("127.0.0.1", port)
            for _ in range(probes.MAX_CONNECTIONS + 10)
        ]
        for number, (_, writer) in enumerate(strangers):
            writer.write(lines[number % 2])
        # then each is cut off
        async with asyncio.timeout(20):
            for reader, writer in strangers:
                with suppress(ConnectionError):
                    await reader.read()
                writer.close()
        assert await status("/livez") == 200
        # and a head that is too big is refused
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /livez HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")
        assert (await reader.readline()).split()[1] in (b"400", b"431")
        writer.close()
