"""Writers and keepers share the partitions: each takes a lease on some, in SQL.

Each process of a role has a row in `leases` with the partitions that it holds. Every look compares
the rows: all processes compute the same fair shares from them, so who has too many gives some back,
and who has too few takes what is free. Each change locks all rows of the role, so two processes
never take the same partition.

A row of a process that is gone is found in two ways. On the same machine its process id is asked
for, at once. Elsewhere its `beats` stand still: each process that has company counts them up, and
the others watch them by their own monotonic clocks, so no two clocks are compared. A process that
only hung finds its row gone and begins again.

A lease is not what keeps the books right. Of two writers on one partition the offset row in SQL
lets one commit (livesale.ledger.committer), and two sweeps of a partition are harmless. So a wrong
lease costs work, never an order.
"""

import asyncio
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct, structs
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from livesale.database.engine import now_ms, transaction
from livesale.errors import Refused
from livesale.ledger.tables import leases
from livesale.printing.runs import runs
from livesale.tasks import Works, wait_for
from livesale.tasks.share import Share

ALONE_S = 1.0  # between two looks of a process that has no company
LOOK_S = 0.3  # with company: each look also counts the own beats up
DEAD_S = 0.9  # beats that stand still for so long are of a process that is gone
JOIN_S = ALONE_S + DEAD_S  # the same, of a process that may not have seen us yet
LONGEST_S = 0.3  # between two tries while SQL does not answer
BLIND_S = 2.0  # a keeper that cannot read its lease for so long sweeps all partitions
_ANCHOR = ""  # the name of a row that holds nothing: whoever changes leases locks it first

_here: set[str] = set()  # names of this process's own leases: its pid says nothing about them
_log = structlog.get_logger(__name__)


class Holder(Struct, frozen=True):
    """A row of `leases`. `pins`: the only partitions that it may hold; None: any. `cannot`: those
    that it cannot work on at present, such as a log of a later version."""

    name: str
    beats: int = 0
    held: frozenset[int] = frozenset()
    pins: frozenset[int] | None = None
    cannot: frozenset[int] = frozenset()
    space: str = ""
    pid: int = 0

    def may(self, partition: int) -> bool:
        return self.pins is None or partition in self.pins


def shares(partitions: int, holders: Sequence[Holder]) -> dict[int, str]:
    """Who of these, all alive, should hold each partition.

    A partition that somebody is pinned to belongs to those; the others share the rest. Who cannot
    work on it gets it only if all cannot. Loads differ by one at most among processes that may hold
    the same. What is in place stays: nothing moves between two that both have a fair share. A
    partition that nobody may hold is left out.
    """
    held = {partition: one.name for one in holders for partition in one.held}
    may: dict[int, list[str]] = {}
    for partition in range(partitions):
        any_ = [one for one in holders if one.may(partition)]
        some = [one for one in any_ if one.pins is not None] or any_
        able = [one for one in some if partition not in one.cannot]
        able = able or [one for one in any_ if partition not in one.cannot] or some
        may[partition] = sorted(one.name for one in able)
    found = {p: name for p, name in held.items() if name in may.get(p, ())}
    load = Counter(found.values())
    for partition, names in may.items():
        if names and partition not in found:
            found[partition] = min(names, key=lambda one: (load[one], one))
            load[found[partition]] += 1
    # From the fullest to the emptiest, while that makes it fairer: each step does, so it ends.
    while True:
        steps = (
            (load[name] - load[other], partition, other)
            for partition, name in found.items()
            for other in may[partition]
        )
        gain, partition, other = max(steps, default=(0, 0, _ANCHOR))
        if gain < 2:
            return dict(sorted(found.items()))
        load[found[partition]] -= 1
        load[other] += 1
        found[partition] = other


class Leases:
    """One per process and role. `run` keeps `share` at what this process holds."""

    def __init__(
        self,
        sql: AsyncEngine,
        role: str,
        partitions: int,
        share: Share,
        *,
        pins: Collection[int] | None = None,
        sweeps_blind: bool = False,
    ) -> None:
        """With `sweeps_blind`, it holds all that it may while SQL does not answer."""
        self._sql = sql
        self._role = role
        self._partitions = partitions
        self._share = share
        self._pins = None if pins is None else frozenset(pins)
        self._blind = sweeps_blind
        self._me = Holder(
            secrets.token_hex(8), pins=self._pins, space=_process_space(), pid=os.getpid()
        )
        self._joined = False
        self._seen: dict[str, tuple[int, float]] = {}  # beats, and when they are of a dead one
        self._read_s = time.monotonic()
        self.known = False  # whether it has looked once
        self.cannot: frozenset[int] = frozenset()  # what others should take from here

    async def run(self, stop: asyncio.Event, works: Works) -> None:
        """Hold a fair share until `stop`; then call `leave`. Raises what SQL raises."""
        _here.add(self._me.name)
        while not stop.is_set():
            try:
                has_company = await self._look()
            except Exception:
                self._look_away()
                raise
            works()
            await wait_for(stop, LOOK_S if has_company else ALONE_S)

    async def leave(self) -> None:
        """Give all back. Call it when all work has ended."""
        with suppress(SQLAlchemyError, OSError, TimeoutError):  # others will find us gone
            async with transaction(self._sql) as connection:
                await connection.execute(delete(leases).where(*self._row(self._me.name)))
        self._joined = False
        _here.discard(self._me.name)

    async def _look(self) -> bool:
        """Compare the rows, and act; whether other processes of this role live."""
        if not self._joined:
            self._share.hold(())
            await self._join()
        rows = await self._read()
        mine = rows.pop(self._me.name, None)
        if mine is None:
            _log.warning("this process was taken for dead: it begins again", role=self._role)
            self._joined = False
            self._share.hold(())
            return True
        gone = [row for row in rows.values() if self._is_gone(row)]
        company = [row for row in rows.values() if row not in gone]
        targets = self._targets(mine, company)
        ends = mine.held - targets
        self._share.hold(self._share.held - ends)
        over = self._share.ended(ends)
        free = targets - mine.held - _held_by(company)
        held = mine.held
        if gone or over or free:
            held = await self._change(gone, over)
        elif company:
            await self._beat()
        self._read_s = time.monotonic()
        self.known = True
        self._share.hold(held - ends)
        return bool(company)

    def _targets(self, mine: Holder, company: Sequence[Holder]) -> frozenset[int]:
        found = shares(self._partitions, [structs.replace(mine, cannot=self.cannot), *company])
        return frozenset(partition for partition, name in found.items() if name == mine.name)

    async def _join(self) -> None:
        with suppress(IntegrityError):  # it is there since the first process of this role
            async with transaction(self._sql) as connection:
                await connection.execute(insert(leases), [self._values(_ANCHOR)])
        async with transaction(self._sql) as connection:
            await connection.execute(insert(leases), [self._values(self._me.name)])
        self._joined = True
        self._seen.clear()

    async def _change(self, gone: Iterable[Holder], over: frozenset[int]) -> frozenset[int]:
        """Remove rows of the dead, give back what is over, take what is free; what is held then."""
        async with transaction(self._sql) as connection:
            rows = await self._read_in(connection, lock=True)
            mine = rows.pop(self._me.name, None)
            if mine is None:
                return frozenset()
            for dead in gone:
                if rows.get(dead.name) == dead:  # it has not moved since
                    await connection.execute(delete(leases).where(*self._row(dead.name)))
                    del rows[dead.name]
                    _log.warning(
                        "taking over from a process that is gone",
                        role=self._role,
                        partitions=show(dead.held),
                    )
            company = list(rows.values())
            takes = self._targets(mine, company) - _held_by(company) - over
            held = (mine.held - over) | takes
            # Written, not only locked: the nodes of a Galera cluster share no locks, but of two
            # transactions that wrote one row only one is committed.
            await connection.execute(
                update(leases).where(*self._row(_ANCHOR)).values(beats=leases.c.beats + 1)
            )
            await connection.execute(
                update(leases).where(*self._row(mine.name)).values(held=show(held), **self._beats())
            )
        if held != mine.held:
            _log.info("the share of partitions changed", role=self._role, partitions=show(held))
        return held

    async def _beat(self) -> None:
        async with transaction(self._sql) as connection:
            await connection.execute(
                update(leases).where(*self._row(self._me.name)).values(**self._beats())
            )

    def _beats(self) -> dict[str, Any]:
        return {
            "beats": leases.c.beats + 1,
            "cannot": show(self.cannot),
            "updated_ms": now_ms(),
        }

    async def _read(self) -> dict[str, Holder]:
        async with transaction(self._sql, write=False) as connection:
            return await self._read_in(connection)

    async def _read_in(
        self, connection: AsyncConnection, *, lock: bool = False
    ) -> dict[str, Holder]:
        query = select(leases.c["name", "beats", "held", "pins", "cannot", "space", "pid"])
        query = query.where(leases.c.role == self._role)
        found = await connection.execute(query.with_for_update() if lock else query)
        return {row.name: _holder(row) for row in found if row.name != _ANCHOR}

    def _is_gone(self, row: Holder) -> bool:
        if row.space and row.space == self._me.space and not _lives(row):
            return True
        now_s = time.monotonic()
        if now_s - self._read_s > 2 * ALONE_S:
            self._seen.clear()  # we, or SQL, stood still: then so did their beats
        beats, dead_s = self._seen.get(row.name, (None, now_s + JOIN_S))
        if row.beats != beats:
            # The first sight of a row is no beat: its process may have been alone, and not beating.
            self._seen[row.name] = (row.beats, dead_s if beats is None else now_s + DEAD_S)
            return False
        return now_s >= dead_s

    def _look_away(self) -> None:
        """SQL does not answer: what is held stays so, and a keeper sweeps all after a while."""
        if self._blind and time.monotonic() - self._read_s > BLIND_S:
            every = range(self._partitions)
            self._share.hold(every if self._pins is None else self._pins & frozenset(every))

    def _row(self, name: str) -> tuple[Any, Any]:
        return leases.c.role == self._role, leases.c.name == name

    def _values(self, name: str) -> dict[str, Any]:
        pins = "" if self._pins is None or name == _ANCHOR else show(self._pins)
        return {
            "role": self._role,
            "name": name,
            "beats": 0,
            "held": "",
            "pins": pins,
            "cannot": "",
            "space": self._me.space if name else "",
            "pid": self._me.pid if name else 0,
            "host": socket.gethostname()[:64] if name else "",
            "updated_ms": now_ms(),
        }


def _held_by(holders: Iterable[Holder]) -> frozenset[int]:
    return frozenset(partition for holder in holders for partition in holder.held)


def _holder(row: Any) -> Holder:
    pins = parse(row.pins) if row.pins else None
    held, cannot = parse(row.held), parse(row.cannot)
    return Holder(row.name, row.beats, held, pins, cannot, row.space, row.pid)


def _process_space() -> str:
    """What a process id is unique in: a boot of a machine, and a namespace. Empty if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _lives(row: Holder) -> bool:
    """Whether a process of this machine is there. Another process may have got its id."""
    if row.pid == os.getpid():
        return row.name in _here
    try:
        os.kill(row.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def pins_of(text: str, partitions: int) -> frozenset[int] | None:
    """What a setting pins a process to; None: to nothing. Raises Refused (livesale.settings checks
    the form)."""
    pins = parse(text) if text else None
    if pins is not None and max(pins) >= partitions:
        raise Refused(
            "--partitions",
            f"there is no partition {max(pins)}: this deployment has {partitions}",
            f"Use numbers from 0 to {partitions - 1}.",
        )
    return pins


def show(partitions: Iterable[int]) -> str:
    """`0-3,7` for 0, 1, 2, 3 and 7."""
    found = runs(partitions)
    return ",".join(f"{first}-{last}" if first != last else f"{first}" for first, last in found)


def parse(text: str) -> frozenset[int]:
    """The numbers of `0-3,7`. Raises ValueError for any other form."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        numbers = range(int(first), int(last if dash else first) + 1)
        if not numbers:
            raise ValueError(f"{part!r} has its end before its beginning")
        found.update(numbers)
    return frozenset(found)
