"""The demo's bank: takes the money and confirms the sale, on a connection of its own."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from livesale.demo.wire import Bill
from stock.engine import Engine
from stock.errors import StockError
from stock.model import ConfirmCode

TELLERS = 8
TRIES = 20
SAYS_IT_AGAIN = 20  # every so many payments the bank says the same thing twice, as banks do

SOLD = {ConfirmCode.SOLD, ConfirmCode.LATE_SOLD}


class Bank:
    """Counts what came of each payment; `paid` are the rids whose goods are bought."""

    def __init__(self, engine: Engine, results: Counter[str]) -> None:
        self.paid: set[str] = set()
        self.results = results
        self._engine = engine
        self._bills: asyncio.Queue[Bill] = asyncio.Queue()
        self._taken = 0

    def take(self, bills: list[Bill]) -> None:
        for bill in bills:
            self._bills.put_nowait(bill)

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """The tellers; each serves until cancelled."""
        return [self._serve() for _ in range(TELLERS)]

    async def settle(self) -> None:
        """Wait until every payment taken so far has its answer."""
        await self._bills.join()

    async def _serve(self) -> None:
        while True:
            bill = await self._bills.get()
            self._taken += 1
            payment_id = f"demo-{secrets.token_hex(12)}"
            for _ in range(2 if self._taken % SAYS_IT_AGAIN == 0 else 1):
                await self._confirm(bill, payment_id)
            self._bills.task_done()

    async def _confirm(self, bill: Bill, payment_id: str) -> None:
        for _ in range(TRIES):
            try:
                outcome = await self._engine.confirm(bill.rid, payment_id, bill.amount_fen)
            except StockError:
                # Whether it took effect or not: the same payment again has one effect.
                self.results["asked again"] += 1
                await asyncio.sleep(0.1)
                continue
            self.results[outcome.code.lower()] += 1
            if outcome.code in SOLD:
                self.paid.add(bill.rid)
            return
        self.results["no answer"] += 1
