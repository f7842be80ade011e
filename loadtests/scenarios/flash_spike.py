"""A flash sale: a crowd logs in, waits for one opening, and reserves within moments of it.

There is one unit for every three buyers. Some pay, some release, some walk away; some of those who
come too late ask again. Bots start early and ask too often. After the rush the operator restocks.
"""

from loadtests.curves import FILL
from loadtests.people.buyer import Character
from loadtests.sale import Lot
from loadtests.shapes import Spike
from loadtests.stage import STAGE
from loadtests.users import BotUser, BrowserUser, BuyerUser, OperatorUser


def _lots(users: int, lasts_s: float) -> list[Lot]:
    return [Lot(opens_s=FILL * lasts_s + min(3.0, lasts_s / 10), units=max(10, users // 3))]


STAGE.set("flash_spike", _lots)


class Crowd(Spike):
    pass


class Buyer(BuyerUser):
    weight = 80
    character = Character(quantity=1)


class Couple(BuyerUser):
    """Buys two at once."""

    weight = 10
    character = Character(quantity=2, patience=4)


class Bot(BotUser):
    weight = 3


class Browser(BrowserUser):
    weight = 7


class Operator(OperatorUser):
    restock = 10
