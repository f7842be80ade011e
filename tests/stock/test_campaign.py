"""A limit over all drops of a campaign: every way of getting units, and of giving them back.

The same tests run against the scripts and the twin.
"""

from typing import Any
from zlib import crc32

import pytest
from msgspec.structs import replace

from stock.line.model import LineMode, LineTerms, NextInLine
from stock.model import (
    Attempt,
    ConfirmCode,
    Fate,
    Grant,
    GrantCode,
    OpenCode,
    ReserveCode,
    TakeBack,
    TakeBackCode,
    Ticket,
)
from tests.conftest import PARTITIONS
from tests.stock.conftest import NOON, World, terms

OTHER = next(
    name
    for name in (f"boots{number}" for number in range(1_000))
    if (crc32(name.encode()) - crc32(b"shoes")) % PARTITIONS == 0
)


async def open_campaign(world: World, limit: int = 2, **changes: Any) -> None:
    """Two drops of one campaign, in one partition."""
    its = terms(campaign_id="summer", campaign_limit=limit, buyer_limit=3, **changes)
    assert world.keyspace.partition_of("shoes") == world.keyspace.partition_of(OTHER)
    for drop_id in ("shoes", OTHER):
        assert await world.engine.open_drop(drop_id, its) is OpenCode.OPENED
    await world.engine.open_drop("socks", replace(its, campaign_id="", campaign_limit=0))


def rid_of(drop_id: str, name: str) -> str:
    return f"{drop_id}-{name:x<16}"


async def take(world: World, drop_id: str, name: str, quantity: int = 1) -> str:
    attempt = Attempt(rid_of(drop_id, name), "ann", quantity)
    return (await world.engine.reserve(drop_id, [attempt])).outcomes[0].code.value


async def test_a_buyer_has_so_many_units_of_all_drops_of_a_campaign(world: World) -> None:
    await open_campaign(world)
    assert await take(world, "shoes", "a") == "HELD"
    assert await take(world, OTHER, "b", 2) == "OVER_LIMIT"
    assert await take(world, OTHER, "b") == "HELD"
    assert await take(world, "shoes", "c") == "OVER_LIMIT"
    # a drop without the campaign, and another buyer, are not concerned
    assert await take(world, "socks", "d", 3) == "HELD"
    other = await world.engine.reserve("shoes", [Attempt(rid_of("shoes", "e"), "bob", 2)])
    assert other.outcomes[0].code is ReserveCode.HELD
    # in one batch, too
    both = [Attempt(rid_of(OTHER, name), "cat", 2) for name in "fg"]
    codes = [one.code.value for one in (await world.engine.reserve(OTHER, both)).outcomes]
    assert codes == ["HELD", "OVER_LIMIT"]
    for drop_id in ("shoes", OTHER, "socks"):
        await world.state(drop_id)


async def test_units_that_come_back_may_be_had_of_another_drop(world: World) -> None:
    await open_campaign(world, expired_limit=0)
    for way in ("release", "expire", "take_back"):
        rid = rid_of("shoes", way.replace("_", ""))
        assert await take(world, "shoes", way.replace("_", ""), 2) == "HELD"
        assert await take(world, OTHER, way.replace("_", "")) == "OVER_LIMIT"
        if way == "release":
            await world.engine.release(rid, "ann")
        elif way == "expire":
            await world.later(60_000)
            assert await world.engine.expire("shoes", [rid]) == 1
        else:
            await world.engine.confirm(rid, "pay1", 2 * 9_900)
            back = TakeBack(rid, "back1", 2, Fate.BURNED, "broken")
            assert (await world.engine.take_back(back))[0] is TakeBackCode.TAKEN
        assert await take(world, OTHER, way.replace("_", ""), 2) == "HELD"
        await world.engine.release(rid_of(OTHER, way.replace("_", "")), "ann")


async def test_no_way_of_getting_units_passes_the_limit_of_a_campaign(world: World) -> None:
    await open_campaign(world, ticket_required=True)
    line = LineTerms("0f" * 32, 60_000, 100, 100, LineMode.WAITLIST)
    await world.engine.line.open("shoes", line)
    # given: a hold that has ended, and as many units as may be had of the other drop
    ticket = Ticket(NOON * 1_000, NOON + 10**8)
    first = Attempt(rid_of("shoes", "a"), "ann", 1, ticket)
    assert (await world.engine.reserve("shoes", [first])).outcomes[0].code is ReserveCode.HELD
    await world.engine.release(first.rid, "ann")
    grant = Grant(rid_of(OTHER, "g"), "ann", 2)
    assert (await world.engine.grant(OTHER, "bag", [grant]))[0].code is GrantCode.GRANTED
    # then: late money, a grant and a place in line get nothing
    assert (await world.engine.confirm(first.rid, "pay1", 9_900)).code is ConfirmCode.REFUND_DUE
    more = Grant(rid_of("shoes", "h"), "ann", 1)
    assert (await world.engine.grant("shoes", "bag", [more]))[0].code is GrantCode.OVER_LIMIT
    await world.engine.adjust_drop("shoes", "gone", -10, "broken")
    waits = [await world.engine.reserve(OTHER, [Attempt(rid_of(OTHER, "z"), "zoe", 1, ticket)])]
    assert [one.outcomes[0].code for one in waits] == [ReserveCode.HELD]
    await world.engine.adjust_drop("shoes", "some", 1, "found")
    assert await world.engine.reserve("shoes", [Attempt(rid_of("shoes", "z"), "zoe", 1, ticket)])
    await world.engine.line.join("shoes", ["ann", "bob"])
    await world.engine.release(rid_of("shoes", "z"), "zoe")
    people = [NextInLine(rid_of("shoes", name), name, n) for n, name in enumerate(("ann", "bob"))]
    held = await world.engine.line.hold("shoes", 0, people)
    assert held.rids == (rid_of("shoes", "bob"),)
    await world.state("shoes")
    await world.state(OTHER)


@pytest.mark.parametrize(
    "changes",
    [
        {"campaign_id": "summer"},
        {"campaign_limit": 3},
        {"campaign_id": "a b", "campaign_limit": 3},
        {"campaign_id": "summer", "campaign_limit": -1},
    ],
)
def test_a_campaign_has_a_name_and_a_limit(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="campaign"):
        terms(**changes)
