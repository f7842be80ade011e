"""The generator tells the truth: latencies from when a request was due, and who got no answer."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from loadtests.open_loop import requests
from loadtests.open_loop.driver import Driver
from loadtests.open_loop.result import Result, Tally, new_histogram, percentiles, result_of
from loadtests.target import Target, TargetAway, parse_target
from tests.loadtests.answering import answering, response

STALL_S = 0.6


async def drive(
    target: Target,
    due: Sequence[float],
    connections: int = 1,
    timeout_s: float = 10.0,
    ask: requests.Requests | None = None,
) -> Result:
    asking = ask or requests.gets(target.authority, "/")
    driver = Driver(target, asking, iter(due), connections, timeout_s)
    await driver.connect()
    tally = await driver.drive(asyncio.get_running_loop().time())
    return of(tally)


def of(tally: Tally) -> Result:
    return result_of(tally, rate=1.0, seconds=0.001, arrivals="fixed", connections=1, processes=1)


@pytest.mark.parametrize("connections", [1, 3])
async def test_a_stall_is_charged_to_everybody_who_was_due_meanwhile(connections: int) -> None:
    # Given a server that stalls once, at its first request, and answers at once otherwise
    first = asyncio.Event()

    async def stall(_: bytes) -> bytes:
        if not first.is_set():
            first.set()
            await asyncio.sleep(STALL_S)
            stalled.set()
        await stalled.wait()
        return response(200)

    stalled = asyncio.Event()

    # When twenty more requests are due while it stalls, evenly
    due = [number * STALL_S / 21 for number in range(21)]
    async with answering(stall) as target:
        result = await drive(target, due, connections)

    # Then a closed loop would have seen one slow answer; here half of all waited for half of it
    assert result.answered == 21 and result.never == {}
    assert result.latency_ms["100"] >= STALL_S * 1000 * 0.99
    assert result.latency_ms["50"] >= STALL_S * 1000 * 0.45


async def test_requests_leave_on_time_while_answers_are_outstanding() -> None:
    # Given a server that answers nobody before five have asked
    asked = 0
    all_here = asyncio.Event()

    async def together(_: bytes) -> bytes:
        nonlocal asked
        asked += 1
        if asked == 5:
            all_here.set()
        await all_here.wait()
        return response(200)

    # Then five connections carry five requests at once
    async with answering(together) as target:
        result = await drive(target, [0, 0.01, 0.02, 0.03, 0.04], connections=5)
    assert result.answers["200"].count == 5


async def test_answers_are_counted_by_status_and_code() -> None:
    # Given answers of many kinds, in pieces, chunked, announced by a 1xx, or closing
    sold_out = b'{"type":"about:blank","code":"sold_out","status":409}'
    answers = iter(
        [
            response(201),
            response(409, sold_out),
            response(409, sold_out),
            response(500, b"no json"),
            response(404, b'["a list"]'),
            b"HTTP/1.1 103 Early Hints\r\n\r\n" + response(200),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            response(503, b'{"code":"overloaded"}', b"Connection: close"),
            response(201),
        ]
    )

    async def next_answer(_: bytes) -> bytes:
        return next(answers)

    async with answering(next_answer) as target:
        result = await drive(target, [0.0] * 9)
    assert {name: found.count for name, found in result.answers.items()} == {
        "200": 2,
        "201": 2,
        "404": 1,
        "409 sold_out": 2,
        "500": 1,
        "503 overloaded": 1,
    }
    assert (result.due, result.answered, result.never) == (9, 9, {})
    assert result.goodput_per_s / result.answered_per_s == pytest.approx(4 / 9)


async def test_a_lost_connection_is_a_request_without_an_answer() -> None:
    # Given a server that hangs up on every third request, once in the middle of an answer
    heard = 0

    async def hang_up(_: bytes) -> bytes:
        nonlocal heard
        heard += 1
        return b"" if heard % 3 == 0 else response(200)

    async with answering(hang_up) as target:
        result = await drive(target, [0.0] * 9)

    # Then each is counted once, and the others are served by new connections
    assert result.never == {"lost": 3}
    assert result.answers["200"].count == 6
    assert result.latency_ms["50"] is not None and result.latency_ms["90"] is None


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"ICY 200 OK\r\n\r\n",
        response(200) + response(200),  # one too many: which of them is the answer?
        response(200) + b"HTTP/1.1 2",
    ],
    ids=["cut off", "no HTTP", "two for one", "one and a piece"],
)
async def test_what_is_no_whole_answer_is_none(sent: bytes) -> None:
    answers = iter([sent, b"", response(201)])

    async def next_answer(_: bytes) -> bytes:
        return next(answers, response(201))

    async with answering(next_answer) as target:
        result = await drive(target, [0.0, 0.3], timeout_s=0.2)
    assert sum(result.never.values()) >= 1
    assert "200" not in result.answers
    assert result.answered + sum(result.never.values()) == result.due == 2


async def test_what_is_not_answered_in_time_is_given_up_and_counted() -> None:
    # Given a server that never answers the first request
    answered = asyncio.Event()
    seen: list[bytes] = []

    async def deaf_once(head: bytes) -> bytes:
        seen.append(head)
        if len(seen) == 1:
            await answered.wait()
        return response(200)

    # When one request hangs, one is in line behind it too long, and one comes later
    async with answering(deaf_once) as target:
        result = await drive(target, [0.0, 0.0, 0.5], timeout_s=0.2)
        answered.set()

    # Then the one that was on its way timed out; the one in line was never sent, or found the
    # connection that replaced the dead one
    assert result.never["timed out"] == 1
    assert result.due == 3
    assert result.answered + sum(result.never.values()) == 3


async def test_a_run_that_is_not_patient_sends_nothing_after_its_end() -> None:
    # Given one connection to a server that takes a while, and more due than it can answer
    async def slow(_: bytes) -> bytes:
        await asyncio.sleep(0.1)
        return response(200)

    async with answering(slow) as target:
        ask = requests.gets(target.authority, "/")
        driver = Driver(target, ask, iter([0.0] * 5 + [0.25]), 1, 10.0, patient=False)
        await driver.connect()
        result = of(await driver.drive(asyncio.get_running_loop().time()))

    # Then who was on its way at the end is answered, and who was in line was never sent
    assert result.never.keys() == {"not sent"}
    assert 1 <= result.answered <= 4
    assert result.answered + result.never["not sent"] == result.due == 6


def test_percentiles_count_those_who_never_had_an_answer() -> None:
    histogram = new_histogram()
    for ms in range(1, 91):
        histogram.record_value(ms * 1000)
    found = percentiles(histogram, due=100, wanted=(50, 90, 91, 100))
    assert found["50"] == pytest.approx(50, rel=0.001)
    assert found["90"] == pytest.approx(90, rel=0.001)
    assert found["91"] is None and found["100"] is None
    assert percentiles(new_histogram(), due=0) == dict.fromkeys(("50", "90", "99", "99.9", "100"))


def test_what_several_processes_counted_adds_up() -> None:
    shares = [Tally(), Tally()]
    for number, share in enumerate(shares):
        for _ in range(10):
            share.due += 1
            share.sent(0.001)
            share.answered(201, b"", 0.010 * (1 + number))
        share.due += 1
        share.never["lost"] = 1
        share.elapsed_s = 2.0 + number
    whole = Tally()
    for share in shares:
        whole.add(share.packed())
    result = of(whole)
    assert (result.due, result.answered, result.never) == (22, 20, {"lost": 2})
    assert result.goodput_per_s == pytest.approx(20 / 3)
    assert result.latency_ms["50"] == pytest.approx(20, rel=0.01)
    assert result.answers["201"].p50_ms == pytest.approx(10, rel=0.01)


async def test_every_request_is_another_buyers_with_a_key_of_its_own() -> None:
    # Given three tokens and five requests
    seen: list[bytes] = []

    async def note(request: bytes) -> bytes:
        seen.append(request)
        return response(201)

    async with answering(note) as target:
        ask = requests.reservations(target.authority, "drop1", ["t1", "t2", "t3"], "salt")
        await drive(target, [0.0] * 5, ask=ask)

    # Then buyers come again only when there are no others, and never with the same key
    assert all(
        request.startswith(b"POST /v1/drops/drop1/reservations HTTP/1.1") for request in seen
    )
    assert Counter(_headers(seen, b"Authorization: Bearer ")) == {b"t1": 2, b"t2": 2, b"t3": 1}
    keys = list(_headers(seen, b"Idempotency-Key: "))
    assert len(set(keys)) == 5 and all(key.startswith(b"salt-") for key in keys)


async def test_a_target_that_goes_away_leaves_a_result_that_says_so() -> None:
    async def gone(_: bytes) -> bytes:
        server.close()
        return b""

    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    target = parse_target(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    driver = Driver(target, requests.gets(target.authority, "/"), iter([0.05, 0.1]), 1, 0.3)
    await driver.connect()
    server.close()
    await server.wait_closed()
    result = of(await driver.drive(asyncio.get_running_loop().time()))
    assert result.answered == 0
    assert sum(result.never.values()) == result.due == 2


async def test_nobody_listening_ends_it_before_the_first_request() -> None:
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    target = parse_target(f"http://127.0.0.1:{port}")
    with pytest.raises(TargetAway, match=r"^http://127\.0\.0\.1:\d+ cannot be reached: .*refused"):
        await Driver(target, requests.gets("x", "/"), iter([0.0]), 4, 1.0).connect()


def _headers(seen: Sequence[bytes], name: bytes) -> Iterator[bytes]:
    for request in seen:
        found = re.search(name + rb"(\S+)", request)
        assert found is not None
        yield found[1]
