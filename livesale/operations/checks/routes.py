"""/v1/admin/checks"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.operations.checks.service import Checks
from livesale.operations.checks.store import CheckReport, CheckRun, Kind
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, PathParameter, Route, declare_path_parameters
from stock.ids import DROP_ID_PATTERN


class NewCheck(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind


class ChecksQuery(Struct, frozen=True):
    after: Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="`next` of a page")] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    kind: Kind | None = None


class CheckPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    checks: list[CheckRun]
    next: str | None


async def start_check(parts: Parts, call: Call) -> Answer:
    run, is_new = await parts[Checks].start(call.body.kind, call.name)
    return Answer(202 if is_new else 200, run)


async def list_checks(parts: Parts, call: Call) -> Answer:
    query: ChecksQuery = call.query or ChecksQuery()
    found = await parts[Checks].list(query.after, query.kind, query.limit)
    is_full = len(found) == query.limit
    return Answer(200, CheckPage(found, found[-1].check_id if is_full else None))


async def show_check(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Checks].find(call.path["check_id"]))


declare_path_parameters(check_id=PathParameter(DROP_ID_PATTERN, "unknown_check", "A check's id"))

ROUTES = [
    Route(
        "POST",
        "/v1/admin/checks",
        start_check,
        "Start the doctor or an audit",
        "admin",
        {200: CheckRun, 202: CheckRun},
        ("store_unavailable",),
        auth="operator",
        action=Action.CHECK_START,
        body=NewCheck,
        changes=True,
        description=(
            "The keeper runs it, in a process of its own. One doctor and one audit at a time: 200 "
            "is the run that is under way, perhaps of the other kind of audit. `full_audit` also "
            "reads the rows of sealed drops: minutes, not seconds."
        ),
    ),
    Route(
        "GET",
        "/v1/admin/checks",
        list_checks,
        "Runs of the doctor and the audit, the newest first",
        "admin",
        {200: CheckPage},
        ("store_unavailable",),
        auth="operator",
        action=Action.CHECK_READ,
        query=ChecksQuery,
    ),
    Route(
        "GET",
        "/v1/admin/checks/{check_id}",
        show_check,
        "How far a run is, and what it found",
        "admin",
        {200: CheckReport},
        ("unknown_check", "store_unavailable"),
        auth="operator",
        action=Action.CHECK_READ,
        description=(
            "Ask once a second. `done` with `ok` true: no problem was found. `failed`: it could "
            "not check, and `reason` says why. `lost`: its process died, so nothing is known; "
            "start another one."
        ),
    ),
]
