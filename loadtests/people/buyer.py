"""A buyer, with the habits of a mini-program.

Logs in early, reads the drop, polls the service's clock, reserves a moment after the opening,
retries with the same key until the answer is clear, then pays, releases, or walks away.
"""

import random
import secrets

from msgspec import Struct

from loadtests.habits import ServerClock, backoff_s, poll_s
from loadtests.history import Claim, Drop, Held, Paid
from loadtests.insist import TRIES, insist
from loadtests.journal import Journal
from loadtests.line import RESERVE, Answer, Line, Time
from loadtests.sale import NO_LOGIN, NO_LOGIN_CURE, SaleRefused

RETRIED = {
    "lost",
    "refused",
    "outcome_unknown",
    "overloaded",
    "slow_down",
    "not_open",
    "engine_refused",
}
RETRIED |= {"fenced", "books_broken", "internal_error", "store_unavailable", "paused"}


class Character(Struct, frozen=True):
    """How a buyer behaves. Shares are 0 to 1; the rest walks away without paying.

    `jitter_s` is the mean time from the opening to the tap. `patience` is how often the buyer asks
    again after "sold out", `every_s` the pause before that. `keyed` buyers send an
    Idempotency-Key; with `repeats` they send each request once more after its answer.
    """

    jitter_s: float = 0.4
    early_s: float = 0.0  # how long before the opening the first request goes out
    quantity: int = 1
    patience: int = 2
    every_s: tuple[float, float] = (1.0, 3.0)
    pays: float = 0.8
    gives_back: float = 0.1
    pays_after_s: tuple[float, float] = (0.5, 4.0)
    polls: bool = True
    keyed: bool = True
    repeats: bool = False


class Buyer:
    """One person on one phone. `token` replaces the login."""

    def __init__(
        self,
        line: Line,
        journal: Journal,
        time: Time,
        chance: random.Random,
        character: Character,
        *,
        name: str = "",
        token: str = "",
    ) -> None:
        self._line, self._journal, self._time = line, journal, time
        self._chance, self._character = chance, character
        self._name, self._token = name, token
        self._clock = ServerClock()
        self.buyer_id = name if token else ""
        self._ticket = ""  # of who must show one

    @property
    def token(self) -> str:
        """Empty before the login."""
        return self._token

    async def log_in(self) -> bool:
        """Whether the buyer got a token. Raises SaleRefused if the dev login is off."""
        if not self._token:
            answer = await self._insist(
                "log in", "/v1/sessions", {"provider": "dev", "code": self._name}, ""
            )
            if answer.code in NO_LOGIN:
                raise SaleRefused(NO_LOGIN_CURE)
            if answer.good:
                self._token = str(answer.body["token"])
                self.buyer_id = str(answer.body["buyer_id"])
        return bool(self._token)

    async def look(self, drop: Drop) -> None:
        """Read the drop before the opening."""
        await self._line.ask("drop", "GET", f"/v1/drops/{drop.drop_id}")

    async def wait_for_opening(self, drop: Drop) -> None:
        """Poll the service's clock until the opening, then wait for the jitter."""
        opens_ms = drop.opens_ms - self._character.early_s * 1000
        await self._read_clock()
        while (left_s := self._clock.until_s(opens_ms, self._time.now_ms())) > 0:
            await self._time.sleep(poll_s(left_s))
            if self._character.polls and left_s > 0.5:
                await self._read_clock()
        if self._character.jitter_s:
            await self._time.sleep(self._chance.expovariate(1 / self._character.jitter_s))

    async def buy(self, drop: Drop) -> Held | None:
        """Claim units; again after "sold out" while patience lasts."""
        for left in range(self._character.patience, -1, -1):
            claim = await self.claim(drop)
            if claim.answers:
                return claim.answers[0]
            if not left or not claim.codes or claim.codes[-1] != "sold_out":
                return None
            await self._time.sleep(self._chance.uniform(*self._character.every_s))
        return None

    async def claim(self, drop: Drop, quantity: int = 0) -> Claim:
        """One claim, with one key: repeats it until the answer is clear, at most `TRIES` times.

        Always notes the claim: if the test ends before the answer, its outcome is unknown.
        """
        claim = Claim(drop.drop_id, self.buyer_id, quantity or self._character.quantity)
        key = secrets.token_hex(8) if self._character.keyed else ""
        try:
            for attempt in range(1, TRIES + 1):
                answer = await self._ask(claim, key)
                if answer.code not in RETRIED or (not key and claim.unclear):
                    break  # without a key, a second request would be a second claim
                if attempt < TRIES:
                    await self._time.sleep(backoff_s(attempt, answer.retry_after_s, self._chance))
            if self._character.repeats and key and claim.answers:
                await self._ask(claim, key)
        finally:
            self._journal.note(claim)
        return claim

    async def decide(self, held: Held) -> None:
        """Pay, release, or walk away."""
        mood = self._chance.random()
        if mood < self._character.pays:
            await self._time.sleep(self._chance.uniform(*self._character.pays_after_s))
            await self.pay(held)
        elif mood < self._character.pays + self._character.gives_back:
            path = f"/v1/reservations/{held.rid}"
            await self._line.ask("release", "DELETE", path, token=self._token)

    async def pay(self, held: Held) -> None:
        """Pay with the simulated gateway, if that is in use; retry until the answer is clear."""
        path = f"/v1/reservations/{held.rid}/payment"
        started = await self._insist("start payment", path, None, self._token)
        link = started.body.get("link")
        if not started.good or not isinstance(link, str):
            return
        result = "lost"
        try:
            paid = await self._insist(
                "pay", f"/v1/payments/simulated/{held.rid}", {"outcome": "paid"}, ""
            )
            result = str(paid.body["result"]) if paid.good else paid.code
        finally:
            self._journal.note(Paid(held.rid, result))

    async def check_order(self, held: Held) -> None:
        """Read the order."""
        await self._line.ask(
            "reservation", "GET", f"/v1/reservations/{held.rid}", token=self._token
        )

    async def _insist(self, name: str, path: str, body: object, token: str) -> Answer:
        return await insist(
            self._line, self._time, self._chance, name, path, body=body, token=token
        )

    async def _ask(self, claim: Claim, key: str) -> Answer:
        """Send one request of a claim; note it before the answer."""
        number = len(claim.codes)
        claim.codes.append("hung_up")
        path = f"/v1/drops/{claim.drop_id}/reservations"
        body: dict[str, object] = {"quantity": claim.quantity}
        if self._ticket:
            body["ticket"] = self._ticket
        answer = await self._line.ask(RESERVE, "POST", path, body=body, token=self._token, key=key)
        claim.codes[number] = answer.code
        if answer.good:
            claim.answers.append(_held(answer))
        return answer

    async def _read_clock(self) -> None:
        sent_ms = self._time.now_ms()
        answer = await self._line.ask("time", "GET", "/v1/time")
        if answer.good:
            self._clock.learn(sent_ms, float(answer.body["server_ms"]), self._time.now_ms())


def _held(answer: Answer) -> Held:
    body = answer.body
    return Held(
        str(body["reservation_id"]),
        int(body["quantity"]),
        int(body["amount_fen"]),
        answer.status == 201,
    )
