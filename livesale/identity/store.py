"""Buyers: which providers know them, and by which names. Those names are personal: never logged.

A person has one openid in each app, and so one login. Two logins are one buyer only if WeChat says
so, by a union id, before the second one has made a buyer: a buyer with orders is never another's.
"""

from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy import insert, select, union_all
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.identity.buyer_ids import Identity, union_digest, wechat_buyer_id
from livesale.identity.tables import buyers, joined_logins, wechat_unions

TRIES = 5  # of two logins of one person at the same instant, one is second

log = structlog.get_logger(__name__)


async def know_buyer(engine: AsyncEngine, identity: Identity) -> str:
    """The buyer of a login; a new one at the first login. Raises StoreUnavailable."""
    for _ in range(TRIES):
        async with session(engine) as connection:
            found, owner = await _look(connection, identity)
            is_joined = found is None and owner is not None
            if owner is not None and is_joined and await _has_app(connection, owner, identity):
                log.warning("two people of one app with one union id", buyer_id=owner)
                is_joined = False
        if found is not None and (owner is not None or not identity.union_id):
            return found
        try:
            async with session(engine, write=True) as connection:
                if is_joined and owner is not None:
                    await _add_joined(connection, identity, owner)
                    return owner
                if found is None:
                    await _add_buyer(connection, identity)
                if identity.union_id and owner is None:
                    await _claim_union(connection, identity.union_id, found or identity.buyer_id)
                return found or identity.buyer_id
        except IntegrityError:
            continue  # the same person logged in at the same time: look again
    raise StoreUnavailable("too many logins of one person at once")


async def remember_buyer(engine: AsyncEngine, buyer_id: str, provider: str, subject: str) -> None:
    """Note a buyer at the first login. Raises StoreUnavailable."""
    await know_buyer(engine, Identity(buyer_id, provider, subject))


async def find_subject(
    engine: AsyncEngine, buyer_id: str, provider: str, appid: str = ""
) -> str | None:
    """The provider's name of a buyer, None for one it does not know. Raises StoreUnavailable.

    If a shop has changed its app, the name in the app of this `appid`, if there is one.
    """
    async with session(engine) as connection:
        found = await _logins_of(connection, buyer_id)
    subjects = [(login_id, subject) for login_id, name, subject in found if name == provider]
    for login_id, subject in subjects:
        if wechat_buyer_id(appid, subject) == login_id:
            return subject
    return subjects[0][1] if subjects else None


async def find_joined(engine: AsyncEngine, login_id: str) -> str | None:
    """The buyer that this login was joined to, if it was. Raises StoreUnavailable."""
    async with session(engine) as connection:
        return await _joined(connection, login_id)


class StoredAccounts:
    """Since when buyers are known: `livesale.line.entrance.Accounts`."""

    async def since(
        self, connection: AsyncConnection, buyer_ids: Sequence[str]
    ) -> Mapping[str, int]:
        row = buyers.c
        query = select(row.buyer_id, row.created_ms).where(row.buyer_id.in_(set(buyer_ids)))
        return dict(tuple(found) for found in await connection.execute(query))


async def _look(connection: AsyncConnection, identity: Identity) -> tuple[str | None, str | None]:
    """The buyer of this login, and the one of its union id."""
    found = await _joined(connection, identity.buyer_id)
    if found is None:
        query = select(buyers.c.buyer_id).where(buyers.c.buyer_id == identity.buyer_id)
        found = await connection.scalar(query)
    owner = None
    if identity.union_id:
        query = select(wechat_unions.c.buyer_id).where(
            wechat_unions.c.union_hash == union_digest(identity.union_id)
        )
        owner = await connection.scalar(query)
    if found is None and owner == identity.buyer_id:  # it was made since the first query
        found = owner
    return found, owner


async def _joined(connection: AsyncConnection, login_id: str) -> str | None:
    query = select(joined_logins.c.buyer_id).where(joined_logins.c.login_id == login_id)
    found: str | None = await connection.scalar(query)
    return found


async def _logins_of(connection: AsyncConnection, buyer_id: str) -> list[tuple[str, str, str]]:
    """Login id, provider and subject of each login of a buyer, the first one first."""
    own = select(buyers.c.buyer_id, buyers.c.provider, buyers.c.subject, buyers.c.created_ms)
    more = select(
        joined_logins.c.login_id,
        joined_logins.c.provider,
        joined_logins.c.subject,
        joined_logins.c.created_ms,
    )
    query = union_all(
        own.where(buyers.c.buyer_id == buyer_id), more.where(joined_logins.c.buyer_id == buyer_id)
    )
    rows = sorted((tuple(row) for row in await connection.execute(query)), key=lambda row: row[3])
    return [(login_id, provider, subject) for login_id, provider, subject, _ in rows]


async def _has_app(connection: AsyncConnection, buyer_id: str, identity: Identity) -> bool:
    """Whether this buyer has a login of the same app: then another openid is another person."""
    return any(
        provider == identity.provider
        and wechat_buyer_id(identity.appid, subject) == login_id != identity.buyer_id
        for login_id, provider, subject in await _logins_of(connection, buyer_id)
    )


async def _add_buyer(connection: AsyncConnection, identity: Identity) -> None:
    row = {
        "buyer_id": identity.buyer_id,
        "provider": identity.provider,
        "subject": identity.subject,
        "created_ms": now_ms(),
    }
    await connection.execute(insert(buyers), row)


async def _add_joined(connection: AsyncConnection, identity: Identity, buyer_id: str) -> None:
    row = {
        "login_id": identity.buyer_id,
        "buyer_id": buyer_id,
        "provider": identity.provider,
        "subject": identity.subject,
        "created_ms": now_ms(),
    }
    await connection.execute(insert(joined_logins), row)


async def _claim_union(connection: AsyncConnection, union_id: str, buyer_id: str) -> None:
    row = {"union_hash": union_digest(union_id), "buyer_id": buyer_id, "created_ms": now_ms()}
    await connection.execute(insert(wechat_unions), row)
