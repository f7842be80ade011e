"""A live room in which all viewers lose the connection at the same moment, again and again.

They resume from their place within a second or two, and none may miss an event or get one twice.
Meanwhile a drop sells.
"""

from loadtests.curves import FILL
from loadtests.people.buyer import Character
from loadtests.people.viewer import Watching
from loadtests.room_users import HostUser, ViewerUser
from loadtests.sale import Lot
from loadtests.shapes import Spike
from loadtests.stage import STAGE

STORM_S = 10.0


def _lots(users: int, lasts_s: float) -> list[Lot]:
    return [Lot(FILL * lasts_s + min(3.0, lasts_s / 10), max(10, users // 3))]


STAGE.set("room_storm", _lots)


class Crowd(Spike):
    pass


class Viewer(ViewerUser):
    character = Character(jitter_s=2.0, patience=3)
    watching = Watching(lift_s=0.0, storm_s=STORM_S)


class Host(HostUser):
    restock = 10
