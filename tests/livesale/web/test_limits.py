"""Rate limits, and whose request it is."""

import asyncio
import random

import pytest
from msgspec.structs import replace

from livesale.app import build_app
from livesale.resources import Deployment
from livesale.sales.fast_lane import FastConnection
from livesale.settings import load_settings
from livesale.tasks.rates import RateLimit
from livesale.web.limits import REFUSAL_DELAY_S, REFUSALS_BURST, WIDE, Clients, Limits
from tests.livesale.api import Api
from tests.livesale.conftest import Serve

HOUR_S = 3600.0


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    limit = RateLimit(per_s=10, burst=5)
    assert [limit.wait_s("a", 100.0) for _ in range(5)] == [0.0] * 5
    assert limit.wait_s("a", 100.0) == pytest.approx(0.1)
    assert limit.wait_s("a", 100.05) == pytest.approx(0.05)
    assert limit.wait_s("a", 100.1) == 0.0
    assert limit.wait_s("a", 100.1) == pytest.approx(0.1)
    assert limit.wait_s("b", 100.1) == 0.0


def test_refusals_cost_nothing() -> None:
    limit = RateLimit(per_s=1, burst=1)
    assert limit.wait_s("a", 0.0) == 0.0
    assert all(limit.wait_s("a", 0.5) > 0 for _ in range(100))
    assert limit.wait_s("a", 1.0) == 0.0


def test_the_rate_holds_for_any_arrivals() -> None:
    # given
    seeded = random.Random(7)
    limit = RateLimit(per_s=20, burst=40)
    now_s, passed = 0.0, []
    # when
    for _ in range(5_000):
        now_s += seeded.expovariate(60)
        if limit.wait_s("a", now_s) == 0.0:
            passed.append(now_s)
    # then: in no stretch did more pass than its length and the burst allow
    for start in range(0, len(passed), 7):
        for end in range(start, min(start + 400, len(passed)), 13):
            assert end - start + 1 <= 40 + 20 * (passed[end] - passed[start]) + 1e-6
    assert len(passed) >= 20 * now_s


def test_memory_is_bounded() -> None:
    limit = RateLimit(per_s=1 / HOUR_S, burst=1, max_keys=1_000)
    for number in range(50_000):
        assert limit.wait_s(f"k{number}", number / 1_000) == 0.0
    assert len(limit) <= 1_000
    # the newest are still counted
    assert limit.wait_s("k49999", 50.0) > 0


def test_who_goes_on_asking_is_not_forgotten_for_a_crowd_of_others() -> None:
    # Given somebody who has used up an hour's budget, and is refused
    limit = RateLimit(per_s=1 / HOUR_S, burst=1, max_keys=100)
    assert limit.wait_s("greedy", 0.0) == 0.0

    # When ten times as many others come as there is room for
    for number in range(1_000):
        assert limit.wait_s(f"k{number}", 1.0) == 0.0
        if number % 20 == 0:
            assert limit.wait_s("greedy", 1.0) > 0

    # Then the budget is still used up; who only came once is forgotten
    assert limit.wait_s("greedy", 1.0) > 0
    assert limit.would_wait_s("k0", 1.0) == 0.0 < limit.would_wait_s("k999", 1.0)


@pytest.mark.parametrize(
    ("peer", "forwarded", "keys"),
    [
        ("203.0.113.5", "", "203.0.113.5"),
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),  # a stranger's word counts for nothing
        ("10.0.0.1", "", None),  # the proxy itself, such as its health check
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.5", "203.0.113.5"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.5, 10.0.0.2", "203.0.113.5"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "nonsense", None),
        ("10.0.0.1", "198.51.100.1, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::7]:80", "2001:db8:: 2001:db8::/48"),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2:: 2001:db8:1::/48"),
        ("::ffff:203.0.113.5", "", "203.0.113.5"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("fe80::1%eth0", "", "fe80:: fe80::/48"),
        ("10.0.0.1", ",".join(["1.2.3.4"] * 10_000), "1.2.3.4"),
        ("10.0.0.1", ", ,", None),
    ],
)
def test_whose_request_it_is(peer: str, forwarded: str, keys: str | None) -> None:
    """By what it is counted: an address of IPv6 by its /64 and its /48."""
    found = Clients(["10.0.0.0/8"]).keys(peer, forwarded)
    assert found == tuple(keys.split() if keys else ())


async def limited(stage: Deployment, serve: Serve, proxies: list[str], **changes: float) -> Api:
    settings = stage.settings
    changed = settings.model_copy(
        update={
            "limits": settings.limits.model_copy(update=changes),
            "http": settings.http.model_copy(update={"trusted_proxies": proxies}),
        }
    )
    return await serve(replace(stage, settings=changed))


async def test_a_buyer_who_asks_too_often(stage: Deployment, serve: Serve) -> None:
    # given
    api = await limited(stage, serve, ["127.0.0.0/8"], buyer_per_s=0.01, buyer_burst=2)
    drop_id = await api.open_drop(buyer_limit=10)
    # when
    replies = [await api.reserve(drop_id) for _ in range(3)]
    # then
    assert [reply.status for reply in replies] == [201, 201, 429]
    assert (replies[2].code, replies[2].body["by"]) == ("slow_down", "buyer")
    assert 50 < int(replies[2].headers["Retry-After"]) <= 101
    assert replies[2].body["retry_after_s"] == int(replies[2].headers["Retry-After"])
    assert (await api.books(drop_id))["redis"]["held"] == 2
    assert (await api.reserve(drop_id, "bob")).status == 201


async def test_a_stranger_who_asks_too_often(stage: Deployment, serve: Serve) -> None:
    # given: no proxy is trusted, so the peer counts
    api = await limited(stage, serve, [], address_per_s=0.01, address_burst=2)
    # when
    codes = [(await api.get("/v1/time", X_Forwarded_For=f"9.9.9.{n}")).status for n in range(3)]
    nowhere = await api.get("/v1/nothing")
    # then: also where nothing is
    assert codes == [200, 200, 429]
    assert (nowhere.code, nowhere.body["by"]) == ("slow_down", "address")
    assert (await api.get("/metrics")).code == "slow_down"
    # and: health is always told
    assert (await api.get("/livez")).status == 200


async def test_clients_behind_a_trusted_proxy(stage: Deployment, serve: Serve) -> None:
    api = await limited(stage, serve, ["127.0.0.0/8"], address_per_s=0.01, address_burst=1)
    one = [(await api.get("/v1/time", X_Forwarded_For="9.9.9.1")).status for _ in range(2)]
    other = (await api.get("/v1/time", X_Forwarded_For="9.9.9.1, 9.9.9.2")).status
    proxy = [(await api.get("/v1/time")).status for _ in range(3)]
    assert (one, other, proxy) == ([200, 429], 200, [200, 200, 200])


async def test_a_crowd_at_the_metrics_costs_one_look(stage: Deployment) -> None:
    looks = 0

    async def look() -> bytes:
        nonlocal looks
        looks += 1
        return b"up 1\n"

    api = Api(build_app(stage, exposition=look), stage)
    await api.start()
    try:
        replies = await asyncio.gather(*(api.get("/metrics") for _ in range(10)))
    finally:
        await api.stop()
    assert {reply.raw for reply in replies} == {b"up 1\n"}
    assert looks == 1


def hot(api: Api, buyer: str, address: str) -> bytes:
    token = api.buyer(buyer)
    return (
        "POST /v1/drops/nosuchdrop/reservations HTTP/1.1\r\nHost: a\r\n"
        f"Authorization: Bearer {token}\r\nX-Forwarded-For: {address}\r\n\r\n"
    ).encode()


def test_a_site_of_ipv6_has_a_wider_budget() -> None:
    settings = load_settings(limits__address_per_s=1.0, limits__address_burst=10)
    limits = Limits(settings)
    # when: each /64 of a /48 asks, for the first time
    waits = [
        limits.address_wait_s("127.0.0.1", f"2001:db8:7:{number:x}::1", 100.0)
        for number in range(1_000)
    ]
    # then: all together are bounded, and its neighbours are not
    assert sum(wait == 0.0 for wait in waits) == 10 * WIDE
    assert limits.address_wait_s("127.0.0.1", "2001:db8:8::1", 100.0) == 0.0
    # and: one /64 has no more than an address of IPv4
    one = [limits.address_wait_s("127.0.0.1", f"2001:db8:9::{n}", 100.0) for n in range(50)]
    assert sum(wait == 0.0 for wait in one) == 10


def test_who_goes_on_asking_waits_for_the_refusal() -> None:
    limits = Limits(load_settings(http__trusted_proxies=["10.0.0.0/8"]))
    stranger = [limits.refusal_delay_s("203.0.113.1", None, 100.0) for _ in range(2_000)]
    # the first ones are told at once, then a hundred a second are, and nobody waits for ever
    assert stranger[:REFUSALS_BURST] == [0.0] * REFUSALS_BURST
    assert stranger[REFUSALS_BURST + 99] == pytest.approx(1.0)
    assert stranger[-1] == REFUSAL_DELAY_S
    # a proxy's connections are not all held, unless there is more on them
    passed_on = [limits.refusal_delay_s("10.0.0.1", "203.0.113.2", 100.0) for _ in range(2_000)]
    assert passed_on[-1] == 0.0
    assert limits.refusal_delay_s("10.0.0.1", "203.0.113.2", 100.0, waits=True) == REFUSAL_DELAY_S
    assert limits.refusal_delay_s("10.0.0.1", None, 100.0) == 0.0


async def test_health_is_never_refused_and_a_flood_of_it_waits(
    stage: Deployment, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: one address that asks for health more often than any balancer does
    monkeypatch.setattr("livesale.web.limits.UNREFUSED_PER_S", 0.01)
    monkeypatch.setattr("livesale.web.limits.UNREFUSED_BURST", 3)
    api = await limited(stage, serve, ["127.0.0.0/8"])
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    asks = b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.1\r\n\r\n"
    writer.write(asks * 4)

    async def read_one() -> str:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        await reader.readexactly(int(head.partition("Content-Length: ")[2].partition("\r\n")[0]))
        return head.partition("\r\n")[0]

    # when: it has what it gets at once
    assert [await read_one() for _ in range(3)] == ["HTTP/1.1 200 OK"] * 3
    late = asyncio.create_task(read_one())
    # then: the next answer waits; others, and a proxy for itself, do not
    for _ in range(5):
        assert (await api.get("/livez")).status == 200
    assert (await api.get("/livez", X_Forwarded_For="203.0.113.2")).status == 200
    assert not late.done()
    # and: it comes
    assert await late == "HTTP/1.1 200 OK"
    writer.close()


@pytest.mark.parametrize("hot_calls", [True, False])
async def test_a_flood_of_refusals_is_held_back_and_others_are_served(
    stage: Deployment, serve: Serve, hot_calls: bool
) -> None:
    # given: a stranger who asks on and on, pipelined
    api = await limited(stage, serve, ["127.0.0.0/8"], address_per_s=0.01, address_burst=1)
    raw = hot(api, "ann", "203.0.113.1")
    if not hot_calls:
        raw = b"GET /v1/time HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.1\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(raw * 1_000)
    # when: it has what it gets at once
    for _ in range(REFUSALS_BURST + 1):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        await reader.readexactly(int(head.partition("Content-Length: ")[2].partition("\r\n")[0]))
    # then: the rest waits, most of it unread, and others do not
    assert head.startswith("HTTP/1.1 429 ")
    served = (await api.get("/v1/time", X_Forwarded_For="203.0.113.2")).status
    assert served == 200
    assert "livesale_limited_total" in (await api.get("/metrics")).body
    assert api._runner.server is not None
    unread = [
        connection._unread_bytes()
        for connection in api._runner.server.connections
        if isinstance(connection, FastConnection)
    ]
    assert max(unread) > 100 * len(raw)
    writer.close()
