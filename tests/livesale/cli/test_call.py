"""`livesale call`: what the console does, on the command line."""

import asyncio
import re

import msgspec
import pytest
from typer.testing import CliRunner

from livesale.cli.app import app
from livesale.settings import as_environment
from tests.livesale.api import FAR_MS, Api


async def test_a_call_of_the_console_is_made_and_is_in_the_log(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in as_environment(api.deployment.settings).items():
        monkeypatch.setenv(name, value)

    async def call(*words: str) -> tuple[int, str, str]:
        given = [*words, "--url", api.url]
        done = await asyncio.to_thread(CliRunner().invoke, app, ["call", *given])
        # The service of the test prints its log into the same output.
        found = re.search(r"^\{$.*?^\}$", done.stdout, re.MULTILINE | re.DOTALL)
        return done.exit_code, found[0] if found else "", done.stderr

    # when a room is made, twice with one key
    body = msgspec.json.encode({"title": "Tea's time", "host": "h1", "starts_ms": FAR_MS}).decode()
    words = ("POST", "/v1/rooms", body, "--key", "k1", "--operator", "olga")
    made = [await call(*words) for _ in range(2)]
    # then there is one, and the log has who did it
    assert [code for code, *_ in made] == [0, 0], made
    ids = {msgspec.json.decode(out)["room_id"] for _, out, _ in made}
    rooms = (await api.get("/v1/admin/rooms", by=api.boss)).body["rooms"]
    assert ids == {one["room"]["room_id"] for one in rooms}
    logged = await api.get("/v1/admin/actions?actor=operator|olga", by=api.boss)
    assert logged.body["actions"][0]["action"] == "POST /v1/rooms"
    # and what is refused says why, with another exit code
    code, out, err = await call("DELETE", "/v1/rooms/rnothing")
    assert (code, msgspec.json.decode(out)["code"]) == (3, "unknown_room")
    assert "404" in err
    code, _, err = await call("POST", "/v1/rooms", body, "--role", "viewer")
    assert (code, "403" in err) == (3, True)
    # and what is no call is refused before it is sent
    for wrong in (("POST", "/v1/rooms", "{"), ("GET", "/metrics"), ("HEAD", "/v1/time")):
        code, _, _ = await call(*wrong)
        assert code == 2, wrong
