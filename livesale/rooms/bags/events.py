"""The numbered events of lucky bags, as types. No I/O."""

from msgspec import Struct

from livesale.rooms.events import Event
from livesale.rooms.states import BagPhase


class BagPrize(Struct, frozen=True):
    """A unit of a drop at no price, or a coupon: one of the two."""

    drop_id: str | None
    coupon: str | None


class BagView(Struct, frozen=True, omit_defaults=True):
    """A lucky bag. `commitment` is the SHA-256 of the seed of its draw; what is behind it comes
    with the draw. `winners` are entry ids, the first winner first."""

    bag_id: str
    title: str
    state: BagPhase
    prize: BagPrize
    places: int  # how many win
    stay_ms: int  # for how long one must have been asking before one is in
    draws_ms: int
    commitment: str
    phrase: str | None = None  # that one must have said in a comment, since the bag was opened
    seed: str | None = None
    list_hash: str | None = None
    entries: int | None = None
    winners: list[str] | None = None
    reason: str | None = None  # why it is void


class BagOpened(Event, frozen=True, kw_only=True, tag="bag.opened"):
    """A lucky bag takes entries until its `draws_ms`. Keep its `commitment` to check the draw."""

    bag: BagView


class BagDrawn(Event, frozen=True, kw_only=True, tag="bag.drawn"):
    """The draw, with all that it follows from but the list itself."""

    bag: BagView


class BagVoid(Event, frozen=True, kw_only=True, tag="bag.void"):
    """The bag could not be drawn: nobody wins."""

    bag: BagView


EVENTS: list[type[Event]] = [BagOpened, BagDrawn, BagVoid]
