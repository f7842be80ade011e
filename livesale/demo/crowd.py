"""One process of the crowd: many buyers, each with a character, all through HTTP.

Reads its job from stdin, reports on stdout. Latency counts from the moment a buyer wants an answer,
waiting for a free connection included.
"""

import asyncio
import random
import signal
import sys
import time
from collections import Counter

import msgspec
import uvloop
from msgspec import Struct

from livesale.demo.client import Answer, Lost, Pool, Refused
from livesale.demo.options import HOLD_MS
from livesale.demo.pipe import frame, read_frame
from livesale.demo.plan import Buyer
from livesale.demo.wire import Bill, Job, Report, Word
from loadtests.checks import Ack, Unknown
from stock.ids import keyed_rid

REPORT_EVERY_S = 0.05
PATIENCE_S = (0.4, 1.0)  # a patient buyer looks again after so long
MAX_TRIES_OF_ONE = 20  # of one request that got no answer, or was told to come back


class Held(Struct):
    reservation_id: str
    expires_ms: int
    amount_fen: int


class Problem(Struct):
    code: str = "?"


class Tried(Struct):
    """What came of a request: `code` is held, replayed, a problem's code, lost or refused."""

    code: str
    held: Held | None = None
    retry_after_s: float = 0.0


_held = msgspec.json.Decoder(Held)
_problem = msgspec.json.Decoder(Problem)


class Crowd:
    """All buyers of this process."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.all_sold = False
        self._pool = Pool(job.host, job.port, job.connections)
        self._chance = random.Random(job.seed)
        self._clock_offset_s = job.opens_ms / 1000 - time.time() + time.monotonic()
        self._here = len(job.buyers)
        self._report = _empty_report()
        self._answers: Counter[str] = Counter()

    async def play(self) -> None:
        """Until everybody has left."""
        await asyncio.gather(*(self._live_and_leave(buyer) for buyer in self.job.buyers))
        self._pool.close()

    def take_report(self, *, over: bool = False) -> Report:
        report, self._report = self._report, _empty_report()
        report.answers, self._answers = dict(self._answers), Counter()
        report.here, report.over = self._here, over
        return report

    async def _live_and_leave(self, buyer: Buyer) -> None:
        try:
            await self._live(buyer)
        finally:
            self._here -= 1

    async def _live(self, buyer: Buyer) -> None:
        if buyer.early_s is not None:
            await self._until(-buyer.early_s)
            await self._insist(buyer, buyer.quantity, "early" if buyer.keyed else None)
        await self._until(buyer.at_s)
        quantity, walks_away = buyer.quantity, buyer.walks_away
        number = 0
        while self._now_s() < self.job.last_s:
            number += 1
            key = f"try-{number}" if buyer.keyed else None
            tried = await self._insist(buyer, quantity, key)
            if tried.held is not None:
                if not walks_away:
                    await self._pay(buyer, tried.held)
                    return
                walks_away = False
                await asyncio.sleep(HOLD_MS / 1000)
            if tried.code not in ("held", "replayed", "sold_out"):
                return
            if not buyer.patient:
                return
            if self.all_sold:
                break
            quantity = 1  # whatever is left
            await asyncio.sleep(self._chance.uniform(*PATIENCE_S))
        self._report.empty_handed += buyer.patient

    async def _pay(self, buyer: Buyer, held: Held) -> None:
        await asyncio.sleep(buyer.pays_after_s)
        self._report.bills.append(Bill(held.reservation_id, held.amount_fen))

    async def _insist(self, buyer: Buyer, quantity: int, key: str | None) -> Tried:
        """Ask, in the buyer's way, and again with the same key while there is no clear answer."""
        if buyer.doubles and key is not None:
            tried = self._same(
                await asyncio.gather(*(self._settle(buyer, quantity, key) for _ in range(2)))
            )
        else:
            tried = await self._settle(buyer, quantity, key)
        if buyer.repeats and key is not None and tried.code == "held":
            again = await self._settle(buyer, quantity, key)
            self._same([tried, again])
            if again.code != "replayed":
                self._odd(f"a replay of {tried.held} was answered {again.code}")
        return tried

    async def _settle(self, buyer: Buyer, quantity: int, key: str | None) -> Tried:
        unknown = False
        for _ in range(MAX_TRIES_OF_ONE):
            tried = await self._try(buyer, quantity, key)
            unknown = unknown or tried.code in ("lost", "outcome_unknown")
            if tried.held is not None or (unknown and key is None):
                break
            if tried.code not in ("lost", "refused", "outcome_unknown", "overloaded", "slow_down"):
                unknown = False  # the key is known, and so is its answer
                break
            await asyncio.sleep(tried.retry_after_s * self._chance.uniform(0.1, 1) + 0.05)
        if unknown and tried.held is None:
            rid = keyed_rid(self.job.drop_id, buyer.buyer_id, key) if key else ""
            self._report.unknowns.append(Unknown(buyer.buyer_id, quantity, rid))
        return tried

    async def _try(self, buyer: Buyer, quantity: int, key: str | None) -> Tried:
        wanted = time.perf_counter_ns()
        try:
            answer = await self._pool.ask(self._request(buyer, quantity, key))
        except Refused:
            self._answers["refused"] += 1
            return Tried("refused")
        except Lost:
            self._answers["lost"] += 1
            return Tried("lost")
        self._report.latencies_us.append((time.perf_counter_ns() - wanted) // 1000)
        tried = read_answer(answer)
        self._answers[f"{answer.status} {tried.code}"] += 1
        if answer.status == 201 and tried.held is not None:
            held = tried.held
            reserved_ms = held.expires_ms - HOLD_MS
            ack = Ack(held.reservation_id, buyer.buyer_id, quantity, held.amount_fen, reserved_ms)
            self._report.acks.append(ack)
        return tried

    def _request(self, buyer: Buyer, quantity: int, key: str | None) -> bytes:
        body = b'{"quantity":%d}' % quantity
        key_line = f"Idempotency-Key: {key}\r\n" if key else ""
        head = (
            f"POST /v1/drops/{self.job.drop_id}/reservations HTTP/1.1\r\n"
            f"Host: {self.job.host}:{self.job.port}\r\n"
            f"Authorization: Bearer {buyer.token}\r\n"
            f"{key_line}"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _same(self, answers: list[Tried]) -> Tried:
        """The better of the answers to one key, which must not contradict each other."""
        rids = {tried.held.reservation_id for tried in answers if tried.held is not None}
        if len(rids) > 1:
            self._odd(f"one key gave {len(rids)} reservations: {sorted(rids)}")
        return min(answers, key=lambda tried: (tried.held is None, tried.code != "held"))

    def _odd(self, what: str) -> None:
        self._report.oddities.append(what)

    def _now_s(self) -> float:
        return time.monotonic() - self._clock_offset_s

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(at_s - self._now_s())


def read_answer(answer: Answer) -> Tried:
    """What an answer means to a buyer."""
    try:
        if answer.status in (200, 201):
            return Tried("held" if answer.status == 201 else "replayed", _held.decode(answer.body))
        code = _problem.decode(answer.body).code
    except msgspec.MsgspecError:
        return Tried("unreadable")
    retry_after = answer.headers.get(b"retry-after", b"0")
    return Tried(code, None, float(retry_after) if retry_after.isdigit() else 0.0)


def _empty_report() -> Report:
    return Report({}, [], [], [], [], [])


async def main() -> None:
    """Play the job that comes on stdin, report on stdout, end when stdin does."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, sys.stdout
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    job = await read_frame(reader, Job)
    if job is None:
        return
    crowd = Crowd(job)

    async def listen() -> None:
        while (word := await read_frame(reader, Word)) is not None:
            crowd.all_sold = word.all_sold

    async def report() -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            writer.write(frame(crowd.take_report()))
            await writer.drain()

    tasks = [asyncio.create_task(listen()), asyncio.create_task(report())]
    await crowd.play()
    for task in tasks:
        task.cancel()
    writer.write(frame(crowd.take_report(over=True)))
    await writer.drain()
    writer.close()


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # sent to everybody: the demo ends its crowd itself
    uvloop.run(main())
