"""Where the stream of a room is played: addresses by template."""

from typing import Annotated

from msgspec import Meta, Struct, structs

from livesale.rooms.events import RoomView
from livesale.rooms.service import RoomPage
from livesale.settings import IngestSettings

ROOM = "{room_id}"  # the place of the room id in a template

Address = Annotated[str | None, Meta(description="null where the settings have no template")]


class PlayAddresses(Struct, frozen=True):
    """They never change; the video is there while the room is live."""

    hls: Address
    flv: Address


class ShownRoom(RoomView, frozen=True):
    """A room, and where to play it."""

    play: PlayAddresses


class ShownPage(Struct, frozen=True):
    """`next` goes into `after` for the page behind this one; null at the end."""

    rooms: list[ShownRoom]
    next: str | None


class PlaybackUrls:
    """Shows rooms with their addresses."""

    def __init__(self, settings: IngestSettings) -> None:
        self._hls = settings.hls_url
        self._flv = settings.flv_url

    def show(self, room: RoomView) -> ShownRoom:
        play = PlayAddresses(_fill(self._hls, room.room_id), _fill(self._flv, room.room_id))
        return ShownRoom(**structs.asdict(room), play=play)

    def show_page(self, page: RoomPage) -> ShownPage:
        return ShownPage([self.show(room) for room in page.rooms], page.next)


def _fill(template: str, room_id: str) -> str | None:
    return template.replace(ROOM, room_id) or None
