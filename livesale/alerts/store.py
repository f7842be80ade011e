"""Alerts in SQL: raised and ended in the transaction of their cause. Queries only."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.alerts.tables import alerts
from stock.ids import new_id

WAITING, SENT, FAILED, OFF = "waiting", "sent", "failed", "off"


class Alert(Struct, frozen=True):
    """Something operators must know. `facts` are ids and numbers; `ended_ms` is null while it
    lasts. `hook_state` is that of its webhook: waiting, sent, failed, or off."""

    alert_id: str
    kind: str
    object_id: str
    title: str
    facts: dict[str, Any]
    at_ms: int
    ended_ms: int | None
    hook_state: str
    hook_tries: int
    hook_error: str


_COLUMNS = [alerts.c[name] for name in Alert.__struct_fields__]


async def raise_alert(
    connection: AsyncConnection,
    kind: str,
    object_id: str,
    title: str,
    facts: Mapping[str, Any],
    at_ms: int,
) -> str | None:
    """Raise an alert, unless one of this kind and object lasts; returns its id.

    Call it in the transaction of the cause, with a lock on the object.
    """
    if await connection.scalar(select(alerts.c.alert_id).where(*_lasting(kind, object_id))):
        return None
    alert_id = new_id()
    row = {
        "alert_id": alert_id,
        "kind": kind,
        "object_id": object_id,
        "title": title[:300],
        "facts": msgspec.json.encode(facts).decode(),
        "at_ms": at_ms,
        "ended_ms": None,
        "hook_state": WAITING,
        "hook_tries": 0,
        "hook_next_ms": 0,
        "hook_error": "",
    }
    await connection.execute(insert(alerts), row)
    return alert_id


async def end_alert(connection: AsyncConnection, kind: str, object_id: str, at_ms: int) -> bool:
    """The cause is over; returns whether an alert lasted."""
    done = await connection.execute(
        update(alerts).where(*_lasting(kind, object_id)).values(ended_ms=at_ms)
    )
    return done.rowcount > 0


async def list_alerts(
    connection: AsyncConnection, *, before: str, limit: int, kind: str = "", lasting: bool = False
) -> list[Alert]:
    """Alerts with a smaller id than `before` (or all, when it is empty), the newest first."""
    query = select(*_COLUMNS).order_by(alerts.c.alert_id.desc()).limit(limit)
    if before:
        query = query.where(alerts.c.alert_id < before)
    if kind:
        query = query.where(alerts.c.kind == kind)
    if lasting:
        query = query.where(alerts.c.ended_ms.is_(None))
    return [_alert(row) for row in await connection.execute(query)]


async def alerts_after(connection: AsyncConnection, after: str, limit: int) -> list[Alert]:
    """Alerts with a greater id, the oldest first: for those who follow."""
    query = select(*_COLUMNS).where(alerts.c.alert_id > after).order_by(alerts.c.alert_id)
    return [_alert(row) for row in await connection.execute(query.limit(limit))]


async def claim_due(
    connection: AsyncConnection, now_ms: int, lease_ms: int, limit: int
) -> list[Alert]:
    """Take alerts whose webhook is due: nobody else takes them for `lease_ms`."""
    due = (
        select(alerts.c.alert_id)
        .where(alerts.c.hook_state == WAITING, alerts.c.hook_next_ms <= now_ms)
        .order_by(alerts.c.hook_next_ms, alerts.c.alert_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list((await connection.scalars(due)).all())
    if not ids:
        return []
    await connection.execute(
        update(alerts)
        .where(alerts.c.alert_id.in_(ids), alerts.c.hook_state == WAITING)
        .values(hook_tries=alerts.c.hook_tries + 1, hook_next_ms=now_ms + lease_ms)
    )
    query = select(*_COLUMNS).where(alerts.c.alert_id.in_(ids)).order_by(alerts.c.alert_id)
    return [_alert(row) for row in await connection.execute(query)]


async def settle(
    connection: AsyncConnection, alert: Alert, state: str, *, next_ms: int = 0, error: str = ""
) -> None:
    """Save how a try ended, unless another keeper has tried again since."""
    await connection.execute(
        update(alerts)
        .where(
            alerts.c.alert_id == alert.alert_id,
            alerts.c.hook_state == WAITING,
            alerts.c.hook_tries == alert.hook_tries,
        )
        .values(hook_state=state, hook_next_ms=next_ms, hook_error=error[:200])
    )


async def switch_off(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Without a webhook nothing waits for it."""
    await connection.execute(
        update(alerts)
        .where(alerts.c.alert_id.in_(ids), alerts.c.hook_state == WAITING)
        .values(hook_state=OFF)
    )


async def forget(connection: AsyncConnection, before_ms: int, limit: int) -> int:
    """Delete up to `limit` alerts that were over before this time; returns how many."""
    old = select(alerts.c.alert_id).where(alerts.c.ended_ms < before_ms).limit(limit)
    ids = list((await connection.scalars(old)).all())
    if ids:
        await connection.execute(delete(alerts).where(alerts.c.alert_id.in_(ids)))
    return len(ids)


def _lasting(kind: str, object_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        alerts.c.object_id == object_id,
        alerts.c.kind == kind,
        alerts.c.ended_ms.is_(None),
    )


def _alert(row: Any) -> Alert:
    values = dict(zip(Alert.__struct_fields__, row, strict=True))
    return Alert(**{**values, "facts": msgspec.json.decode(values["facts"])})
