"""The names of a room's keys in Redis. No I/O.

All share the hash tag `{room_id}`, so that a script, the history and the channel are in one slot
of a cluster. No money depends on them: they get a TTL when the room has ended.
"""

from msgspec import Struct, structs

PREFIX = "ls"


class RoomKeys(Struct, frozen=True):
    """The keys of a room, named as in the headers of the scripts."""

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
    spoken_key: str
    seen_key: str  # only for one thing: see `of_thing`
    counts_key: str
    channel_key: str

    @classmethod
    def of(cls, room_id: str) -> "RoomKeys":
        tag = f"{PREFIX}:{{{room_id}}}"
        return cls(*[f"{tag}:{name.removesuffix('_key')}" for name in cls.__struct_fields__])

    def of_thing(self, name: str) -> "RoomKeys":
        """With the key of the people who did one thing."""
        return structs.replace(self, seen_key=f"{self.seen_key}:{name}")

    def named(self) -> dict[str, str]:
        """In the order of the scripts."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


def room_of_channel(channel: str) -> str:
    """The room of a channel's name."""
    return channel[channel.index("{") + 1 : channel.index("}")]
