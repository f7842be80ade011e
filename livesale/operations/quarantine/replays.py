"""Writes a right entry from quarantine into SQL, exactly once, although later entries are there.

Later entries of the drop are in SQL already; their rows do not depend on this one, or they are in
quarantine as well. So the replay works on the present SQL: its rows by the usual conditions, its
movements on top of the present books, its ledger rows under its own log id. Redis shows whether
the entry is right: it has the entry's effect, unless it was rebuilt without it.

Each entry is one transaction: it locks the offset row, which stops the writer, compares the epoch,
changes the row's state, and writes the effects. After a kill, all or nothing is done.
"""

import json
from collections.abc import Sequence
from enum import StrEnum
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace as changed
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.engine import now_ms, snapshot, transaction, trial
from livesale.errors import LivesaleError
from livesale.ledger import quarantine
from livesale.ledger import rows as ledger
from livesale.ledger.evidence import find_doubt
from livesale.ledger.plan import STATES_BEFORE, books_before, make_plan, shift
from livesale.ledger.quarantine import FITTED_IN, Aside, QuarantineState
from livesale.ledger.rows import is_content
from livesale.ledger.tables import drops
from livesale.operations.quarantine.places import Place, UnknownEntry, place_of
from livesale.resources import Deployment
from stock.entries import STATE_CHANGES, Adjusted, LogEntry, TakenBack, decode
from stock.errors import LogCorrupt, LogTooNew
from stock.ids import id_key

PAGE = 500


class Result(StrEnum):
    REPLAYED = "replayed"
    FITS = "fits"  # a dry run: it would be replayed
    ALREADY = "already"  # it was replayed before
    REFUSED = "refused"


class Outcome(Struct, frozen=True):
    """The result of one entry. `drop_id` and `kind` are empty if it cannot be read."""

    entry: str
    result: Result
    kind: str = ""
    drop_id: str = ""
    reason: str = ""


class Unfit(LivesaleError):
    """The entry must not be replayed. The text is the reason."""


async def all_aside(deployment: Deployment) -> list[Place]:
    """All entries in quarantine, in the order of the logs."""
    places: list[Place] = []
    after = (-1, "")
    async with snapshot(deployment.sql) as connection:
        while page := await quarantine.page(connection, after, count=PAGE):
            places += [place_of(row.partition, row.log_id) for row in page]
            after = (page[-1].partition, page[-1].log_id)
    return sorted(places)


async def replay(
    deployment: Deployment, places: Sequence[Place], *, dry_run: bool = False
) -> list[Outcome]:
    """Replay entries in the order of the logs. An entry that does not fit is refused, unchanged.

    Raises UnknownEntry, before the first effect, for an entry that is not in quarantine. A
    `dry_run` tries each entry after the ones before it, and rolls back; the writer of the partition
    waits meanwhile.
    """
    for place in places:
        await find(deployment, place)
    ordered = sorted(set(places))
    if not dry_run:
        return [await _replay(deployment, place, None) for place in ordered]
    outcomes: list[Outcome] = []
    for _, some in groupby(ordered, key=lambda place: place.partition):
        async with trial(deployment.sql) as connection:
            outcomes += [await _replay(deployment, place, connection) for place in some]
    return outcomes


async def find(deployment: Deployment, place: Place) -> Aside:
    """One entry of the quarantine, in any state. Raises UnknownEntry."""
    async with transaction(deployment.sql, write=False) as connection:
        row = await quarantine.find(connection, place.partition, place.log_id)
    if row is None:
        raise UnknownEntry(
            f"{place} is not in quarantine: `livesale quarantine list` shows what is"
        )
    return row


async def _replay(deployment: Deployment, place: Place, within: AsyncConnection | None) -> Outcome:
    """Replay one entry, in its own transaction or as part of a dry run."""
    entry: LogEntry | None = None
    outcome = Outcome(str(place), Result.REFUSED)
    try:
        row = await find(deployment, place)
        if row.state is QuarantineState.REPLAYED:
            return changed(outcome, result=Result.ALREADY, reason="it was replayed before")
        entry = _read(row)
        outcome = changed(outcome, kind=entry.kind, drop_id=entry.drop_id)
        doubt = "" if _is_change(entry) else await _doubt(deployment, entry)
        if doubt:
            raise Unfit(doubt)
        if within is None:
            async with transaction(deployment.sql) as connection:
                await _apply(deployment, connection, place, entry)
            return changed(outcome, result=Result.REPLAYED)
        async with within.begin_nested():
            await _apply(deployment, within, place, entry)
        return changed(outcome, result=Result.FITS)
    except Unfit as why:
        return changed(outcome, reason=str(why))
    except _Already:
        return changed(outcome, result=Result.ALREADY, reason="another command has replayed it")
    except Exception as fault:
        if not is_content(fault):
            raise
        reason = getattr(fault, "orig", None) or fault
        return changed(outcome, reason=f"SQL refuses it: {reason}")


class _Already(LivesaleError):
    """Another command has replayed the entry meanwhile."""


def _read(row: Aside) -> LogEntry:
    if row.state is QuarantineState.DISMISSED:
        raise Unfit(f"it was dismissed: {row.note}")
    if row.state is QuarantineState.FITTED or row.reason.startswith(FITTED_IN):
        raise Unfit("a recovery has already repeated the parts that fit")
    try:
        fields = json.loads(row.payload)
    except ValueError:
        raise Unfit("it was too long, so only a part of it was stored") from None
    try:
        return decode(row.log_id, fields)
    except LogTooNew as why:
        raise Unfit(f"{why}: replay it with the version that wrote it") from None
    except LogCorrupt as why:
        raise Unfit(f"no version can have written it: {why}") from None


def _is_change(entry: LogEntry) -> bool:
    """Whether it only changes a drop's state."""
    return entry.kind in STATE_CHANGES and not entry.rows


async def _doubt(deployment: Deployment, entry: LogEntry) -> str:
    doubt = await find_doubt(deployment.redis, deployment.keyspace, entry)
    return f"Redis does not confirm it: {doubt}" if doubt else ""


async def _apply(
    deployment: Deployment, connection: AsyncConnection, place: Place, entry: LogEntry
) -> None:
    """Raises Unfit, _Already, or SQL's error."""
    position = await ledger.position(connection, place.partition, lock=True)
    epoch = deployment.epochs.get(place.partition)
    if position is None or position.epoch != epoch:
        found = position.epoch if position else "none"
        raise Unfit(f"the epoch in SQL is {found}, this process has {epoch}: run it again")
    if id_key(place.log_id) > id_key(position.offset):
        raise Unfit(
            f"SQL has the log only up to {position.offset}: the writer will reach the entry"
        )
    at_ms = now_ms()
    state = QuarantineState.REPLAYED
    if not await quarantine.settle(connection, place.partition, place.log_id, state, at_ms):
        raise _Already
    for row in entry.rows:
        if isinstance(row, Adjusted) and await ledger.is_adjusted(
            connection, entry.drop_id, row.adjust_id
        ):
            raise Unfit(f"SQL already has the adjustment {row.adjust_id}")
        if isinstance(row, TakenBack) and await ledger.is_adjusted(
            connection, entry.drop_id, row.take_id
        ):
            raise Unfit(f"SQL already has what came back as {row.take_id}")
    if _is_change(entry):
        await _check_states(deployment, connection, place, entry)
    books = await ledger.read_books(connection, entry.drop_id)
    if books is None and entry.kind != "open":
        raise Unfit(f"the opening of {entry.drop_id} is not in SQL: replay that first")
    drift = {} if books is None else {entry.drop_id: shift(books, books_before(entry), -1)}
    await ledger.write(connection, make_plan(place.partition, [entry], drift))


async def _check_states(
    deployment: Deployment, connection: AsyncConnection, place: Place, entry: LogEntry
) -> None:
    """A change of state fits only if it and the later quarantined ones lead to Redis's state."""
    query = select(drops.c.state).where(drops.c.drop_id == entry.drop_id)
    state = first = await connection.scalar(query)
    for change in [entry, *await _changes_behind(connection, place, entry.drop_id)]:
        if state in STATES_BEFORE[change.kind]:
            state = STATE_CHANGES[change.kind].value
        elif change is entry:
            raise Unfit(f"the drop is {first} in SQL, and {entry.kind} cannot follow that")
    snapshot_ = await deployment.engine.snapshot(entry.drop_id)
    there = snapshot_.state.value if snapshot_ else "not there"
    if state != there:
        raise Unfit(f"the drop would be {state} in SQL, but it is {there} in Redis")


async def _changes_behind(
    connection: AsyncConnection, place: Place, drop_id: str
) -> list[LogEntry]:
    """The quarantined changes of a drop's state after one of them."""
    found: list[LogEntry] = []
    after = (place.partition, "")
    while page := await quarantine.page(connection, after, count=PAGE):
        for row in page:
            if row.partition != place.partition:
                return sorted(found, key=lambda change: id_key(change.id))
            try:
                change = decode(row.log_id, json.loads(row.payload))
            except (ValueError, LogTooNew, LogCorrupt):
                continue
            behind = id_key(row.log_id) > id_key(place.log_id)
            if behind and change.drop_id == drop_id and _is_change(change):
                found.append(change)
        after = (page[-1].partition, page[-1].log_id)
    return sorted(found, key=lambda change: id_key(change.id))
