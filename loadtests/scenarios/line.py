"""A waiting room: a crowd joins a line before the opening, and is called as units can be had.

There is one unit for every eight people. Two of five are not there when it is their turn, and one
of ten who reserve never pays, so units return until the line is gone.
"""

from loadtests.curves import FILL
from loadtests.people.buyer import Character
from loadtests.sale import Lot
from loadtests.shapes import Spike
from loadtests.stage import STAGE
from loadtests.users import BrowserUser, OperatorUser, WaiterUser

TURN_S = 10.0


def _lots(users: int, lasts_s: float) -> list[Lot]:
    opens_s = FILL * lasts_s + min(3.0, lasts_s / 10)
    hold_s = min(15.0, lasts_s / 4)
    return [Lot(opens_s, units=max(5, users // 8), buyer_limit=1, hold_s=hold_s, turn_s=TURN_S)]


STAGE.set("line", _lots)


class Crowd(Spike):
    pass


class InLine(WaiterUser):
    weight = 95
    character = Character(pays=0.9, gives_back=0.0)


class Browser(BrowserUser):
    weight = 5


class Operator(OperatorUser):
    pass
