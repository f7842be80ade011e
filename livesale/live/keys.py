"""The names of a room's keys in Redis. No I/O.

All share the hash tag `{room_id}`, so that a script, the history and the channel it writes to live
in one slot, on a cluster too. They hold no money: once a room has ended they carry a TTL.
"""

from msgspec import Struct

PREFIX = "ls"


class RoomKeys(Struct, frozen=True):
    """By the names that the headers of the scripts use."""

    room_key: str
    events_key: str
    shelf_key: str
    drops_key: str
    workers_key: str
    bars_key: str
    paces_key: str
    comments_key: str
    bag_key: str
    entrants_key: str
    waiting_key: str
    said_key: str
    channel_key: str

    @classmethod
    def of(cls, room_id: str) -> "RoomKeys":
        tag = f"{PREFIX}:{{{room_id}}}"
        return cls(*[f"{tag}:{name.removesuffix('_key')}" for name in cls.__struct_fields__])

    def named(self) -> dict[str, str]:
        """As the scripts take them."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


def room_of_channel(channel: str) -> str:
    """The room that a channel's name belongs to."""
    return channel[channel.index("{") + 1 : channel.index("}")]
