"""Operators log in, and what lets them in ends: over HTTP, with two workers."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import event, select, update

from livesale.app import PARTS
from livesale.database import engine as database
from livesale.identity.operators import sessions
from livesale.identity.operators.login import MAX_TRIES, WINDOW_MS
from livesale.identity.operators.tables import (
    operator_links,
    operator_sessions,
    operator_tries,
    operators,
)
from livesale.resources import Deployment
from livesale.web.sessions import Cookies
from tests.livesale.api import Api
from tests.livesale.conftest import Serve
from tests.livesale.identity.operators.person import (
    PASSWORD,
    Person,
    code_of,
    come,
    enter,
    new_link,
    person_of,
    try_password,
)
from tests.livesale.stage import on_both
from tests.waiting import until

SESSION = "/v1/operator/session"


async def set_row(api: Api, table: Any, **values: Any) -> None:
    async with database.transaction(api.deployment.sql) as connection:
        await connection.execute(update(table).values(**values))


async def column(api: Api, of: Any) -> list[Any]:
    async with database.snapshot(api.deployment.sql) as connection:
        return list(await connection.scalars(select(of)))


async def status(person: Person, api: Api | None = None) -> int:
    reply = await (api or person.api).ask("GET", SESSION, Cookie=person.cookie)
    return reply.status


@on_both
async def test_a_link_lets_one_in_once(api: Api) -> None:
    # given a link, and an older one
    await api.post("/v1/admin/operators", {"name": "olga", "roles": ["sale"]}, by=api.boss)
    old, link = await new_link(api, "olga"), await new_link(api, "olga")
    # when two use it at once
    both = await asyncio.gather(*(api.post(SESSION, {"link": link}) for _ in range(2)))
    # then one is in, with the roles that SQL has
    assert sorted(reply.status for reply in both) == [201, 401]
    [reply] = [reply for reply in both if reply.status == 201]
    person = person_of(api, reply)
    own = (await person.get(SESSION)).body
    assert own == person.own
    assert (own["name"], own["roles"], own["store_id"]) == ("olga", ["sale"], None)
    assert "drop.change" in own["actions"] and "refund.order" not in own["actions"]
    # and neither the old link, nor this one again, nor an invented or outdated one
    for used in (old, link, "x" * 43):
        again = await api.post(SESSION, {"link": used})
        assert (again.status, again.code) == (401, "login_refused")
    late = await new_link(api, "olga")
    await set_row(api, operator_links, expires_ms=1)
    assert (await api.post(SESSION, {"link": late})).code == "login_refused"
    # and neither the link nor the cookie is in SQL
    token = person.cookie.partition("=")[2]
    assert token not in await column(api, operator_sessions.c.token_hash)
    assert late not in await column(api, operator_links.c.link_hash)


async def test_the_cookie_is_for_browsers_of_this_site_only(api: Api) -> None:
    person = await come(api, "olga", "owner")
    reply = await api.post(SESSION, {"link": await new_link(api, "olga")})
    name, _, rest = reply.headers["Set-Cookie"].partition("=")
    assert name == "livesale"
    assert rest.partition("; ")[2] == "Max-Age=43200; Path=/; HttpOnly; SameSite=Strict" or (
        rest.partition("; ")[2] == "Max-Age=43199; Path=/; HttpOnly; SameSite=Strict"
    )
    # a change needs the token that the page has, a question does not
    new = {"title": "Tea", "price_fen": 1}
    for token in (None, "", "x" * 32, "é"):
        given = {} if token is None else {"X_CSRF_Token": token}
        refused = await api.post("/v1/admin/skus", new, Cookie=person.cookie, **given)
        assert (refused.status, refused.code) == (403, "csrf_failed")
    other = person_of(api, reply)
    crossed = await api.post(
        "/v1/admin/skus", new, Cookie=person.cookie, X_CSRF_Token=other.own["csrf"]
    )
    assert crossed.code == "csrf_failed"
    assert (await person.ask("POST", "/v1/admin/skus", new)).status == 201
    # two cookies of one name are nobody's
    twice = await api.ask("GET", SESSION, Cookie=f"{person.cookie}; {other.cookie}")
    assert twice.code == "session_ended"
    # a bearer token goes before the cookie; a buyer's route takes no cookie
    assert (await api.ask("GET", SESSION, by=api.viewer, Cookie=person.cookie)).body[
        "name"
    ] == "eve"
    assert (await api.ask("GET", "/v1/orders", Cookie=person.cookie)).code == "unauthenticated"


def test_outside_dev_no_other_host_sets_the_cookie(stage: Deployment) -> None:
    cookies = Cookies(stage.settings.model_copy(update={"env": "prod"}))
    rest = "Path=/; HttpOnly; SameSite=Strict; Secure"
    assert cookies.set("x", 60) == {"Set-Cookie": f"__Host-livesale=x; Max-Age=60; {rest}"}
    assert cookies.clear() == {"Set-Cookie": f"__Host-livesale=; Max-Age=0; {rest}"}
    assert cookies.read({"Cookie": "a=b; __Host-livesale=y; livesale=z"}) == "y"
    assert cookies.read({"Cookie": "livesale=z; x__Host-livesale=y"}) is None


async def test_an_invented_cookie_costs_no_query(api: Api) -> None:
    # given a session, and a count of what SQL is asked
    person = await come(api, "olga", "sale")
    asked: list[str] = []
    engine = api.deployment.sql.sync_engine

    @event.listens_for(engine, "before_cursor_execute")
    def count(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    # when somebody shows cookies that are nearly that one
    name, _, token = person.cookie.partition("=")
    key_id, word, mac = token.split(".")
    for forged in (
        "x" * 43,
        f"{key_id}.{word}",
        f"{key_id}.{word[::-1]}.{mac}",
        f"{key_id}.{word}.{mac[::-1]}",
        f"k9.{word}.{mac}",
        f"{token}é",
    ):
        assert (await api.get(SESSION, Cookie=f"{name}={forged}")).code == "session_ended"
    # then nothing was asked; for the right one it is
    assert asked == []
    assert await status(person) == 200
    assert asked
    event.remove(engine, "before_cursor_execute", count)


async def test_any_bytes_in_a_header_are_no_fault_of_ours(api: Api) -> None:
    person = await come(api, "olga", "sale")
    link = await new_link(api, "olga")
    body = b'{"link":"%s"}' % link.encode()
    odd, cookie = b"Ti\xff\xc3\xa9\tger", b"Cookie: %s" % person.cookie.encode()
    for path, head, status in (
        (
            "/v1/admin/skus",
            b"%s\r\nX-CSRF-Token: %s" % (cookie, odd),
            b"403",
        ),
        ("/v1/admin/skus", cookie + odd, b"401"),
        (SESSION, b"User-Agent: %s" % odd, b"201"),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(
            b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (path.encode(), head, len(body), body)
        )
        line = await reader.readline()
        writer.close()
        assert line.split()[1] == status, (path, line)
    listed = (await person.get("/v1/operator/sessions")).body["sessions"]
    assert listed[0]["agent"] == "Tiger"


async def test_half_a_login_is_refused(api: Api) -> None:
    for body, field in (
        ({}, "name"),
        ({"name": "olga", "code": "000000"}, "password"),
        ({"name": "olga", "password": "x"}, "code"),
        ({"link": "x" * 43, "name": "olga"}, "link"),
        ({"link": "x"}, "link"),
        ({"name": "olga", "password": "x", "code": "00000a"}, "code"),
    ):
        reply = await api.post(SESSION, body)
        assert (reply.code, reply.body["field"]) == ("invalid_field", field), body


async def test_a_program_has_no_account(api: Api) -> None:
    own = (await api.get(SESSION, by=api.boss)).body
    assert (own["name"], own["roles"], own["session_id"], own["csrf"]) == (
        "boss",
        ["owner"],
        None,
        None,
    )
    assert (await api.delete(SESSION, by=api.boss)).code == "not_a_person"
    set_one = await api.ask("PUT", "/v1/operator/password", {"password": PASSWORD}, by=api.boss)
    assert set_one.code == "not_a_person"


@on_both
async def test_a_password_needs_a_code_and_a_code_is_good_once(api: Api) -> None:
    # given a person with a password, and no second factor yet
    person = await come(api, "olga", "sale")
    await person.ok("PUT", "/v1/operator/password", {"password": PASSWORD})
    assert (await try_password(api, "olga", PASSWORD, "000000")).code == "login_refused"
    # when the second factor is there
    secret = (await person.ok("POST", "/v1/operator/second-factor"))["secret"]
    wrong = await person.ask("PUT", "/v1/operator/second-factor", {"code": "000000"})
    assert wrong.code == "login_refused"
    assert (await try_password(api, "olga", PASSWORD, code_of(secret))).code == "login_refused"
    await person.ok("PUT", "/v1/operator/second-factor", {"code": code_of(secret)})
    # then a wrong password and an unknown name get the same answer as no second factor
    code = code_of(secret, 1)
    answers = [
        await try_password(api, "olga", "not the password", code),
        await try_password(api, "nobody", PASSWORD, code),
    ]
    # and both together log in, on two workers with one code once
    both = await asyncio.gather(*(try_password(api, "olga", PASSWORD, code) for _ in range(2)))
    assert sorted(reply.status for reply in both) == [201, 401]
    # and the code before gets that answer, too
    answers.append(await try_password(api, "olga", PASSWORD, code_of(secret)))
    assert {reply.raw for reply in answers} == {answers[0].raw}
    assert answers[0].code == "login_refused"
    # and SQL has neither the password nor the secret
    assert PASSWORD not in str(await column(api, operators.c.password_hash))
    assert secret not in str(await column(api, operators.c.totp_secret))


async def test_too_many_wrong_passwords_lock_the_name_and_not_the_link(
    api: Api, stage: Deployment, serve: Serve
) -> None:
    # given a person, and two workers
    person = await come(api, "olga", "sale")
    secret = await person.set_up()
    second = await serve(stage)
    # when somebody tries passwords, of olga and of a name that does not exist
    for name in ("olga", "nobody"):
        tries = [
            await try_password((api, second)[at % 2], name, "wrong wrong wrong", "000000")
            for at in range(MAX_TRIES)
        ]
        assert {reply.code for reply in tries} == {"login_refused"}
        # then both workers refuse the right one, too
        for worker in (api, second):
            locked = await try_password(worker, name, PASSWORD, code_of(secret, 1))
            assert (locked.status, locked.code) == (429, "login_locked")
            wait_s = int(locked.headers["Retry-After"])
            assert 0 < wait_s <= WINDOW_MS // 1000
            assert locked.body["retry_after_s"] == wait_s
    # and a link still lets in
    assert await status(await enter(api, "olga")) == 200
    # and the window ends; a success forgets the tries
    await set_row(api, operator_tries, since_ms=operator_tries.c.since_ms - WINDOW_MS)
    assert (await try_password(api, "olga", PASSWORD, code_of(secret, 1))).status == 201
    assert len(await column(api, operator_tries.c.tries)) == 1


@on_both
async def test_a_revoked_operator_is_out_at_once_on_every_worker(
    api: Api, stage: Deployment, serve: Serve
) -> None:
    # given two workers that know the session
    person = await come(api, "olga", "sale")
    second = await serve(stage)
    assert (await status(person), await status(person, second)) == (200, 200)
    link = await new_link(api, "olga")
    # when the person is revoked
    assert (await api.post("/v1/admin/operators/olga/revoke", by=api.boss)).status == 200
    # then this worker knows it at once, and the other after what it may remember
    assert await status(person) == 401
    assert sessions.SESSION_S <= 1.0

    async def out() -> bool:
        return await status(person, second) == 401

    await until(out)
    # and the link is gone, and no new one is made, until somebody restores the person
    assert (await api.post(SESSION, {"link": link})).code == "login_refused"
    refused = await api.post("/v1/admin/operators/olga/link", by=api.boss)
    assert refused.code == "operator_revoked"
    assert (await api.post("/v1/admin/operators/olga/restore", by=api.boss)).status == 200
    assert await status(person) == 401  # the old session stays over
    assert await status(await enter(api, "olga")) == 200


async def test_other_roles_count_at_the_next_request(api: Api) -> None:
    person = await come(api, "olga", "room")
    new = {"title": "Tea", "price_fen": 1}
    assert (await person.ask("POST", "/v1/admin/skus", new)).code == "forbidden"
    edit = {"roles": ["sale"]}
    assert (await api.ask("PATCH", "/v1/admin/operators/olga", edit, by=api.boss)).status == 200
    assert (await person.ask("POST", "/v1/admin/skus", new)).status == 201


async def test_a_session_ends_by_time_and_by_its_owner(api: Api) -> None:
    # given three sessions of a person, and one of another
    first, second, third = [await come(api, "olga", "sale")] + [
        await enter(api, "olga") for _ in range(2)
    ]
    stranger = await come(api, "max", "room")
    listed = (await first.get("/v1/operator/sessions")).body["sessions"]
    assert [one["session_id"] for one in listed] == [
        person.own["session_id"] for person in (third, second, first)
    ]
    assert {one["source"] for one in listed} == {"127.0.0.1"}
    # when one is ended by another, which a stranger cannot
    path = f"/v1/operator/sessions/{second.own['session_id']}"
    assert (await stranger.ask("DELETE", path)).code == "unknown_session"
    for _ in range(2):
        await first.ok("DELETE", path)
    assert (await status(second), await status(first)) == (401, 200)
    # and one logs out
    out = await third.ask("DELETE", SESSION)
    assert (out.status, "Max-Age=0" in out.headers["Set-Cookie"]) == (200, True)
    assert (await status(third), await status(first)) == (401, 200)
    # and the owner ends all of a person
    seen = (await api.get("/v1/admin/operators/olga/sessions", by=api.viewer)).body["sessions"]
    assert [one["session_id"] for one in seen] == [first.own["session_id"]]
    assert (await api.delete("/v1/admin/operators/olga/sessions", by=api.boss)).status == 200
    assert (await status(first), await status(stranger)) == (401, 200)
    # and without a request for long, or by its age, a session is over
    idle, aged = await enter(api, "olga"), await enter(api, "olga")
    for person, past in ((idle, {"seen_ms": 1}), (aged, {"expires_ms": 1})):
        await set_row(api, operator_sessions, **past)
        assert (await api.get(SESSION, Cookie=person.cookie)).code == "session_ended"
    assert (await api.get(SESSION, Cookie=f"livesale={'x' * 43}")).code == "session_ended"


async def test_a_stolen_cookie_cannot_change_the_password(api: Api) -> None:
    # given a session by password
    person = await come(api, "olga", "sale")
    secret = await person.set_up()
    thief = person_of(api, await try_password(api, "olga", PASSWORD, code_of(secret, 1)))
    # when its holder does not know the password
    for given in ({}, {"current": "not the password"}):
        word = {"password": "another long password"} | given
        asked = await thief.ask("PUT", "/v1/operator/password", word)
        assert asked.code in ("invalid_field", "login_refused")
        assert (await thief.ask("POST", "/v1/operator/second-factor", given)).status in (401, 422)
    # then nothing has changed, and the owner of the password may
    word = {"password": "another long password", "current": PASSWORD}
    await thief.ok("PUT", "/v1/operator/password", word)
    assert await status(person) == 401  # the others end
    assert await status(thief) == 200
    for poor in ("short", "aaaaaaaaaaaaaaa", "olga olga olga"):
        weak = await thief.ask(
            "PUT", "/v1/operator/password", {"password": poor, "current": PASSWORD}
        )
        assert (weak.status, weak.body["field"]) == (422, "password")


async def test_while_sql_is_away_what_was_known_holds_for_a_while(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a known session, and a database that does not answer
    person, stranger = await come(api, "olga", "sale"), await come(api, "max", "sale")
    assert await status(person) == 200
    book = api.app[PARTS][sessions.SessionBook]
    await api.deployment.sql.dispose()

    async def away(*_: Any, **__: Any) -> Any:
        raise OSError("away")

    monkeypatch.setattr(sessions.store, "find_session", away)
    monkeypatch.setattr(book._known, "_ttl_s", 0.0)
    # when it asks
    # then it is still known, until it is too old, and nobody else is
    assert await status(person) == 200
    assert (await api.get(SESSION, Cookie=stranger.cookie)).code == "store_unavailable"
    monkeypatch.setattr(sessions, "STALE_S", -1.0)
    assert (await api.get(SESSION, Cookie=person.cookie)).code == "store_unavailable"
