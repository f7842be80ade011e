"""A limit over all drops of a campaign: over HTTP, through a recovery, in the audit, at the end."""

from typing import Any

import pytest
from sqlalchemy import insert, update

from livesale.catalogue.tables import campaigns
from livesale.database import engine as database
from livesale.ledger.campaign_units import units_of
from livesale.ledger.tables import drops
from livesale.mine.limits import Limits
from livesale.operations.audit import audit
from livesale.resources import Deployment
from livesale.sales.archive import Archiver
from stock.ids import new_id, random_rid
from stock.model import Attempt, DropTerms, ReserveCode
from tests.livesale.api import FAR_MS, Api
from tests.livesale.operations.recovery.scenes import adopt, broken, dump, recover, write
from tests.livesale.stage import on_both
from tests.waiting import until

SUMMER = "summer"


async def make_campaign(api: Api, **changes: Any) -> dict[str, Any]:
    body = {"title": "Summer", "opens_ms": 0, "closes_ms": FAR_MS, "buyer_limit": 2} | changes
    made = await api.post("/v1/admin/campaigns", body, by=api.boss)
    assert made.status == 201, made.body
    return dict(made.body)


async def test_a_buyer_gets_so_many_of_all_drops(api: Api) -> None:
    stage = api.deployment
    campaign = await make_campaign(api)
    assert campaign["buyer_limit"] == 2
    name = campaign["campaign_id"]
    ids = [await api.open_drop(campaign_id=name) for _ in range(5)]
    # its drops share a partition, wherever their ids would have been
    assert {stage.keyspace.partition_of(one) for one in ids} == {stage.keyspace.partition_of(name)}
    free = await api.open_drop()
    assert (await api.reserve(ids[0])).status == 201
    refused = await api.reserve(ids[1], quantity=2)
    assert (refused.status, refused.code) == (403, "over_limit")
    second = await api.reserve(ids[1])
    assert second.status == 201
    assert (await api.reserve(ids[4])).code == "over_limit"
    assert (await api.reserve(free, quantity=3)).status == 201
    assert (await api.reserve(ids[4], buyer="bob", quantity=2)).status == 201
    # what the buyer may still have says so, too
    found = await Limits(stage).of("ann", [*ids, free])
    assert {one.drop_id: (one.units, one.left) for one in found} == {
        ids[0]: (1, 0),
        ids[1]: (1, 0),
        free: (3, 0),
    }
    # when a unit is given back, it may be had elsewhere
    rid = second.body["reservation_id"]
    assert (await api.delete(f"/v1/reservations/{rid}", by=api.buyer())).status == 200
    assert (await api.reserve(ids[3])).status == 201
    assert (await api.reserve(ids[2])).code == "over_limit"


async def test_what_operators_may_not_do_with_such_a_campaign(api: Api) -> None:
    closes_ms = FAR_MS - 1_000
    campaign = await make_campaign(api, closes_ms=closes_ms)
    name, path = campaign["campaign_id"], f"/v1/admin/campaigns/{campaign['campaign_id']}"
    draft = await api.create_drop(campaign_id=name)
    other = await api.create_drop()

    async def refused(reply: Any, field: str) -> None:
        assert (reply.status, reply.code, reply.body["field"]) == (422, "invalid_field", field)

    patch = {"version": 1, "closes_ms": FAR_MS}
    await refused(await api.ask("PATCH", path, patch, by=api.boss), "closes_ms")
    late = {"version": 1, "closes_ms": closes_ms + 1}
    draft_path, other_path = (f"/v1/admin/drops/{one['drop_id']}" for one in (draft, other))
    await refused(await api.ask("PATCH", draft_path, late, by=api.boss), "closes_ms")
    for path, to in ((draft_path, other["campaign_id"]), (other_path, name)):
        move = {"version": 1, "campaign_id": to}
        await refused(await api.ask("PATCH", path, move, by=api.boss), "campaign_id")
    # but: other changes are free
    renamed = await api.ask(
        "PATCH", f"/v1/admin/campaigns/{name}", {"version": 1, "title": "S"}, by=api.boss
    )
    assert (renamed.status, renamed.body["buyer_limit"]) == (200, 2)
    assert (
        await api.ask("PATCH", draft_path, {"version": 1, "allotted": 5}, by=api.boss)
    ).status == 200


# On the stores


ENDS_MS = 4_000_000_000_000


async def open_two(stage: Deployment, *, limit: int = 2) -> list[str]:
    """Two drops of a campaign with a limit, in its partition."""
    now = await stage.engine.now_ms()
    ids: list[str] = []
    while len(ids) < 2:
        drop_id = new_id()
        if stage.keyspace.partition_of(drop_id) == stage.keyspace.partition_of(SUMMER):
            ids.append(drop_id)
    its = DropTerms(now - 1_000, ENDS_MS, 600_000, 3, 9_900, 50, 0, False, SUMMER, limit)
    async with database.transaction(stage.sql) as connection:
        await connection.execute(
            insert(campaigns),
            [
                {
                    "campaign_id": SUMMER,
                    "title": "Summer",
                    "opens_ms": 0,
                    "closes_ms": ENDS_MS,
                    "created_ms": now,
                    "buyer_limit": limit,
                }
            ],
        )
        for drop_id in ids:
            names = ("opens_ms", "closes_ms", "hold_ms", "buyer_limit", "price_fen", "allotted")
            row = {
                "drop_id": drop_id,
                "campaign_id": SUMMER,
                "sku_id": "s1",
                "state": "opening",
                "partition": stage.keyspace.partition_of(drop_id),
                "created_ms": now,
                "expired_limit": 0,
                "campaign_limit": limit,
                **{name: getattr(its, name) for name in names},
            }
            await connection.execute(insert(drops), [row])
    for drop_id in ids:
        await stage.engine.open_drop(drop_id, its)
    return ids


async def take(stage: Deployment, drop_id: str, buyer: str, quantity: int = 1) -> str:
    rid = random_rid(drop_id)
    batch = await stage.engine.reserve(drop_id, [Attempt(rid, buyer, quantity)])
    code = batch.outcomes[0].code
    return rid if code is ReserveCode.HELD else code.value


@on_both
async def test_an_emptied_redis_counts_as_before(stage: Deployment) -> None:
    one, two = await open_two(stage)
    await take(stage, one, "ann")
    sold = await take(stage, two, "ann")
    await stage.engine.confirm(sold, "pay1", 9_900)
    await take(stage, one, "bob", 2)
    gone = await take(stage, two, "cat", 2)
    await stage.engine.release(gone, "cat")
    await write(stage)
    before = await dump(stage)
    await stage.redis.flushall()
    await recover(stage)
    await adopt(stage)
    after = await dump(stage)
    key = stage.keyspace.of_drop(one).campaigns
    # a count of nothing is left out
    assert before.pop(key) == after.pop(key) | {f"{SUMMER}|cat": "0"}
    assert after == {name: before[name] for name in after}
    assert await take(stage, one, "ann") == "OVER_LIMIT"
    assert (await take(stage, one, "cat", 2)).startswith(one)
    await write(stage)
    assert await broken(stage) == []
    async with database.snapshot(stage.sql) as connection:
        assert await units_of(connection, SUMMER) == {"ann": 2, "bob": 2, "cat": 2}
        assert await units_of(connection, SUMMER, "bob") == {"bob": 2}


async def test_the_audit_sees_who_has_too_many_in_either_store(stage: Deployment) -> None:
    one, two = await open_two(stage)
    await take(stage, one, "ann")
    await take(stage, two, "ann")
    await write(stage)
    key = stage.keyspace.of_drop(one).campaigns

    async def said() -> str:
        checks = {check.invariant: check for check in await audit(stage, settle_s=0.0)}
        return "" if checks["I5"].ok else checks["I5"].detail

    assert await said() == ""
    await stage.redis.hset(key, f"{SUMMER}|ann", "1")  # type: ignore[misc]
    assert f"ann has 1 of the campaign {SUMMER} in Redis, and 2 of its drops" in await said()
    await stage.redis.hset(key, f"{SUMMER}|ann", "3")  # type: ignore[misc]
    assert f"ann has 3 of the campaign {SUMMER} in Redis, the limit is 2" in await said()
    await stage.redis.hset(key, f"{SUMMER}|ann", "2")  # type: ignore[misc]
    async with database.transaction(stage.sql) as connection:
        await connection.execute(update(drops).values(campaign_limit=1))
    assert f"ann has 2 of the campaign {SUMMER}, the limit is 1" in await said()


async def test_what_was_counted_leaves_redis_when_the_campaign_is_over(stage: Deployment) -> None:
    one, two = await open_two(stage)
    for drop_id in (one, two):
        rid = await take(stage, drop_id, "ann")
        await stage.engine.confirm(rid, f"pay-{drop_id}", 9_900)
    key = stage.keyspace.of_drop(one).campaigns
    archiver = Archiver(stage, stage.keyspace.partition_of(one))

    async def archive(drop_id: str) -> None:
        await stage.engine.close_drop(drop_id)
        await write(stage)
        async with database.transaction(stage.sql) as connection:
            row = drops.c
            await connection.execute(
                update(drops).where(row.drop_id == drop_id).values(closes_ms=1)
            )

        async def archived() -> bool:
            return await archiver.archive() == 1

        await until(archived)

    # given: one drop has left Redis; what it sold still counts
    await archive(one)
    assert await stage.redis.hgetall(key) == {f"{SUMMER}|ann": "2"}  # type: ignore[misc]
    assert await take(stage, two, "ann") == "OVER_LIMIT"
    assert [check for check in await audit(stage, settle_s=0.0) if not check.ok] == []
    # when: the campaign is over, and the other drop leaves, too
    async with database.transaction(stage.sql) as connection:
        await connection.execute(update(campaigns).values(closes_ms=1))
    await archive(two)
    assert await stage.redis.hgetall(key) == {}  # type: ignore[misc]


@pytest.mark.parametrize("limit", [0, -1, 10**10])
async def test_no_limit_that_means_nothing(api: Api, limit: int) -> None:
    body = {"title": "S", "opens_ms": 0, "closes_ms": FAR_MS, "buyer_limit": limit}
    refused = await api.post("/v1/admin/campaigns", body, by=api.boss)
    assert (refused.status, refused.body["field"]) == (422, "buyer_limit")
