"""Operators and sessions as others see them: without hashes and secrets. No I/O."""

from msgspec import Struct

from livesale.access.roles import Role
from livesale.identity.operators.store import OpenedBy, OperatorRow, OperatorState, SessionRow


class OperatorView(Struct, frozen=True):
    """An operator. `store_id` is the pickup store of a clerk. Without `has_password` and
    `has_second_factor`, only a one-time link logs in."""

    name: str
    roles: list[Role]
    store_id: str | None
    state: OperatorState
    has_password: bool
    has_second_factor: bool
    created_ms: int
    changed_ms: int


class SessionView(Struct, frozen=True):
    """An open session. `agent` is what the browser says that it is; `seen_ms` is at most a minute
    old."""

    session_id: str
    opened_by: OpenedBy
    created_ms: int
    seen_ms: int
    expires_ms: int
    agent: str
    source: str


def view_of_operator(row: OperatorRow) -> OperatorView:
    return OperatorView(
        name=row.name,
        roles=sorted(row.role_set, key=list(Role).index),
        store_id=row.store_id,
        state=OperatorState(row.state),
        has_password=row.password_hash is not None,
        has_second_factor=row.totp_secret is not None,
        created_ms=row.created_ms,
        changed_ms=row.changed_ms,
    )


def view_of_session(row: SessionRow) -> SessionView:
    return SessionView(
        session_id=row.session_id,
        opened_by=OpenedBy(row.opened_by),
        created_ms=row.created_ms,
        seen_ms=row.seen_ms,
        expires_ms=row.expires_ms,
        agent=row.agent,
        source=row.source,
    )
