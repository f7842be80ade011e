"""The demo's bank: takes payments and confirms them with the engine."""

import asyncio
import secrets
from collections.abc import Coroutine
from typing import Any

from loadtests.history import Held, History, Paid
from stock.engine import Engine
from stock.errors import StockError

TELLERS = 8
TRIES = 20
SAYS_IT_AGAIN = 20  # the bank sends one notification in so many twice, as banks do


class Bank:
    """Confirms payments, and notes each result."""

    def __init__(self, engine: Engine, history: History) -> None:
        self._engine = engine
        self._history = history
        self._bills: asyncio.Queue[Held] = asyncio.Queue()
        self._taken = 0

    def take(self, held: Held) -> None:
        """Queue a payment for a hold."""
        self._bills.put_nowait(held)

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """The tellers; each serves until cancelled."""
        return [self._serve() for _ in range(TELLERS)]

    async def settle(self) -> None:
        """Wait until every payment taken so far has its answer."""
        await self._bills.join()

    async def _serve(self) -> None:
        while True:
            held = await self._bills.get()
            self._taken += 1
            payment_id = f"demo-{secrets.token_hex(12)}"
            for _ in range(2 if self._taken % SAYS_IT_AGAIN == 0 else 1):
                self._history.note(Paid(held.rid, await self._confirm(held, payment_id)))
            self._bills.task_done()

    async def _confirm(self, held: Held, payment_id: str) -> str:
        """Returns the engine's answer. Retries faults: a repeated payment has one effect."""
        for _ in range(TRIES):
            try:
                outcome = await self._engine.confirm(held.rid, payment_id, held.amount_fen)
            except StockError:
                await asyncio.sleep(0.1)
                continue
            return outcome.code.lower()
        return "lost"
