"""The flash sale: a crowd of buyers, each with a character, all through HTTP."""

import asyncio
import secrets

from livesale.demo.plan import BUYER_LIMIT, Visit, plan_visits
from livesale.demo.play import HOLD_S, Customer, House, Scenario
from livesale.printing.wording import counted
from loadtests.history import Claim, Drop
from loadtests.line import Answer
from loadtests.people.buyer import Character
from loadtests.sale import Lot, put_on_sale

TITLE = "Demo sneaker, size 42"
LEAD_S = 3.0
EXTRA_S = 20.0  # after `seconds`, time to sell expired units again
PATIENCE_S = (0.4, 1.0)  # the pause before a patient buyer asks again


class Shopper(Customer):
    """A buyer of the sale. `doubles` sends every request with a key twice at once."""

    doubles = False

    async def _ask(self, claim: Claim, key: str) -> Answer:
        if not (self.doubles and key):
            return await super()._ask(claim, key)
        answers = await asyncio.gather(super()._ask(claim, key), super()._ask(claim, key))
        return max(answers, key=lambda answer: answer.good)


class Sale(Scenario):
    """See livesale.demo.play.Scenario."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._drop: Drop
        self._shoppers: list[tuple[Visit, Shopper]] = []

    async def prepare(self) -> None:
        house, scene, options = self.house, self.scene, self.house.options
        scene.phase = f"signing {counted(options.people, 'token')}"
        # A new prefix each time: the deployment may have run a demo before.
        run = secrets.token_hex(3)
        for number, visit in enumerate(plan_visits(options, house.chance.randrange(2**32)), 1):
            self._shoppers.append((visit, self._shopper(visit, f"demo{run}-{number}")))
        scene.here = options.people
        scene.phase = "putting the goods on sale"
        lot = Lot(LEAD_S, options.stock, BUYER_LIMIT, HOLD_S)
        lasts_s = options.seconds + EXTRA_S
        [self._drop] = await put_on_sale(house.office, house.operator_token, TITLE, [lot], lasts_s)
        scene.history.note(self._drop)
        self.drop_id = self._drop.drop_id
        ahead_ms = self._drop.opens_ms - await house.deployment.engine.now_ms()
        scene.begun_ms = house.time.now_ms() + ahead_ms

    async def perform(self) -> None:
        self.scene.phase = "the crowd waits at the door"
        await asyncio.gather(*(self._come(visit, shopper) for visit, shopper in self._shoppers))

    def _shopper(self, visit: Visit, name: str) -> Shopper:
        house = self.house
        shopper = Shopper(
            house.line,
            self.scene.history,
            house.time,
            house.chance,
            Character(keyed=visit.keyed, repeats=visit.repeats),
            name=name,
            token=house.signer.buyer(name),
        )
        shopper.bank, shopper.doubles = house.bank, visit.doubles
        return shopper

    async def _come(self, visit: Visit, shopper: Shopper) -> None:
        try:
            await self._shop(visit, shopper)
        finally:
            self.scene.here -= 1

    async def _shop(self, visit: Visit, shopper: Shopper) -> None:
        await asyncio.sleep(visit.at_s - self._now_s())
        quantity, walks_away = visit.quantity, visit.walks_away
        while self._now_s() < self.house.options.seconds + EXTRA_S:
            claim = await shopper.claim(self._drop, quantity)
            if claim.answers:
                if not walks_away:
                    await asyncio.sleep(visit.pays_after_s)
                    await shopper.pay(claim.answers[0])
                    return
                walks_away = False
                await asyncio.sleep(HOLD_S)
            elif claim.codes[-1] != "sold_out":
                return
            if not visit.patient:
                return
            if self.scene.sold_out:
                break
            quantity = 1  # all that is left
            await asyncio.sleep(self.house.chance.uniform(*PATIENCE_S))
        self.scene.empty_handed += visit.patient

    def _now_s(self) -> float:
        assert self.scene.begun_ms is not None  # noqa: S101  set in prepare
        return (self.house.time.now_ms() - self.scene.begun_ms) / 1000
