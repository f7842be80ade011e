"""Reminders and their states. Queries only.

state: waiting → sending (a keeper has claimed it) → sent, failed, unsure, or waiting again; missed
and cancelled without an attempt. Every UPDATE has the expected state in its WHERE.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import (
    ColumnElement,
    Select,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.tables import skus
from livesale.identity.tables import buyers, joined_logins
from livesale.ledger.tables import drops, orders
from livesale.reminders.tables import reminders
from livesale.rooms.tables import rooms
from stock.model import DropState, HoldState

WAITING, SENDING, SENT, UNSURE = "waiting", "sending", "sent", "unsure"
FAILED, MISSED, CANCELLED = "failed", "missed", "cancelled"
DONE = (SENT, UNSURE)  # a message is or may be sent: send no second one for the same beginning
OVER = (*DONE, FAILED, MISSED, CANCELLED)

ROOM, DROP = "room", "drop"
HOLD = "hold"  # a unit of a drop that a draw or a waitlist holds for somebody
WECHAT = "wechat"


class Reminder(Struct, frozen=True):
    """A row of `reminders`, without the columns of the keepers."""

    kind: str
    target_id: str
    buyer_id: str
    state: str
    begins_ms: int
    created_ms: int


class Target(Struct, frozen=True):
    """The target of reminders. `began_ms` is when a room went live, if it did."""

    kind: str
    target_id: str
    title: str
    state: str
    begins_ms: int
    began_ms: int | None
    closes_ms: int | None


class Claimed(Struct, frozen=True):
    """A reminder that we claimed. `openid` is None if WeChat does not know the buyer."""

    buyer_id: str
    openid: str | None
    tries: int
    until_ms: int = 0  # of a unit that is held: how long


_REMINDER = select(*[reminders.c[name] for name in Reminder.__struct_fields__])


def _of_drops(kind: str) -> Select[Any]:
    return select(
        literal(kind),
        drops.c.drop_id,
        func.coalesce(skus.c.title, ""),
        drops.c.state,
        drops.c.opens_ms,
        null(),
        drops.c.closes_ms,
    ).select_from(drops.outerjoin(skus, skus.c.sku_id == drops.c.sku_id))


_TARGETS = {
    ROOM: (
        rooms.c.room_id,
        select(
            literal(ROOM),
            rooms.c.room_id,
            rooms.c.title,
            rooms.c.state,
            rooms.c.starts_ms,
            rooms.c.started_ms,
            null(),
        ),
    ),
    DROP: (drops.c.drop_id, _of_drops(DROP)),
    HOLD: (drops.c.drop_id, _of_drops(HOLD)),
}
# Who waits for a unit and has one that is held. Orders say so, and each is told once: a keeper that
# dies between the hold and the message loses nothing.
_HELD = (
    (orders.c.drop_id == reminders.c.target_id)
    & (orders.c.buyer_id == reminders.c.buyer_id)
    & (orders.c.state == HoldState.HELD.value)
    & (orders.c.created_ms >= reminders.c.created_ms)
)


async def find_target(connection: AsyncConnection, kind: str, target_id: str) -> Target | None:
    column, query = _TARGETS[kind]
    row = (await connection.execute(query.where(column == target_id))).first()
    return Target(*row) if row else None


async def wanted_targets(
    connection: AsyncConnection, kind: str, after: str, limit: int
) -> list[Target]:
    """Targets with waiting reminders, by id, after the id `after`."""
    column, query = _TARGETS[kind]
    found_ids = (
        select(reminders.c.target_id)
        .where(
            reminders.c.state == WAITING,
            reminders.c.kind == kind,
            reminders.c.target_id > after,
        )
        .distinct()
        .order_by(reminders.c.target_id)
        .limit(limit)
    )
    if kind == HOLD:
        is_over = (drops.c.drop_id == reminders.c.target_id) & (
            drops.c.state == DropState.CLOSED.value
        )
        found_ids = found_ids.where(or_(exists().where(_HELD), exists().where(is_over)))
    wanted = found_ids.subquery()
    found = query.join(wanted, wanted.c.target_id == column).order_by(column)
    return [Target(*row) for row in await connection.execute(found)]


async def lock_buyer(connection: AsyncConnection, buyer_id: str) -> bool:
    """Whether WeChat knows this buyer. Locks the buyer's reminders until the end of the
    transaction."""
    query = select(buyers.c.provider).where(buyers.c.buyer_id == buyer_id)
    provider = await connection.scalar(query.with_for_update())
    if provider is None or provider == WECHAT:
        return provider is not None
    query = select(joined_logins.c.provider).where(
        joined_logins.c.buyer_id == buyer_id, joined_logins.c.provider == WECHAT
    )
    return (await connection.execute(query)).first() is not None


async def find_reminder(
    connection: AsyncConnection, kind: str, target_id: str, buyer_id: str
) -> Reminder | None:
    query = _REMINDER.where(*_key(kind, target_id), reminders.c.buyer_id == buyer_id)
    row = (await connection.execute(query)).first()
    return Reminder(*row) if row else None


async def reminders_of(connection: AsyncConnection, buyer_id: str) -> list[Reminder]:
    """A buyer's waiting reminders, by kind and id: `set` limits their number."""
    query = _REMINDER.where(
        reminders.c.buyer_id == buyer_id, reminders.c.state.in_((WAITING, SENDING))
    ).order_by(reminders.c.kind, reminders.c.target_id)
    return [Reminder(*row) for row in await connection.execute(query)]


async def count_of_buyer(connection: AsyncConnection, buyer_id: str) -> int:
    query = select(func.count()).where(
        reminders.c.buyer_id == buyer_id, reminders.c.state == WAITING
    )
    return await connection.scalar(query) or 0


async def count_of_target(connection: AsyncConnection, kind: str, target_id: str) -> int:
    query = select(func.count()).where(*_key(kind, target_id), reminders.c.state == WAITING)
    return await connection.scalar(query) or 0


async def count_waiting(connection: AsyncConnection) -> int:
    query = select(func.count()).where(reminders.c.state == WAITING)
    return await connection.scalar(query) or 0


async def set_reminder(connection: AsyncConnection, new: Reminder, at_ms: int) -> None:
    """Add a waiting reminder; replaces a finished one. The buyer is locked."""
    values: dict[str, Any] = structs.asdict(new) | {
        "claim": "",
        "tries": 0,
        "next_ms": 0,
        "detail": "",
        "updated_ms": at_ms,
    }
    await connection.execute(
        delete(reminders).where(
            *_key(new.kind, new.target_id), reminders.c.buyer_id == new.buyer_id
        )
    )
    await connection.execute(insert(reminders), values)


async def take_back(connection: AsyncConnection, kind: str, target_id: str, buyer_id: str) -> None:
    """Delete a reminder, unless a message is sent or being sent."""
    await connection.execute(
        delete(reminders).where(
            *_key(kind, target_id),
            reminders.c.buyer_id == buyer_id,
            reminders.c.state.in_((WAITING, FAILED, MISSED, CANCELLED)),
        )
    )


async def claim(
    connection: AsyncConnection, target: Target, claim: str, at_ms: int, limit: int
) -> list[Claimed]:
    """Claim up to `limit` due reminders, so that no other keeper sends them."""
    # A hold that has ended may be in SQL still, after keepers were away: it is no news.
    holds = [exists().where(_HELD, orders.c.expires_ms > at_ms)] if target.kind == HOLD else []
    due = (
        select(reminders.c.buyer_id)
        .where(
            *_key(target.kind, target.target_id),
            reminders.c.state == WAITING,
            reminders.c.next_ms <= at_ms,
            *holds,
        )
        .order_by(reminders.c.buyer_id)
        .limit(limit)
        .with_for_update()  # not SKIP LOCKED, which TiDB does not know
    )
    buyer_ids = [buyer_id for (buyer_id,) in await connection.execute(due)]
    if not buyer_ids:
        return []
    mine = (*_key(target.kind, target.target_id), reminders.c.buyer_id.in_(buyer_ids))
    await connection.execute(
        update(reminders)
        .where(*mine, reminders.c.state == WAITING)
        .values(
            state=SENDING,
            claim=claim,
            begins_ms=target.began_ms or target.begins_ms,
            tries=reminders.c.tries + 1,
            updated_ms=at_ms,
        )
    )
    known = reminders.outerjoin(
        buyers, (buyers.c.buyer_id == reminders.c.buyer_id) & (buyers.c.provider == WECHAT)
    ).outerjoin(
        joined_logins,
        (joined_logins.c.buyer_id == reminders.c.buyer_id) & (joined_logins.c.provider == WECHAT),
    )
    subject = func.coalesce(buyers.c.subject, joined_logins.c.subject)
    query = (
        select(reminders.c.buyer_id, subject, reminders.c.tries)
        .select_from(known)
        .where(*mine, reminders.c.claim == claim, reminders.c.state == SENDING)
        .order_by(reminders.c.buyer_id)
    )
    # A buyer of a shop that changed its mini-program may have two logins there: one message.
    rows = {row[0]: Claimed(*row) for row in await connection.execute(query)}
    if target.kind == HOLD:
        held = select(orders.c.buyer_id, orders.c.expires_ms).where(
            orders.c.drop_id == target.target_id,
            orders.c.buyer_id.in_(buyer_ids),
            orders.c.state == HoldState.HELD.value,
            orders.c.expires_ms > at_ms,
        )
        until_ms = dict(tuple(row) for row in await connection.execute(held))
        return [structs.replace(one, until_ms=until_ms.get(who, 0)) for who, one in rows.items()]
    return list(rows.values())


async def settle(
    connection: AsyncConnection,
    target: Target,
    claim: str,
    buyer_ids: Sequence[str],
    state: str,
    at_ms: int,
    *,
    detail: str = "",
    next_ms: int = 0,
) -> None:
    """Save the results of our reminders, unless another keeper gave up our claim meanwhile."""
    await connection.execute(
        update(reminders)
        .where(
            *_key(target.kind, target.target_id),
            reminders.c.buyer_id.in_(buyer_ids),
            reminders.c.claim == claim,
            reminders.c.state == SENDING,
        )
        .values(state=state, claim="", detail=detail, next_ms=next_ms, updated_ms=at_ms)
    )


async def give_up(connection: AsyncConnection, before_ms: int, at_ms: int) -> int:
    """Mark claims without news since `before_ms` as unsure; returns how many."""
    done = await connection.execute(
        update(reminders)
        .where(reminders.c.state == SENDING, reminders.c.updated_ms < before_ms)
        .values(state=UNSURE, claim="", detail="the keeper that sent it ended", updated_ms=at_ms)
    )
    return done.rowcount


async def end_waiting(
    connection: AsyncConnection, target: Target, state: str, at_ms: int, limit: int
) -> int:
    """End up to `limit` waiting reminders of this target; returns how many."""
    buyer_ids = await _some(
        connection, limit, *_key(target.kind, target.target_id), reminders.c.state == WAITING
    )
    if not buyer_ids:
        return 0
    done = await connection.execute(
        update(reminders)
        .where(
            *_key(target.kind, target.target_id),
            reminders.c.buyer_id.in_([key[2] for key in buyer_ids]),
            reminders.c.state == WAITING,
        )
        .values(state=state, updated_ms=at_ms)
    )
    return done.rowcount


async def forget(connection: AsyncConnection, before_ms: int, limit: int) -> int:
    """Delete up to `limit` finished reminders; returns how many."""
    found = await _some(
        connection, limit, reminders.c.state.in_(OVER), reminders.c.updated_ms < before_ms
    )
    for kind, target_id in sorted({(kind, target_id) for kind, target_id, _ in found}):
        buyer_ids = [key[2] for key in found if key[:2] == (kind, target_id)]
        await connection.execute(
            delete(reminders).where(
                *_key(kind, target_id),
                reminders.c.buyer_id.in_(buyer_ids),
                reminders.c.state.in_(OVER),
            )
        )
    return len(found)


def _key(kind: str, target_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return reminders.c.kind == kind, reminders.c.target_id == target_id


async def _some(
    connection: AsyncConnection, limit: int, *conditions: ColumnElement[bool]
) -> list[tuple[str, str, str]]:
    """Select keys first, because not every database has UPDATE with LIMIT."""
    key = (reminders.c.kind, reminders.c.target_id, reminders.c.buyer_id)
    found = await connection.execute(select(*key).where(*conditions).order_by(*key).limit(limit))
    return [(kind, target_id, buyer_id) for kind, target_id, buyer_id in found]
