"""Rows 8, 14: replies of Redis that are lost, late or cut off; buyers who leave after asking."""

from tests.faults.faults import Fault
from tests.faults.schedule import Kind


class LostReplies(Fault):
    """Some replies never arrive: the request has had its effect."""

    kind = Kind("lost replies", 8, ("proxy",), 1.0, 0.5, 3.0)

    async def start(self) -> None:
        self.system.proxy.lose = self.between(0.005, 0.1)

    async def heal(self) -> None:
        self.system.proxy.heal()


class CutReplies(LostReplies):
    """The connection breaks in place of the reply."""

    kind = Kind("cut connections", 8, ("proxy",), 1.0, 0.5, 3.0)

    async def start(self) -> None:
        self.system.proxy.cut = self.between(0.005, 0.1)


class LateReplies(LostReplies):
    """Every reply is late, at times later than anybody waits."""

    kind = Kind("late replies", 8, ("proxy",), 1.0, 0.5, 3.0)

    async def start(self) -> None:
        self.system.proxy.delay_s = self.pick(0.02, 0.1, 0.5, 1.6)


class HangingUp(Fault):
    """Every third buyer closes the connection as soon as the request is sent."""

    kind = Kind("clients hang up", 14, ("clients",), 1.0, 1.0, 4.0)

    async def start(self) -> None:
        self.world.hang_up = 0.33

    async def heal(self) -> None:
        self.world.hang_up = type(self.world).hang_up


FAULTS: list[type[Fault]] = [LostReplies, CutReplies, LateReplies, HangingUp]
