"""A ramp: more and more buyers of goods that do not run out, until something breaks.

It ends when one request in a hundred fails, or one in twenty takes longer than a second. The result
depends on this machine as much as on the service: see docs/loadtesting.md.
"""

from loadtests.people.buyer import Character
from loadtests.sale import Lot
from loadtests.shapes import Ramp
from loadtests.stage import STAGE
from loadtests.users import OperatorUser, ShopperUser


def _lots(users: int, lasts_s: float) -> list[Lot]:
    return [Lot(1.0, 10_000_000, buyer_limit=1_000)]


STAGE.set("ramp_to_break", _lots)


class Steps(Ramp):
    pass


class Shopper(ShopperUser):
    """Logs in once and mostly releases: this measures reservations, not logins."""

    rests_s = (0.05, 0.2)
    born_anew = False
    character = Character(
        jitter_s=0.05, patience=0, pays=0.1, gives_back=0.9, pays_after_s=(0.05, 0.2)
    )


class Operator(OperatorUser):
    pass
