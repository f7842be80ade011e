"""The numbered events of lucky bags, as types. No I/O."""

from msgspec import Struct

from livesale.rooms.events import Event
from livesale.rooms.states import BagPhase


class BagPrize(Struct, frozen=True):
    """Either a unit of a drop at price 0, or a coupon."""

    drop_id: str | None
    coupon: str | None


class BagView(Struct, frozen=True, omit_defaults=True):
    """A lucky bag. `commitment` is the SHA-256 of the seed of its draw, which is published with the
    draw. `winners` are entry ids, the first winner first."""

    bag_id: str
    title: str
    state: BagPhase
    prize: BagPrize
    places: int  # number of winners
    stay_ms: int  # how long a viewer must repeat the call before the entry counts
    draws_ms: int
    commitment: str
    phrase: str | None = None  # a comment with this phrase is required, after the opening
    seed: str | None = None
    list_hash: str | None = None
    entries: int | None = None
    winners: list[str] | None = None
    reason: str | None = None  # why it is void


class BagOpened(Event, frozen=True, kw_only=True, tag="bag.opened"):
    """A lucky bag accepts entries until `draws_ms`. Keep its `commitment` to check the draw."""

    bag: BagView


class BagDrawn(Event, frozen=True, kw_only=True, tag="bag.drawn"):
    """The draw, with everything needed to check it except the list."""

    bag: BagView


class BagVoid(Event, frozen=True, kw_only=True, tag="bag.void"):
    """The bag could not be drawn: there are no winners."""

    bag: BagView


EVENTS: list[type[Event]] = [BagOpened, BagDrawn, BagVoid]
