"""The states of a room and their transitions. No I/O.

    scheduled ─▶ live ⇄ paused ─▶ ended
        │         ⇅ abnormal ⇅ ─────▲
        └─▶ expired      banned ⇄ paused (any but the last may be banned)

The numbers are WeChat's `live_status` for mini-programs.
"""

from enum import StrEnum


class RoomState(StrEnum):
    SCHEDULED = "scheduled"
    LIVE = "live"
    PAUSED = "paused"
    ABNORMAL = "abnormal"  # the host is silent; it may return
    BANNED = "banned"  # by an operator, who can lift it
    ENDED = "ended"
    EXPIRED = "expired"  # it never began


LIVE_STATUS = {
    RoomState.LIVE: 101,
    RoomState.SCHEDULED: 102,
    RoomState.ENDED: 103,
    RoomState.BANNED: 104,
    RoomState.PAUSED: 105,
    RoomState.ABNORMAL: 106,
    RoomState.EXPIRED: 107,
}

OVER = (RoomState.ENDED, RoomState.EXPIRED)
ON_AIR = (RoomState.LIVE, RoomState.PAUSED, RoomState.ABNORMAL)


class Verb(StrEnum):
    """A step of a room."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"
    BAN = "ban"
    UNBAN = "unban"
    MISS = "miss"  # the keeper: no heartbeat
    MISS_PAUSED = "miss_paused"  # the same, while paused
    RETURN = "return"  # the host's heartbeat is back
    RETURN_PAUSED = "return_paused"  # the same, and the room stays paused
    EXPIRE = "expire"  # the keeper: never begun


# verb → (states before, state after)
MOVES: dict[Verb, tuple[tuple[RoomState, ...], RoomState]] = {
    Verb.START: ((RoomState.SCHEDULED,), RoomState.LIVE),
    Verb.PAUSE: ((RoomState.LIVE, RoomState.ABNORMAL), RoomState.PAUSED),
    Verb.RESUME: ((RoomState.PAUSED, RoomState.ABNORMAL), RoomState.LIVE),
    Verb.END: ((RoomState.SCHEDULED, *ON_AIR, RoomState.BANNED), RoomState.ENDED),
    Verb.BAN: ((RoomState.SCHEDULED, *ON_AIR), RoomState.BANNED),
    Verb.UNBAN: ((RoomState.BANNED,), RoomState.PAUSED),
    Verb.MISS: ((RoomState.LIVE,), RoomState.ABNORMAL),
    Verb.MISS_PAUSED: ((RoomState.PAUSED,), RoomState.ABNORMAL),
    Verb.RETURN: ((RoomState.ABNORMAL,), RoomState.LIVE),
    Verb.RETURN_PAUSED: ((RoomState.ABNORMAL,), RoomState.PAUSED),
    Verb.EXPIRE: ((RoomState.SCHEDULED,), RoomState.EXPIRED),
}


class ItemState(StrEnum):
    HIDDEN = "hidden"  # viewers do not see it
    VISIBLE = "visible"  # visible, but not for sale yet
    ON_SALE = "on_sale"


class BagPhase(StrEnum):
    """The state of a lucky bag for viewers."""

    OPEN = "open"  # accepts entries until `draws_ms`
    DRAWN = "drawn"
    VOID = "void"  # it could not be drawn: no winners


class DropPhase(StrEnum):
    """The phase of a drop for viewers, set by `lua/room/drop_changed.lua`."""

    PREPARED = "prepared"
    OPENING = "opening"  # the countdown runs
    OPEN = "open"
    SOLD_OUT = "sold_out"
    PAUSED = "paused"
    CLOSED = "closed"


class BarKind(StrEnum):
    """A restriction of a buyer in one room, until a certain time."""

    MUTE = "mute"  # no comments
    BAN = "ban"  # no entry with this token, and so no comments
