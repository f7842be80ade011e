"""As fast as the answers come, by wrk or by our own generator: both count what was answered."""

import asyncio
import re
from pathlib import Path

import pytest

from benchmarks import closed_loop
from benchmarks.closed_loop import CONNECTIONS, Tokens, get, has_wrk, reserve
from tests.loadtests.answering import answering, response

BUYERS = 100_000  # more than come in a second


@pytest.fixture(params=["wrk", "generator"] if has_wrk() else ["generator"], autouse=True)
def tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed_loop, "has_wrk", lambda: request.param == "wrk")


async def test_every_answer_is_counted_and_every_buyer_comes_once(tmp_path: Path) -> None:
    # Given a shop that refuses every other buyer
    seen: list[bytes] = []

    async def sell(request: bytes) -> bytes:
        seen.append(request)
        return response(409 if len(seen) % 2 else 201)

    tokens = Tokens([f"t{number}" for number in range(BUYERS)], tmp_path / "tokens")
    tokens.path.write_text("\n".join(tokens.all))

    # When buyers come for a second, beginning with the 1,000th
    async with answering(sell) as target:
        shot = await asyncio.to_thread(reserve, target.url, "d1", tokens, 1, 1_000)

    # Then what was answered is counted, but for what was on its way at the end
    assert 0 < shot.requests <= len(seen) <= shot.requests + CONNECTIONS
    assert abs(shot.refused - shot.requests / 2) <= CONNECTIONS
    assert shot.per_s == pytest.approx(shot.requests / shot.elapsed_s)

    # And each request is another buyer's, with a key of its own, and whole
    buyers = sorted(int(re.search(rb"Bearer t(\d+)\r\n", request)[1]) for request in seen)  # type: ignore[index]
    assert buyers == [*range(buyers[0], buyers[0] + len(seen))]
    assert buyers[0] - 1_000 in (0, 1)  # wrk keeps the first request for itself
    keys = {re.search(rb"Idempotency-Key: (\S+)\r\n", request)[1] for request in seen}  # type: ignore[index]
    assert len(keys) == len(seen)
    assert all(request.endswith(b'\r\n\r\n{"quantity":1}') for request in seen)


async def test_a_plain_page_is_read() -> None:
    async def greet(request: bytes) -> bytes:
        assert request.startswith(b"GET / HTTP/1.1\r\n")
        return response(200)

    async with answering(greet) as target:
        shot = await asyncio.to_thread(get, target.url, 1)
    assert shot.requests > 0 and shot.refused == 0


async def test_a_server_that_hangs_up_gives_no_figure() -> None:
    async def hang_up(_: bytes) -> bytes:
        return b""

    async with answering(hang_up) as target:
        with pytest.raises(RuntimeError, match=r"lost|Socket errors"):
            await asyncio.to_thread(get, target.url, 1)
