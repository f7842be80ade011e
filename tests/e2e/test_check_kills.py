"""kill -9 of the keeper in the middle of an audit: the run is lost, and another one can begin."""

from pathlib import Path

import pytest
from sqlalchemy import update

from livesale.database import engine as database
from livesale.operations.checks.keeper import MODULE
from livesale.operations.checks.service import SILENT_MS
from livesale.operations.checks.tables import check_runs
from tests.e2e.system import Shop
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("rooms")  # one system for all of them


def children_of(pid: int) -> list[Path]:
    """The processes of checks of this keeper."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        if MODULE.encode() in words and str(pid).encode() in words:
            found.append(path)
    return found


async def test_an_audit_whose_keeper_is_killed_is_lost(shop: Shop) -> None:
    # given an audit that a keeper runs
    run = await shop.admin("POST", "checks", {"kind": "audit"})
    keeper = await shop.system.pid_of("keeper")

    async def has_begun() -> bool:
        return bool(children_of(keeper))

    await until(has_begun)
    # when the keeper is killed, then its check dies with it
    await shop.system.kill("keeper")

    async def has_ended() -> bool:
        return not children_of(keeper)

    await until(has_ended)
    # and after some silence, which we cut short, everybody sees that the run is lost
    path = f"checks/{run['check_id']}"
    assert (await shop.admin("GET", path))["state"] == "running"
    sql = database.connect("embedded", shop.system.data_dir)
    async with database.transaction(sql) as connection:
        await connection.execute(
            update(check_runs)
            .where(check_runs.c.check_id == run["check_id"])
            .values(beat_ms=check_runs.c.beat_ms - SILENT_MS - 5_000)
        )
    await sql.dispose()
    lost = await shop.admin("GET", path)
    assert (lost["state"], lost["ok"]) == ("lost", None)
    # and the next keeper runs the next one to its end
    again = await shop.admin("POST", "checks", {"kind": "audit"})
    assert again["check_id"] != run["check_id"]

    async def is_done() -> bool:
        found = await shop.admin("GET", f"checks/{again['check_id']}")
        return bool(found["state"] == "done" and found["findings"])

    await until(is_done)
