"""Locust users of a live room: viewers who buy, and the host."""

import time
from typing import Any

import gevent
from gevent.pool import Pool
from locust.exception import RescheduleTask

from loadtests.history import Drop
from loadtests.line import at_once
from loadtests.people.buyer import Buyer
from loadtests.people.operator import Operator
from loadtests.people.viewer import Viewer, Watching
from loadtests.seat import Gone, Heard, Message, Seat
from loadtests.stage import STAGE
from loadtests.users import Customer, OperatorUser
from loadtests.wire import BlockingWire

BEATS_EVERY_S = 5.0
TIMED = "drop."  # events whose delivery latency is reported


class ViewerUser(Customer):
    """Watches the room of the first drop, and buys each drop when the room announces it."""

    abstract = True
    watching = Watching()

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._buying = Pool(2)

    async def live(self) -> None:
        buyer = await self.enter()
        if buyer is None:
            return
        drops = {drop.drop_id: drop for drop in STAGE.drops}

        def tell(message: Message) -> None:
            heard, _ = message
            self._report_way(heard)
            drop = drops.get(heard.drop_id)
            if heard.type == "drop.open" and drop is not None:
                self._buying.spawn(lambda: at_once(self._buy(buyer, drop)))

        viewer = Viewer(
            lambda seat: self._dial(seat, buyer.token),
            STAGE.journal,
            STAGE,
            self.chance,
            self.watching,
            STAGE.drops[0].room_id,
            tell,
        )
        try:
            await viewer.live()
        finally:
            self._buying.kill()
        await STAGE.sleep(BEATS_EVERY_S)

    async def _buy(self, buyer: Buyer, drop: Drop) -> None:
        """Buy while watching."""
        try:
            await buyer.wait_for_opening(drop)
            held = await buyer.buy(drop)
            if held is not None:
                await buyer.decide(held)
                await buyer.check_order(held)
        except RescheduleTask:
            pass  # the test is over

    async def _dial(self, seat: Seat, token: str) -> BlockingWire:
        began_s = time.perf_counter()
        fault: Gone | None = None
        try:
            return BlockingWire(STAGE.where, seat, token)
        except Gone as gone:
            fault = gone
            raise
        finally:
            self._fire("WS", "socket", 1000 * (time.perf_counter() - began_s), fault)

    def _report_way(self, heard: Heard) -> None:
        if heard.type.startswith(TIMED):
            self._fire("WS", heard.type, max(0.0, STAGE.now_ms() - heard.at_ms), None)

    def _fire(self, kind: str, name: str, took_ms: float, fault: Exception | None) -> None:
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=took_ms,
            response_length=0,
            exception=fault,
            context={},
        )


class HostUser(OperatorUser):
    """Runs the room and keeps its heartbeat."""

    abstract = True

    def on_start(self) -> None:
        gevent.spawn(lambda: at_once(self._keep_beating()))

    async def _keep_beating(self) -> None:
        try:
            STAGE.wait_until_open()
            host = Operator(self.line, STAGE.journal, STAGE, self.chance, STAGE.operator_token)
            while True:
                await host.beat(STAGE.drops[0].room_id)
                await STAGE.sleep(BEATS_EVERY_S)
        except RescheduleTask:
            pass  # the test is over
