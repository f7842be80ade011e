"""Who may do what: every route with every kind of token, every object with its owner and others."""

import itertools

import pytest

from livesale.app import ROUTES
from livesale.ledger.writer import Writer
from livesale.web.routes import Route
from tests.livesale.api import Api
from tests.livesale.stage import running, until_written

GUARDED = [route for route in ROUTES if route.auth]
NAMES = {
    "drop_id": "nosuch",
    "campaign_id": "nosuch",
    "reservation_id": "nosuch-0123456789abcdef",
    "order_id": "nosuch-0123456789abcdef",
    "room_id": "rnosuch",
    "item_id": "nosuch",
    "person_id": "nosuch-nosuch-nosuch-nosuch",
    "known_id": "nosuch",
    "comment_id": "1",
    "bag_id": "nosuch",
}
MAY = {
    "buyer": {"buyer"},
    "viewer": {"viewer", "operator"},
    "operator": {"operator"},
    "member": {"buyer", "operator"},
}


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def tokens(api: Api) -> dict[str, str]:
    return {"buyer": api.buyer(), "viewer": api.viewer, "operator": api.boss}


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
async def test_without_a_token_there_is_nothing(api: Api, route: Route) -> None:
    reply = await api.ask(route.method, route.path.format_map(NAMES))
    assert (reply.status, reply.code) == (401, "unauthenticated")
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="livesale"'


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
async def test_each_role_gets_its_routes_and_no_other(api: Api, route: Route) -> None:
    assert route.auth is not None
    for role, token in tokens(api).items():
        reply = await api.ask(route.method, route.path.format_map(NAMES), by=token)
        allowed = role in MAY[route.auth]
        assert (reply.status == 403) == (not allowed), (role, reply.body)
        assert allowed or reply.code == "forbidden"


async def test_a_token_that_does_not_hold(api: Api) -> None:
    # given
    good = api.buyer()
    expired = api.signer.buyer("ann", expires_ms=1)
    cases = {
        good[:-1]: "invalid_token",
        good.replace(".ann.", ".bob."): "invalid_token",
        "": "invalid_token",
        f"{good} {good}": "invalid_token",
        expired: "expired_token",
    }
    for token, code in cases.items():
        # when
        reply = await api.get("/v1/orders", Authorization=f"Bearer {token}")
        # then
        assert (reply.status, reply.code) == (401, code)
        assert reply.headers["WWW-Authenticate"] == f'Bearer realm="livesale", error="{code}"'
    basic = await api.get("/v1/orders", Authorization="Basic YW5uOmFubg==")
    assert basic.code == "invalid_token"
    assert (await api.get("/v1/orders", Authorization=f"bearer {good}")).status == 200


async def test_objects_are_their_owners_only(api: Api) -> None:
    # given: everybody has one of everything
    drop_id = await api.open_drop()
    people = ["ann", "Ann", "bob"]  # a database that folds case would mix up two of them
    owned = {name: (await api.reserve(drop_id, name)).body["reservation_id"] for name in people}
    async with running(Writer(api.deployment)):
        await until_written(api.deployment)
    before = await api.books(drop_id)
    for user, owner in itertools.product(people, people):
        rid, token = owned[owner], api.buyer(user)
        # when
        seen = await api.get(f"/v1/reservations/{rid}", by=token)
        order = await api.get(f"/v1/orders/{rid}", by=token)
        # then: another's is as if it did not exist
        expected = 200 if user == owner else 404
        assert (seen.status, order.status) == (expected, expected)
        if user != owner:
            gone = await api.delete(f"/v1/reservations/{rid}", by=token)
            assert (gone.status, gone.code) == (404, "unknown_reservation")
            never = await api.get("/v1/reservations/nosuch-0123456789abcdef", by=token)
            assert (seen.raw, gone.raw) == (never.raw, never.raw)
    for user in people:
        page = (await api.get("/v1/orders", by=api.buyer(user))).body["orders"]
        assert [order["order_id"] for order in page] == [owned[user]]
    assert await api.books(drop_id) == before


async def test_a_key_does_not_reach_into_another_buyers_reservation(api: Api) -> None:
    drop_id = await api.open_drop()
    first = (await api.reserve(drop_id, "ann", key="k")).body
    second = (await api.reserve(drop_id, "bob", key="k")).body
    assert first["reservation_id"] != second["reservation_id"]
