"""Lucky bags over HTTP, with a keeper: entries, the draw, prizes, and what is refused."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from sqlalchemy import func, select, update

from livesale.app import PARTS
from livesale.database import engine as database
from livesale.database.session import session
from livesale.draws import lots as draw
from livesale.ledger.tables import stock_ledger
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.payments.keeper import Keeper
from livesale.resources import Deployment
from livesale.rooms.bags import store
from livesale.rooms.bags import tables as bags_tables
from livesale.rooms.bags.draws import Draws, prize_rid
from livesale.rooms.bags.keeper import BagKeeper
from livesale.rooms.bags.service import Bags
from livesale.rooms.bags.store import Bag, BagState, Prize, PrizeState, Settled
from livesale.rooms.copy import RoomCopy
from livesale.rooms.keeper import RoomKeeper
from livesale.rooms.keys import RoomKeys
from livesale.rooms.service import Rooms
from stock.model import MAX_TIME_MS, Attempt, Ticket
from tests.livesale.api import outdate
from tests.livesale.rooms.conftest import Show
from tests.livesale.stage import running, until_written
from tests.waiting import until

COUPON = {"title": "Luck", "places": 2, "countdown_s": 60, "coupon": "20 off"}


@pytest.fixture
def draws(stage: Deployment, copy: RoomCopy) -> Draws:
    return Draws(stage, copy)


async def prize_drop(show: Show, **changes: Any) -> str:
    terms = {"price_fen": 0, "allotted": 3, "buyer_limit": 1}
    return await show.drop(**(terms | changes))


async def enter(show: Show, bag_id: str, name: str) -> Any:
    reply = await show.api.post(f"{show.path}/bags/{bag_id}/entries", by=show.api.buyer(name))
    assert reply.status in (200, 201), reply.body
    return reply.body


async def record_of(show: Show, bag_id: str) -> Any:
    outdate(show.api.app[PARTS][Bags]._records)
    reply = await show.api.get(f"{show.path}/bags/{bag_id}")
    assert reply.status == 200
    return reply.body


async def bag_in_sql(stage: Deployment, bag_id: str) -> Bag:
    async with session(stage.sql) as connection:
        bag = await store.find_bag(connection, bag_id)
    assert bag is not None
    return bag


async def be_time(show: Show, bag_id: str) -> None:
    """As if the countdown was over: in Redis, which decides, and in SQL."""
    stage = show.api.deployment
    now_ms = await stage.engine.now_ms()
    key = RoomKeys.of(show.room_id).bag_key
    if await stage.redis.hget(key, "bag_id") == bag_id:
        await stage.redis.hset(key, "draws_ms", now_ms - 1)
    async with database.transaction(stage.sql) as connection:
        change = update(bags_tables.bags).where(bags_tables.bags.c.bag_id == bag_id)
        await connection.execute(change.values(draws_ms=now_ms - 1))


async def advance(show: Show, draws: Draws, bag_id: str) -> Bag:
    await draws.advance(await bag_in_sql(show.api.deployment, bag_id))
    return await bag_in_sql(show.api.deployment, bag_id)


async def stay(show: Show) -> None:
    """The host is there, however slow this machine is."""
    while True:
        await show.act("heartbeat")
        await asyncio.sleep(0.2)


async def test_a_whole_bag_from_the_host_to_the_claim(
    on_air: Show, stage: Deployment, keeper: RoomKeeper
) -> None:
    # given a room with viewers, and a prize that nobody can buy
    show, api = on_air, on_air.api
    viewer = await show.viewer()
    drop_id = await prize_drop(show)
    host = asyncio.create_task(stay(show))
    async with running(Writer(stage)), running(Keeper(stage)):
        # when the host opens a bag and three enter
        body = {"title": "Luck", "places": 2, "countdown_s": 1.5, "drop_id": drop_id}
        bag = await show.act("bags", body)
        opened = await viewer.until("bag.opened")
        entries = {name: (await enter(show, bag["bag_id"], name)) for name in ("ann", "bo", "cy")}
        again = await enter(show, bag["bag_id"], "ann")
        # then it is drawn at its time, as was promised
        drawn = (await viewer.until("bag.drawn"))["bag"]
        assert drawn["commitment"] == opened["bag"]["commitment"]
        assert "seed" not in opened["bag"]
        assert drawn["entries"] == 3 and again == entries["ann"]
        ids = {entry["entry_id"]: name for name, entry in entries.items()}
        winners = [ids[entry] for entry in drawn["winners"]]
        assert len(winners) == 2

        async def settled() -> bool:
            return (await bag_in_sql(stage, bag["bag_id"])).state == BagState.SETTLED

        await until(settled)
        raw = msgspec.json.encode(await record_of(show, bag["bag_id"]))
        assert draw.find_faults(draw.read_record(raw)) == []
        # and the winners have their prizes, whether they claim them or not, and the loser none
        path = f"{show.path}/bags/{bag['bag_id']}"
        for _ in range(2):
            claimed = await api.post(f"{path}/claim", by=api.buyer(winners[0]))
            assert (claimed.status, claimed.body["state"]) == (200, "claimed"), claimed.body
        [loser] = set(ids.values()) - set(winners)
        assert (await api.post(f"{path}/claim", by=api.buyer(loser))).code == "no_prize"
        other = await api.get(f"{path}/entry", by=api.buyer(winners[1]))
        assert other.body["prize"] == claimed.body | {
            "place": 2,
            "order_id": other.body["prize"]["order_id"],
        }
        own = await api.get(f"{path}/entry", by=api.buyer(loser))
        assert (own.body["entered"], own.body["prize"]) == (True, None)
        # and the books know the prizes as they know sales
        await until_written(stage)
        for winner, prize in ((winners[0], claimed.body), (winners[1], other.body["prize"])):
            order = await api.get(f"/v1/orders/{prize['order_id']}", by=api.buyer(winner))
            assert (order.body["status"], order.body["amount_fen"]) == ("sold", 0)
        books = await api.books(drop_id)
        assert books["ok"]
        assert books["redis"] == {"allotted": 3, "available": 1, "held": 0, "sold": 2, "burned": 0}
        async with session(stage.sql) as connection:
            moved = stock_ledger.c
            rows = await connection.execute(select(moved.note).where(moved.kind == "grant"))
            assert [row.note for row in rows] == [f"bag {bag['bag_id']}"] * 2
        prizes = (await record_of(show, bag["bag_id"]))["prizes"]
        assert [prize["state"] for prize in prizes] == ["claimed", "claimed"]
        checks = await audit(stage, settle_s=10)
        assert [check for check in checks if not check.ok] == []
    host.cancel()
    assert viewer.faults == []


async def hold_prizes(stage: Deployment, bag: Bag, drop_id: str, prizes: list[Prize]) -> None:
    """What the release before grants did: a hold at price 0 for each winner, to be claimed."""
    ticket = Ticket((bag.drawn_ms or 0) * 1000, MAX_TIME_MS)
    rids = [prize_rid(drop_id, bag.bag_id, prize.buyer_id) for prize in prizes]
    pairs = list(zip(prizes, rids, strict=True))
    attempts = [Attempt(rid, prize.buyer_id, 1, ticket) for prize, rid in pairs]
    batch = await stage.engine.reserve(drop_id, attempts)
    settled = []
    for (prize, rid), outcome in zip(pairs, batch.outcomes, strict=True):
        assert outcome.reservation
        claim_by_ms = outcome.reservation.expires_ms
        settled.append(Settled(prize.place, PrizeState.GIVEN, rid=rid, claim_by_ms=claim_by_ms))
    async with session(stage.sql, write=True) as connection:
        await store.settle_prizes(connection, bag.bag_id, settled)


async def test_what_the_release_before_held_is_claimed_or_goes_back(
    on_air: Show, stage: Deployment, draws: Draws, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given three winners who have a moment to claim, and one who gives his back
    show, api = on_air, on_air.api
    drop_id = await prize_drop(show, hold_ms=1_500)
    new = {**COUPON, "coupon": None, "drop_id": drop_id, "places": 3}
    bag = await show.act("bags", new)
    for name in ("ann", "bo", "cy"):
        await enter(show, bag["bag_id"], name)
    async with running(Writer(stage)):
        await be_time(show, bag["bag_id"])
        monkeypatch.setattr(draws, "_grant", partial(hold_prizes, stage))
        await advance(show, draws, bag["bag_id"])
        path = f"{show.path}/bags/{bag['bag_id']}"
        own = (await api.get(f"{path}/entry", by=api.buyer("cy"))).body["prize"]
        assert own["state"] == "held"
        rid = own["order_id"]
        assert (await api.delete(f"/v1/reservations/{rid}", by=api.buyer("cy"))).status == 200
        assert (await api.post(f"{path}/claim", by=api.buyer("cy"))).code == "prize_gone"
        for _ in range(2):
            claimed = await api.post(f"{path}/claim", by=api.buyer("ann"))
            assert (claimed.status, claimed.body["state"]) == (200, "claimed")
        # when the other's time is over
        async with running(Keeper(stage)):

            async def back() -> bool:
                return (await api.books(drop_id))["redis"]["available"] == 2

            await until(back)
        # then it is nobody's, the record says so, and nothing has to go back to anybody
        assert (await api.post(f"{path}/claim", by=api.buyer("bo"))).code == "prize_gone"
        await until_written(stage)
        prizes = (await record_of(show, bag["bag_id"]))["prizes"]
        states = sorted(prize["state"] for prize in prizes)
        assert states == ["claimed", "returned", "returned"]
        checks = await audit(stage, settle_s=10)
        assert [check for check in checks if not check.ok] == []


async def test_a_prize_is_not_for_sale(on_air: Show) -> None:
    show, api = on_air, on_air.api
    # A drop at price 0 asks for tickets, and none is given for it,
    drop_id = await prize_drop(show)
    bag = await show.act("bags", {**COUPON, "coupon": None, "drop_id": drop_id})
    ticket = await api.post(f"/v1/drops/{drop_id}/tickets", by=api.buyer())
    assert ticket.code == "prize_only"
    assert (await api.reserve(drop_id)).code == "ticket_required"
    # and whoever has won it does not pay for it.
    await enter(show, bag["bag_id"], "ann")
    await be_time(show, bag["bag_id"])
    await advance(show, Draws(api.deployment, RoomCopy(api.deployment)), bag["bag_id"])
    own = (await api.get(f"{show.path}/bags/{bag['bag_id']}/entry", by=api.buyer())).body
    rid = own["prize"]["order_id"]
    refused = await api.post(f"/v1/reservations/{rid}/payment", by=api.buyer())
    assert refused.code == "nothing_to_pay"


async def test_a_prize_has_no_money_to_go_back(
    on_air: Show, stage: Deployment, draws: Draws
) -> None:
    show, api = on_air, on_air.api
    drop_id = await prize_drop(show)
    bag = await show.act("bags", {**COUPON, "coupon": None, "drop_id": drop_id})
    await enter(show, bag["bag_id"], "ann")
    await be_time(show, bag["bag_id"])
    await advance(show, draws, bag["bag_id"])
    claimed = await show.act(f"bags/{bag['bag_id']}/claim", by=api.buyer())
    async with running(Writer(stage)):
        await until_written(stage)
        path = f"/v1/admin/orders/{claimed['order_id']}/refund"
        assert (await api.post(path, {"reason": "why not"}, by=api.boss)).code == "not_paid"


async def test_coupons_are_shown_to_their_winners_only(
    on_air: Show, stage: Deployment, draws: Draws
) -> None:
    show, api = on_air, on_air.api
    bag = await show.act("bags", COUPON)
    path = f"{show.path}/bags/{bag['bag_id']}"
    for name in ("ann", "bo"):
        await enter(show, bag["bag_id"], name)
    assert (await api.post(f"{path}/claim", by=api.buyer())).code == "not_drawn"
    await be_time(show, bag["bag_id"])
    await advance(show, draws, bag["bag_id"])
    before = await api.get(f"{path}/entry", by=api.buyer("ann"))
    assert (before.body["prize"]["state"], before.body["prize"]["code"]) == ("held", None)
    codes = {
        (await show.act(f"bags/{bag['bag_id']}/claim", by=api.buyer("ann")))["code"]
        for _ in range(2)
    }
    assert len(codes) == 1
    record = await record_of(show, bag["bag_id"])
    assert sorted(prize["state"] for prize in record["prizes"]) == ["claimed", "held"]
    assert codes.pop() not in msgspec.json.encode(record).decode()
    # and no longer than was said
    async with database.transaction(stage.sql) as connection:
        await connection.execute(update(bags_tables.bag_prizes).values(claim_by_ms=1))
    assert (await api.post(f"{path}/claim", by=api.buyer("bo"))).code == "prize_gone"
    assert (await api.post(f"{path}/claim", by=api.buyer("ann"))).status == 200
    # which the record says as its winner is told it
    record = await record_of(show, bag["bag_id"])
    assert sorted(prize["state"] for prize in record["prizes"]) == ["claimed", "returned"]
    late = await api.get(f"{path}/entry", by=api.buyer("bo"))
    assert late.body["prize"]["state"] == "returned"


async def test_a_thousand_entries_at_once_and_two_who_draw_have_one_result(
    on_air: Show, stage: Deployment, copy: RoomCopy, draws: Draws
) -> None:
    # given a thousand who enter at once, each of them twice
    show = on_air
    drop_id = await prize_drop(show, allotted=20)
    new = {**COUPON, "coupon": None, "drop_id": drop_id, "places": 20}
    bag = await show.act("bags", new)
    names = [f"b{number}" for number in range(1_000)] * 2

    async def enter_one(name: str) -> tuple[str, int]:
        done = await draws.gateway.enter_bag(
            show.room_id, bag["bag_id"], name, max_entries=5_000, gap_ms=1
        )
        return name, done.number

    places = set(await asyncio.gather(*map(enter_one, names)))
    assert len(places) == 1_000  # the second time is answered by the first
    assert sorted(place for _, place in places) == list(range(1, 1_001))
    # when five draw at once, again and again
    await be_time(show, bag["bag_id"])
    others = [Draws(stage, copy) for _ in range(5)]
    for _ in range(3):
        await asyncio.gather(*[advance(show, one, bag["bag_id"]) for one in others])
    # then there is one list, one draw, and one prize for each winner
    record = await record_of(show, bag["bag_id"])
    assert draw.find_faults(draw.read_record(msgspec.json.encode(record))) == []
    assert len(record["entry_ids"]) == 1_000 and len(record["prizes"]) == 20
    snapshot = await stage.engine.snapshot(drop_id)
    assert snapshot is not None
    assert (snapshot.available, snapshot.sold, snapshot.reservations) == (0, 20, 20)
    found = await copy.gateway.history(show.room_id, 0, 1_000)
    assert found is not None
    assert sum('"type":"bag.drawn"' in text for text in found.texts) == 1


STEPS = ("close_bag", "entrants", "grant", "tell_bag")


class Died(BaseException):
    """What kill -9 looks like from inside: nothing is done any more."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_draw_that_is_cut_off_anywhere_is_finished_by_the_next(
    on_air: Show,
    stage: Deployment,
    copy: RoomCopy,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    when: str,
) -> None:
    # given a bag whose time is over
    show = on_air
    drop_id = await prize_drop(show)
    bag = await show.act("bags", {**COUPON, "coupon": None, "drop_id": drop_id})
    for name in ("ann", "bo", "cy"):
        await enter(show, bag["bag_id"], name)
    await be_time(show, bag["bag_id"])
    # when who draws dies before or after a step
    victim = Draws(stage, copy)
    owner: Any = victim._engine if step == "grant" else victim.gateway

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        async def die(*args: Any, **options: Any) -> Any:
            if when == "after":
                await real(*args, **options)
            raise Died

        async def die_reading(*args: Any) -> AsyncIterator[str]:
            async for name in real(*args):
                if when == "before":
                    raise Died
                yield name
            raise Died

        return die_reading if step == "entrants" else die

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, dying(getattr(owner, step)))
        with pytest.raises(Died):
            await advance(show, victim, bag["bag_id"])
    between = await bag_in_sql(stage, bag["bag_id"])
    # then the next finishes it: what stood by then stands
    await advance(show, Draws(stage, copy), bag["bag_id"])
    after = await bag_in_sql(stage, bag["bag_id"])
    assert after.state == BagState.SETTLED
    if between.list_hash is not None:
        assert (after.list_hash, after.drawn_ms) == (between.list_hash, between.drawn_ms)
    record = await record_of(show, bag["bag_id"])
    assert draw.find_faults(draw.read_record(msgspec.json.encode(record))) == []
    snapshot = await stage.engine.snapshot(drop_id)
    assert snapshot is not None
    assert (snapshot.sold, snapshot.reservations) == (2, 2)
    found = await copy.gateway.history(show.room_id, 0, 1_000)
    assert found is not None
    assert sum('"type":"bag.drawn"' in text for text in found.texts) == 1


async def test_no_entry_after_the_time_is_over_and_the_list_stays(
    on_air: Show, draws: Draws
) -> None:
    show, api = on_air, on_air.api
    bag = await show.act("bags", COUPON)
    await enter(show, bag["bag_id"], "ann")
    await be_time(show, bag["bag_id"])
    late = await api.post(f"{show.path}/bags/{bag['bag_id']}/entries", by=api.buyer("bo"))
    assert late.code == "bag_closed"
    assert (await enter(show, bag["bag_id"], "ann"))["position"] == 1  # a retry is no new entry
    after = await advance(show, draws, bag["bag_id"])
    assert after.entries == 1


async def test_a_bag_that_nobody_enters_has_no_winner(on_air: Show, draws: Draws) -> None:
    show = on_air
    bag = await show.act("bags", COUPON)
    await be_time(show, bag["bag_id"])
    after = await advance(show, draws, bag["bag_id"])
    assert (after.state, after.entries) == (BagState.SETTLED, 0)
    record = await record_of(show, bag["bag_id"])
    assert (record["bag"]["winners"], record["prizes"]) == ([], [])


async def test_who_has_to_stay_is_in_when_the_time_is_over(
    on_air: Show, stage: Deployment, redis: Redis
) -> None:
    # given a bag for those who stay ten seconds
    show, api = on_air, on_air.api
    bag = await show.act("bags", {**COUPON, "stay_s": 10})
    path, ann = f"{show.path}/bags/{bag['bag_id']}/entries", api.buyer("ann")
    waiting = RoomKeys.of(show.room_id).waiting_key
    first = await api.post(path, by=ann)
    assert first.code == "stay_longer"
    assert first.headers["Retry-After"] == "5"
    now_ms = await stage.engine.now_ms()
    # when somebody was away in between, then the time begins again
    await redis.hset(waiting, "ann", f"{now_ms - 60_000}|{now_ms - 30_000}")
    assert (await api.post(path, by=ann)).code == "stay_longer"
    # when she has kept asking, then she is in
    await redis.hset(waiting, "ann", f"{now_ms - 12_000}|{now_ms - 4_000}")
    assert (await api.post(path, by=ann)).status == 201


async def test_of_bags_that_are_opened_at_once_there_is_one(on_air: Show) -> None:
    show = on_air
    viewer = await show.viewer()
    answers = await asyncio.gather(
        *(show.api.post(f"{show.path}/bags", COUPON, by=show.host) for _ in range(8))
    )
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    assert {answer.code for answer in answers if answer.status == 409} == {"bag_running"}
    listed = (await show.api.get(f"{show.path}/bags")).body["bags"]
    assert len(listed) == 1
    await viewer.until("bag.opened", bag=listed[0])


async def test_who_may_open_and_who_may_enter(on_air: Show) -> None:
    show, api = on_air, on_air.api
    by_ann = await api.post(f"{show.path}/bags", COUPON, by=api.buyer("ann"))
    assert by_ann.code == "not_yours"
    # a key opens one bag, however often it is sent
    key = {"by": show.host, "Idempotency_Key": "one"}
    taps = [api.post(f"{show.path}/bags", COUPON, **key) for _ in range(2)]
    first, again = sorted(await asyncio.gather(*taps), key=lambda reply: -reply.status)
    assert (first.status, again.status) == (201, 200), again.body
    bag = first.body
    assert again.body["bag_id"] == bag["bag_id"]
    other = await api.post(f"{show.path}/bags", COUPON | {"places": 3}, **key)
    assert other.code == "idempotency_conflict"
    new = {"title": "Tea at noon", "host": "host", "starts_ms": MAX_TIME_MS}
    room = f"/v1/rooms/{(await api.post('/v1/rooms', new, by=api.boss)).body['room_id']}"
    assert (await api.post(f"{room}/start", by=show.host)).status == 200
    elsewhere = await api.post(f"{room}/bags", COUPON, **key)  # it counts for each room by itself
    assert elsewhere.status == 201, elsewhere.raw
    second = await api.post(f"{show.path}/bags", COUPON, by=show.host)
    assert second.code == "bag_running"
    entries = f"{show.path}/bags/{bag['bag_id']}/entries"
    assert (await api.post(entries, by=show.host)).code == "own_bag"
    assert (await api.post(entries)).code == "unauthenticated"
    other = await api.post(f"{show.path}/bags/0123456789abc/entries", by=api.buyer())
    assert other.code == "unknown_bag"
    listed = (await api.get(f"{show.path}/bags")).body
    assert [one["bag_id"] for one in listed["bags"]] == [bag["bag_id"]]
    await show.act("end")
    outdate(api.app[PARTS][Rooms]._rooms)
    assert (await api.post(entries, by=api.buyer())).code == "room_over"
    assert (await api.post(f"{show.path}/bags", COUPON, by=show.host)).code == "room_state"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"coupon": None}, "drop_id"),
        ({"stay_s": 60}, "stay_s"),
        ({"places": 4, "coupon": None, "drop_id": "prize"}, "places"),
        ({"coupon": None, "drop_id": "sold"}, "drop_id"),
        ({"drop_id": "prize"}, "drop_id"),
    ],
)
async def test_a_bag_that_cannot_be_as_it_is_asked_for(
    on_air: Show, changes: dict[str, Any], field: str
) -> None:
    show, api = on_air, on_air.api
    drops = {"prize": await prize_drop(show), "sold": await show.drop()}
    changes = changes | ({"drop_id": drops[changes["drop_id"]]} if "drop_id" in changes else {})
    refused = await api.post(f"{show.path}/bags", COUPON | changes, by=show.host)
    assert (refused.code, refused.body["field"]) == ("invalid_field", field)
    foreign = (await api.create_drop(price_fen=0, ticket_required=True))["drop_id"]
    new = {**COUPON, "coupon": None, "drop_id": foreign}
    assert (await api.post(f"{show.path}/bags", new, by=show.host)).code == "unknown_drop"


async def test_a_bag_whose_list_redis_lost_is_void(
    on_air: Show, draws: Draws, redis: Redis
) -> None:
    # given an open bag, of which Redis loses all
    show, api = on_air, on_air.api
    bag = await show.act("bags", COUPON)
    await enter(show, bag["bag_id"], "ann")
    keys = RoomKeys.of(show.room_id)
    await redis.delete(keys.bag_key, keys.entrants_key)
    # when it is time, then nobody wins, the room is told, and another may be opened
    await be_time(show, bag["bag_id"])
    for _ in range(2):
        after = await advance(show, draws, bag["bag_id"])
        assert (after.state, after.reason) == (BagState.VOID, "list_lost")
    viewer = await show.viewer()
    shown = (await viewer.until("snapshot"))["bag"]
    assert (shown["bag_id"], shown["state"]) == (bag["bag_id"], "void")
    gone = await api.get(f"{show.path}/bags/{bag['bag_id']}/entry", by=api.buyer())
    assert gone.code == "bag_closed"
    assert (await api.post(f"{show.path}/bags", COUPON, by=show.host)).status == 201


async def test_a_bag_that_its_worker_left_half_open_is_opened_by_the_keeper(
    on_air: Show, stage: Deployment, redis: Redis
) -> None:
    # given a bag that SQL has and Redis has not
    show = on_air
    bag = await show.act("bags", COUPON)
    await redis.delete(RoomKeys.of(show.room_id).bag_key)
    async with session(stage.sql, write=True) as connection:
        await store.move_bag(connection, bag["bag_id"], BagState.OPEN, BagState.PREPARING)
    # when a keeper looks
    registry = CollectorRegistry()
    keeper = BagKeeper(stage, registry)
    rest_s = await keeper.look()
    # then it takes entries
    assert (await bag_in_sql(stage, bag["bag_id"])).state == BagState.OPEN
    assert 0 < rest_s <= 1
    await enter(show, bag["bag_id"], "ann")
    # and its metrics tell what it has seen
    assert registry.get_sample_value("livesale_bags", {"state": "preparing"}) == 1
    await keeper.look()
    assert registry.get_sample_value("livesale_bags", {"state": "preparing"}) == 0
    assert registry.get_sample_value("livesale_bags", {"state": "open"}) == 1


async def test_a_prize_that_cannot_be_given_is_lost_and_said_so(on_air: Show, draws: Draws) -> None:
    # given a winner who has won all that she may of this drop
    show, api = on_air, on_air.api
    drop_id = await prize_drop(show)
    new = {**COUPON, "coupon": None, "drop_id": drop_id, "places": 1}
    for reason in (None, "over_limit"):
        bag = await show.act("bags", new)
        await enter(show, bag["bag_id"], "ann")
        await be_time(show, bag["bag_id"])
        after = await advance(show, draws, bag["bag_id"])
        assert after.state == BagState.SETTLED
        [prize] = (await record_of(show, bag["bag_id"]))["prizes"]
        assert (prize["state"], prize["reason"]) == ("lost" if reason else "claimed", reason)
    claim = await api.post(f"{show.path}/bags/{bag['bag_id']}/claim", by=api.buyer())
    assert claim.code == "prize_gone"


async def test_a_paused_drop_gives_its_prizes_later(
    on_air: Show, stage: Deployment, draws: Draws
) -> None:
    show, api = on_air, on_air.api
    drop_id = await prize_drop(show)
    bag = await show.act("bags", {**COUPON, "coupon": None, "drop_id": drop_id})
    await enter(show, bag["bag_id"], "ann")
    await stage.engine.pause_drop(drop_id)
    await be_time(show, bag["bag_id"])
    assert (await advance(show, draws, bag["bag_id"])).state == BagState.DRAWN
    claim = await api.post(f"{show.path}/bags/{bag['bag_id']}/claim", by=api.buyer())
    assert claim.code == "not_drawn"
    await stage.engine.resume_drop(drop_id)
    assert (await advance(show, draws, bag["bag_id"])).state == BagState.SETTLED
    assert (await show.act(f"bags/{bag['bag_id']}/claim", by=api.buyer()))["state"] == "claimed"


async def test_nothing_published_names_a_buyer(
    on_air: Show, stage: Deployment, copy: RoomCopy, draws: Draws
) -> None:
    # given winners and losers with names
    show = on_air
    bag = await show.act("bags", COUPON)
    for name in ("ann", "bob", "cecil"):
        await enter(show, bag["bag_id"], f"{name}-of-the-hill")
    await be_time(show, bag["bag_id"])
    await advance(show, draws, bag["bag_id"])
    # then neither events nor record name them, nor give away what the entry ids were made with
    found = await copy.gateway.history(show.room_id, 0, 1_000)
    assert found is not None
    published = "".join(found.texts) + str(await record_of(show, bag["bag_id"]))
    salt = (await bag_in_sql(stage, bag["bag_id"])).salt
    assert "of-the-hill" not in published
    assert salt not in published
    async with session(stage.sql) as connection:
        kept = await connection.scalar(select(func.count()).select_from(bags_tables.bag_entries))
    assert kept == 3
