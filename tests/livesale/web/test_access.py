"""Who may do what: every route with every kind of token, every object with its owner and others."""

import itertools
from typing import Any

import pytest

from livesale.access.actions import PERMISSIONS, Action
from livesale.access.roles import Role
from livesale.app import ROUTES
from livesale.ledger.writer import Writer
from livesale.parts import Parts
from livesale.web.routes import Answer, Call, Nothing, Route
from tests.livesale.api import Api
from tests.livesale.identity.operators.person import come, enter
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
    "address_id": "a0123456789abc",
    "case_id": "c0123456789abc",
    "parcel_id": "p0123456789abc",
    "sku_id": "nosuch",
    "name": "nosuch",
    "buyer_id": "nosuch",
    "session_id": "nosuch",
    "product_id": "nosuch",
    "category_id": "nosuch",
    "import_id": "nosuch",
    "check_id": "nosuch",
    "store_id": "nosuch",
    "refund_no": "nosuch",
}


def tokens(api: Api, buyer: str) -> dict[str, str]:
    """A token of each role, and a buyer's."""
    return {"buyer": api.buyer(buyer)} | {role: api.signer.operator("x", [role]) for role in Role}


def may(route: Route, who: str) -> bool:
    if who == "buyer":
        return route.auth in ("buyer", "member")
    return route.action is not None and Role(who) in PERMISSIONS[route.action].roles


async def test_without_a_token_there_is_nothing(api: Api) -> None:
    for route in GUARDED:
        reply = await api.ask(route.method, route.path.format_map(NAMES))
        assert (reply.status, reply.code) == (401, "unauthenticated"), route.path
        assert reply.headers["WWW-Authenticate"] == 'Bearer realm="livesale"'


async def test_every_cell_of_roles_and_actions(api: Api) -> None:
    """Each guarded route with each kind of caller: about 500 requests in two seconds."""
    found: dict[tuple[Action | None, str], set[bool]] = {}
    for number, route in enumerate(GUARDED):
        for who, token in tokens(api, f"ann-{number}").items():  # one buyer would ask too often
            # when somebody asks for what does not exist, or sends nothing
            reply = await api.ask(route.method, route.path.format_map(NAMES), by=token)
            # then the role is looked at first
            refused = reply.status == 403 and reply.code == "forbidden"
            cell = f"{route.method} {route.path} by {who}: {reply.status}"
            assert refused == (not may(route, who)), cell
            assert refused or reply.status in (200, 202, 400, 403, 404, 422, 426, 503), cell
            if refused and route.action and who != "buyer":
                assert f"For {route.action}, you need the role" in reply.body["detail"]
            found.setdefault((route.action, who), set()).add(not refused)
    # and all cells of the table were asked for: no action is without a route
    cells = {
        (action, role): {role in PERMISSIONS[action].roles} for action in Action for role in Role
    }
    assert {cell: told for cell, told in found.items() if cell[0] and cell[1] != "buyer"} == cells


async def test_every_cell_of_roles_and_actions_with_a_session(api: Api) -> None:
    """People have what the table says, like programs: each route with each role's cookie."""
    routes = [route for route in GUARDED if route.action]
    addresses = (f"203.0.113.{number}" for number in range(1, 255))  # one would log in too often
    for role in Role:
        store = {"store_id": "s1"} if role is Role.CLERK else {}
        person = await come(api, f"one-{role}", role, **store)
        ends = (Action.ACCOUNT_OWN,)  # the calls that end the session come last
        for route in sorted(routes, key=lambda route: route.action in ends):
            reply = await person.ask(route.method, route.path.format_map(NAMES))
            refused = reply.status == 403 and reply.code == "forbidden"
            cell = (role, route.method, route.path, reply.body)
            assert refused == (not may(route, role)), cell
            if route.action in ends:  # log in again: this call may have logged out
                api.headers["X-Forwarded-For"] = next(addresses)
                person = await enter(api, f"one-{role}")


def test_what_the_table_says_of_money_stock_and_rooms() -> None:
    def who(action: Action) -> list[str]:
        return sorted(PERMISSIONS[action].roles)

    assert set(PERMISSIONS) == set(Action)
    assert all(Role.OWNER in permission.roles for permission in PERMISSIONS.values())
    assert who(Action.REFUND_ORDER) == ["finance", "owner"]
    assert who(Action.DROP_ADJUST) == who(Action.DROP_CHANGE) == ["owner", "sale"]
    assert who(Action.ROOM_BAN) == who(Action.ROOM_RUN) == ["owner", "room"]
    assert who(Action.LOG_READ) == ["owner", "viewer"]
    changes = {route.action for route in ROUTES if route.changes} - {Action.ACCOUNT_OWN}
    assert not any(Role.VIEWER in PERMISSIONS[action].roles for action in changes if action)


@pytest.mark.parametrize(
    ("path", "wrong", "words"),
    [
        ("/v1/x", {"auth": "operator"}, "names its action"),
        ("/v1/x", {"auth": "member"}, "names its action"),
        ("/v1/x", {"auth": "buyer", "action": Action.ROOM_RUN}, "names its action"),
        ("/v1/x", {"action": Action.ROOM_RUN}, "names its action"),
        ("/v1/x", {"auth": "viewer", "action": Action.ROOM_RUN}, "auth is one of"),
        ("/v1/admin/x", {"auth": "member", "action": Action.ROOM_RUN}, "is for operators"),
        ("/v1/admin/x", {}, "is for operators"),
    ],
)
def test_a_route_that_does_not_say_who_may_call_it_cannot_be_made(
    path: str, wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Route("GET", path, show_nothing, "Nothing", "admin", {200: Nothing}, **wrong)


async def show_nothing(_parts: Parts, _call: Call) -> Answer:
    raise AssertionError


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
