"""Converts rows of SQL into what viewers see. No I/O."""

from collections.abc import Sequence

from livesale.catalogue.store import Drop
from livesale.ledger.states import DRAFT, OPENING
from livesale.rooms.bags.events import BagPrize, BagView
from livesale.rooms.bags.store import Bag, BagState
from livesale.rooms.events import DropView, ItemView, RoomView
from livesale.rooms.scripts import DropNews, card_of
from livesale.rooms.states import LIVE_STATUS, BagPhase, DropPhase, ItemState, RoomState
from livesale.rooms.store import Item, Room
from stock.ids import START
from stock.model import DropState, Snapshot


def view_of_room(room: Room) -> RoomView:
    state = RoomState(room.state)
    return RoomView(
        room_id=room.room_id,
        title=room.title,
        cover_url=room.cover_url,
        host=room.host,
        state=state,
        live_status=LIVE_STATUS[state],
        starts_ms=room.starts_ms,
        started_ms=room.started_ms,
        ended_ms=room.ended_ms,
        pinned=room.pinned,
        pinned_ms=room.pinned_ms,
        version=room.version,
        host_name=room.host_name,
        host_avatar_url=room.host_avatar_url,
        muted=room.muted,
    )


def view_of_item(item: Item) -> ItemView:
    return ItemView(
        item_id=item.item_id,
        title=item.title,
        image_url=item.image_url,
        price_fen=item.price_fen,
        state=ItemState(item.state),
        position=item.position,
        sku_id=item.sku_id,
        drop_id=item.drop_id,
    )


def seen_item(item: Item) -> ItemView | None:
    """The item, if viewers may see it."""
    return None if item.state == ItemState.HIDDEN else view_of_item(item)


def news_of_drop(drop: Drop, snapshot: Snapshot | None) -> DropNews:
    """The present state of a drop; `snapshot` is None if Redis does not have it."""
    if snapshot is None:
        state = "draft" if drop.state in (DRAFT, OPENING) else DropState.PAUSED.value
        if drop.state == DropState.CLOSED:
            state = DropState.CLOSED.value
        left = drop.allotted if state == "draft" else 0
        counts = (START, state, left, drop.allotted, drop.opens_ms, drop.closes_ms)
    else:
        terms = snapshot.terms
        counts = (
            snapshot.log_id,
            snapshot.state.value,
            snapshot.available,
            terms.allotted,
            terms.opens_ms,
            terms.closes_ms,
        )
    view = DropView(
        drop_id=drop.drop_id,
        title=drop.title,
        sku_id=drop.sku_id,
        price_fen=drop.price_fen,
        buyer_limit=drop.buyer_limit,
        hold_ms=drop.hold_ms,
        ticket_required=drop.ticket_required,
        phase=DropPhase.PREPARED,
        remaining=counts[2],
        allotted=counts[3],
        opens_ms=counts[4],
        closes_ms=counts[5],
    )
    return DropNews(drop.drop_id, *counts, card_of(view))


_PHASES = {
    BagState.PREPARING: BagPhase.OPEN,
    BagState.OPEN: BagPhase.OPEN,
    BagState.DRAWN: BagPhase.DRAWN,
    BagState.SETTLED: BagPhase.DRAWN,
    BagState.VOID: BagPhase.VOID,
}


def view_of_bag(bag: Bag, winners: Sequence[str] = (), entries: int | None = None) -> BagView:
    """A bag as viewers see it: with the seed only after the draw. `entries` is the present
    number."""
    phase = _PHASES[BagState(bag.state)]
    is_drawn = phase is BagPhase.DRAWN
    return BagView(
        bag_id=bag.bag_id,
        title=bag.title,
        state=phase,
        prize=BagPrize(bag.drop_id, bag.coupon),
        places=bag.places,
        stay_ms=bag.stay_ms,
        draws_ms=bag.draws_ms,
        commitment=bag.commitment,
        phrase=bag.phrase,
        seed=bag.seed if is_drawn else None,
        list_hash=bag.list_hash,
        entries=bag.entries if is_drawn else entries,
        winners=list(winners) if is_drawn else None,
        reason=bag.reason,
    )
