"""Sessions of operators: a cookie that a browser shows, and a row in SQL that says whose it is.

SQL has a hash of the cookie: a copy of the database opens no session. The cookie is signed, so that
an invented one costs no look-up in SQL: strangers have no part of the operators' share of it. A
worker remembers a session
for SESSION_S, so a revocation is known to the others after that. While SQL is away, a worker
believes what it knew for STALE_S: operators can watch, but change nothing, because each change
needs its record in SQL first.
"""

import hashlib
import secrets

import structlog
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from livesale.access.roles import Role
from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.identity.operators import store
from livesale.identity.operators.store import OpenedBy, OperatorRow, SessionRow
from livesale.identity.operators.views import SessionView, view_of_session
from livesale.settings.model import AuthSettings
from livesale.tasks.ttl_cache import TtlCache
from livesale.tokens.errors import SessionEnded
from livesale.tokens.keyring import Keyring
from livesale.tokens.signing import Operator
from livesale.validation.refusals import Unknown
from stock.ids import new_id

SESSION_S = 1.0  # how long a worker remembers a session: a revocation is known after that
STALE_S = 60.0  # the same while SQL is away
NOTE_SEEN_MS = 60_000
KEEP_MS = 30 * 86_400_000  # ended sessions of a person, until the next login

_PURPOSE = "session of an operator"

log = structlog.get_logger(__name__)


class Device(Struct, frozen=True):
    """Where a session is opened, as its owner sees it in the list."""

    agent: str
    source: str


class Known(Struct, frozen=True):
    """A session that holds, as SQL had it at `loaded_ms`."""

    session: SessionRow
    roles: frozenset[Role]
    store_id: str | None
    loaded_ms: int


def hash_of(token: str) -> str:
    """What SQL has of a token of 256 random bits: no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def _is_plain(character: str) -> bool:
    return " " <= character <= "~"  # a header may have any bytes


class SessionBook:
    """One per process. All raise StoreUnavailable."""

    def __init__(self, sql: AsyncEngine, auth: AuthSettings, keyring: Keyring) -> None:
        self._sql = sql
        self._keyring = keyring
        self._life_ms = auth.operator_session_s * 1000
        self.idle_ms = auth.operator_idle_s * 1000
        self._known: TtlCache[Known] = TtlCache(
            self._load, ttl_s=SESSION_S, stale_on=(StoreUnavailable,)
        )

    async def find(self, token: str) -> Operator:
        """Who shows this cookie. Raises SessionEnded: it ended, was ended, or never was."""
        if not self._is_ours(token):
            raise SessionEnded("no cookie of ours")
        found = await self._known.get(hash_of(token))
        at_ms = now_ms()
        if found is None:
            raise SessionEnded("no session of ours")
        if at_ms - found.loaded_ms > STALE_S * 1000:
            raise StoreUnavailable("sessions cannot be looked up")
        row = found.session
        if at_ms >= row.expires_ms or at_ms >= found.loaded_ms + self.idle_ms:
            raise SessionEnded("the session is over")
        return Operator(row.name, found.roles, row.expires_ms, row.session_id, found.store_id)

    async def open(
        self, connection: AsyncConnection, name: str, by: OpenedBy, device: Device
    ) -> tuple[str, SessionRow]:
        """A new session in the caller's transaction; returns the cookie's value, too."""
        word = f"{self._keyring.key_id}.{secrets.token_urlsafe(32)}"
        token, at_ms = f"{word}.{self._keyring.mac(word, _PURPOSE)}", now_ms()
        row = SessionRow(
            session_id=new_id(),
            token_hash=hash_of(token),
            name=name,
            opened_by=by,
            created_ms=at_ms,
            seen_ms=at_ms,
            expires_ms=at_ms + self._life_ms,
            ended_ms=None,
            agent="".join(filter(_is_plain, device.agent))[:200],
            source=device.source[:45],
        )
        await store.forget_sessions(connection, name, at_ms - KEEP_MS)
        await store.add_session(connection, row)
        return token, row

    async def list_open(self, name: str) -> list[SessionView]:
        """The open sessions of a person, the newest first."""
        async with session(self._sql) as connection:
            found = await store.open_sessions(connection, name, now_ms(), self.idle_ms)
        return [view_of_session(row) for row in found]

    async def end(self, name: str, session_id: str) -> None:
        """End one session of a person. Raises Unknown (unknown_session); a repeat is no error."""
        async with session(self._sql, write=True) as connection:
            if not await store.has_session(connection, name, session_id):
                raise Unknown("unknown_session")
            ended = await store.end_sessions(connection, name, now_ms(), only=[session_id])
        self.forget(ended)

    async def end_all(self, name: str) -> int:
        """End all sessions of a person; how many there were."""
        async with session(self._sql, write=True) as connection:
            ended = await store.end_sessions(connection, name, now_ms())
        self.forget(ended)
        return len(ended)

    def forget(self, token_hashes: list[str]) -> None:
        """Look these up again: what this worker ended it knows at once."""
        for token_hash in token_hashes:
            self._known.forget(token_hash)

    def _is_ours(self, token: str) -> bool:
        word, _, mac = token.rpartition(".")
        key_id = word.partition(".")[0]
        known = token.isascii() and self._keyring.knows(key_id)
        return known and self._keyring.holds(mac, key_id, word, _PURPOSE)

    async def _load(self, token_hash: str) -> Known | None:
        at_ms = now_ms()
        async with session(self._sql) as connection:
            found = await store.find_session(connection, token_hash)
        if found is None or not self._holds(*found, at_ms):
            return None
        row, operator = found
        if at_ms - row.seen_ms >= NOTE_SEEN_MS:
            await self._note_seen(row.session_id, at_ms)
        return Known(row, operator.role_set, operator.store_id, at_ms)

    def _holds(self, row: SessionRow, operator: OperatorRow, at_ms: int) -> bool:
        is_open = row.ended_ms is None and row.expires_ms > at_ms
        return is_open and operator.is_active and at_ms - row.seen_ms < self.idle_ms

    async def _note_seen(self, session_id: str, at_ms: int) -> None:
        try:
            async with session(self._sql, write=True) as connection:
                await store.note_seen(connection, session_id, at_ms)
        except StoreUnavailable as fault:  # it reads, but does not write: that is enough here
            log.warning("the use of a session could not be noted", reason=str(fault))
