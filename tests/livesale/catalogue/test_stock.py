"""Stock of a SKU: each unit that comes in, goes to a drop, comes back, and leaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import func, select, update

from livesale.catalogue.stock_moves import drops as drop_moves
from livesale.catalogue.stock_moves import keeper as stock_keeper
from livesale.catalogue.stock_moves.keeper import StockKeeper
from livesale.catalogue.stock_moves.shipping import bring_back, ship
from livesale.catalogue.stock_moves.tables import stock_moves
from livesale.catalogue.tables import skus
from livesale.database.session import session
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.resources import Deployment
from livesale.validation.refusals import KeyConflict
from stock.errors import OutcomeUnknown
from tests.livesale.api import Api
from tests.livesale.stage import on_both, running, until_written


async def make_sku(api: Api, units: int = 0, **fields: Any) -> str:
    body = {"title": "Tea", "price_fen": 100, "keeps_stock": True, **fields}
    made = await api.post("/v1/admin/skus", body, by=api.boss)
    assert made.status == 201, made.body
    sku_id = str(made.body["sku_id"])
    if units:
        await move(api, sku_id, "received", units)
    return sku_id


async def move(api: Api, sku_id: str, kind: str, units: int, **headers: str) -> Any:
    body = {"kind": kind, "units": units, "note": "delivery 7"}
    return await api.post(f"/v1/admin/skus/{sku_id}/moves", body, by=api.boss, **headers)


async def stock_of(api: Api, sku_id: str) -> tuple[int, int, int]:
    """On hand, in drops, free: and the moves add up to them."""
    body = (await api.get(f"/v1/admin/skus/{sku_id}", by=api.viewer)).body
    async with session(api.deployment.sql) as connection:
        sums = (
            await connection.execute(
                select(
                    func.coalesce(func.sum(stock_moves.c.on_hand), 0),
                    func.coalesce(func.sum(stock_moves.c.in_drops), 0),
                ).where(stock_moves.c.sku_id == sku_id)
            )
        ).one()
    assert (int(sums[0]), int(sums[1])) == (body["on_hand"], body["in_drops"])
    return body["on_hand"], body["in_drops"], body["free"]


async def alerts_of(api: Api, query: str = "") -> list[dict[str, Any]]:
    return list((await api.get(f"/v1/admin/alerts{query}", by=api.viewer)).body["alerts"])


@asynccontextmanager
async def books_written(stage: Deployment) -> AsyncIterator[None]:
    """At the end of the block SQL has the log, and the keeper has looked once."""
    async with running(Writer(stage)):
        yield
        await until_written(stage)
    await StockKeeper(stage).step()


@on_both
async def test_a_unit_is_somewhere_from_its_delivery_to_its_buyer(api: Api) -> None:
    # given ten units, six of them in a drop
    sku_id = await make_sku(api, 10)
    drop_id = await api.open_drop(sku_id=sku_id, allotted=6)
    assert await stock_of(api, sku_id) == (10, 6, 4)
    # when two are sold, one is scrapped in the drop, and the drop closes
    async with books_written(api.deployment):
        rid = (await api.reserve(drop_id, quantity=2)).body["reservation_id"]
        await api.post(f"/v1/payments/simulated/{rid}", {"outcome": "paid"}, by=api.buyer())
        adjustment = {"delta": -1, "reason": "broken"}
        await api.post(f"/v1/admin/drops/{drop_id}/adjust", adjustment, by=api.boss)
        await api.post(f"/v1/admin/drops/{drop_id}/close", by=api.boss)
    # then three came back, and the sold ones wait for their shipment
    assert await stock_of(api, sku_id) == (9, 2, 7)
    # when they are shipped, one comes back, and both is told twice
    for _ in range(2):
        async with session(api.deployment.sql, write=True) as connection:
            await ship(connection, ref="s1", order_id=rid, units=2, at_ms=1)
            await bring_back(connection, ref="b1", order_id=rid, units=1, at_ms=2, to_drop=False)
    # then
    assert await stock_of(api, sku_id) == (8, 0, 8)
    with pytest.raises(KeyConflict):
        async with session(api.deployment.sql, write=True) as connection:
            await ship(connection, ref="s1", order_id=rid, units=1, at_ms=1)
    page = (await api.get(f"/v1/admin/stock-moves?sku_id={sku_id}", by=api.viewer)).body
    kinds = sorted(one["kind"] for one in page["moves"])
    assert kinds == ["back", "from_drop", "received", "scrapped", "shipped", "to_drop"]


async def test_a_sku_without_stock_sells_what_its_drops_say(api: Api) -> None:
    sku_id = await make_sku(api, keeps_stock=False)
    refused = await move(api, sku_id, "received", 1)
    assert (refused.status, refused.code) == (409, "stock_not_kept")
    drop_id = await api.open_drop(sku_id=sku_id, allotted=6)
    rid = (await api.reserve(drop_id)).body["reservation_id"]
    async with session(api.deployment.sql, write=True) as connection:
        assert await ship(connection, ref="s1", order_id=rid, units=1, at_ms=1) is None
    assert await stock_of(api, sku_id) == (0, 0, 0)


@on_both
async def test_drops_get_no_more_than_there_is_even_at_once(api: Api) -> None:
    # given ten units, and three drops of six, four and four
    sku_id = await make_sku(api, 10)
    made = [await api.create_drop(sku_id=sku_id, allotted=units) for units in (6, 4, 4)]
    # when all are opened at the same time, twice
    opened = await asyncio.gather(
        *(api.post(f"/v1/admin/drops/{drop['drop_id']}/open", by=api.boss) for drop in made * 2)
    )
    # then one is refused, stays a draft, and says what is free
    refused = [reply for reply in opened if reply.status != 200]
    assert {reply.code for reply in refused} == {"too_little_stock"}
    on_hand, in_drops, free = await stock_of(api, sku_id)
    assert on_hand == 10 and free >= 0 and in_drops in (8, 10)
    states = [
        (await api.get(f"/v1/admin/drops/{drop['drop_id']}", by=api.viewer)).body["state"]
        for drop in made
    ]
    assert states.count("draft") == 1
    assert refused[0].body["available"] == free
    # and: when more comes in, it opens
    await move(api, sku_id, "received", 6)
    last = made[states.index("draft")]["drop_id"]
    assert (await api.post(f"/v1/admin/drops/{last}/open", by=api.boss)).status == 200


async def test_a_delivery_that_is_told_twice_is_one(api: Api) -> None:
    sku_id = await make_sku(api)
    first = await move(api, sku_id, "received", 5, Idempotency_Key="d7")
    again = await move(api, sku_id, "received", 5, Idempotency_Key="d7")
    other = await move(api, sku_id, "received", 6, Idempotency_Key="d7")
    assert first.body["move"] == again.body["move"]
    assert (other.status, other.code) == (422, "idempotency_conflict")
    assert await stock_of(api, sku_id) == (5, 0, 5)
    gone = await move(api, sku_id, "scrapped", 6)
    assert (gone.code, gone.body["available"]) == ("too_little_stock", 5)


async def test_two_keepers_at_once_return_units_once(api: Api) -> None:
    # given a closed drop that sold nothing
    sku_id = await make_sku(api, 5)
    drop_id = await api.open_drop(sku_id=sku_id, allotted=5)
    async with running(Writer(api.deployment)):
        await api.post(f"/v1/admin/drops/{drop_id}/close", by=api.boss)
        await until_written(api.deployment)
    # when two keepers follow its books, again and again
    keepers = [StockKeeper(api.deployment) for _ in range(2)]
    await asyncio.gather(*(keeper.follow(drop_id) for keeper in keepers * 3))
    # then
    assert await stock_of(api, sku_id) == (5, 0, 5)


async def test_a_hold_that_ends_after_the_closing_comes_back_and_late_money_takes_it_again(
    api: Api,
) -> None:
    # given a closed drop with a hold
    sku_id = await make_sku(api, 5)
    drop_id = await api.open_drop(sku_id=sku_id, allotted=5)
    async with books_written(api.deployment):
        rid = (await api.reserve(drop_id)).body["reservation_id"]
        await api.post(f"/v1/admin/drops/{drop_id}/close", by=api.boss)
    assert await stock_of(api, sku_id) == (5, 1, 4)
    # when it is given back
    async with books_written(api.deployment):
        await api.delete(f"/v1/reservations/{rid}", by=api.buyer())
    assert await stock_of(api, sku_id) == (5, 0, 5)
    # when its money comes after all, and there still is one
    async with books_written(api.deployment):
        paid = await api.post(f"/v1/payments/simulated/{rid}", {"outcome": "paid"}, by=api.buyer())
    assert paid.body["result"] == "late_sold"
    assert await stock_of(api, sku_id) == (5, 1, 4)


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_restock_that_is_cut_is_finished_by_the_keeper(
    api: Api, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    # given a drop with five of eight units, and a Redis that goes away in the middle of a restock
    sku_id = await make_sku(api, 8)
    drop_id = await api.open_drop(sku_id=sku_id, allotted=5)
    adjust = api.deployment.engine.adjust_drop

    async def torn(*args: Any) -> Any:
        if cut == "after":
            await adjust(*args)
        raise OutcomeUnknown("cut")

    adjustment = {"delta": 3, "reason": "more"}
    path = f"/v1/admin/drops/{drop_id}/adjust"
    with monkeypatch.context() as patch:
        patch.setattr(api.deployment.engine, "adjust_drop", torn)
        reply = await api.post(path, adjustment, by=api.boss, Idempotency_Key="r1")
    assert reply.code == "outcome_unknown"
    assert await stock_of(api, sku_id) == (8, 8, 0)
    # when the keeper finds it, and the operator repeats it
    monkeypatch.setattr(stock_keeper, "CUT_MS", 0)
    async with books_written(api.deployment):
        await StockKeeper(api.deployment).step()
        again = await api.post(path, adjustment, by=api.boss, Idempotency_Key="r1")
    # then it was done once on both sides
    assert (again.status, again.body["available"]) == (200, 8)
    assert await stock_of(api, sku_id) == (8, 8, 0)
    async with session(api.deployment.sql) as connection:
        assert await drop_moves.asked_restocks(connection, 2**60, 10) == []


async def test_a_restock_that_redis_refuses_gives_its_units_back(api: Api) -> None:
    sku_id = await make_sku(api, 8)
    drop_id = await api.open_drop(sku_id=sku_id, allotted=5)
    path = f"/v1/admin/drops/{drop_id}/adjust"
    many = await api.post(path, {"delta": 4, "reason": "x"}, by=api.boss)
    assert (many.code, many.body["available"]) == ("too_little_stock", 3)
    await api.post(f"/v1/admin/drops/{drop_id}/close", by=api.boss)
    for _ in range(2):
        late = await api.post(
            path, {"delta": 3, "reason": "x"}, by=api.boss, Idempotency_Key="late"
        )
        assert late.code == "drop_closed"
        assert await stock_of(api, sku_id) == (8, 5, 3)


async def test_an_alert_is_raised_once_below_the_safety_stock_and_ends(api: Api) -> None:
    # given
    sku_id = await make_sku(api, 10, safety_stock=5)
    # when it falls below, and lower
    drop_id = await api.open_drop(sku_id=sku_id, allotted=6)
    await api.open_drop(sku_id=sku_id, allotted=2)
    # then one alert lasts
    (alert,) = await alerts_of(api, "?lasting=true")
    assert (alert["kind"], alert["object_id"]) == ("stock_low", sku_id)
    assert alert["facts"] == {"sku_id": sku_id, "free": 4, "safety_stock": 5}
    low = (await api.get("/v1/admin/skus?below_safety=true", by=api.viewer)).body["skus"]
    assert [one["sku_id"] for one in low] == [sku_id]
    # when the drop returns its units, it is over
    async with books_written(api.deployment):
        await api.post(f"/v1/admin/drops/{drop_id}/close", by=api.boss)
    assert await alerts_of(api, "?lasting=true") == []
    # and a higher safety stock raises another
    edit = {"safety_stock": 9}
    assert (await api.ask("PATCH", f"/v1/admin/skus/{sku_id}", edit, by=api.boss)).status == 200
    assert [one["ended_ms"] is None for one in await alerts_of(api)] == [True, False]


async def test_a_code_is_of_one_sku(api: Api) -> None:
    first, second = await make_sku(api, code="T-1"), await make_sku(api)
    body = {"title": "x", "price_fen": 1, "code": "T-1"}
    assert (await api.post("/v1/admin/skus", body, by=api.boss)).code == "code_taken"
    path = f"/v1/admin/skus/{second}"
    assert (await api.ask("PATCH", path, {"code": "T-1"}, by=api.boss)).code == "code_taken"
    twice = {"attributes": [{"name": "Size", "value": v} for v in ("L", "M")]}
    assert (await api.ask("PATCH", path, twice, by=api.boss)).body["field"] == "attributes"
    found = (await api.get("/v1/admin/skus?code=T-1", by=api.viewer)).body["skus"]
    assert [one["sku_id"] for one in found] == [first]
    edit = {"code": None, "title": "Tee", "attributes": [{"name": "Size", "value": "L"}]}
    edited = await api.ask("PATCH", f"/v1/admin/skus/{first}", edit, by=api.boss)
    assert (edited.body["code"], edited.body["title"]) == (None, "Tee")
    assert edited.body["attributes"] == edit["attributes"]
    # and what an edit does not name stays
    async with session(api.deployment.sql) as connection:
        price = await connection.scalar(select(skus.c.price_fen).where(skus.c.sku_id == first))
    assert price == 100


@on_both
async def test_the_audit_finds_stock_that_somebody_altered(api: Api) -> None:
    # given a SKU that moved today, and one that moved long ago
    today, old = await make_sku(api, 10), await make_sku(api, 10)
    await make_sku(api)
    long_ago = update(stock_moves).where(stock_moves.c.sku_id == old).values(at_ms=1)

    async def red(sku_id: str, *, full: bool = False) -> str:
        """What the audit says after units of a SKU were written away; they come back."""
        here = update(skus).where(skus.c.sku_id == sku_id)
        async with session(api.deployment.sql, write=True) as connection:
            await connection.execute(here.values(on_hand=9))
        checks = {check.invariant: check for check in await audit(api.deployment, full=full)}
        async with session(api.deployment.sql, write=True) as connection:
            await connection.execute(here.values(on_hand=10))
        return "" if checks["stock"].ok else checks["stock"].detail

    async with session(api.deployment.sql, write=True) as connection:
        await connection.execute(long_ago)
    # when they are altered, then each audit finds the one, and the full audit the other
    assert await red(today) == f"{today}: on hand 9, in drops 0; its moves say 10 and 0"
    assert await red(old) == ""
    assert (await red(old, full=True)).startswith(old)
    sound = next(one for one in await audit(api.deployment, full=True) if one.invariant == "stock")
    assert sound.ok and sound.detail == "3 SKUs, each against its moves"
