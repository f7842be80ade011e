"""Buyers who ask, repeat, pay, leave, return, pay late and twice, and write everything down."""

import asyncio
import random
from collections import Counter

from stock.ids import keyed_rid
from tests.faults.bank import Bank
from tests.faults.history import Answer, Claim, Payment, Release, Try
from tests.faults.operators import PRICE_FEN, Operators
from tests.faults.shop import Shop, Told, now_ms
from tests.faults.world import World

BUYERS = 4_000  # who come again and again
AT_ONCE = 400  # buyers who are waiting for an answer
TICK_S = 0.01
RELEASE_TRIES = 40

# After these a buyer asks again, if at all, with the same key.
AGAIN = {
    *("lost", "refused", "hung_up", "outcome_unknown", "overloaded", "slow_down"),
    *("engine_refused", "fenced", "books_broken", "store_unavailable", "not_open", "paused"),
}
CHARACTERS = {"pay": 52, "twice": 6, "again": 3, "release": 20, "leave": 10, "late": 6, "race": 3}


class Load:
    """Sends `rate` new claims a second, as long as the service keeps up."""

    def __init__(
        self, shop: Shop, operators: Operators, bank: Bank, world: World, seed: int
    ) -> None:
        self.rate = 700.0
        self.acknowledged = 0
        self.last_sale_ms = 0.0
        self._sold = asyncio.Event()
        self.answers: Counter[str] = Counter()
        self._shop = shop
        self._operators = operators
        self._bank = bank
        self._world = world
        self._chance = random.Random(seed)
        self._numbers = 0
        self._keys: dict[str, str] = {}  # by rid
        self._waiting = 0
        self._visits: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        """Until cancelled; the buyers who are there stay until they are done."""
        due = 0.0
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(TICK_S)
            now = loop.time()
            due = min(due + (now - last) * self.rate, self.rate * 0.2)
            last = now
            while due >= 1 and self._waiting < AT_ONCE and self._operators.live:
                due -= 1
                self._visit(self._choose_drop())

    async def finish(self) -> None:
        """Wait until every buyer has left."""
        while self._visits:
            await asyncio.gather(*self._visits)

    async def sale_after(self, moment_ms: float) -> None:
        """Wait for a reservation that is made after a moment."""
        while self.last_sale_ms < moment_ms:
            self._sold.clear()
            await self._sold.wait()

    async def buy_one(self, drop_id: str) -> Claim:
        """One buyer who asks with a key until there is an answer."""
        claim = self.claim(drop_id, 1, keyed=True)
        await self._ask_until_clear(claim, 200)
        return claim

    def _visit(self, drop_id: str) -> None:
        task = asyncio.get_running_loop().create_task(self._live(drop_id))
        self._visits.add(task)
        task.add_done_callback(self._visits.discard)

    def _choose_drop(self) -> str:
        past = self._operators.past
        if past and self._chance.random() < 0.04:
            return self._chance.choice(past)
        return self._chance.choice(list(self._operators.live))

    async def _live(self, drop_id: str) -> None:
        chance = self._chance
        claim = self.claim(drop_id, chance.choice([1, 1, 1, 2, 2, 3]), chance.random() < 0.85)
        patience = chance.choice([1, 3, 25, 25, 25]) if claim.rid else 1
        self._waiting += 1
        try:
            await self._ask_until_clear(claim, patience)
        finally:
            self._waiting -= 1
        if not claim.answers:
            return
        if claim.rid and chance.random() < 0.1:
            await self.ask(claim)  # to see that the answer is the same
        await self._decide(claim.answers[0], claim.buyer_id)

    def claim(self, drop_id: str, quantity: int, keyed: bool) -> Claim:
        """A buyer's wish, written down before it is asked for."""
        self._numbers += 1
        buyer_id = f"b{self._chance.randrange(BUYERS)}"
        key = f"k{self._numbers}"
        rid = keyed_rid(drop_id, buyer_id, key) if keyed else ""
        claim = Claim(drop_id, buyer_id, quantity, rid)
        self._world.history.claims.append(claim)
        if keyed:
            self._keys[rid] = key
        return claim

    async def _ask_until_clear(self, claim: Claim, patience: int) -> None:
        for number in range(patience):
            code = await self.ask(claim)
            if code not in AGAIN or (code == "not_open" and number > 3):
                return
            if not claim.rid and code in ("lost", "outcome_unknown", "hung_up"):
                return  # a new request would be a second wish
            await asyncio.sleep(self._chance.uniform(0.05, 0.1 + 0.1 * min(number, 8)))

    async def ask(self, claim: Claim) -> str:
        """One request of a claim; its code."""
        path = f"/v1/drops/{claim.drop_id}/reservations"
        token, body = self._shop.token(claim.buyer_id), {"quantity": claim.quantity}
        key = self._keys.get(claim.rid, "") if claim.rid else ""
        one = Try(now_ms(), 0.0, "")
        if self._chance.random() < self._world.hang_up:
            one.code = await self._shop.hang_up("POST", path, token, body, key)
        else:
            told = await self._shop.ask("POST", path, token, body, key)
            one.code = told.code
            if told.code == "ok":
                one.code = "held" if told.status == 201 else "replayed"
                self._note(claim, told)
        one.answered_ms = now_ms()
        claim.tries.append(one)
        self.answers[one.code] += 1
        return one.code

    def _note(self, claim: Claim, told: Told) -> None:
        at_ms = now_ms()
        body = told.body
        if not claim.answers:
            self.acknowledged += 1
        if told.status == 201:
            self.last_sale_ms = at_ms
            self._sold.set()
        claim.answers.append(
            Answer(
                body["reservation_id"],
                body["quantity"],
                body["amount_fen"],
                body["expires_ms"],
                at_ms,
            )
        )

    async def _decide(self, answer: Answer, buyer_id: str) -> None:
        chance = self._chance
        what = chance.choices(list(CHARACTERS), list(CHARACTERS.values()))[0]
        if what == "leave":
            return
        await asyncio.sleep(chance.uniform(0, 0.8))
        rid, amount_fen = answer.rid, answer.quantity * PRICE_FEN
        if what == "pay":
            await self._bank.pay(rid, amount_fen)
        elif what == "twice":  # two payments: one of them goes back
            await asyncio.gather(self._bank.pay(rid, amount_fen), self._bank.pay(rid, amount_fen))
        elif what == "again":  # the gateway says the same payment twice
            payment = await self._bank.pay(rid, amount_fen)
            await self._bank.repeat(payment)
        elif what == "release":
            await self._release(rid, buyer_id)
        elif what == "race":
            paying: asyncio.Task[Payment] = asyncio.create_task(self._bank.pay(rid, amount_fen))
            await self._release(rid, buyer_id)
            await paying
        elif what == "late":
            await asyncio.sleep(max(0.0, answer.expires_ms - now_ms()) / 1000 + chance.random())
            await self._bank.pay(rid, amount_fen)

    async def _release(self, rid: str, buyer_id: str) -> None:
        release = Release(rid, now_ms())
        self._world.history.releases.append(release)
        for number in range(RELEASE_TRIES):
            told = await self._shop.ask(
                "DELETE", f"/v1/reservations/{rid}", self._shop.token(buyer_id)
            )
            if told.code == "ok" or told.code == "already_sold":
                release.answered_ms = now_ms()
                release.status = str(told.body.get("status", "sold"))
                return
            if told.code not in AGAIN:
                release.status = told.code
                return
            await asyncio.sleep(self._chance.uniform(0.05, 0.1 + 0.1 * min(number, 8)))
