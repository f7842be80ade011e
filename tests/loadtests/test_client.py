"""The HTTP client of the crowd: right about lengths, honest about what it does not know."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from loadtests.client import Connection, Lost, NotSent, Pool, PoolLine, Raw
from loadtests.line import Answer, Request
from loadtests.target import Target

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers each request by the next of the replies."""

    def __init__(self, *replies: bytes | Reply) -> None:
        self.replies = list(replies)
        self.connections = 0

    @asynccontextmanager
    async def pool(self, size: int = 1) -> AsyncIterator[Pool]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        pool = Pool(Target("http", "127.0.0.1", server.sockets[0].getsockname()[1]), size)
        try:
            yield pool
        finally:
            pool.close()
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.replies and await reader.readuntil(b"\r\n\r\n"):
                reply = self.replies.pop(0)
                if callable(reply):
                    await reply(writer)
                else:
                    writer.write(reply)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


def ok(body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def test_answers_of_a_kept_connection_are_told_apart() -> None:
    server = Server(ok(b"one"), ok(b""), ok(b"three", b"Retry-After:  7 "))
    async with server.pool() as pool:
        answers = [await pool.ask(REQUEST) for _ in range(3)]
    assert [(a.status, a.body) for a in answers] == [(200, b"one"), (200, b""), (200, b"three")]
    assert [answer.retry_after for answer in answers] == ["", "", "7"]
    assert server.connections == 1


async def test_an_answer_in_pieces_is_put_together() -> None:
    async def dribble(writer: asyncio.StreamWriter) -> None:
        for byte in ok(b"slowly"):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with Server(dribble, ok(b"next")).pool() as pool:
        assert (await pool.ask(REQUEST)).body == b"slowly"
        assert (await pool.ask(REQUEST)).body == b"next"


async def test_a_connection_that_is_to_be_closed_is_not_used_again() -> None:
    server = Server(ok(b"bye", b"Connection: close"), ok(b"hello"))
    async with server.pool() as pool:
        assert (await pool.ask(REQUEST)).body == b"bye"
        assert (await pool.ask(REQUEST)).body == b"hello"
    assert server.connections == 2


async def test_a_broken_answer_is_lost_and_the_next_request_has_a_new_connection() -> None:
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        writer.close()

    server = Server(hang_up, ok(b"hello"))
    async with server.pool() as pool:
        with pytest.raises(Lost):
            await pool.ask(REQUEST)
        assert (await pool.ask(REQUEST)).body == b"hello"


async def test_a_late_answer_never_meets_the_next_request() -> None:
    late = asyncio.Event()

    async def answer_late(writer: asyncio.StreamWriter) -> None:
        await late.wait()
        writer.write(ok(b"late"))

    server = Server(answer_late, ok(b"mine"))
    async with server.pool() as pool:
        with pytest.raises(Lost):
            await pool.ask(REQUEST, timeout_s=0.05)
        late.set()
        assert (await pool.ask(REQUEST)).body in (b"mine", b"late")
    assert server.connections == 2


async def test_nobody_listening_is_a_request_not_sent() -> None:
    server = Server()
    async with server.pool() as pool:
        pass
    with pytest.raises(NotSent):
        await pool.ask(REQUEST)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nno colon",
        b"HTTP/1.1 200 OK\r\nfolded : 1\r\nContent-Length: 0",
        b"ICY 200 OK\r\nContent-Length: 0",
        b"HTTP/1.1 two\r\nContent-Length: 0",
    ],
)
async def test_an_answer_that_could_be_misread_is_lost(head: bytes) -> None:
    async with Server(head + b"\r\n\r\nx").pool() as pool:
        with pytest.raises(Lost):
            await pool.ask(REQUEST)


async def test_an_answer_without_a_body_has_no_length() -> None:
    async with Server(b"HTTP/1.1 204 No Content\r\n\r\n", ok(b"next")).pool() as pool:
        assert (await pool.ask(REQUEST)).status == 204
        assert (await pool.ask(REQUEST)).body == b"next"


async def test_a_line_says_what_became_of_a_request() -> None:
    problem = b'{"code":"slow_down","by":"address"}'
    late = b"HTTP/1.1 429 Slow\r\nRetry-After: 2\r\nContent-Length: 35\r\n\r\n" + problem
    request = Request("", "POST", "/", {"a": 1}, "token", "key")
    server = Server(ok(b'{"b":2}'), late, b"nonsense\r\n\r\n")
    async with server.pool() as pool:
        line = PoolLine(pool)
        found = [await line.carry(request) for _ in range(3)]
    assert found[0] == Answer(200, "", {"b": 2})
    assert (found[1].status, found[1].code, found[1].retry_after_s) == (429, "slow_down", 2.0)
    assert (found[1].by, found[2]) == ("address", Answer(0, "lost"))
    # and, with nobody there any more, that it was not sent
    assert await line.carry(request) == Answer(0, "refused")
    assert request.raw("host") == (
        b"POST / HTTP/1.1\r\nHost: host\r\nContent-Length: 7\r\n"
        b"Content-Type: application/json\r\nAuthorization: Bearer token\r\n"
        b'Idempotency-Key: key\r\n\r\n{"a":1}'
    )


async def test_a_connection_is_free_only_when_its_asker_has_its_answer() -> None:
    # given an asker whose answer has come, and who has not been woken yet
    server = Server(ok(b"one"), ok(b"two"))
    async with server.pool(size=2) as pool:
        heard = pool.on_answer

        def on_answer(connection: Connection, due_s: float, status: int, body: bytes) -> None:
            if body == b"one":  # when another one asks at that moment
                late.append(asyncio.get_running_loop().create_task(pool.ask(REQUEST, 2.0)))
            heard(connection, due_s, status, body)

        late: list[asyncio.Task[Raw]] = []
        pool.on_answer = on_answer  # type: ignore[method-assign]
        first = await pool.ask(REQUEST)
        # then nobody loses an answer
        assert (first.body, (await late[0]).body) == (b"one", b"two")
