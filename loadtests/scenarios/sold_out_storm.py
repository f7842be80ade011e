"""A storm of requests after the end: few units, and everybody keeps asking.

Expired and released units go back on sale now and then. Then "sold out" must end at once.
"""

from loadtests.curves import FILL
from loadtests.people.buyer import Character
from loadtests.sale import Lot
from loadtests.shapes import Spike
from loadtests.stage import STAGE
from loadtests.users import BotUser, BrowserUser, BuyerUser, OperatorUser


def _lots(users: int, lasts_s: float) -> list[Lot]:
    return [Lot(FILL * lasts_s + min(3.0, lasts_s / 10), max(5, users // 20), hold_s=5.0)]


STAGE.set("sold_out_storm", _lots)


class Crowd(Spike):
    pass


class Believer(BuyerUser):
    weight = 85
    character = Character(
        patience=100_000, every_s=(0.1, 0.4), pays=0.3, gives_back=0.4, pays_after_s=(0.2, 1.0)
    )


class Bot(BotUser):
    weight = 5


class Browser(BrowserUser):
    weight = 10


class Operator(OperatorUser):
    pass
