"""A soak test: the same load for as long as you ask for, a new drop every minute.

Watch memory, lag and latency over hours: `--duration 14400`.
"""

from loadtests.people.buyer import Character
from loadtests.sale import Lot
from loadtests.shapes import Soak
from loadtests.stage import STAGE
from loadtests.users import BrowserUser, OperatorUser, ShopperUser

EVERY_S = 60.0


def _lots(users: int, lasts_s: float) -> list[Lot]:
    count = max(1, int(lasts_s // EVERY_S))
    # Less than the demand of a minute: each drop sells out before the next.
    return [Lot(2.0 + number * EVERY_S, max(50, users * 10)) for number in range(count)]


STAGE.set("soak", _lots)


class Crowd(Soak):
    pass


class Shopper(ShopperUser):
    weight = 85
    character = Character(jitter_s=0.3, patience=1, pays_after_s=(0.5, 2.0))


class Browser(BrowserUser):
    weight = 15


class Operator(OperatorUser):
    restock = 5
