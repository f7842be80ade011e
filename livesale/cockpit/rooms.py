"""Figures of rooms: who watches, and how the stream is."""

from livesale.cockpit.figures import RoomFigure, RoomFigures
from livesale.cockpit.glance import Glances
from livesale.cockpit.store import RoomRow
from livesale.resources import Deployment
from livesale.rooms.people.events import PeopleView
from livesale.rooms.viewers import people_of


class RoomBoard:
    """One per worker. Counts of people are what the rooms were told last."""

    def __init__(self, deployment: Deployment, glances: Glances) -> None:
        self._redis = deployment.redis
        self._glances = glances

    async def take(self) -> RoomFigures:
        """Raises StoreUnavailable."""
        glance = await self._glances.last()
        people = await people_of(self._redis, [room.room_id for room in glance.rooms])
        shown = [_figure(room, people[room.room_id]) for room in glance.rooms]
        return RoomFigures(
            at_ms=glance.at_ms, rooms=shown, more=max(0, glance.all_rooms - len(shown))
        )


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
