"""Figures of rooms: who watches, and how the stream is. No I/O."""

from livesale.cockpit.figures import RoomFigure, RoomFigures
from livesale.cockpit.glance import Glance
from livesale.cockpit.store import RoomRow
from livesale.rooms.people.events import PeopleView


def rooms_of(glance: Glance) -> RoomFigures:
    """Counts of people are what the rooms were told last."""
    shown = [_figure(room, glance.people.get(room.room_id)) for room in glance.rooms]
    return RoomFigures(rooms=shown, more=max(0, glance.all_rooms - len(shown)))


def _figure(room: RoomRow, people: PeopleView | None) -> RoomFigure:
    has_stream = room.session is not None
    return RoomFigure(
        room_id=room.room_id,
        title=room.title,
        state=room.state,
        online=people.online if people else None,
        peak=people.peak if people else None,
        likes=people.likes if people else None,
        stream="none" if not has_stream else "silent" if room.silent else "active",
        stream_seen_ms=room.seen_ms if has_stream else None,
    )
