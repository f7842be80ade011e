"""Playback URLs of rooms, from templates."""

from typing import Annotated

from msgspec import Meta, Struct, structs

from livesale.rooms.events import RoomView
from livesale.rooms.service import RoomPage
from livesale.settings import IngestSettings

ROOM = "{room_id}"  # placeholder of the room id in a template

Address = Annotated[str | None, Meta(description="null if the settings have no template")]


class PlayAddresses(Struct, frozen=True):
    """The URLs never change; they have video while the room is live."""

    hls: Address
    flv: Address


class ShownRoom(RoomView, frozen=True, kw_only=True):
    """A room and its playback URLs."""

    play: PlayAddresses


class ListedRoom(ShownRoom, frozen=True, kw_only=True):
    """A room in a list, with its viewers."""

    online: Annotated[int | None, Meta(description="viewers now; null while that is unknown")]


class ShownPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    rooms: list[ListedRoom]
    next: str | None


class PlaybackUrls:
    """Adds playback URLs to rooms."""

    def __init__(self, settings: IngestSettings) -> None:
        self._hls = settings.hls_url
        self._flv = settings.flv_url

    def show(self, room: RoomView) -> ShownRoom:
        return ShownRoom(**structs.asdict(room), play=self.play(room.room_id))

    def show_page(self, page: RoomPage) -> ShownPage:
        rooms = [
            ListedRoom(
                **structs.asdict(room),
                play=self.play(room.room_id),
                online=page.online.get(room.room_id),
            )
            for room in page.rooms
        ]
        return ShownPage(rooms, page.next)

    def play(self, room_id: str) -> PlayAddresses:
        return PlayAddresses(_fill(self._hls, room_id), _fill(self._flv, room_id))


def _fill(template: str, room_id: str) -> str | None:
    return template.replace(ROOM, room_id) or None
