"""Campaigns and drops of operators. Queries only; every one takes a connection."""

from collections.abc import Collection, Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.tables import campaigns, skus
from livesale.database.keyed import update_by_key
from livesale.database.keyset import newer
from livesale.ledger.states import DRAFT, OPENING
from livesale.ledger.tables import drops
from livesale.validation.lists import has_words
from stock.model import DropState, DropTerms


class Campaign(Struct, frozen=True):
    campaign_id: str
    title: str
    opens_ms: int
    closes_ms: int
    created_ms: int
    version: int = 1  # rises with each change
    buyer_limit: int = 0  # units one buyer may have of all its drops; 0: no such limit


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
    version: int = 1  # rises with each change of a draft
    campaign_limit: int = 0  # units one buyer may have of all the campaign's drops; 0: no limit

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
            campaign_id=self.campaign_id if self.campaign_limit else "",
            campaign_limit=self.campaign_limit,
        )


CAMPAIGN = select(*[campaigns.c[name] for name in Campaign.__struct_fields__])
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
    drops.c.version,
    drops.c.campaign_limit,
).select_from(drops.outerjoin(skus, skus.c.sku_id == drops.c.sku_id))


async def add_campaign(connection: AsyncConnection, campaign: Campaign) -> None:
    await connection.execute(insert(campaigns), _columns(campaign))


async def find_campaign(connection: AsyncConnection, campaign_id: str) -> Campaign | None:
    query = CAMPAIGN.where(campaigns.c.campaign_id == campaign_id)
    row = (await connection.execute(query)).first()
    return Campaign(*row) if row else None


async def lock_campaign(connection: AsyncConnection, campaign_id: str) -> Campaign | None:
    """The campaign, with its row locked until the end of the transaction."""
    query = CAMPAIGN.where(campaigns.c.campaign_id == campaign_id).with_for_update()
    row = (await connection.execute(query)).first()
    return Campaign(*row) if row else None


async def change_campaign(connection: AsyncConnection, campaign: Campaign) -> None:
    """Write what operators may change. The campaign is locked."""
    await connection.execute(
        update(campaigns)
        .where(campaigns.c.campaign_id == campaign.campaign_id)
        .values(_columns(campaign))
    )


async def remove_campaign(connection: AsyncConnection, campaign_id: str) -> None:
    await connection.execute(delete(campaigns).where(campaigns.c.campaign_id == campaign_id))


async def list_campaigns(
    connection: AsyncConnection, *, closing_after_ms: int, after: tuple[int, str], limit: int
) -> list[Campaign]:
    """Campaigns that are not over, by opens_ms and id, after the key `after`.

    The query uses the index of their end, because the index of their opening would read all ended
    campaigns first. The sum stops the database from using that one.
    """
    opens_ms = campaigns.c.opens_ms + 0
    query = (
        CAMPAIGN.where(
            campaigns.c.closes_ms > closing_after_ms,
            newer(opens_ms, campaigns.c.campaign_id, after),
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


class DropFilter(Struct, frozen=True):
    """Empty: all."""

    campaign_id: str = ""
    sku_id: str = ""
    room_id: str = ""
    states: Collection[str] = ()
    words: str = ""  # of its title
    opens_since_ms: int | None = None
    opens_until_ms: int | None = None


ALL_DROPS = DropFilter()


async def list_drops(
    connection: AsyncConnection, *, before: str, limit: int, wanted: DropFilter = ALL_DROPS
) -> list[Drop]:
    """Drops with a smaller id than `before` (or all, when it is empty), the newest first."""
    query = _DROP.order_by(drops.c.drop_id.desc()).limit(limit)
    if before:
        query = query.where(drops.c.drop_id < before)
    for name in ("campaign_id", "sku_id", "room_id"):
        if value := getattr(wanted, name):
            query = query.where(drops.c[name] == value)
    if wanted.states:
        query = query.where(drops.c.state.in_(wanted.states))
    if wanted.words:
        query = query.where(has_words(skus.c.title, wanted.words))
    if wanted.opens_since_ms is not None:
        query = query.where(drops.c.opens_ms >= wanted.opens_since_ms)
    if wanted.opens_until_ms is not None:
        query = query.where(drops.c.opens_ms < wanted.opens_until_ms)
    return _drops(await connection.execute(query))


async def lock_drop(connection: AsyncConnection, drop_id: str) -> Drop | None:
    """The drop, with its row locked until the end of the transaction."""
    lock = select(drops.c.drop_id).where(drops.c.drop_id == drop_id).with_for_update()
    if (await connection.execute(lock)).first() is None:
        return None
    return await find_drop(connection, drop_id)


async def change_draft(connection: AsyncConnection, drop: Drop) -> None:
    """Write the terms of a draft. It is locked."""
    columns = _columns(drop)
    del columns["title"]
    await connection.execute(
        update_by_key(drops)
        .where(drops.c.drop_id == drop.drop_id, drops.c.state == DRAFT)
        .values(columns)
    )


async def remove_draft(connection: AsyncConnection, drop_id: str) -> None:
    """Delete a draft. It is locked."""
    await connection.execute(
        delete(drops).where(drops.c.drop_id == drop_id, drops.c.state == DRAFT)
    )


async def unbind_drop(connection: AsyncConnection, drop_id: str, room_id: str) -> bool:
    """Take a draft back from a room; returns whether it was a draft of this room."""
    result = await connection.execute(
        update_by_key(drops)
        .where(drops.c.drop_id == drop_id, drops.c.state == DRAFT, drops.c.room_id == room_id)
        .values(room_id=None, version=drops.c.version + 1)
    )
    return result.rowcount == 1


async def move_drop(connection: AsyncConnection, drop_id: str, before: str, after: str) -> bool:
    """Change the state if it is `before`; returns whether it was."""
    result = await connection.execute(
        update_by_key(drops)
        .where(drops.c.drop_id == drop_id, drops.c.state == before)
        .values(state=after)
    )
    return result.rowcount == 1


async def schedule_drop(connection: AsyncConnection, drop_id: str, opens_ms: int) -> bool:
    """Move a draft to `opening`, with this `opens_ms`; returns whether it was a draft."""
    result = await connection.execute(
        update_by_key(drops)
        .where(drops.c.drop_id == drop_id, drops.c.state == DRAFT)
        .values(state=OPENING, opens_ms=opens_ms)
    )
    return result.rowcount == 1


async def bind_drop(connection: AsyncConnection, drop_id: str, room_id: str) -> bool:
    """Give a draft without a room to a room; returns whether it was one."""
    result = await connection.execute(
        update_by_key(drops)
        .where(drops.c.drop_id == drop_id, drops.c.state == DRAFT, drops.c.room_id.is_(None))
        .values(room_id=room_id, version=drops.c.version + 1)
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


def _drops(rows: Iterable[Any]) -> list[Drop]:
    return [Drop(*row) for row in rows]


def _columns(record: Struct) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}
