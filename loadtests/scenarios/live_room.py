"""A live room: the host opens one drop after another, and viewers come for each.

Between drops half of them leave. The operator pauses each drop for a moment after its opening, for
the host to say something, and then restocks it.
"""

from loadtests.curves import FILL
from loadtests.people.buyer import Character
from loadtests.sale import Lot
from loadtests.shapes import LiveRoom
from loadtests.stage import STAGE
from loadtests.users import BotUser, BrowserUser, BuyerUser, OperatorUser

EVERY_S = 30.0


def _lots(users: int, lasts_s: float) -> list[Lot]:
    first_s = min(15.0, FILL * lasts_s)
    count = max(1, int((lasts_s - first_s) // EVERY_S))
    return [Lot(first_s + number * EVERY_S, max(10, users // 5)) for number in range(count)]


STAGE.set("live_room", _lots)


class Viewers(LiveRoom):
    pass


class Viewer(BuyerUser):
    weight = 85
    character = Character(jitter_s=0.8, patience=5)


class Bot(BotUser):
    weight = 2


class Browser(BrowserUser):
    weight = 13


class Host(OperatorUser):
    pauses_s = 1.0
    restock = 10
