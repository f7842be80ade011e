"""Bounds say what to do, and never keep anybody from undoing or repeating what was done."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import insert

from livesale.database import engine as database
from livesale.ledger import tables
from livesale.resources import Deployment
from livesale.rooms import tables as rooms_tables
from livesale.rooms.copy import MAX_DROPS
from livesale.rooms.people import tables as people_tables
from livesale.rooms.people.restrictions import MAX_RESTRICTED
from stock.ids import new_id
from tests.livesale.api import Reply
from tests.livesale.rooms.conftest import Show
from tests.livesale.stage import open_stage
from tests.servers import Valkey

SOON_MS = 600_000


@pytest.fixture
async def stage(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    async with open_stage(redis, redis_server.url, sqlite_url, tmp_path) as stage:
        yield stage


async def fill(show: Show, table: Any, rows: list[dict[str, Any]]) -> None:
    async with database.transaction(show.api.deployment.sql) as connection:
        await connection.execute(insert(table), rows)


async def bar(show: Show, kind: str, name: str) -> Any:
    body = {"person_id": show.person(name), "seconds": 600}
    return await show.api.post(f"{show.path}/{kind}s", body, by=show.host)


async def test_a_room_full_of_bars_renews_and_lifts_them(show: Show) -> None:
    # given as many muted and banned people as a room may have
    now_ms = await show.api.deployment.engine.now_ms()
    row = {"room_id": show.room_id, "reason": "", "barred_by": "x", "created_ms": 0}
    people = [
        {**row, "buyer_id": f"b-{number}", "kind": "mute"} for number in range(MAX_RESTRICTED)
    ]
    rows = [{**one, "until_ms": now_ms + SOON_MS} for one in people]
    await fill(show, people_tables.room_bars, rows)
    # then one more is refused, and the refusal says when the first bar ends
    refused = await bar(show, "ban", "ann")
    assert refused.code == "too_many_members"
    assert refused.body["until_ms"] == now_ms + SOON_MS
    # and a mute may be renewed, become a ban, and be lifted, which makes room for another
    for kind in ("mute", "ban"):
        assert (await bar(show, kind, "b-7")).status == 200
    for kind in ("mute", "ban"):
        lifted = await show.api.delete(f"{show.path}/{kind}s/{show.person('b-7')}", by=show.host)
        assert lifted.status == 200, lifted.body
    assert (await bar(show, "ban", "ann")).status == 200


async def test_a_room_full_of_drops_takes_one_of_them_again(show: Show) -> None:
    # given as many drops as a room may have
    drop_id = await show.drop()
    row = {"campaign_id": "c", "sku_id": "s", "state": "draft", "price_fen": 1, "allotted": 1}
    row |= {"buyer_limit": 1, "hold_ms": 1, "expired_limit": 0, "opens_ms": 0, "closes_ms": 1}
    row |= {"created_ms": 0, "partition": 0, "room_id": show.room_id}
    await fill(show, tables.drops, [{**row, "drop_id": new_id()} for _ in range(MAX_DROPS - 1)])
    # then another is refused, and one of them may be given to the room again
    other = (await show.api.create_drop())["drop_id"]
    full = await show.api.ask("PUT", f"{show.path}/drops/{other}", by=show.api.boss)
    assert full.code == "shelf_full"
    await show.put(f"drops/{drop_id}", by=show.api.boss)


@pytest.mark.parametrize("verb", ["appoint", "dismiss"])
async def test_a_room_full_of_assistants_names_and_dismisses_them(show: Show, verb: str) -> None:
    # given as many assistants as a room may have
    row = {"room_id": show.room_id, "role": "assistant", "created_ms": 0}
    await fill(show, rooms_tables.room_members, [{**row, "buyer_id": f"a-{n}"} for n in range(50)])

    # then one more is refused, and one of them may be named again, or dismissed
    async def ask(method: str, buyer_id: str) -> Reply:
        path = f"{show.path}/assistants/{show.person(buyer_id)}"
        return await show.api.ask(method, path, by=show.host)

    assert (await ask("PUT", "ann")).code == "too_many_members"
    method = {"appoint": "PUT", "dismiss": "DELETE"}[verb]
    assert (await ask(method, "a-7")).status == 200
