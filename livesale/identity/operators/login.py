"""How an operator gets in: by a one-time link, or by a password with a code.

Tries of a password are counted for each name in SQL before they are looked at, so that no number of
workers gives more of them. An unknown name, a wrong password, a used code and a missing second
factor get the same answer after the same work. A link is 256 random bits: it needs no counting, and
lets a person in whose name somebody has locked.
"""

import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.action_log.record import Deed, Record
from livesale.action_log.store import Outcome
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.identity.operators import store
from livesale.identity.operators.codes import Codes
from livesale.identity.operators.passwords import Passwords
from livesale.identity.operators.sessions import Device, SessionBook, hash_of
from livesale.identity.operators.store import OpenedBy, OperatorRow, SessionRow
from livesale.tasks.rates import RateLimit
from livesale.tokens.errors import LoginRefused
from livesale.validation.refusals import LoginLocked, TooOften

MAX_TRIES = 10  # of the passwords of one name,
WINDOW_MS = 15 * 60_000  # in this time
BUCKETS = 65_536  # for names: two share one once in so many
ADDRESS_PER_S = 0.2  # logins of one address, per worker
ADDRESS_BURST = 20

ACTION = "POST /v1/operator/session"


class Opened(Struct, frozen=True):
    """A new session and the value of its cookie."""

    token: str
    session: SessionRow
    operator: OperatorRow

    def __repr__(self) -> str:
        return f"Opened({self.session.session_id!r}, {self.operator.name!r})"


class Tries:
    """Counts what somebody tries against the password of a name."""

    def __init__(self, sql: AsyncEngine) -> None:
        self._sql = sql

    async def take(self, name: str) -> None:
        """Count one. Raises LoginLocked if there were too many, or StoreUnavailable."""
        try:
            wait_ms = await self._take(name)
        except IntegrityError:  # the first two at once
            wait_ms = await self._take(name)
        if wait_ms:
            raise LoginLocked(wait_ms)

    async def forget(self, name: str) -> None:
        """After a success."""
        async with session(self._sql, write=True) as connection:
            await store.forget_tries(connection, _bucket(name))

    async def _take(self, name: str) -> int:
        async with session(self._sql, write=True) as connection:
            return await store.count_try(
                connection, _bucket(name), now_ms(), most=MAX_TRIES, window_ms=WINDOW_MS
            )


class OperatorLogin:
    """One per process. All raise StoreUnavailable and TooOften."""

    def __init__(
        self, sql: AsyncEngine, sessions: SessionBook, passwords: Passwords, codes: Codes
    ) -> None:
        self._sql = sql
        self._sessions = sessions
        self._passwords = passwords
        self._codes = codes
        self._tries = Tries(sql)
        self._addresses = RateLimit(ADDRESS_PER_S, ADDRESS_BURST)

    async def by_link(self, link: str, device: Device, request_id: str) -> Opened:
        """Use a one-time link. Raises LoginRefused: it was used, is too old, or never was."""
        self._check_address(device)
        link_hash = hash_of(link)
        async with session(self._sql) as connection:
            name = await store.find_link(connection, link_hash, now_ms())
        if name is None:
            raise LoginRefused("not a link of ours, or not any more")
        async with (
            _recorded(self._sql, name, OpenedBy.LINK, request_id),
            session(self._sql, write=True) as connection,
        ):
            row = await store.find_operator(connection, name, lock=True)
            used = await store.use_link(connection, link_hash, now_ms())
            if row is None or not row.is_active or not used:
                raise LoginRefused("the link was used, or its operator is revoked")
            token, made = await self._sessions.open(connection, name, OpenedBy.LINK, device)
        return Opened(token, made, row)

    async def by_password(
        self, name: str, password: str, code: str, device: Device, request_id: str
    ) -> Opened:
        """Log in with a password and a code. Raises LoginRefused or LoginLocked."""
        self._check_address(device)
        await self._tries.take(name)
        async with session(self._sql) as connection:
            row = await store.find_operator(connection, name)
        fits = await self._passwords.fits(password, row.password_hash if row else None)
        if row is None:
            raise LoginRefused("no such operator")
        async with _recorded(self._sql, name, OpenedBy.PASSWORD, request_id):
            secret = self._codes.open(name, row.totp_secret)
            step = self._codes.step_of(secret, code, now_ms(), row.totp_step)
            if not fits or step is None or not row.is_active:
                raise LoginRefused("a wrong password or code, or the operator is revoked")
            fresh = await self._fresh_hash(row, password)
            async with session(self._sql, write=True) as connection:
                now = await store.find_operator(connection, name, lock=True)
                same = now is not None and now.is_active and now.password_hash == row.password_hash
                if not same or not await store.use_step(connection, name, step):
                    raise LoginRefused("the code was used, or the operator changed meanwhile")
                if fresh is not None:
                    await store.change_operator(connection, name, password_hash=fresh)
                token, made = await self._sessions.open(connection, name, OpenedBy.PASSWORD, device)
        await self._tries.forget(name)
        return Opened(token, made, row)

    async def _fresh_hash(self, row: OperatorRow, password: str) -> str | None:
        """The hash by today's parameters, if that of the row has older ones."""
        if row.password_hash is None or not self._passwords.is_weak(row.password_hash):
            return None
        return await self._passwords.hash(password)

    def _check_address(self, device: Device) -> None:
        wait_s = self._addresses.wait_s(device.source, time.monotonic())
        if wait_s:
            raise TooOften("address", round(wait_s * 1000))


@asynccontextmanager
async def _recorded(
    sql: AsyncEngine, name: str, by: OpenedBy, request_id: str
) -> AsyncIterator[None]:
    """A login in the record of actions: those of people who exist, refused ones, too."""
    record = Record(sql, Deed(f"person|{name}", ACTION, name, {"by": by}, request_id))
    await record.begin()
    with record.current():
        try:
            yield
        except Exception as fault:
            refused = isinstance(fault, LoginRefused)
            code = getattr(fault, "code", "internal_error")
            await record.conclude(Outcome.REFUSED if refused else Outcome.FAILED, code)
            raise
        await record.conclude(Outcome.DONE, "201")


def _bucket(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) % BUCKETS
