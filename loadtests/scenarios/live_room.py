"""A live room: the host sells one drop after another to its viewers.

Each viewer has a socket, likes, comments now and then, loses the connection, reconnects, and buys
when a drop opens. Between drops half of them leave. The host pauses each drop for a moment after
its opening, and then restocks it.
"""

from loadtests.curves import FILL
from loadtests.people.buyer import Character
from loadtests.people.viewer import Watching
from loadtests.room_users import HostUser, ViewerUser
from loadtests.sale import Lot
from loadtests.shapes import LiveRoom
from loadtests.stage import STAGE
from loadtests.users import BotUser, BrowserUser

EVERY_S = 30.0


def _lots(users: int, lasts_s: float) -> list[Lot]:
    first_s = min(15.0, FILL * lasts_s)
    count = max(1, int((lasts_s - first_s) // EVERY_S))
    return [Lot(first_s + number * EVERY_S, max(10, users // 5)) for number in range(count)]


STAGE.set("live_room", _lots)


class Viewers(LiveRoom):
    pass


class Viewer(ViewerUser):
    weight = 70
    character = Character(jitter_s=0.8, patience=5)


class Silent(ViewerUser):
    """Watches and buys, and does not comment."""

    weight = 15
    watching = Watching(reacts=False)


class Bot(BotUser):
    weight = 2


class Browser(BrowserUser):
    weight = 13


class Host(HostUser):
    pauses_s = 1.0
    restock = 10
