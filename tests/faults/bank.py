"""The bank of the suite: it takes money, and tells the service until it has an answer."""

import asyncio
import time
from contextlib import suppress
from typing import Protocol

from redis.exceptions import RedisError

from stock.errors import StockError
from stock.gateway import RedisEngine
from stock.model import ConfirmCode
from tests.faults.history import History, Payment
from tests.faults.shop import Shop

PATIENCE_S = 30.0
PAY = "/v1/payments/simulated/{reservation_id}"
_RESULTS = {name: name.upper() for name in ("sold", "late_sold", "replayed", "refund_due")}
_REFUSALS = {"amount_mismatch": "MISMATCH", "unknown_reservation": "UNKNOWN"}


class PaymentIntake(Protocol):
    """How a payment reaches the service."""

    async def tell(self, payment: Payment) -> str:
        """The code of `stock.model.ConfirmCode` that it was answered, or nothing."""
        ...


class EngineIntake:
    """Straight to the engine, as a gateway's verified callback does."""

    def __init__(self, engine: RedisEngine) -> None:
        self._engine = engine

    async def tell(self, payment: Payment) -> str:
        try:
            outcome = await self._engine.confirm(
                payment.rid, payment.payment_id, payment.amount_fen
            )
        except StockError:
            return ""
        if outcome.code is ConfirmCode.FENCED:
            await self._learn_epochs()
            return ""
        return outcome.code.value

    async def _learn_epochs(self) -> None:
        """As a process that is started anew does."""
        keyspace = self._engine.keyspace
        for partition in range(keyspace.partitions):
            with suppress(RedisError, OSError):
                epoch = await self._engine.redis.get(keyspace.epoch(partition))
                self._engine.epochs[partition] = int(str(epoch or 0))


class HttpIntake:
    """Through the simulated bank of the service, whose word has the effect of a callback."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    async def tell(self, payment: Payment) -> str:
        body = {
            "outcome": "paid",
            "transaction_id": payment.payment_id,
            "amount_fen": payment.amount_fen,
        }
        told = await self._shop.ask("POST", PAY.format(reservation_id=payment.rid), "", body)
        if told.code == "ok":
            assert "result" in told.body, f"this is no answer of the bank to {payment}: {told}"
            return _RESULTS.get(str(told.body["result"]), "UNKNOWN")
        return _REFUSALS.get(told.code, "")


async def find_intake(shop: Shop, engine: RedisEngine) -> PaymentIntake:
    """Over HTTP where the service takes payments, else straight to its engine."""
    while True:
        told = await shop.ask("GET", "/openapi.json", "")
        if told.code == "ok":
            return HttpIntake(shop) if PAY in told.body["paths"] else EngineIntake(engine)
        await asyncio.sleep(0.1)


class Bank:
    """Writes every payment into the history, with what became of it."""

    def __init__(self, intake: PaymentIntake, history: History) -> None:
        self.intake = intake
        self._history = history
        self.waiting = 0  # payments that the service has not answered yet
        self._taken = 0
        self.trouble: list[str] = []

    async def pay(self, rid: str, amount_fen: int) -> Payment:
        """Take money for a reservation, and tell the service until it answers."""
        self._taken += 1
        payment = Payment(f"pay-{self._taken}-{rid[-16:]}", rid, amount_fen, _now_ms())
        self._history.payments.append(payment)
        self.waiting += 1
        try:
            await self._insist(payment)
        finally:
            self.waiting -= 1
        return payment

    async def _insist(self, payment: Payment) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not payment.result and time.monotonic() < deadline:
            result = await self.intake.tell(payment)
            if result:
                payment.result, payment.answered_ms = result, _now_ms()
                break
            await asyncio.sleep(0.1)

    async def repeat(self, payment: Payment) -> None:
        """Say once more what was said. What was answered first stands."""
        result = await self.intake.tell(payment)
        first = payment.result
        same = {"SOLD": "REPLAYED", "LATE_SOLD": "REPLAYED"}.get(first, first)
        if first and result not in ("", same):
            self.trouble.append(f"{payment.payment_id} was answered {first}, then {result}")


def _now_ms() -> float:
    return time.time_ns() / 1e6
