"""What a person does with the own account: a password, a second factor.

Who holds a session that came by a password must show the password again. A session that came by a
link may set both without it while it is young: that is how a person begins, and comes back without
the phone.
"""

from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from livesale.action_log.record import note_change
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.identity.operators import store
from livesale.identity.operators.codes import Codes
from livesale.identity.operators.login import Tries
from livesale.identity.operators.passwords import MAX_LENGTH, MIN_LENGTH, Passwords
from livesale.identity.operators.sessions import SessionBook
from livesale.identity.operators.store import OpenedBy, OperatorRow, SessionRow
from livesale.identity.operators.views import view_of_operator
from livesale.tokens.errors import LoginRefused, SessionEnded
from livesale.tokens.signing import Operator
from livesale.validation.refusals import InvalidField, OperatorRefused
from livesale.validation.texts import whole

YOUNG_MS = 15 * 60_000  # a session by a link may set password and second factor for so long

Password = Annotated[str, Meta(min_length=1, max_length=MAX_LENGTH)]
NewPasswordText = Annotated[
    str, Meta(min_length=MIN_LENGTH, max_length=MAX_LENGTH, description="any characters")
]
Code = Annotated[str, whole(r"^[0-9]{6}$", description="of the authenticator app")]


class NewPassword(Struct, frozen=True, forbid_unknown_fields=True):
    """`current` is the present password; not needed in the first 15 minutes after a link."""

    password: NewPasswordText
    current: Password | None = None


class NewFactor(Struct, frozen=True, forbid_unknown_fields=True):
    """`current` is the present password; not needed in the first 15 minutes after a link."""

    current: Password | None = None


class FactorCode(Struct, frozen=True, forbid_unknown_fields=True):
    code: Code


class Factor(Struct, frozen=True):
    """A secret for an authenticator app; `uri` as a QR code. It counts when a code was shown."""

    secret: str
    uri: str

    def __repr__(self) -> str:
        return "Factor()"


class Account:
    """One per process. All raise StoreUnavailable, LoginRefused or LoginLocked (`current`), and
    OperatorRefused (not_a_person) for a program."""

    def __init__(
        self, sql: AsyncEngine, sessions: SessionBook, passwords: Passwords, codes: Codes
    ) -> None:
        self._sql = sql
        self._sessions = sessions
        self._passwords = passwords
        self._codes = codes
        self._tries = Tries(sql)

    async def set_password(self, caller: Operator, new: NewPassword) -> None:
        """Set the password; the person's other sessions end. Raises InvalidField."""
        if caller.name in new.password.lower() or len(set(new.password)) < 5:
            raise InvalidField("password", "It is easy to guess: use other words.")
        await self._prove(caller, new.current)
        hashed = await self._passwords.hash(new.password)
        async with session(self._sql, write=True) as connection:
            before, _ = await self._lock(connection, caller)
            await store.change_operator(
                connection, caller.name, password_hash=hashed, changed_ms=now_ms()
            )
            ended = await store.end_sessions(
                connection, caller.name, now_ms(), besides=caller.session_id
            )
            await self._note(connection, before)
        self._sessions.forget(ended)

    async def begin_factor(self, caller: Operator, new: NewFactor) -> Factor:
        """A new secret, which counts only once `confirm_factor` had a code of it."""
        await self._prove(caller, new.current)
        secret = self._codes.new()
        sealed = self._codes.seal(caller.name, secret)
        async with session(self._sql, write=True) as connection:
            before, _ = await self._lock(connection, caller)
            await store.change_operator(connection, caller.name, totp_pending=sealed)
            await self._note(connection, before)
        return Factor(secret, self._codes.uri(caller.name, secret))

    async def confirm_factor(self, caller: Operator, given: FactorCode) -> None:
        """Use the new secret from now on. Raises LoginRefused for a wrong code, OperatorRefused
        (no_new_factor)."""
        await self._tries.take(caller.name)
        async with session(self._sql, write=True) as connection:
            before, _ = await self._lock(connection, caller)
            secret = self._codes.open(caller.name, before.totp_pending)
            if secret is None:
                raise OperatorRefused("no_new_factor", "Begin with a new secret.")
            step = self._codes.step_of(secret, given.code, now_ms(), 0)
            if step is None:
                raise LoginRefused("a wrong code")
            await store.change_operator(
                connection,
                caller.name,
                totp_secret=before.totp_pending,
                totp_pending=None,
                totp_step=step,
                changed_ms=now_ms(),
            )
            await self._note(connection, before)
        await self._tries.forget(caller.name)

    async def _prove(self, caller: Operator, current: str | None) -> None:
        """Raises LoginRefused unless the person is there, and not only the cookie."""
        async with session(self._sql) as connection:
            row, opened = await self._find(connection, caller)
        if opened.opened_by == OpenedBy.LINK and now_ms() - opened.created_ms < YOUNG_MS:
            return
        if current is None:
            raise InvalidField("current", "Send the present password, or log in by a link.")
        await self._tries.take(caller.name)
        if not await self._passwords.fits(current, row.password_hash):
            raise LoginRefused("a wrong password")
        await self._tries.forget(caller.name)

    async def _lock(
        self, connection: AsyncConnection, caller: Operator
    ) -> tuple[OperatorRow, SessionRow]:
        """The person, whose row nobody else changes now, and who still has this session."""
        await store.find_operator(connection, caller.name, lock=True)
        return await self._find(connection, caller)

    async def _find(
        self, connection: AsyncConnection, caller: Operator
    ) -> tuple[OperatorRow, SessionRow]:
        if not caller.session_id:
            raise OperatorRefused("not_a_person", "Log in as a person: a program has a token only.")
        found = await store.find_open(connection, caller.session_id)
        if found is None or not found[1].is_active:
            raise SessionEnded("ended meanwhile")
        return found[1], found[0]

    async def _note(self, connection: AsyncConnection, before: OperatorRow) -> None:
        after = await store.find_operator(connection, before.name)
        assert after is not None  # noqa: S101  its row is locked
        note_change(view_of_operator(before), view_of_operator(after))
