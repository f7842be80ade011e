"""Reads each drop's books and orders from the service after a load test, over HTTP."""

from collections.abc import Collection

import msgspec
from msgspec import Struct, field

from loadtests.checks import OrderRow
from loadtests.line import Answer, Line, Time

PAGE = 500
LOOK_EVERY_S = 0.5
OTHERS = 500  # how many of the newest other drops to check


class Books(Struct, frozen=True):
    allotted: int
    available: int
    held: int
    sold: int
    burned: int


class DropBooks(Struct, frozen=True):
    """Both sides, as the service compares them."""

    drop_id: str
    redis: Books
    sql: Books
    lag_entries: int
    ok: bool


class Order(OrderRow, frozen=True):
    """An order, and when it was made, by the service's clock."""

    drop_id: str
    created_ms: int


class Stand(Struct, frozen=True):
    """The final state of a drop. `books` is None if they could not be read; `trouble` says why.
    `settled`: SQL had the whole log, and nothing changed while the orders were read."""

    books: DropBooks | None
    orders: dict[str, Order] = field(default_factory=dict)
    settled: bool = False
    trouble: str = ""


class PublishedLine(Struct, frozen=True):
    """What everybody may see of a line in the end: the order follows from it."""

    state: str
    commitment: str
    seed: str
    n0: int | None
    closing_id: str
    people: int
    serving: int


class Said(Struct, frozen=True):
    """`others`: faults in the books of drops that the test did not make."""

    stands: dict[str, Stand]
    others: list[str]
    others_seen: int
    lines: dict[str, PublishedLine] = {}


class Interview:
    """Reads with an operator's token."""

    def __init__(self, line: Line, token: str, time: Time) -> None:
        self._line, self._token, self._time = line, token, time

    async def ask(
        self, drop_ids: Collection[str], settle_s: float, in_line: Collection[str] = ()
    ) -> Said:
        """Wait at most `settle_s` for SQL to catch up, then read everything; `in_line` are drops
        with a line."""
        deadline_ms = self._time.now_ms() + settle_s * 1000
        stands = {drop_id: await self._settle(drop_id, deadline_ms) for drop_id in drop_ids}
        others = [drop_id for drop_id in await self._newest() if drop_id not in stands]
        wrong = [trouble for drop_id in others if (trouble := await self._trouble_of(drop_id))]
        lines = {}
        for drop_id in in_line:
            shown = await self._line.ask("line", "GET", f"/v1/drops/{drop_id}/line")
            if shown.good:
                lines[drop_id] = msgspec.convert(shown.body, PublishedLine)
        return Said(stands, wrong, len(others), lines)

    async def _settle(self, drop_id: str, deadline_ms: float) -> Stand:
        while True:
            before, trouble = await self._books(drop_id)
            late = self._time.now_ms() >= deadline_ms
            quiet = before is not None and before.ok and before.lag_entries == 0
            if quiet or late:
                orders, missing = await self._orders(drop_id)
                after, _ = await self._books(drop_id)
                settled = quiet and before == after and not missing
                if settled or late:
                    return Stand(after or before, orders, settled, trouble or missing)
            await self._time.sleep(LOOK_EVERY_S)

    async def _trouble_of(self, drop_id: str) -> str:
        books, trouble = await self._books(drop_id)
        if books is None:
            return f"{drop_id}: {trouble}"
        return "" if books.ok else f"{drop_id}: SQL and the log do not add up to Redis: {books}"

    async def _books(self, drop_id: str) -> tuple[DropBooks | None, str]:
        answer = await self._get(f"drops/{drop_id}/books")
        if not answer.good:
            return None, f"its books gave {answer.status or 'no answer'} {answer.code}"
        return msgspec.convert(answer.body, DropBooks), ""

    async def _orders(self, drop_id: str) -> tuple[dict[str, Order], str]:
        """All orders of a drop; and why some could not be read, or an empty string."""
        found: dict[str, Order] = {}
        after = ""
        while True:
            answer = await self._get(f"drops/{drop_id}/orders?limit={PAGE}&after={after}")
            if not answer.good:
                return found, f"its orders gave {answer.status or 'no answer'} {answer.code}"
            for shown in answer.body["orders"]:
                order = msgspec.convert(
                    {**shown, "state": shown["status"], "drop_id": drop_id}, Order
                )
                found[order.order_id] = order
            after = answer.body["next"]
            if not after:
                return found, ""

    async def _newest(self) -> list[str]:
        found: list[str] = []
        after = ""
        while len(found) < OTHERS:
            answer = await self._get(f"drops?limit=100&after={after}")
            if not answer.good:
                break
            found += [drop["drop_id"] for drop in answer.body["drops"]]
            after = answer.body["next"]
            if not after:
                break
        return found

    async def _get(self, path: str) -> Answer:
        """GET; repeat a few times while the service asks to slow down."""
        for _ in range(3):
            answer = await self._line.ask("admin", "GET", f"/v1/admin/{path}", token=self._token)
            if answer.status != 429:
                break
            await self._time.sleep(max(1.0, answer.retry_after_s))
        return answer
