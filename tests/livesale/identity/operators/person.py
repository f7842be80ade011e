"""A person at a browser: keeps the cookie, sends the CSRF token with what changes something."""

import time
from typing import Any

import pyotp

from tests.livesale.api import Api, Reply

PASSWORD = "correct horse battery"
STEP_S = 30


class Person:
    def __init__(self, api: Api, cookie: str, own: dict[str, Any]) -> None:
        self.api = api
        self.cookie = cookie
        self.own = own

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        sent = {"X_CSRF_Token": self.own["csrf"]} | headers
        return await self.api.ask(method, path, body, Cookie=self.cookie, **sent)

    async def get(self, path: str) -> Reply:
        return await self.api.ask("GET", path, Cookie=self.cookie)

    async def ok(self, method: str, path: str, body: Any = None) -> Any:
        reply = await self.ask(method, path, body)
        assert reply.status in (200, 201), reply.body
        return reply.body

    async def set_up(self) -> str:
        """A password and a second factor; returns its secret."""
        await self.ok("PUT", "/v1/operator/password", {"password": PASSWORD})
        secret = (await self.ok("POST", "/v1/operator/second-factor"))["secret"]
        await self.ok("PUT", "/v1/operator/second-factor", {"code": code_of(secret)})
        return str(secret)


def code_of(secret: str, steps: int = 0) -> str:
    """The code of now, or of so many steps of 30 s beside it.

    The service takes one step to either side. Show the code of now first and that of the next
    step second: neither is refused if a step ends in between."""
    return str(pyotp.TOTP(secret).at(time.time() + steps * STEP_S))


def person_of(api: Api, reply: Reply) -> Person:
    assert reply.status == 201, reply.body
    return Person(api, reply.headers["Set-Cookie"].partition(";")[0], reply.body)


async def new_link(api: Api, name: str) -> str:
    made = await api.post(f"/v1/admin/operators/{name}/link", by=api.boss)
    assert made.status == 201, made.body
    return str(made.body["link"])


async def come(api: Api, name: str, *roles: str, **more: str) -> Person:
    """Add an operator, who logs in by a link."""
    new = {"name": name, "roles": list(roles)} | more
    added = await api.post("/v1/admin/operators", new, by=api.boss)
    assert added.status == 201, added.body
    return await enter(api, name)


async def enter(api: Api, name: str) -> Person:
    link = await new_link(api, name)
    return person_of(api, await api.post("/v1/operator/session", {"link": link}))


async def try_password(api: Api, name: str, password: str, code: str) -> Reply:
    body = {"name": name, "password": password, "code": code}
    return await api.post("/v1/operator/session", body)
