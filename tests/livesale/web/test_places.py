"""Who holds the connections of a worker, and who goes first when it is full."""

import asyncio
import socket

import msgspec
import pytest

from livesale.resources import Deployment
from livesale.web import places
from livesale.web.places import Crowd
from livesale.web.protocol import PLACES
from tests.livesale.api import DOCUMENT, Api
from tests.livesale.conftest import Serve
from tests.livesale.web.test_connections import Client, bounded, cut
from tests.waiting import until

TIME = b"GET /v1/time HTTP/1.1\r\nHost: a\r\n"
HEALTH = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
KEY = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


def from_(address: str) -> bytes:
    return b"X-Forwarded-For: " + address.encode() + b"\r\n"


async def open_room(api: Api) -> str:
    new = {"title": "Tea", "host": "host", "starts_ms": 4_000_000_000_000}
    made = await api.post("/v1/rooms", new, by=api.boss)
    assert made.status == 201, made.body
    return str(made.body["room_id"])


async def watch(api: Api, room_id: str, address: str, buyer: str = "") -> tuple[Client, int]:
    """A socket of a viewer behind the proxy, and the status of its handshake."""
    client = await Client.of(api)
    token = f"Authorization: Bearer {api.buyer(buyer)}\r\n".encode() if buyer else b""
    client.send(
        b"GET /v1/rooms/%s/socket HTTP/1.1\r\nHost: a\r\n" % room_id.encode()
        + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        + KEY
        + from_(address)
        + token
        + b"\r\n"
    )
    head = await client.reader.readuntil(b"\r\n\r\n")
    return client, int(head.split(b" ")[1])


async def test_sockets_behind_a_proxy_count_for_their_address(
    stage: Deployment, serve: Serve
) -> None:
    api = await bounded(stage, serve, max_connections_per_address=3)
    room_id = await open_room(api)
    # when: one address opens four, another one
    one = [await watch(api, room_id, "203.0.113.1") for _ in range(4)]
    _, other = await watch(api, room_id, "203.0.113.2")
    # then
    assert [status for _, status in one] == [101, 101, 101, 503]
    assert other == 101
    # and: a place is free again when one has left
    one[0][0].writer.close()

    async def taken_again() -> bool:
        return (await watch(api, room_id, "203.0.113.1"))[1] == 101

    await until(taken_again)


async def test_requests_behind_a_proxy_count_while_they_are_answered(
    stage: Deployment, serve: Serve
) -> None:
    """Bodies that do not come, long polls: whatever holds a connection of the proxy."""
    api = await bounded(stage, serve, max_connections_per_address=2)
    room_id = await open_room(api)
    poll = f"GET /v1/rooms/{room_id}/events?after=0&epoch=0 HTTP/1.1\r\nHost: a\r\n".encode()
    slow = b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    held = [await Client.of(api) for _ in range(2)]
    for client in held:
        client.send(slow + from_("203.0.113.1") + b"Content-Length: 99\r\n\r\n{")

    def both_held() -> bool:
        return api.app[PLACES]._used["203.0.113.1"] == 2

    await until(both_held)
    # when: a third request of that address, one of another, one for health
    late = await Client.of(api)
    late.send(poll + from_("203.0.113.1") + b"\r\n")
    assert await late.answer() == (503, "overloaded")
    late.send(TIME + from_("203.0.113.2") + b"\r\n")
    assert await late.answer() == (200, "")
    late.send(HEALTH[:-2] + from_("203.0.113.1") + b"\r\n")
    assert await late.answer() == (200, "")
    # then: it counts no more when it is over
    held[0].writer.close()

    async def served() -> bool:
        late.send(TIME + from_("203.0.113.1") + b"\r\n")
        return await late.answer() == (200, "")

    await until(served)


async def test_sockets_leave_a_share_for_http_and_nameless_ones_go_first(
    stage: Deployment, serve: Serve
) -> None:
    # given: room for twenty, of which viewers may have 16; one address has 14 of them
    api = await bounded(stage, serve, max_connections=20)
    room_id = await open_room(api)
    crowd = [(await watch(api, room_id, "203.0.113.1"))[0] for _ in range(14)]
    other, status = await watch(api, room_id, "203.0.113.2")
    named, also = await watch(api, room_id, "203.0.113.1", "ann")
    assert (status, also) == (101, 101)
    # when: one more of the crowd, one of a new address, one with a name
    assert (await watch(api, room_id, "203.0.113.1"))[1] == 503
    new, came = await watch(api, room_id, "203.0.113.3")
    bob, named_too = await watch(api, room_id, "203.0.113.1", "bob")
    assert (came, named_too) == (101, 101)
    # then: two of the crowd had to go, and were told why
    gone = [client for client in crowd if client.reader.at_eof() or await left(client)]
    assert len(gone) == 2
    # and: HTTP has its share
    assert (await api.get("/v1/time")).status == 200
    for client in (named, other, new, bob):
        assert not await left(client)


async def left(client: Client) -> bool:
    """Whether the server has closed with the code for it."""
    raw = b""
    try:
        async with asyncio.timeout(0.3):
            while part := await client.reader.read(4_096):
                raw += part
    except TimeoutError:
        return False
    assert (4413).to_bytes(2) + b"full" in raw
    return True


async def test_a_newcomer_gets_the_place_of_who_has_most(stage: Deployment, serve: Serve) -> None:
    # given: all places are taken by idle connections of one stranger
    api = await bounded(stage, serve, max_connections=10, trusted_proxies=[])
    strangers = [await Client.of(api) for _ in range(10)]
    for client in strangers:
        client.send(TIME + b"\r\n")
        assert await client.answer() == (200, "")
    before = cut("gave_way")
    # when: somebody comes from another address
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", api.port, local_addr=("127.0.0.9", 0)
    )
    newcomer = Client(reader, writer)
    newcomer.send(TIME + b"\r\n")
    # then
    assert await newcomer.answer() == (200, "")
    assert cut("gave_way") == before + 1
    # and: the stranger itself takes nobody's place
    late = await Client.of(api)
    late.send(TIME + b"\r\n")
    assert await late.answer() == (503, "overloaded")


async def test_health_is_answered_when_every_place_is_taken(
    stage: Deployment, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a full worker, and more who wait and say nothing
    monkeypatch.setattr(places, "SPARE", 3)
    api = await bounded(stage, serve, max_connections=10)
    held = [await Client.of(api) for _ in range(10)]
    for client in held:
        client.send(TIME + b"\r\n")
        assert await client.answer() == (200, "")
    waiting = [await Client.of(api) for _ in range(5)]
    # when
    check = await Client.of(api)
    check.send(HEALTH)
    assert await check.answer() == (200, "")
    check.send(HEALTH)  # on the same connection
    assert await check.answer() == (200, "")
    # then: nothing else is answered there
    check.send(TIME + b"\r\n")
    assert await check.answer() == (503, "overloaded")
    # and: it is an ordinary connection once there are places
    late = await Client.of(api)
    held[0].writer.close()
    await held[0].writer.wait_closed()
    for client in waiting:
        client.writer.close()

    def ordinary() -> bool:
        return len(api.app[PLACES]) < 10

    held[1].writer.close()
    await until(ordinary)
    late.send(TIME + b"\r\n")
    assert await late.answer() == (200, "")


async def test_what_one_address_owes_is_bounded(
    stage: Deployment, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: clients of one address that read nothing
    monkeypatch.setattr(places, "OWED_BYTES", 600_000)
    api = await bounded(stage, serve, max_connections_per_address=100, trusted_proxies=[])
    before, most = cut("owed"), 0
    debtors = []
    for _ in range(40):
        debtor = socket.socket()
        debtor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        debtor.connect(("127.0.0.1", api.port))
        debtor.send(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
        debtors.append(debtor)
    # when: they owe more than they may
    while cut("owed") == before:
        await asyncio.sleep(0.01)
        most = max(most, api.app[PLACES].owed_bytes)
    # then: others are served, and it did not get much more
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", api.port, local_addr=("127.0.0.9", 0)
    )
    polite = Client(reader, writer)
    polite.send(TIME + b"\r\n")
    assert await polite.answer() == (200, "")
    one_answer = len(msgspec.json.encode(DOCUMENT)) + 1_000  # and its head
    assert most <= 600_000 + one_answer
    for debtor in debtors:
        debtor.close()


def test_the_largest_is_known_however_they_come_and_go() -> None:
    class One:
        def give_way(self) -> bool:
            return True

        def cut_debtor(self) -> None: ...

        def look(self, now: float, head_s: float) -> None: ...

    crowd, holders = Crowd(), [One() for _ in range(9)]
    for number, holder in enumerate(holders):
        crowd.add("abbcccbca"[number], holder)
    assert (crowd.most, crowd.largest()[0]) == (4, "c")
    for number in (3, 4, 5):
        crowd.remove("c", holders[number])
    assert (crowd.most, crowd.largest()[0]) == (3, "b")
    crowd.remove("b", holders[3])  # nobody's
    for number in (1, 2, 6):
        crowd.remove("b", holders[number])
    assert (crowd.most, crowd.largest()[0]) == (2, "a")
    for number in (0, 8, 7):
        crowd.remove("a" if number != 7 else "c", holders[number])
    assert (crowd.most, list(crowd.largest()[1])) == (0, [])
