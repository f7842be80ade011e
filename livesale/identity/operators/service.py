"""Who the operators are: add, change, revoke them, and make the links that let them in."""

import secrets
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.access.roles import Role
from livesale.action_log.record import note_change
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.identity.operators import store
from livesale.identity.operators.sessions import SessionBook, hash_of
from livesale.identity.operators.store import OperatorRow, OperatorState
from livesale.identity.operators.views import OperatorView, view_of_operator
from livesale.settings.model import AuthSettings
from livesale.validation.refusals import InvalidField, OperatorRefused, Unknown
from livesale.validation.texts import whole
from stock.ids import DROP_ID_PATTERN

NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,39}$"

OperatorName = Annotated[
    str, whole(NAME_PATTERN, description="1 to 40 of a-z 0-9 _ -; begins with a letter")
]
Roles = Annotated[list[Role], Meta(min_length=1, max_length=len(Role))]
StoreId = Annotated[str, whole(DROP_ID_PATTERN, description="the pickup store of a clerk")]


class NewOperator(Struct, frozen=True, forbid_unknown_fields=True):
    name: OperatorName
    roles: Roles
    store_id: StoreId | None = None


class OperatorEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """Replaces roles and store."""

    roles: Roles
    store_id: StoreId | None = None


class OperatorPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    operators: list[OperatorView]
    next: str | None


class OperatorLink(Struct, frozen=True):
    """Logs in once, until `expires_ms`. Nobody can read it again: only its hash is kept."""

    name: str
    link: str
    expires_ms: int

    def __repr__(self) -> str:
        return f"OperatorLink({self.name!r}, expires_ms={self.expires_ms})"


class Operators:
    """One per process. All raise StoreUnavailable; those with a name raise Unknown
    (unknown_operator)."""

    def __init__(self, sql: AsyncEngine, auth: AuthSettings, sessions: SessionBook) -> None:
        self._sql = sql
        self._link_ms = auth.operator_link_s * 1000
        self._sessions = sessions

    async def add(self, new: NewOperator) -> OperatorView:
        """Raises OperatorRefused (operator_exists): a name is never given again, because the log
        of actions names people by it. Raises InvalidField."""
        at_ms = now_ms()
        roles = _check(new.roles, new.store_id)
        row = OperatorRow(new.name, roles, new.store_id, OperatorState.ACTIVE, at_ms, at_ms)
        try:
            async with session(self._sql, write=True) as connection:
                if await store.find_operator(connection, new.name) is not None:
                    raise _exists(new.name)
                await store.add_operator(connection, row)
                note_change(None, view_of_operator(row))
        except IntegrityError:
            raise _exists(new.name) from None
        return view_of_operator(row)

    async def find(self, name: str) -> OperatorView:
        async with session(self._sql) as connection:
            return view_of_operator(_known(await store.find_operator(connection, name)))

    async def page(self, after: str, limit: int, state: str = "") -> OperatorPage:
        """By name."""
        async with session(self._sql) as connection:
            found = await store.list_operators(connection, after=after, limit=limit, state=state)
        last = found[-1].name if len(found) == limit else None
        return OperatorPage([view_of_operator(row) for row in found], last)

    async def change(self, name: str, edit: OperatorEdit) -> OperatorView:
        """Other roles; open sessions have them at their next request, or a second later.

        Raises OperatorRefused (last_owner) or InvalidField.
        """
        roles = _check(edit.roles, edit.store_id)
        return await self._change(name, roles=roles, store_id=edit.store_id)

    async def revoke(self, name: str) -> OperatorView:
        """End all sessions and links of a person, for good or until `restore`. Safe to repeat.

        Raises OperatorRefused (last_owner).
        """
        return await self._change(name, state=OperatorState.REVOKED)

    async def restore(self, name: str) -> OperatorView:
        """Let a revoked person in again: by a link, because the password is gone."""
        return await self._change(name, state=OperatorState.ACTIVE)

    async def make_link(self, name: str) -> OperatorLink:
        """A link that logs in once; earlier ones end. Raises OperatorRefused (operator_revoked)."""
        link, at_ms = secrets.token_urlsafe(32), now_ms()
        expires_ms = at_ms + self._link_ms
        async with session(self._sql, write=True) as connection:
            row = _known(await store.find_operator(connection, name, lock=True))
            if not row.is_active:
                raise OperatorRefused("operator_revoked", f"{name} was revoked: restore it first.")
            await store.put_link(connection, hash_of(link), name, at_ms, expires_ms)
            note_change(None, {"name": name, "expires_ms": expires_ms})
        return OperatorLink(name, link, expires_ms)

    async def _change(self, name: str, **changes: str | None) -> OperatorView:
        at_ms = now_ms()
        async with session(self._sql, write=True) as connection:
            everybody = await store.lock_operators(connection)
            before = _known(everybody.get(name))
            if all(getattr(before, field) == value for field, value in changes.items()):
                return view_of_operator(before)
            given = dict(changes)
            idle_ms = self._sessions.idle_ms
            known = await store.open_sessions(connection, name, at_ms, idle_ms)
            if changes.get("state") == OperatorState.REVOKED:
                given |= {"password_hash": None, "totp_secret": None, "totp_pending": None}
                await store.drop_links(connection, name)
                await store.end_sessions(connection, name, at_ms)
            await store.change_operator(connection, name, changed_ms=at_ms, **given)
            after = _known(await store.find_operator(connection, name))
            _check_owner({**everybody, name: after}, before)
            note_change(view_of_operator(before), view_of_operator(after))
        self._sessions.forget([row.token_hash for row in known])
        return view_of_operator(after)


def _check(roles: Sequence[Role], store_id: str | None) -> str:
    """Roles as SQL has them. Raises InvalidField."""
    if (Role.CLERK in roles) != (store_id is not None):
        raise InvalidField("store_id", "A clerk has a store, and nobody else has one.")
    if Role.CLERK in roles and len(set(roles)) > 1:
        raise InvalidField("roles", "A clerk of a store has no other role.")
    return "+".join(sorted(set(roles)))


def _check_owner(after: dict[str, OperatorRow], before: OperatorRow) -> None:
    """Raises OperatorRefused if the last active owner would be gone."""
    was_owner = before.is_active and Role.OWNER in before.role_set
    owners = [row for row in after.values() if row.is_active and Role.OWNER in row.role_set]
    if was_owner and not owners:
        raise OperatorRefused("last_owner", "Make somebody else an owner first.")


def _exists(name: str) -> OperatorRefused:
    return OperatorRefused("operator_exists", f"There is, or was, an operator {name}.")


def _known(row: OperatorRow | None) -> OperatorRow:
    if row is None:
        raise Unknown("unknown_operator")
    return row
