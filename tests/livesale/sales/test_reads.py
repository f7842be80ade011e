"""Orders, campaigns and buyers as SQL gives them, on each database."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert, select

from livesale.catalogue import store as catalogue
from livesale.catalogue.store import Campaign
from livesale.database.engine import transaction
from livesale.identity.store import remember_buyer
from livesale.identity.tables import buyers
from livesale.ledger import tables
from livesale.orders.service import Orders
from livesale.resources import Deployment
from livesale.validation.refusals import Unknown
from tests.livesale.stage import on_both


def order(number: int, buyer_id: str, created_ms: int) -> dict[str, Any]:
    return {
        "order_id": f"drop-{number:016d}",
        "drop_id": "drop",
        "buyer_id": buyer_id,
        "quantity": 1,
        "price_fen": 5,
        "amount_fen": 5,
        "state": "held",
        "expires_ms": 9,
        "created_ms": created_ms,
        "updated_ms": created_ms,
    }


@on_both
async def test_pages_of_orders_miss_none_and_repeat_none(stage: Deployment) -> None:
    # given: many of the same millisecond, and those of buyers with almost the same name
    mine = [order(number, "ann", number // 7) for number in range(40)]
    others = [order(100, "Ann", 3), order(101, "ann_", 3), order(102, "anna", 3)]
    async with transaction(stage.sql) as connection:
        await connection.execute(insert(tables.orders), mine + others)
    # when
    found, after = [], None
    while True:
        page, after = await Orders(stage).page("ann", after=after, limit=6)
        found += [one.order_id for one in page]
        if after is None:
            break
    # then
    newest_first = sorted(mine, key=lambda one: (one["created_ms"], one["order_id"]), reverse=True)
    assert found == [one["order_id"] for one in newest_first]


@on_both
async def test_an_order_is_its_owners_only(stage: Deployment) -> None:
    row = order(1, "ann", 1)
    async with transaction(stage.sql) as connection:
        await connection.execute(insert(tables.orders), row)
    found = await Orders(stage).find(row["order_id"], "ann")
    assert {name: getattr(found, name) for name in row} == row
    for buyer_id in ("bob", "Ann", "ANN"):
        with pytest.raises(Unknown):
            await Orders(stage).find(row["order_id"], buyer_id)
    with pytest.raises(Unknown):
        await Orders(stage).find(row["order_id"].upper(), "ann")


@on_both
async def test_campaigns_come_by_opening_and_id(stage: Deployment) -> None:
    rows = [Campaign(f"c{number}", "x", number // 2, 100, 0) for number in range(6)]
    over = Campaign("over", "x", 0, 50, 0)
    async with transaction(stage.sql) as connection:
        for campaign in [*reversed(rows), over]:
            await catalogue.add_campaign(connection, campaign)
        found: list[Campaign] = []
        after = (-1, "")
        while page := await catalogue.list_campaigns(
            connection, closing_after_ms=50, after=after, limit=4
        ):
            found += page
            after = page[-1].opens_ms, page[-1].campaign_id
    assert found == rows


@on_both
async def test_a_buyer_is_remembered_once(stage: Deployment) -> None:
    # given: the same buyer logs in many times at once
    await asyncio.gather(*(remember_buyer(stage.sql, "wx-1", "wechat", "openid") for _ in range(4)))
    await remember_buyer(stage.sql, "wx-1", "wechat", "openid")
    # then
    async with transaction(stage.sql, write=False) as connection:
        query = select(
            buyers.c.buyer_id,
            buyers.c.provider,
            buyers.c.subject,
        )
        assert [tuple(row) for row in await connection.execute(query)] == [
            ("wx-1", "wechat", "openid")
        ]
