"""Go or no-go: what is wrong is red, and red blocks the opening unless a reason is given."""

from typing import Any

import pytest
from redis.asyncio import Redis

from livesale.ledger import sign_of_life
from livesale.ledger.writer import Writer
from livesale.operations.checks.keeper import CheckKeeper
from livesale.payments.keeper import Keeper
from tests.livesale.api import FAR_MS, Api
from tests.livesale.stage import running
from tests.waiting import until

PATH = "/v1/admin/launch"


async def lights(api: Api, query: str = "") -> dict[str, dict[str, Any]]:
    reply = await api.get(f"{PATH}{query}", by=api.viewer)
    assert reply.status == 200, reply.body
    assert reply.body["go"] is all(one["level"] != "no_go" for one in reply.body["lights"])
    return {one["name"]: one for one in reply.body["lights"]}


async def test_red_blocks_the_opening_and_a_reason_is_logged(api: Api, redis: Redis) -> None:
    # given a draft, and no writer
    draft = await api.create_drop(opens_ms=FAR_MS - 1)
    drop_id, query = draft["drop_id"], f"?campaign_id={draft['campaign_id']}"
    # then the writer is red, and what is right is not
    found = await lights(api, query)
    assert found["writer"]["code"] == "writer.stopped"
    assert found["writer"]["facts"] == {"partitions": "p00, p01"}
    for name in ("stores", "partitions", "sql", "memory", "clock", "stream"):
        assert found[name]["level"] == "go", found[name]
    assert found["drops"]["code"] == "drops.bare"  # without a picture: a caution
    assert found["gateway"]["code"] == "gateway.simulated"
    assert found["doctor"]["code"] == "doctor.none"

    # when it is opened all the same
    refused = await api.post(PATH, {"drop_ids": [drop_id]}, by=api.boss)
    # then it is refused by name, and nothing has changed
    assert refused.code == "no_go"
    assert refused.body["lights"] == "writer.stopped, keeper.stopped"
    assert (
        await redis.exists(*[key async for key in redis.scan_iter(f"*drop:{drop_id}")] or "-") == 0
    )
    shown = await api.get(f"/v1/admin/drops/{drop_id}", by=api.boss)
    assert shown.body["state"] == "draft"
    # when one drop of two is unknown
    unknown = await api.post(PATH, {"drop_ids": [drop_id, "nothing"]}, by=api.boss)
    assert unknown.code == "unknown_drop"

    # when a reason is given
    body = {"drop_ids": [drop_id], "override_reason": "The writer is back in a minute"}
    done = await api.post(PATH, body, by=api.boss)
    # then it is open, and the log has the reason and what was red
    assert [one["state"] for one in done.body["drops"]] == ["open"]
    red = ["writer.stopped", "keeper.stopped"]
    assert [one["code"] for one in done.body["overridden"]] == red
    logged = await api.get(f"/v1/admin/actions?action=POST {PATH}", by=api.viewer)
    newest = logged.body["actions"][0]
    assert "The writer is back in a minute" in newest["asked"]
    assert "writer.stopped" in newest["before"]
    assert drop_id in newest["after"]
    # and the same again changes nothing
    again = await api.post(PATH, body, by=api.boss)
    assert again.body["drops"] == done.body["drops"]


async def test_a_line_that_cannot_open_blocks_the_opening(api: Api) -> None:
    # given a draft with a line, which gathers for less than a minute
    soon_ms = await api.deployment.engine.now_ms() + 30_000
    draft = await api.create_drop(ticket_required=True, opens_ms=soon_ms, closes_ms=FAR_MS)
    drop_id, query = draft["drop_id"], f"?campaign_id={draft['campaign_id']}"
    path = f"/v1/admin/drops/{drop_id}"
    assert (await lights(api, query))["lines"]["code"] == "lines.none"
    assert (await api.post(f"{path}/line", by=api.boss)).status == 200
    short = (await lights(api, query))["lines"]
    assert (short["level"], short["code"]) == ("caution", "lines.short")
    # when it has time, it is good
    times = {"version": 1, "opens_ms": FAR_MS - 1}
    assert (await api.post(path, times, by=api.boss)).status == 200
    assert (await lights(api, query))["lines"]["code"] == "lines.ok"
    # but not if the drop sells without tickets meanwhile, or is late
    changes = ({"ticket_required": False}, {"ticket_required": True, "opens_ms": 1_700_000_000_000})
    for version, (change, code) in enumerate(zip(changes, ("notickets", "late"), strict=True), 2):
        assert (await api.post(path, {"version": version} | change, by=api.boss)).status == 200
        red = (await lights(api, query))["lines"]
        assert (red["level"], red["code"]) == ("no_go", f"lines.{code}")
        assert red["facts"] == {"titles": "Tea"}


async def test_writer_and_keeper_are_green_while_they_run_and_red_when_they_stop(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_go() -> bool:
        found = await lights(api)
        return all(found[name]["level"] == "go" for name in ("writer", "keeper"))

    async def is_red() -> bool:
        found = await lights(api)
        return all(found[name]["code"] == f"{name}.stopped" for name in ("writer", "keeper"))

    # given both, then both are gone: the list follows
    await until(is_red)
    async with running(Writer(api.deployment)), running(Keeper(api.deployment)):
        await until(is_go)
        draft = await api.create_drop()
        opened = await api.post(PATH, {"drop_ids": [draft["drop_id"]]}, by=api.boss)
        assert (opened.status, opened.body["overridden"]) == (200, [])
    await until(is_red)

    # given both again, killed: nobody takes the signs of life back
    async def nothing(*_: Any) -> None: ...

    monkeypatch.setattr(sign_of_life, "take_back", nothing)
    async with running(Writer(api.deployment)), running(Keeper(api.deployment)):
        await until(is_go)
    # then they vanish, and the list is red
    await until(is_red)


async def test_the_doctor_of_the_console_counts(api: Api) -> None:
    # given a doctor that somebody started
    started = await api.post("/v1/admin/checks", {"kind": "doctor"}, by=api.boss)
    assert started.status == 202
    assert (await lights(api))["doctor"]["code"] == "doctor.running"

    async def is_over() -> bool:
        return (await lights(api))["doctor"]["code"] != "doctor.running"

    # when it has ended
    async with running(CheckKeeper(api.deployment)):
        await until(is_over)
    # then the list says what it found
    report = await api.get(f"/v1/admin/checks/{started.body['check_id']}", by=api.boss)
    wrong = [one["name"] for one in report.body["findings"] if one["verdict"] == "problem"]
    found = (await lights(api))["doctor"]
    assert found["code"] == ("doctor.problems" if wrong else "doctor.notes")
