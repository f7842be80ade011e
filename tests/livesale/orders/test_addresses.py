"""Addresses: checked, one default, encrypted at rest, and where an order goes."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select, update

from livesale.database.session import session
from livesale.ledger.writer import Writer
from livesale.orders.addresses.form import Address
from livesale.orders.addresses.sealing import CannotOpen, Sealer
from livesale.orders.addresses.tables import addresses, order_addresses
from livesale.orders.keeper import OrderKeeper
from livesale.resources import Deployment
from tests.livesale.api import Api
from tests.livesale.conftest import Serve
from tests.livesale.orders.after import HOME, sell, ship, tell_address
from tests.livesale.stage import on_both, running, until_written


async def keep(api: Api, buyer: str = "ann", key: str | None = None, **changes: Any) -> Any:
    headers = {"Idempotency_Key": key} if key else {}
    return await api.post("/v1/addresses", HOME | changes, by=api.buyer(buyer), **headers)


async def book(api: Api, buyer: str = "ann") -> list[dict[str, Any]]:
    reply = await api.get("/v1/addresses", by=api.buyer(buyer))
    return list(reply.body["addresses"])


@on_both
async def test_a_book_has_one_default(api: Api) -> None:
    # given two addresses; the first one is the default
    first = (await keep(api)).body
    second = (await keep(api, detail="滨海大道9号")).body
    assert (first["is_default"], second["is_default"]) == (True, False)
    # when the second is made the default, ten times at once
    path = f"/v1/addresses/{second['address_id']}/default"
    replies = await asyncio.gather(*(api.post(path, by=api.buyer()) for _ in range(10)))
    assert {reply.status for reply in replies} <= {200, 503}
    # then it alone is
    assert [row["is_default"] for row in await book(api)] == [True, False]
    assert (await book(api))[0]["address_id"] == second["address_id"]
    # when it is deleted, twice, then the other one is
    for _ in range(2):
        gone = await api.delete(f"/v1/addresses/{second['address_id']}", by=api.buyer())
        assert gone.status == 200
    assert [(row["address_id"], row["is_default"]) for row in await book(api)] == [
        (first["address_id"], True)
    ]


async def test_the_same_key_is_the_same_address(api: Api) -> None:
    one = await keep(api, key="k-1")
    again = await keep(api, key="k-1")
    other = await keep(api, key="k-1", city="广州市", district="天河区")
    assert (one.status, again.status, other.status) == (201, 200, 422)
    assert one.body["address_id"] == again.body["address_id"]
    assert other.code == "idempotency_conflict"
    assert len(await book(api)) == 1


async def test_nobody_sees_the_addresses_of_others(api: Api) -> None:
    mine = (await keep(api)).body["address_id"]
    by = api.buyer("bob")
    assert await book(api, "bob") == []
    for reply in (
        await api.ask("PUT", f"/v1/addresses/{mine}", HOME, by=by),
        await api.post(f"/v1/addresses/{mine}/default", by=by),
    ):
        assert (reply.status, reply.code) == (404, "unknown_address")
    await api.delete(f"/v1/addresses/{mine}", by=by)
    assert len(await book(api)) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"phone": "12800138000"}, "phone"),
        ({"phone": "1380013800"}, "phone"),
        ({"phone": "138001380001"}, "phone"),
        ({"phone": "13800138000\n"}, "phone"),
        ({"province": "广东国"}, "province"),
        ({"province": "California"}, "province"),
        ({"city": "Shenzhen"}, "city"),
        ({"city": "深圳"}, "city"),
        ({"province": "北京市", "city": "深圳市"}, "city"),
        ({"district": ""}, "district"),
        ({"district": "somewhere"}, "district"),
        ({"detail": "  1"}, "detail"),
        ({"detail": "x" * 121}, "detail"),
        ({"name": ""}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"postcode": "51800"}, "postcode"),
        ({"country": "CN"}, "country"),
    ],
)
async def test_what_is_no_address(api: Api, changes: dict[str, Any], field: str) -> None:
    reply = await keep(api, **changes)
    assert (reply.status, reply.body["field"]) == (422, field)
    assert await book(api) == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"phone": "+8613800138000"}, {"phone": "13800138000"}),
        ({"phone": "0755-12345678"}, {"phone": "0755-12345678"}),
        ({"province": "广东"}, {"province": "广东省"}),
        ({"province": "北京", "city": "市辖区", "district": "朝阳区"}, {"city": "北京市"}),
        ({"city": "东莞市", "district": ""}, {"district": ""}),
        ({"province": "香港", "city": "九龙", "district": "油尖旺区"}, {"city": "九龙"}),
        (
            {"province": "内蒙古", "city": "锡林郭勒盟", "district": "正蓝旗"},
            {"district": "正蓝旗"},
        ),
    ],
)
async def test_what_is_an_address(api: Api, given: dict[str, Any], kept: dict[str, Any]) -> None:
    reply = await keep(api, **given)
    assert reply.status == 201, reply.body
    assert {name: reply.body[name] for name in kept} == kept


async def test_an_order_has_an_address_before_and_after_paying(api: Api) -> None:
    # given a hold that SQL does not have yet
    drop_id = await api.open_drop()
    rid = (await api.reserve(drop_id)).body["reservation_id"]
    # when its buyer says where it goes, then it is kept; nobody else may say it
    assert (await tell_address(api, rid)).status == 200
    other = await tell_address(api, rid, "bob")
    assert (other.status, other.code) == (404, "unknown_order")
    # when it is paid, then the address can still change
    async with running(Writer(api.deployment)):
        sold = await sell(api, drop_id)
        mine = (await keep(api, detail="滨海大道9号")).body["address_id"]
        chosen = await api.ask(
            "PUT", f"/v1/orders/{sold}/address", {"address_id": mine}, by=api.buyer()
        )
        assert chosen.body["address"]["detail"] == "滨海大道9号"
        # when it is shipped, then it cannot
        assert (await ship(api, sold)).status == 201
        late = await tell_address(api, sold)
        assert (late.status, late.code) == (409, "already_packed")
        # and a released order needs none
        await api.delete(f"/v1/reservations/{rid}", by=api.buyer())
        await until_written(api.deployment)
        over = await tell_address(api, rid)
        assert (over.status, over.code) == (409, "order_over")
    for body in ({}, {"address_id": mine, "address": HOME}):
        reply = await api.ask("PUT", f"/v1/orders/{sold}/address", body, by=api.buyer())
        assert (reply.status, reply.body["field"]) == (422, "address_id")
    shown = await api.get(f"/v1/orders/{sold}/address", by=api.buyer())
    assert shown.body["address"]["detail"] == "滨海大道9号"


def address(**changes: Any) -> Address:
    return replace(Address(**HOME), **changes)


def test_a_sealed_address_says_nothing_and_belongs_to_its_row() -> None:
    # given an address that is sealed for a row
    sealer = Sealer("a1", b"k" * 32)
    sealed = sealer.seal(address(), "order", "o-1")
    # then it cannot be read, not twice alike, and not in another row
    assert "王" not in sealed
    assert "13800138000" not in sealed
    assert sealer.seal(address(), "order", "o-1") != sealed
    assert sealer.open(sealed, "order", "o-1") == address()
    for text, owner in (
        (sealed, "o-2"),
        (sealed[:-6] + "AAAAAA", "o-1"),
        ("a9" + sealed[2:], "o-1"),
    ):
        with pytest.raises(CannotOpen):
            sealer.open(text, "order", owner)
    with pytest.raises(CannotOpen):
        Sealer("a1", b"x" * 32).open(sealed, "order", "o-1")


def test_four_digits_are_found_under_every_key() -> None:
    old = Sealer("a1", b"k" * 32)
    new = Sealer("a2", b"n" * 32, {"a1": b"k" * 32})
    assert old.phone_hash("8000") in new.phone_hashes("8000")
    assert new.phone_hash("8000") in new.phone_hashes("8000")
    assert old.phone_hash("8000") != new.phone_hash("8000")


async def test_a_new_key_seals_every_row_anew(stage: Deployment, serve: Serve) -> None:
    # given addresses in a book, of an order and of a parcel, sealed by the first key
    api = await serve(stage)
    await keep(api)
    async with running(Writer(stage)):
        sold = await sell(api, await api.open_drop())
        await tell_address(api, sold)
        await ship(api, sold)
    # when the settings have another key, and the old one among the old
    settings = stage.settings
    orders = settings.orders.model_copy(
        update={
            "address_key": type(settings.orders.address_key)(
                "another key of more than thirty bytes"
            ),
            "address_key_id": "a2",
            "old_address_keys": {"a1": settings.orders.address_key},
        }
    )
    rotated = replace(stage, settings=settings.model_copy(update={"orders": orders}))
    keeper = OrderKeeper(rotated)
    async with session(stage.sql) as connection:
        before = await connection.scalar(select(order_addresses.c.sealed))
    # then all are read, and sealed anew, once
    assert await keeper.seal() == 3
    assert await keeper.seal() == 0
    # and the old key is not needed any more
    orders = orders.model_copy(update={"old_address_keys": {}})
    alone = replace(stage, settings=settings.model_copy(update={"orders": orders}))
    api = await serve(alone)
    assert [row["phone"] for row in await book(api)] == [HOME["phone"]]
    shown = await api.get(f"/v1/orders/{sold}/address", by=api.buyer())
    assert shown.body["address"]["name"] == HOME["name"]
    # and a row that no key opens stops no other
    async with session(stage.sql, write=True) as connection:
        await connection.execute(update(order_addresses).values(sealed=before, key_id="a1"))
        await connection.execute(update(addresses).values(key_id="a1"))
    assert await OrderKeeper(alone).seal() == 1


async def test_without_a_key_there_are_no_addresses(stage: Deployment, serve: Serve) -> None:
    settings = stage.settings
    empty = type(settings.orders.address_key)("")
    orders = settings.orders.model_copy(update={"address_key": empty})
    api = await serve(replace(stage, settings=settings.model_copy(update={"orders": orders})))
    for reply in (await keep(api), await api.get("/v1/addresses", by=api.buyer())):
        assert (reply.status, reply.code) == (404, "addresses_off")
