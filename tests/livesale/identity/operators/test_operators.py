"""Who the operators are: added, changed, revoked; and every step is in the log with both sides."""

import asyncio
from typing import Any

import msgspec

from tests.livesale.api import Api
from tests.livesale.identity.operators.person import come, new_link
from tests.livesale.stage import on_both

ALL = "/v1/admin/operators"


async def log_of(api: Api, name: str) -> list[dict[str, Any]]:
    reply = await api.get(f"/v1/admin/actions?object_id={name}", by=api.viewer)
    return list(reply.body["actions"])


async def test_the_operators_are_listed_by_name_page_by_page(api: Api) -> None:
    names = ["ann", "bob", "cid"]
    for name in names:
        await come(api, name, "sale")
    await api.post(f"{ALL}/bob/revoke", by=api.boss)
    first = (await api.get(f"{ALL}?limit=2", by=api.viewer)).body
    rest = (await api.get(f"{ALL}?limit=2&after={first['next']}", by=api.viewer)).body
    assert [one["name"] for one in first["operators"] + rest["operators"]] == names
    assert rest["next"] is None
    gone = (await api.get(f"{ALL}?state=revoked", by=api.viewer)).body["operators"]
    assert [one["name"] for one in gone] == ["bob"]
    assert (await api.get(f"{ALL}/ann", by=api.viewer)).body["state"] == "active"
    assert (await api.get(f"{ALL}/nobody", by=api.viewer)).code == "unknown_operator"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": "Olga", "roles": ["sale"]}, "name"),
    ({"name": "9olga", "roles": ["sale"]}, "name"),
    ({"name": "olga\n", "roles": ["sale"]}, "name"),
    ({"name": "olga", "roles": []}, "roles"),
    ({"name": "olga", "roles": ["boss"]}, "roles[0]"),
    ({"name": "olga", "roles": ["clerk"]}, "store_id"),
    ({"name": "olga", "roles": ["sale"], "store_id": "s1"}, "store_id"),
    ({"name": "olga", "roles": ["clerk", "sale"], "store_id": "s1"}, "roles"),
]


async def test_a_wrong_operator_is_not_added(api: Api) -> None:
    for new, field in WRONG:
        reply = await api.post(ALL, new, by=api.boss)
        assert (reply.code, reply.body["field"]) == ("invalid_field", field)
    assert (await api.get(ALL, by=api.viewer)).body["operators"] == []


@on_both
async def test_a_name_is_given_once_and_an_owner_remains(api: Api) -> None:
    # given the only two owners
    new = {"name": "olga", "roles": ["owner"]}
    both = await asyncio.gather(*(api.post(ALL, new, by=api.boss) for _ in range(2)))
    assert sorted(reply.status for reply in both) == [201, 409]
    await come(api, "max", "owner", "sale")
    # when both are revoked at once, or lose the role
    gone = await asyncio.gather(
        api.post(f"{ALL}/olga/revoke", by=api.boss),
        api.ask("PATCH", f"{ALL}/max", {"roles": ["sale"]}, by=api.boss),
    )
    # then one remains
    assert sorted(reply.status for reply in gone) == [200, 409]
    [kept] = [reply for reply in gone if reply.status == 409]
    assert kept.code == "last_owner"
    # and a revoked name is taken
    await come(api, "eva", "owner")
    assert (await api.post(f"{ALL}/olga/revoke", by=api.boss)).status == 200
    assert (await api.post(ALL, new, by=api.boss)).code == "operator_exists"


async def test_what_changed_is_in_the_log_with_both_sides_and_without_secrets(api: Api) -> None:
    # given what an owner does with an operator, and what that one does
    person = await come(api, "olga", "sale")
    secret = await person.set_up()
    await api.ask("PATCH", f"{ALL}/olga", {"roles": ["finance"]}, by=api.boss)
    await api.post(f"{ALL}/olga/revoke", by=api.boss, X_Request_Id="mine")
    link = await api.post(f"{ALL}/olga/link", by=api.boss)
    assert link.code == "operator_revoked"
    # when somebody reads the log
    found = await log_of(api, "olga")
    # then each step is there, the newest first, by whom, and what it changed
    assert [one["action"].rpartition("/")[2] for one in found] == [
        *("link", "revoke", "{name}", "session", "link")
    ]
    refused, revoke, edit, login, made = found
    assert (refused["outcome"], refused["before"], refused["after"]) == ("refused", None, None)
    assert (revoke["actor"], revoke["request_id"]) == ("operator|boss", "mine")
    before, after = (msgspec.json.decode(revoke[side]) for side in ("before", "after"))
    assert (before["state"], before["has_password"]) == ("active", True)
    assert (after["state"], after["has_password"]) == ("revoked", False)
    roles = [msgspec.json.decode(edit[side])["roles"] for side in ("before", "after")]
    assert roles == [["sale"], ["finance"]]
    assert (login["actor"], login["outcome"], made["outcome"]) == ("person|olga", "done", "done")
    # and nothing that lets anybody in is in it
    own = await api.get("/v1/admin/actions?actor=person%7Colga", by=api.viewer)
    assert [one["action"] for one in own.body["actions"]] == [
        "PUT /v1/operator/second-factor",
        "POST /v1/operator/second-factor",
        "PUT /v1/operator/password",
        "POST /v1/operator/session",
    ]
    everything = (await api.get("/v1/admin/actions?limit=100", by=api.viewer)).raw.decode()
    token = person.cookie.partition("=")[2]
    for hidden in (secret, token, "correct horse", person.own["csrf"]):
        assert hidden not in everything
    created = (await api.get("/v1/admin/actions", by=api.viewer)).body["actions"][-1]
    assert (created["before"], msgspec.json.decode(created["after"])["name"]) == (None, "olga")


async def test_a_link_s_word_is_in_no_log(api: Api) -> None:
    await come(api, "olga", "sale")
    link = await new_link(api, "olga")
    assert link not in (await api.get("/v1/admin/actions?limit=100", by=api.viewer)).raw.decode()
