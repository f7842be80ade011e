"""The private channel: by a room's socket and by long poll, on several workers, through losses."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from livesale.app import PARTS
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.ledger import refunds
from livesale.ledger.refund_states import REFUNDED
from livesale.ledger.writer import Writer
from livesale.line.places import place_rid
from livesale.notices import service as notices_service
from livesale.notices.service import Notices
from livesale.resources import Deployment
from livesale.rooms.channel.closes import CLOSES
from livesale.tokens.signing import TokenSigner
from stock.ids import drop_of, random_rid
from stock.line.model import LineMode, NextInLine
from stock.model import Attempt, Fate, TakeBack, Ticket
from tests.livesale.api import Api
from tests.livesale.catalogue.test_catalogue import break_sql
from tests.livesale.conftest import Serve
from tests.livesale.line.scenes import gather
from tests.livesale.orders.after import sell
from tests.livesale.rooms.conftest import Show, open_show
from tests.livesale.rooms.viewer import Viewer
from tests.livesale.stage import on_mariadb, open_drop, reserve, running
from tests.waiting import until

PRICE_FEN = 1_990


@pytest.fixture
async def show(stage: Deployment) -> AsyncIterator[Show]:
    async with open_show(stage) as show:
        yield show


def told(viewer: Viewer, kind: str) -> list[dict[str, Any]]:
    """The subjects of the notices of a kind that came."""
    return [
        event[kind.partition(".")[0]]
        for message in viewer.messages
        if message["type"] == "mine"
        for event in message["events"]
        if event["type"] == kind
    ]


async def until_told(viewer: Viewer, kind: str, **members: Any) -> dict[str, Any]:
    def is_told() -> list[dict[str, Any]]:
        return [one for one in told(viewer, kind) if members.items() <= one.items()]

    await until(is_told, 10.0)
    return is_told()[0]


async def poll(api: Api, query: str = "", buyer: str = "ann") -> dict[str, Any]:
    reply = await api.get(f"/v1/me/events{query}", by=api.buyer(buyer))
    assert reply.status == 200, reply.body
    return dict(reply.body)


async def test_a_buyer_is_told_what_becomes_of_reservations(show: Show, stage: Deployment) -> None:
    # given two buyers with a private channel, one of them by a frame, and one without
    ann = await show.viewer(name="ann", mine="new")
    bob, cat = await show.viewer(), await show.viewer(name="cat")
    await bob.send({"type": "hello", "token": show.api.buyer("bob"), "mine": "new"})
    first = await ann.until("mine")
    assert (first["read_again"], first["events"]) == (True, [])
    await bob.until("mine")
    # when ann pays, releases, is too late, pays late and twice, and gets a prize taken back
    drop_id = await open_drop(stage, expired_limit=0, hold_ms=1_000)
    engine = stage.engine
    paid, released, late = [(await reserve(stage, drop_id, ["ann"]))[0] for _ in range(3)]
    await engine.confirm(paid, "pay1", PRICE_FEN)
    await engine.release(released, "ann")

    async def has_expired() -> bool:
        return await engine.expire(drop_id, [late]) == 1

    await until(has_expired)
    await until_told(ann, "reservation.ended", reservation_id=late, status="expired")
    await engine.confirm(late, "pay2", PRICE_FEN)
    await engine.confirm(late, "pay3", PRICE_FEN)
    await engine.take_back(TakeBack(paid, "take1", 1, Fate.AVAILABLE, "broken"))
    # then she is told each of it
    back = await until_told(ann, "reservation.returned")
    assert (back["reservation_id"], back["units"]) == (paid, 1)
    sold = {one["reservation_id"]: one for one in told(ann, "reservation.sold")}
    assert (sold[paid]["late"], sold[late]["late"]) == (False, True)
    assert sold[paid]["amount_fen"] == PRICE_FEN
    assert [one["reservation_id"] for one in told(ann, "reservation.ended")] == [released, late]
    [refund] = told(ann, "refund.changed")
    assert (refund["order_id"], refund["state"], refund["drop_id"]) == (late, "due", drop_id)
    # and nobody else anything
    assert [message["events"] for message in bob.messages if message["type"] == "mine"] == [[]]
    assert "mine" not in cat.kinds()
    mine = [message["read_again"] for message in ann.messages if message["type"] == "mine"]
    assert mine[0]
    assert not any(mine[1:])


async def test_a_buyer_is_reminded_before_a_hold_ends(show: Show, stage: Deployment) -> None:
    ann = await show.viewer(name="ann", mine="new")
    drop_id = await open_drop(stage, hold_ms=16_200)
    [rid] = await reserve(stage, drop_id, ["ann"])
    hold = await until_told(ann, "reservation.ending")
    assert (hold["reservation_id"], hold["status"]) == (rid, "held")
    # and a client that comes again is not reminded again, unless it was not told
    before = [one["place"] for one in ann.messages if one["type"] == "mine"]
    assert (await poll(show.api, f"?place={before[-1]}"))["events"] == []
    again = await poll(show.api, f"?place={before[0]}")
    assert [one["type"] for one in again["events"]] == ["reservation.ending"]
    # and one whose hold is over is told of that alone
    await stage.engine.release(rid, "ann")
    await until_told(ann, "reservation.ended")
    again = await poll(show.api, f"?place={before[0]}")
    assert [one["type"] for one in again["events"]] == ["reservation.ended"]


async def test_a_buyer_is_told_that_a_unit_is_held_in_line(show: Show, stage: Deployment) -> None:
    ann = await show.viewer(name="ann", mine="new")
    await ann.until("mine")
    # given: a waitlist of a drop that is sold out
    drop_id = await gather(stage, mode=LineMode.WAITLIST, opens_in_ms=0, units=1)
    rid, ticket = random_rid(drop_id), Ticket(1, 4_000_000_000_000)
    await stage.engine.reserve(drop_id, [Attempt(rid, "bob", 1, ticket)])
    await stage.engine.line.join(drop_id, ["ann"])
    # when: the unit returns
    await stage.engine.release(rid, "bob")
    mine = place_rid(drop_id, "ann", 0)
    held = await stage.engine.line.hold(drop_id, 0, [NextInLine(mine, "ann", 0)])
    # then
    told_of = await until_told(ann, "reservation.held")
    assert (told_of["reservation_id"], told_of["status"]) == (mine, "held")
    assert told_of["expires_ms"] == held.expires_ms


async def test_a_client_that_was_away_gets_what_it_missed_from_another_worker(
    show: Show, stage: Deployment, serve: Serve, redis: Redis
) -> None:
    # given two workers, and a buyer on one of them whose connection breaks
    other = await serve(stage)
    ann = await show.viewer(name="ann", mine="new")
    await ann.until("mine")
    await poll(other)  # it follows, too
    drop_id = await open_drop(stage, expired_limit=0)
    rids = [(await reserve(stage, drop_id, ["ann"]))[0] for _ in range(3)]
    await stage.engine.confirm(rids[0], "pay1", PRICE_FEN)
    await until_told(ann, "reservation.sold")
    assert ann._socket is not None
    await ann._socket.close()
    # when things happen meanwhile, and the other worker loses its connections to Redis
    await redis.client_kill_filter(_type="normal", skipme=True)
    await stage.engine.confirm(rids[1], "pay2", PRICE_FEN)
    await stage.engine.release(rids[2], "ann")
    # then the client goes on there, and misses nothing
    ann.url = ann.url.replace(show.api.url, other.url)
    ann.messages.clear()
    headers = {"Authorization": f"Bearer {other.buyer('ann')}"}
    watching = asyncio.create_task(ann.watch(headers))
    await until_told(ann, "reservation.ended", reservation_id=rids[2])
    await until_told(ann, "reservation.sold", reservation_id=rids[1])
    assert not any(message.get("read_again") for message in ann.messages)
    assert rids[0] not in [one["reservation_id"] for one in told(ann, "reservation.sold")]
    watching.cancel()


async def test_who_may_have_missed_something_reads_again(
    show: Show, stage: Deployment, redis: Redis
) -> None:
    # given a buyer who listens
    ann = await show.viewer(name="ann", mine="new")
    place = (await ann.until("mine"))["place"]
    drop_id = await open_drop(stage)
    [first] = await reserve(stage, drop_id, ["ann"])
    await stage.engine.release(first, "ann")
    await until_told(ann, "reservation.ended")
    # when entries of the log are gone before this worker has read them
    [rid] = await reserve(stage, drop_id, ["ann"])
    await redis.xtrim(stage.keyspace.log(stage.keyspace.partition_of(drop_id)), maxlen=0)
    before = len(ann.messages)
    await stage.engine.confirm(rid, "pay1", PRICE_FEN)

    # then she is told to read again, and of what comes then
    def reads_again() -> bool:
        return any(message.get("read_again") for message in ann.messages[before:])

    await until(reads_again)
    [last] = await reserve(stage, drop_id, ["ann"])
    await stage.engine.release(last, "ann")
    await until_told(ann, "reservation.ended", reservation_id=last)
    # and so is a client that comes with a place from before, or with one of other logs
    for old in (place, "0badcafe" + place[8:], "new"):
        assert (await poll(show.api, f"?place={old}"))["read_again"]


@on_mariadb
async def test_money_that_goes_back_is_told_while_it_goes(show: Show, stage: Deployment) -> None:
    # given a paid order of a buyer who listens
    ann = await show.viewer(name="ann", mine="new")
    await ann.until("mine")
    async with running(Writer(stage)):
        rid = await sell(show.api, await show.api.open_drop())
        # when it is refunded, and the gateway has paid
        part = {"reason": "broken", "amount_fen": 500, "refund_id": "part"}
        made = await show.api.post(f"/v1/admin/orders/{rid}/refund", part, by=show.api.boss)
        await until_told(ann, "refund.changed", state="due", amount_fen=500)
        number = made.body["refund_no"]
        async with session(stage.sql, write=True) as connection:
            await refunds.move_refund(connection, number, REFUNDED, now_ms(), gateway_no="g1")
        # then she is told, once for each state
        done = await until_told(ann, "refund.changed", state="refunded")
    assert (done["refund_no"], done["order_id"], done["drop_id"]) == (number, rid, drop_of(rid))
    assert [one["state"] for one in told(ann, "refund.changed")] == ["due", "refunded"]


async def test_a_client_without_sockets_polls(api: Api, stage: Deployment) -> None:
    # given a client that has begun
    begun = await poll(api)
    assert begun["read_again"]
    # when nothing happens, then it waits, and is told so
    place = begun["place"]
    quiet = await poll(api, f"?place={place}&wait_ms=50")
    assert (quiet["read_again"], quiet["events"]) == (False, [])
    # when something happens while it waits, then it gets that at once
    drop_id = await open_drop(stage)
    [rid] = await reserve(stage, drop_id, ["ann"])
    waiting = asyncio.create_task(poll(api, f"?place={quiet['place']}&wait_ms=20000"))
    notices = api.app[PARTS][Notices]

    def waits() -> bool:
        return "ann" in notices._seats

    await until(waits)
    await stage.engine.confirm(rid, "pay1", PRICE_FEN)
    news = await waiting
    assert [one["type"] for one in news["events"]] == ["reservation.sold"]
    assert not notices._seats
    # and a place of the wrong form is refused
    for bad in ("x", "00000000~p0", "00000000~p00:1-1%20", "0" * 5_000):
        reply = await api.get(f"/v1/me/events?place={bad}", by=api.buyer())
        assert reply.code == "invalid_parameter"
    # and a worker that stops keeps nobody waiting
    waiting = asyncio.create_task(poll(api, f"?place={news['place']}&wait_ms=20000"))
    await until(waits)
    notices.release()
    assert (await waiting)["events"] == []


async def test_it_works_without_sql(api: Api, stage: Deployment) -> None:
    drop_id = await open_drop(stage)
    await break_sql(api)
    begun = await poll(api)
    [rid] = await reserve(stage, drop_id, ["ann"])
    await stage.engine.confirm(rid, "pay1", PRICE_FEN)
    news = await poll(api, f"?place={begun['place']}&wait_ms=20000")
    assert [one["type"] for one in news["events"]] == ["reservation.sold"]


async def test_a_full_buffer_and_too_many_sockets(
    api: Api, stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a listener whose buffer is full
    place = (await poll(api))["place"]
    notices, came, full = api.app[PARTS][Notices], list[bytes](), [True]

    def deliver(text: bytes) -> bool:
        if not full[0]:
            came.append(text)
        return not full[0]

    seat = notices.join("ann", place, deliver)
    drop_id = await open_drop(stage)
    for _ in range(2):
        [rid] = await reserve(stage, drop_id, ["ann"])
        await stage.engine.release(rid, "ann")

    async def is_known() -> bool:
        return len(notices.recent) == 2

    await until(is_known)
    # when it has room again, then it gets all of it in one message, and only once
    full[0] = False
    notices.serve(seat)
    notices.serve(seat)
    assert len(came) == 1
    assert came[0].count(b'"reservation.ended"') == 2
    # when the same buyer listens too often, then one more is refused, and others are not
    monkeypatch.setattr(notices_service, "MAX_SEATS", 1)
    url = f"/v1/me/events?place={place}&wait_ms=1000"
    fresh = (await poll(api, f"?place={place}"))["place"]
    url = url.replace(place, fresh)
    assert (await api.get(url, by=api.buyer("ann"))).code == "slow_down"
    assert (await api.get(url.replace("1000", "10"), by=api.buyer("bob"))).status == 200
    # and when nobody has listened for a while, then nothing is followed
    notices.part(seat)
    monkeypatch.setattr(notices_service, "IDLE_S", 0.0)

    def rests() -> bool:
        return not notices.wanted.is_set()

    await until(rests)
    # and whoever comes then is told what happened meanwhile
    [rid] = await reserve(stage, drop_id, ["ann"])
    await stage.engine.release(rid, "ann")
    again = await poll(api, f"?place={fresh}")
    assert not again["read_again"]
    assert [one["reservation"]["reservation_id"] for one in again["events"]] == [rid]


async def test_nobody_is_told_by_a_token_that_has_ended(
    show: Show, stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a private channel that is open for longer than its token is good
    ann = await show.viewer(name="ann", mine="new")
    await ann.until("mine")
    drop_id = await open_drop(stage)
    [rid] = await reserve(stage, drop_id, ["ann"])
    signer = show.api.app[PARTS][TokenSigner]
    later_ms = signer.buyer_expiry_ms()
    monkeypatch.setattr(signer, "_now_ms", lambda: later_ms)
    # when something happens, then its client comes back with another token, and is told then
    await stage.engine.release(rid, "ann")
    assert await ann.closed() == [CLOSES["unauthenticated"].code]
    assert told(ann, "reservation.ended") == []


async def test_a_bad_place_ends_a_socket(show: Show) -> None:
    viewer = await show.viewer()
    await viewer.send({"type": "hello", "token": show.api.buyer("ann"), "mine": "nowhere"})
    assert (await viewer.until("error"))["code"] == "invalid_field"
