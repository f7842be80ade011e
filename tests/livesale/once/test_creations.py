"""Operators make a thing once: two at once, a lost answer, the same key for something else."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from livesale.catalogue import store as catalogue
from livesale.database.errors import StoreUnavailable
from tests.livesale.api import FAR_MS, Api, Reply

Body = dict[str, Any]


async def body_of(api: Api, kind: str) -> tuple[str, Body, Body, str]:
    """Path, a body, another body of it, and the name of the id that is made."""
    if kind == "campaign":
        body = {"title": "Friday", "opens_ms": 0, "closes_ms": FAR_MS}
        return "/v1/admin/campaigns", body, body | {"title": "Saturday"}, "campaign_id"
    if kind == "sku":
        body = {"title": "Tea", "price_fen": 100, "code": "T-1"}
        return "/v1/admin/skus", body, body | {"price_fen": 200}, "sku_id"
    if kind == "product":
        body = {"title": "Tea", "skus": [{"title": "Tea", "price_fen": 100, "code": "T-2"}]}
        return "/v1/admin/products", body, body | {"title": "Coffee"}, "product"
    if kind == "room":
        body = {"title": "Show", "host": "h1", "starts_ms": FAR_MS}
        return "/v1/rooms", body, body | {"title": "Other"}, "room_id"
    draft = await api.create_drop()
    if kind == "drop":
        names = ("campaign_id", "sku_id", "price_fen", "allotted", "buyer_limit", "hold_ms")
        body = {name: draft[name] for name in names}
        return "/v1/admin/drops", body, body | {"allotted": 11}, "drop_id"
    room = await api.post(
        "/v1/rooms", {"title": "Show", "host": "h1", "starts_ms": FAR_MS}, by=api.boss
    )
    body = {"sku_id": draft["sku_id"]}
    other = body | {"title": "Other"}
    return f"/v1/rooms/{room.body['room_id']}/items", body, other, "item_id"


KINDS = ["campaign", "sku", "product", "room", "drop", "item"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_key_makes_one_thing(api: Api, kind: str) -> None:
    path, body, other, name = await body_of(api, kind)

    def ask(what: Body, key: str, by: str = api.boss) -> Awaitable[Reply]:
        return api.post(path, what, by=by, Idempotency_Key=key)

    # when two taps arrive at once
    first, second = await asyncio.gather(ask(body, "one"), ask(body, "one"))
    # then one makes it, and the other finds it
    assert sorted((first.status, second.status)) == [200, 201], (first.body, second.body)
    assert id_of(first, name) == id_of(second, name)
    # when the answer was lost, and it is sent again with its members in another order
    again = await ask(dict(reversed(body.items())), "one")
    assert (again.status, id_of(again, name)) == (200, id_of(first, name))
    # when the key is used for something else, then that is refused, and nothing is made
    refused = await ask(other, "one")
    assert refused.code == "idempotency_conflict"
    # and a key of somebody else is another one, like another key
    made = {id_of(first, name)}
    if "code" not in str(body):  # a code is of one SKU only
        made.add(id_of(await ask(body, "two"), name))
        made.add(id_of(await ask(body, "one", api.signer.operator("olga", ["operator"])), name))
        assert len(made) == 3


def id_of(reply: Reply, name: str) -> str:
    found = reply.body[name]
    return str(found["product_id"] if name == "product" else found)


async def test_what_is_refused_keeps_no_key(api: Api) -> None:
    # given a body that is wrong, and another whose last check fails in the transaction
    path, body, _, _ = await body_of(api, "drop")
    for wrong in (
        body | {"closes_ms": 1_000_000_000_000, "opens_ms": FAR_MS},
        body | {"sku_id": "nothing"},
    ):
        assert (await api.post(path, wrong, by=api.boss, Idempotency_Key="k")).status == 422
    # then the key is free for the right one
    assert (await api.post(path, body, by=api.boss, Idempotency_Key="k")).status == 201


async def test_a_fault_before_the_commit_keeps_no_key(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, body, _, _ = await body_of(api, "drop")

    async def fail(*_: Any) -> None:
        raise StoreUnavailable("gone")

    # given a fault between the claim and the end of the transaction
    with monkeypatch.context() as broken:
        broken.setattr(catalogue, "add_drop", fail)
        assert (await api.post(path, body, by=api.boss, Idempotency_Key="k")).status == 503
    # then the same request makes it
    made = await api.post(path, body, by=api.boss, Idempotency_Key="k")
    assert made.status == 201, made.body
