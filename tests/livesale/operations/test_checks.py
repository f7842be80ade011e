"""The doctor and the audit, started and followed over HTTP, and run by the keeper."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from livesale.database.engine import now_ms, transaction
from livesale.ledger.check import Check
from livesale.ledger.progress import Progress, Step
from livesale.ledger.tables import books
from livesale.ledger.writer import Writer
from livesale.operations.audit import STEPS, audit
from livesale.operations.checks import store
from livesale.operations.checks.keeper import KEEP, MODULE, CheckKeeper
from livesale.operations.checks.service import SILENT_MS, UNTAKEN_MS
from livesale.operations.checks.store import State
from livesale.operations.checks.tables import check_runs
from livesale.resources import Deployment
from tests.livesale.api import Api, Reply
from tests.livesale.conftest import Serve
from tests.livesale.operations.test_audit import ALL
from tests.livesale.stage import on_both_in_soak, open_drop, reserve, running, until_written
from tests.waiting import until


async def start(api: Api, kind: str, role: str = "owner") -> Reply:
    by = api.signer.operator(role, [role])
    return await api.post("/v1/admin/checks", {"kind": kind}, by=by)


async def show(api: Api, check_id: str) -> dict[str, Any]:
    reply = await api.get(f"/v1/admin/checks/{check_id}", by=api.viewer)
    assert reply.status == 200, reply.body
    return dict(reply.body)


async def until_it_is(api: Api, check_id: str, *states: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def reached() -> str:
        found.update(await show(api, check_id))
        return found["state"] if found["state"] in states else ""

    await until(reached)
    return found


@on_both_in_soak
async def test_an_audit_and_a_doctor_are_started_and_followed(api: Api) -> None:
    stage = api.deployment
    drop_ids = [await open_drop(stage) for _ in range(3)]
    for drop_id in drop_ids:
        await reserve(stage, drop_id, ["ann", "bob"])
    async with running(Writer(stage)), running(CheckKeeper(stage)):
        await until_written(stage)
        # when a seller starts an audit, and many start it and a full one at the same time
        first = await start(api, "audit", "sale")
        again = await asyncio.gather(*(start(api, "full_audit") for _ in range(10)))
        doctor = await start(api, "doctor")
        # then there is one of them, and the doctor does not wait for it
        assert (first.status, first.body["kind"], doctor.status) == (202, "audit", 202)
        assert {(reply.status, reply.body["check_id"]) for reply in again} == {
            (200, first.body["check_id"])
        }
        # and a viewer follows it to its end
        done = await until_it_is(api, first.body["check_id"], "done")
        assert (done["ok"], done["reason"]) == (True, "")
        assert [finding["name"] for finding in done["findings"]] == ALL
        assert {finding["verdict"] for finding in done["findings"]} == {"good"}
        assert done["progress"]["steps"] == done["progress"]["step_number"] == STEPS
        assert done["progress"]["drops"] == done["progress"]["drops_done"] == 3
        assert done["created_ms"] <= done["started_ms"] <= done["ended_ms"]
        assert (done["actor"], done["machine"]) == ("operator|sale", os.uname().nodename)
        # and the doctor's, which has another word for each finding
        seen = await until_it_is(api, doctor.body["check_id"], "done")
        assert {"versions", "redis", "sql", "tables"} <= {f["name"] for f in seen["findings"]}
        # when books are changed by hand, then the next run names the drop
        async with transaction(stage.sql) as connection:
            await connection.execute(
                update(books)
                .where(books.c.drop_id == drop_ids[1])
                .values(available=books.c.available + 1, allotted=books.c.allotted + 1)
            )
        second = await start(api, "audit")
        assert second.status == 202
        red = await until_it_is(api, second.body["check_id"], "done")
        broken = [f for f in red["findings"] if f["verdict"] == "problem"]
        assert (red["ok"], [f["name"] for f in broken]) == (False, ["I2", "I3"])
        assert all(drop_ids[1] in f["text"] for f in broken)
    # and the list has them all, and the record of actions who started them
    listed = await api.get("/v1/admin/checks?limit=2", by=api.viewer)
    assert listed.body["checks"][0]["check_id"] == second.body["check_id"]
    rest = await api.get(f"/v1/admin/checks?after={listed.body['next']}", by=api.viewer)
    assert len(listed.body["checks"]) + len(rest.body["checks"]) == 3
    audits = await api.get("/v1/admin/checks?kind=audit", by=api.viewer)
    assert len(audits.body["checks"]) == 2
    actions = await api.get("/v1/admin/actions?action=POST /v1/admin/checks", by=api.viewer)
    made = [a for a in actions.body["actions"] if a["after"] is not None]
    assert {a["actor"] for a in made} == {"operator|sale", "operator|owner"}
    assert len(made) == 3


async def test_a_run_whose_process_dies_is_lost(stage: Deployment, serve: Serve) -> None:
    api = await serve(stage)
    # given an audit that waits for a writer that is not there
    await reserve(stage, await open_drop(stage), ["ann"])
    keeper = CheckKeeper(stage)
    async with running(keeper):
        run = (await start(api, "audit")).body
        await until_it_is(api, run["check_id"], "running")
        # when its process is killed, then that is what everybody sees
        (child,) = await children()
        os.kill(child, signal.SIGKILL)
        lost = await until_it_is(api, run["check_id"], "lost")
        assert (lost["reason"], lost["ok"]) == ("its process was killed by signal 9", None)
        # when one takes too long, then it is ended
        keeper.most_s = lambda _kind: 1.0  # type: ignore[method-assign]
        run = (await start(api, "audit")).body
        failed = await until_it_is(api, run["check_id"], "failed")
        assert failed["reason"] == "it took longer than 1 s"
        assert await children(0) == []
        # when the keeper stops
        keeper.most_s = lambda _kind: 60.0  # type: ignore[method-assign]
        run = (await start(api, "audit")).body
        await until_it_is(api, run["check_id"], "running")
        await children()
    # then the run is lost, and its process is gone
    lost = await show(api, run["check_id"])
    assert (lost["state"], lost["reason"]) == ("lost", "its keeper was stopped")
    assert await children(0) == []


async def children(count: int = 1) -> list[int]:
    """The processes of checks that this one has started, once there are so many."""

    def there() -> bool:
        return len(_children()) == count

    await until(there)
    return _children()


def _children() -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().split(b"\0")
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
        if MODULE.encode() in command and parent == os.getpid():
            found.append(int(path.name))
    return found


async def change(api: Api, check_id: str, **values: Any) -> None:
    async with transaction(api.deployment.sql) as connection:
        await connection.execute(
            update(check_runs).where(check_runs.c.check_id == check_id).values(values)
        )


async def test_a_run_whose_keeper_is_silent_is_lost(api: Api) -> None:
    # given a run that no keeper takes, and one whose keeper fell silent
    untaken = (await start(api, "doctor")).body["check_id"]
    silent = (await start(api, "audit")).body["check_id"]
    async with transaction(api.deployment.sql) as connection:
        assert await store.claim_run(connection, silent, "claim", "host", now_ms())
        assert not await store.claim_run(connection, silent, "other", "host", now_ms())
    assert (await show(api, silent))["state"] == "running"
    # when their time has passed
    await change(api, untaken, created_ms=now_ms() - UNTAKEN_MS - 1)
    await change(api, silent, beat_ms=now_ms() - SILENT_MS - 1)
    # then nobody sees them wait or run
    for check_id, word in ((untaken, "no keeper took it"), (silent, "silent")):
        found = await show(api, check_id)
        assert found["state"] == "lost"
        assert word in found["reason"]
    listed = (await api.get("/v1/admin/checks", by=api.viewer)).body["checks"]
    assert [run["state"] for run in listed] == ["lost", "lost"]
    # and another one begins; the silent keeper cannot end the lost one any more
    again = await asyncio.gather(*(start(api, "audit") for _ in range(5)))
    assert sorted(reply.status for reply in again) == [200] * 4 + [202]
    async with transaction(api.deployment.sql) as connection:
        assert not await store.note_beat(connection, "claim", None, [], now_ms())
        state = await connection.scalar(
            select(check_runs.c.state).where(check_runs.c.check_id == silent)
        )
    assert state == State.LOST
    # and a keeper tidies up what nobody asks for
    assert await CheckKeeper(api.deployment).step("doctor") == 0.0
    async with transaction(api.deployment.sql) as connection:
        assert await store.find_in_slot(connection, "doctor") is None
        # and old runs are forgotten, but none that runs
        await store.forget_runs(connection, 1)
        left = await connection.scalars(select(check_runs.c.check_id))
        assert set(left) == {reply.body["check_id"] for reply in again}
    assert KEEP > 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing_field"),
        ({"kind": "audit --full"}, "invalid_field"),
        ({"kind": "doctor", "x": 1}, "unknown_field"),
    ],
)
async def test_checks_that_there_are_not(api: Api, body: dict[str, Any], code: str) -> None:
    reply = await api.post("/v1/admin/checks", body, by=api.boss)
    assert (reply.status, reply.code) == (422, code)
    assert (await api.get("/v1/admin/checks/nosuch", by=api.boss)).code == "unknown_check"
    assert (await api.get("/v1/admin/checks", by=api.boss)).body["checks"] == []


async def test_an_audit_tells_how_far_it_is(stage: Deployment) -> None:
    drop_ids = [await open_drop(stage) for _ in range(3)]
    await reserve(stage, drop_ids[0], ["ann", "bob"])
    for full in (False, True):
        steps: list[Step] = []
        heard: list[Check] = []
        checks = await audit(
            stage, settle_s=0.0, full=full, progress=Progress(steps.append, heard.append)
        )
        # each step is told of, in order, and no more than there are
        assert [step.number for step in steps] == sorted(step.number for step in steps)
        assert {step.number for step in steps} == set(range(1, STEPS + 1))
        # with drops done of drops, up to the last, where a step goes drop by drop
        for name in ("snapshot", "I2", "I4", "I5", "I6", "I7", "I8", "I11", "I13"):
            last = [step for step in steps if step.name == name][-1]
            assert (last.drops_done, last.drops) == (3, 3), (name, full)
        # and each check once, as soon as it is made
        assert sorted(heard, key=_name) == sorted(checks, key=_name)


def _name(check: Check) -> str:
    return check.invariant
