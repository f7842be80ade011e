"""Buyers: which provider knows them, and by which name. That name is personal: never logged."""

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.identity.tables import buyers


async def remember_buyer(engine: AsyncEngine, buyer_id: str, provider: str, subject: str) -> None:
    """Note a buyer at the first login. Raises StoreUnavailable."""
    async with session(engine) as connection:
        query = select(buyers.c.buyer_id).where(buyers.c.buyer_id == buyer_id)
        if (await connection.execute(query)).first():
            return
    row = {
        "buyer_id": buyer_id,
        "provider": provider,
        "subject": subject,
        "created_ms": now_ms(),
    }
    try:
        async with session(engine, write=True) as connection:
            await connection.execute(insert(buyers), row)
    except IntegrityError:
        pass  # the same buyer logged in twice at once


async def find_subject(engine: AsyncEngine, buyer_id: str, provider: str) -> str | None:
    """The provider's name of a buyer, None for one it does not know. Raises StoreUnavailable."""
    async with session(engine) as connection:
        query = select(buyers.c.subject).where(
            buyers.c.buyer_id == buyer_id, buyers.c.provider == provider
        )
        subject: str | None = await connection.scalar(query)
        return subject
