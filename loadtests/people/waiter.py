"""A buyer who stands in a line: looks as often as the service asks, and takes the turn or not."""

from loadtests.history import Drop, Held, Placed
from loadtests.people.buyer import Buyer

OVER = {"gone", "closed", "line_full", "unknown_line", "no_place"}
NEAR_S = 0.5


class Waiter(Buyer):
    """One person, one place. `comes` is the share of those who are there when it is their turn."""

    comes = 0.6
    comes_after_s = 1.5  # on average, after the turn began

    async def wait_and_buy(self, drop: Drop) -> Held | None:
        """From joining to the reservation, or until nothing is left."""
        path = f"/v1/drops/{drop.drop_id}"
        joined = await self._insist("join", f"{path}/line", {}, self.token)
        if not joined.good:
            return None
        place = joined.body
        while True:
            self._note(drop, place)
            if place["standing"] == "turn":
                break
            if not place["retry_after_ms"]:
                return None
            await self._time.sleep(max(NEAR_S, place["retry_after_ms"] / 1000))
            query = f"{path}/line/me?place={place['place']}"
            answer = await self._line.ask("my place", "GET", query, token=self.token)
            if answer.good:
                place = answer.body
            elif answer.code in OVER:
                return None
        if self._chance.random() >= self.comes:
            return None
        await self._time.sleep(self._chance.expovariate(1 / self.comes_after_s))
        ticket = await self._insist("ticket", f"{path}/tickets", {}, self.token)
        if not ticket.good:
            return None
        self._ticket = str(ticket.body["ticket"])
        claim = await self.claim(drop)
        return claim.answers[0] if claim.answers else None

    def _note(self, drop: Drop, place: dict[str, object]) -> None:
        position = place["position"]
        index = int(str(place["index"]))
        number = -1 if position is None else int(str(position))
        self._journal.note(Placed(drop.drop_id, self.buyer_id, index, number))
