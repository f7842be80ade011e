"""Campaigns and drops of operators. Queries only; every one takes a connection."""

from collections.abc import Collection, Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.tables import campaigns, skus
from livesale.ledger.states import DRAFT, OPENING
from livesale.ledger.tables import drops
from stock.model import DropState, DropTerms


class Campaign(Struct, frozen=True):
    campaign_id: str
    title: str
    opens_ms: int
    closes_ms: int
    created_ms: int


class Drop(Struct, frozen=True):
    """A row of `drops` with the title of its SKU."""

    drop_id: str
    campaign_id: str
    sku_id: str
    title: str
    state: str
    price_fen: int
    allotted: int
    buyer_limit: int
    hold_ms: int
    expired_limit: int
    opens_ms: int
    closes_ms: int
    created_ms: int
    ticket_required: bool = False
    challenge: int = 0  # difficulty of the proof of work for a ticket; 0 for none
    room_id: str | None = None  # its live room, if any

    @property
    def terms(self) -> DropTerms:
        """The terms for opening the drop."""
        return DropTerms(
            opens_ms=self.opens_ms,
            closes_ms=self.closes_ms,
            hold_ms=self.hold_ms,
            buyer_limit=self.buyer_limit,
            price_fen=self.price_fen,
            allotted=self.allotted,
            expired_limit=self.expired_limit,
            ticket_required=self.ticket_required,
        )


_DROP = select(
    drops.c.drop_id,
    drops.c.campaign_id,
    drops.c.sku_id,
    func.coalesce(skus.c.title, "").label("title"),
    drops.c.state,
    drops.c.price_fen,
    drops.c.allotted,
    drops.c.buyer_limit,
    drops.c.hold_ms,
    drops.c.expired_limit,
    drops.c.opens_ms,
    drops.c.closes_ms,
    drops.c.created_ms,
    drops.c.ticket_required,
    drops.c.challenge,
    drops.c.room_id,
).select_from(drops.outerjoin(skus, skus.c.sku_id == drops.c.sku_id))


async def add_campaign(connection: AsyncConnection, campaign: Campaign) -> None:
    await connection.execute(insert(campaigns), _columns(campaign))


async def find_campaign(connection: AsyncConnection, campaign_id: str) -> Campaign | None:
    query = select(campaigns).where(campaigns.c.campaign_id == campaign_id)
    row = (await connection.execute(query)).first()
    return Campaign(*row) if row else None


async def list_campaigns(
    connection: AsyncConnection, *, closing_after_ms: int, after: tuple[int, str], limit: int
) -> list[Campaign]:
    """Campaigns that are not over, by opens_ms and id, after the key `after`.

    The query uses the index of their end, because the index of their opening would read all ended
    campaigns first. The sum stops the database from using that one.
    """
    opens_ms = campaigns.c.opens_ms + 0
    query = (
        select(campaigns)
        .where(
            campaigns.c.closes_ms > closing_after_ms,
            _beyond(opens_ms, campaigns.c.campaign_id, after),
        )
        .order_by(opens_ms, campaigns.c.campaign_id)
        .limit(limit)
    )
    return [Campaign(*row) for row in await connection.execute(query)]


async def add_drop(connection: AsyncConnection, drop: Drop, partition: int) -> None:
    columns = _columns(drop)
    del columns["title"]
    await connection.execute(insert(drops), {**columns, "partition": partition})


async def find_drop(connection: AsyncConnection, drop_id: str) -> Drop | None:
    found = _drops(await connection.execute(_DROP.where(drops.c.drop_id == drop_id)))
    return found[0] if found else None


async def find_drops(connection: AsyncConnection, drop_ids: Collection[str]) -> list[Drop]:
    """Those of these drops that exist."""
    return _drops(await connection.execute(_DROP.where(drops.c.drop_id.in_(drop_ids))))


async def drops_of(connection: AsyncConnection, campaign_id: str, limit: int) -> list[Drop]:
    """The drops of a campaign, the oldest first."""
    query = _DROP.where(drops.c.campaign_id == campaign_id).order_by(drops.c.drop_id).limit(limit)
    return _drops(await connection.execute(query))


async def list_drops(connection: AsyncConnection, *, before: str, limit: int) -> list[Drop]:
    """Drops with a smaller id than `before` (or all, when it is empty), the newest first."""
    query = _DROP.order_by(drops.c.drop_id.desc()).limit(limit)
    if before:
        query = query.where(drops.c.drop_id < before)
    return _drops(await connection.execute(query))


async def move_drop(connection: AsyncConnection, drop_id: str, before: str, after: str) -> bool:
    """Change the state if it is `before`; returns whether it was."""
    result = await connection.execute(
        update(drops).where(drops.c.drop_id == drop_id, drops.c.state == before).values(state=after)
    )
    return result.rowcount == 1


async def schedule_drop(connection: AsyncConnection, drop_id: str, opens_ms: int) -> bool:
    """Move a draft to `opening`, with this `opens_ms`; returns whether it was a draft."""
    result = await connection.execute(
        update(drops)
        .where(drops.c.drop_id == drop_id, drops.c.state == DRAFT)
        .values(state=OPENING, opens_ms=opens_ms)
    )
    return result.rowcount == 1


async def bind_drop(connection: AsyncConnection, drop_id: str, room_id: str) -> bool:
    """Give a draft without a room to a room; returns whether it was one."""
    result = await connection.execute(
        update(drops)
        .where(drops.c.drop_id == drop_id, drops.c.state == DRAFT, drops.c.room_id.is_(None))
        .values(room_id=room_id)
    )
    return result.rowcount == 1


async def drops_of_room(connection: AsyncConnection, room_id: str, limit: int) -> list[Drop]:
    """The drops of a room, the oldest first."""
    query = _DROP.where(drops.c.room_id == room_id).order_by(drops.c.drop_id).limit(limit)
    return _drops(await connection.execute(query))


async def drops_of_skus(
    connection: AsyncConnection, sku_ids: Collection[str], limit: int
) -> list[str]:
    """The ids of drops of these SKUs that are neither drafts nor closed, the oldest first."""
    query = (
        select(drops.c.drop_id)
        .where(drops.c.sku_id.in_(sku_ids), drops.c.state.not_in((DRAFT, DropState.CLOSED)))
        .order_by(drops.c.drop_id)
        .limit(limit)
    )
    return list((await connection.scalars(query)).all())


async def set_challenge(connection: AsyncConnection, drop_id: str, difficulty: int) -> None:
    await connection.execute(
        update(drops).where(drops.c.drop_id == drop_id).values(challenge=difficulty)
    )


def _beyond(first: Any, second: Any, key: tuple[int, str]) -> Any:
    return or_(first > key[0], and_(first == key[0], second > key[1]))


def _drops(rows: Iterable[Any]) -> list[Drop]:
    return [Drop(*row) for row in rows]


def _columns(record: Struct) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}
