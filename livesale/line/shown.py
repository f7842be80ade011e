"""What people see of a line, and of their place in it: the types of the answers."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from stock.line.model import LineMode, LineState


class Standing(StrEnum):
    """Where a buyer is."""

    WAITING = "waiting"
    TURN = "turn"
    HELD = "held"  # a unit is held: pay
    BOUGHT = "bought"  # a unit that was held
    MISSED = "missed"  # the turn is over, or the held unit was not paid
    LEFT = "left"
    GONE = "gone"  # the line has ended


class TakenTurn(Struct, frozen=True):
    """A turn that lives now."""

    at_ms: int
    turn_ms: int


class YourTurn(Struct, frozen=True):
    """Get a ticket with `POST …/tickets` and reserve, before `until_ms`."""

    since_ms: int
    until_ms: int


class MyPlace(Struct, frozen=True):
    """A buyer's place. `position` counts from 0; it is null until the line opens, because nobody
    knows it before. `ahead` are the people before this one who have not had their turn.

    `chance` is an estimate, from the units that are left and from what turns took so far.
    Send `place` in the next look: then the answer costs no look at Redis. `reservation_id` is the
    unit that is held, or was. `entry_id` is this buyer's in the record of a draw.
    """

    drop_id: str
    place: str
    standing: Standing
    index: int
    position: int | None
    ahead: int | None
    chance: Annotated[float, Meta(ge=0, le=1)]
    eta_ms: list[int] | None
    turn: YourTurn | None
    reservation_id: str | None
    entry_id: str | None
    retry_after_ms: int
    server_ms: int


class PublicLine(Struct, frozen=True):
    """What everybody may see. `seed` and `closing_id` are empty until the line is open; with them,
    `n0` and an index anybody computes a position."""

    drop_id: str
    mode: LineMode
    state: LineState
    commitment: str
    seed: str
    n0: int | None
    closing_id: str
    people: int
    left: int
    serving: int
    available: int
    held: int
    turn_ms: int
    rate_per_s: int
    capacity: int
    opens_ms: int
    account_age_s: Annotated[int, Meta(description="of who enters, at least; 0: any")]
    challenge: Annotated[int, Meta(description="difficulty of the proof of work; 0 for none")]
    server_ms: int
