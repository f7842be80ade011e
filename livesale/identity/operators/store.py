"""Operators, sessions, links and tries. Queries only; each takes a connection."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.access.roles import Role
from livesale.identity.operators.tables import (
    operator_links,
    operator_sessions,
    operator_tries,
    operators,
)


class OperatorState(StrEnum):
    ACTIVE = "active"
    REVOKED = "revoked"


class OpenedBy(StrEnum):
    LINK = "link"
    PASSWORD = "password"  # noqa: S105  and a code


class OperatorRow(Struct, frozen=True):
    """A row of `operators`."""

    name: str
    roles: str
    store_id: str | None
    state: str
    created_ms: int
    changed_ms: int
    password_hash: str | None = None
    totp_secret: str | None = None
    totp_pending: str | None = None
    totp_step: int = 0

    @property
    def role_set(self) -> frozenset[Role]:
        return frozenset(map(Role, self.roles.split("+")))

    @property
    def is_active(self) -> bool:
        return self.state == OperatorState.ACTIVE


class SessionRow(Struct, frozen=True):
    """A row of `operator_sessions`."""

    session_id: str
    token_hash: str
    name: str
    opened_by: str
    created_ms: int
    seen_ms: int
    expires_ms: int
    ended_ms: int | None
    agent: str
    source: str


_OPERATOR = select(*[operators.c[name] for name in OperatorRow.__struct_fields__])
_SESSION = select(*[operator_sessions.c[name] for name in SessionRow.__struct_fields__])
_OF_BOTH = _SESSION.add_columns(*_OPERATOR.selected_columns).where(
    operators.c.name == operator_sessions.c.name
)
# Asked for once a second by each open console: SQLAlchemy makes the key of a statement once for
# each object.
_OF_COOKIE = _OF_BOTH.where(operator_sessions.c.token_hash == bindparam("cookie"))


async def add_operator(connection: AsyncConnection, row: OperatorRow) -> None:
    await connection.execute(insert(operators), structs.asdict(row))


async def find_operator(
    connection: AsyncConnection, name: str, *, lock: bool = False
) -> OperatorRow | None:
    query = _OPERATOR.where(operators.c.name == name)
    found = (await connection.execute(query.with_for_update() if lock else query)).first()
    return OperatorRow(*found) if found else None


async def lock_operators(connection: AsyncConnection) -> dict[str, OperatorRow]:
    """All of them, by name: there are few. One change at a time, so that an owner remains."""
    query = _OPERATOR.order_by(operators.c.name).with_for_update()
    rows = [OperatorRow(*row) for row in await connection.execute(query)]
    return {row.name: row for row in rows}


async def list_operators(
    connection: AsyncConnection, *, after: str, limit: int, state: str = ""
) -> list[OperatorRow]:
    """By name, those behind `after`."""
    query = _OPERATOR.where(operators.c.name > after).order_by(operators.c.name).limit(limit)
    if state:
        query = query.where(operators.c.state == state)
    return [OperatorRow(*row) for row in await connection.execute(query)]


async def change_operator(connection: AsyncConnection, name: str, **changes: Any) -> None:
    await connection.execute(update(operators).where(operators.c.name == name).values(**changes))


async def use_step(connection: AsyncConnection, name: str, step: int) -> bool:
    """Use the code of a step, unless it or a later one was used."""
    found = await connection.execute(
        update(operators)
        .where(operators.c.name == name, operators.c.totp_step < step)
        .values(totp_step=step)
    )
    return found.rowcount == 1


async def add_session(connection: AsyncConnection, row: SessionRow) -> None:
    await connection.execute(insert(operator_sessions), structs.asdict(row))


async def find_session(
    connection: AsyncConnection, token_hash: str
) -> tuple[SessionRow, OperatorRow] | None:
    """A session and whose it is, by the hash of its cookie."""
    return _both((await connection.execute(_OF_COOKIE, {"cookie": token_hash})).first())


async def find_open(
    connection: AsyncConnection, session_id: str
) -> tuple[SessionRow, OperatorRow] | None:
    """A session that nobody ended, and whose it is."""
    of_it = operator_sessions.c.session_id == session_id
    which = and_(of_it, operator_sessions.c.ended_ms.is_(None))
    return _both((await connection.execute(_OF_BOTH.where(which))).first())


def _both(found: Any) -> tuple[SessionRow, OperatorRow] | None:
    if found is None:
        return None
    width = len(SessionRow.__struct_fields__)
    return SessionRow(*found[:width]), OperatorRow(*found[width:])


async def has_session(connection: AsyncConnection, name: str, session_id: str) -> bool:
    """Whether it is a session of this person, open or not."""
    query = select(operator_sessions.c.session_id).where(
        operator_sessions.c.session_id == session_id, operator_sessions.c.name == name
    )
    return await connection.scalar(query) is not None


async def note_seen(connection: AsyncConnection, session_id: str, seen_ms: int) -> None:
    await connection.execute(
        update(operator_sessions)
        .where(operator_sessions.c.session_id == session_id, operator_sessions.c.seen_ms < seen_ms)
        .values(seen_ms=seen_ms)
    )


async def open_sessions(
    connection: AsyncConnection, name: str, now_ms: int, idle_ms: int
) -> list[SessionRow]:
    """The sessions of a person that still hold, the newest first."""
    query = _SESSION.where(
        operator_sessions.c.name == name,
        operator_sessions.c.ended_ms.is_(None),
        operator_sessions.c.expires_ms > now_ms,
        operator_sessions.c.seen_ms > now_ms - idle_ms,
    ).order_by(operator_sessions.c.session_id.desc())
    return [SessionRow(*row) for row in await connection.execute(query)]


async def end_sessions(
    connection: AsyncConnection,
    name: str,
    now_ms: int,
    *,
    only: Collection[str] = (),
    besides: str = "",
) -> list[str]:
    """End the sessions of a person, or `only` some; returns the hashes of those that it ended."""
    table = operator_sessions
    which = [table.c.name == name, table.c.ended_ms.is_(None), table.c.session_id != besides]
    which += [table.c.session_id.in_(only)] if only else []
    query = select(table.c.session_id, table.c.token_hash).where(*which).with_for_update()
    found = [tuple(row) for row in await connection.execute(query)]
    ended = [session_id for session_id, _ in found]
    if ended:
        await connection.execute(
            update(table).where(table.c.session_id.in_(ended)).values(ended_ms=now_ms)
        )
    return [token_hash for _, token_hash in found]


async def forget_sessions(connection: AsyncConnection, name: str, before_ms: int) -> None:
    """Remove those of a person that ended, in whichever way, before a time."""
    table = operator_sessions
    await connection.execute(
        delete(table).where(
            table.c.name == name,
            or_(table.c.ended_ms < before_ms, table.c.expires_ms < before_ms),
        )
    )


async def put_link(
    connection: AsyncConnection, link_hash: str, name: str, created_ms: int, expires_ms: int
) -> None:
    """A new link of a person, in place of all earlier ones."""
    await drop_links(connection, name)
    row = {"link_hash": link_hash, "name": name, "created_ms": created_ms}
    await connection.execute(insert(operator_links), row | {"expires_ms": expires_ms})


async def drop_links(connection: AsyncConnection, name: str) -> None:
    await connection.execute(delete(operator_links).where(operator_links.c.name == name))


async def find_link(connection: AsyncConnection, link_hash: str, now_ms: int) -> str | None:
    """Whose unused link it is."""
    query = select(operator_links.c.name).where(
        operator_links.c.link_hash == link_hash,
        operator_links.c.used_ms.is_(None),
        operator_links.c.expires_ms > now_ms,
    )
    found: str | None = await connection.scalar(query)
    return found


async def use_link(connection: AsyncConnection, link_hash: str, now_ms: int) -> bool:
    """Use a link, once."""
    found = await connection.execute(
        update(operator_links)
        .where(
            operator_links.c.link_hash == link_hash,
            operator_links.c.used_ms.is_(None),
            operator_links.c.expires_ms > now_ms,
        )
        .values(used_ms=now_ms)
    )
    return found.rowcount == 1


async def count_try(
    connection: AsyncConnection, bucket: int, now_ms: int, *, most: int, window_ms: int
) -> int:
    """Count a try and return 0; if there were `most` in the window, return the ms until its end."""
    table = operator_tries
    query = select(table.c.tries, table.c.since_ms).where(table.c.bucket == bucket)
    found = (await connection.execute(query.with_for_update())).first()
    if found is None:
        await connection.execute(insert(table), {"bucket": bucket, "tries": 1, "since_ms": now_ms})
        return 0
    tries, since_ms = found
    if now_ms - since_ms >= window_ms or since_ms > now_ms:
        tries, since_ms = 0, now_ms
    if tries >= most:
        return int(since_ms + window_ms - now_ms)
    await connection.execute(
        update(table).where(table.c.bucket == bucket).values(tries=tries + 1, since_ms=since_ms)
    )
    return 0


async def forget_tries(connection: AsyncConnection, bucket: int) -> None:
    await connection.execute(delete(operator_tries).where(operator_tries.c.bucket == bucket))
