"""The sold-out flag: silent while it may be, never wrong for longer, never wrong to a retry."""

import asyncio
from collections.abc import Sequence

import pytest

from stock.batcher import Batcher
from stock.errors import OutcomeUnknown, Overloaded
from stock.ids import keyed_rid, random_rid
from stock.model import Attempt, BatchOutcome, DropTerms, ReserveCode
from stock.soldout import SoldOut
from stock.twin import TwinEngine
from tests.waiting import until

DROP = "shoes"


class CountingEngine(TwinEngine):
    """The twin, counting the attempts that reach it, with a wire that can be held up or cut."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.cut = False

    async def reserve(self, drop_id: str, attempts: Sequence[Attempt]) -> BatchOutcome:
        self.seen += len(attempts)
        await self.gate.wait()
        if self.cut:
            raise OutcomeUnknown("cut")
        return await super().reserve(drop_id, attempts)


class Shop:
    """A drop of two units behind a flag that lives, by default, longer than any test."""

    def __init__(self, lifetime_ms: int = 3_600_000) -> None:
        self.engine = CountingEngine()
        self.batcher = Batcher(self.engine)
        self.soldout = SoldOut(self.batcher, self.engine.buyers, sold_out_ms=lifetime_ms)

    async def open(self, allotted: int = 2) -> None:
        terms = DropTerms(0, 9 * 10**12, 60_000, 2, 100, allotted)
        await self.engine.open_drop(DROP, terms)

    async def buy(self, buyer: str, quantity: int = 1) -> str:
        one = Attempt(random_rid(DROP), buyer, quantity)
        return (await self.soldout.reserve(DROP, one, keyed=False)).code

    async def buy_by_key(self, buyer: str, key: str) -> str:
        one = Attempt(keyed_rid(DROP, buyer, key), buyer, 1)
        return (await self.soldout.reserve(DROP, one, keyed=True)).code

    async def sell_out(self) -> None:
        assert await self.buy("ann", 2) == "HELD"
        assert await self.buy("bob") == "SOLD_OUT"
        await self.settle()

    def outlive(self) -> None:
        """As if the flag's lifetime had passed."""
        self.soldout._flags[DROP].until = 0.0

    async def settle(self) -> None:
        """Let the names of the buyers be read."""
        for _ in range(10):
            await asyncio.sleep(0)


async def test_after_the_last_unit_nobody_asks_redis() -> None:
    shop = Shop()
    await shop.open()
    await shop.sell_out()
    seen = shop.engine.seen

    assert [await shop.buy(f"buyer{n}") for n in range(100)] == ["SOLD_OUT"] * 100

    assert shop.engine.seen == seen
    assert shop.soldout.answered >= 100


async def test_the_flag_lives_from_the_sending_of_the_batch() -> None:
    shop = Shop(200)
    await shop.open()
    sent: list[float] = []
    shop.batcher.listeners.append(lambda _drop_id, sent_at, _answer: sent.append(sent_at))

    await shop.sell_out()

    assert shop.soldout._flags[DROP].until == sent[0] + 0.2


async def test_the_flag_ends_and_one_probe_finds_units_that_came_back() -> None:
    shop = Shop()
    await shop.open()
    await shop.sell_out()
    claim = next(iter(shop.engine._drops[DROP].reservations.values()))
    await shop.engine.release(claim.rid, "ann")

    shop.outlive()

    assert [await shop.buy("cat"), await shop.buy("dan"), await shop.buy("eve")] == [
        *("HELD", "HELD", "SOLD_OUT")
    ]


async def test_one_probe_at_a_time_and_the_others_hear_its_answer() -> None:
    shop = Shop()
    await shop.open()
    await shop.sell_out()
    shop.outlive()
    seen = shop.engine.seen
    shop.engine.gate.clear()

    crowd = [asyncio.create_task(shop.buy(f"buyer{n}")) for n in range(50)]
    await shop.settle()
    assert shop.engine.seen == seen + 1
    shop.engine.gate.set()

    assert await asyncio.gather(*crowd) == ["SOLD_OUT"] * 50
    assert shop.engine.seen == seen + 1


async def test_when_the_probe_finds_units_those_behind_it_get_them() -> None:
    shop = Shop()
    await shop.open()
    await shop.sell_out()
    shop.outlive()
    await shop.engine.adjust_drop(DROP, "a", 3, "found")

    got = await asyncio.gather(*[shop.buy(f"buyer{n}") for n in range(5)])

    assert sorted(got) == ["HELD", "HELD", "HELD", "SOLD_OUT", "SOLD_OUT"]


async def test_a_probe_that_fails_tells_the_others_that_nothing_was_sent() -> None:
    shop = Shop()
    await shop.open()
    await shop.sell_out()
    shop.outlive()
    shop.engine.cut = True

    got = await asyncio.gather(*[shop.buy(f"buyer{n}") for n in range(3)], return_exceptions=True)

    assert [type(one) for one in got] == [OutcomeUnknown, Overloaded, Overloaded]
    shop.engine.cut = False
    assert await shop.buy("zoe") == "SOLD_OUT"


async def test_a_retry_gets_its_first_answer_and_not_the_flag() -> None:
    """Its reservation was made by another worker: here, on the engine itself."""
    shop = Shop()
    await shop.open()
    first = Attempt(keyed_rid(DROP, "ann", "k1"), "ann", 2)
    await shop.engine.reserve(DROP, [first])
    assert await shop.buy("bob") == "SOLD_OUT"

    before = await shop.soldout.reserve(DROP, first, keyed=True)
    await shop.settle()
    after = await shop.soldout.reserve(DROP, first, keyed=True)

    assert [before.code, after.code] == [ReserveCode.REPLAYED] * 2


async def test_keyed_attempts_of_newcomers_are_answered_without_redis() -> None:
    shop = Shop()
    await shop.open()
    await shop.sell_out()
    seen = shop.engine.seen

    assert await shop.buy_by_key("cat", "k1") == "SOLD_OUT"
    assert await shop.buy_by_key("dan", "k1") == "SOLD_OUT"
    assert shop.engine.seen == seen
    # Ann holds units: whatever she asks with a key may be a retry.
    assert await shop.buy_by_key("ann", "k2") == "OVER_LIMIT"
    assert shop.engine.seen == seen + 1


async def test_a_sale_of_another_worker_sends_keyed_attempts_to_redis() -> None:
    shop = Shop()
    await shop.open()
    await shop.sell_out()
    shop.soldout._flags[DROP].rests_until = float("inf")  # the names are not read again
    await shop.engine.adjust_drop(DROP, "a", 1, "found")
    first = Attempt(keyed_rid(DROP, "cat", "k1"), "cat", 1)
    await shop.engine.reserve(DROP, [first])
    shop.outlive()

    assert await shop.buy("dan") == "SOLD_OUT"
    assert (await shop.soldout.reserve(DROP, first, keyed=True)).code == "REPLAYED"


async def test_a_sale_of_its_own_keeps_it_sure_without_reading_the_names_again() -> None:
    shop = Shop()
    await shop.open()
    await shop.sell_out()
    shop.soldout._flags[DROP].rests_until = float("inf")
    await shop.engine.adjust_drop(DROP, "a", 1, "found")
    shop.outlive()

    assert await shop.buy_by_key("cat", "k1") == "HELD"
    seen = shop.engine.seen
    assert await shop.buy_by_key("dan", "k1") == "SOLD_OUT"
    assert shop.engine.seen == seen
    assert await shop.buy_by_key("cat", "k1") == "REPLAYED"


async def test_who_is_taken_for_a_buyer_is_asked_about() -> None:
    shop = Shop()
    await shop.open()
    await shop.sell_out()
    seen = shop.engine.seen
    shop.soldout._flags[DROP].names.add("cat")  # as a name that collides would

    assert await shop.buy_by_key("cat", "k1") == "SOLD_OUT"
    assert shop.engine.seen == seen + 1


async def test_a_drop_may_have_any_number_of_buyers() -> None:
    shop = Shop()
    count = 60_000
    await shop.open(allotted=count)
    for first in range(0, count, 250):
        batch = [Attempt(random_rid(DROP), f"b{n}", 1) for n in range(first, first + 250)]
        await shop.engine.reserve(DROP, batch)
    assert await shop.buy("ann") == "SOLD_OUT"
    flag = shop.soldout._flags[DROP]
    await until(lambda: flag.filled == count)
    seen = shop.engine.seen

    assert [flag.surely_new(f"b{n}") for n in range(count)] == [False] * count
    got = [await shop.buy_by_key(f"c{n}", "k1") for n in range(2_000)]

    assert got == ["SOLD_OUT"] * 2_000
    assert shop.engine.seen - seen < 40  # one in 250 is taken for a buyer


@pytest.mark.parametrize("verb", ["pause_drop", "close_drop"])
async def test_a_drop_that_does_not_sell_is_not_called_sold_out(verb: str) -> None:
    shop = Shop()
    await shop.open()
    await shop.sell_out()
    await getattr(shop.engine, verb)(DROP)
    shop.outlive()

    code = await shop.buy("cat")

    assert code == {"pause_drop": "PAUSED", "close_drop": "CLOSED"}[verb]
    assert DROP not in shop.soldout._flags


async def test_a_drop_that_never_had_units_is_not_open_before_its_time() -> None:
    shop = Shop()
    future = DropTerms(8 * 10**12, 9 * 10**12, 60_000, 2, 100, 0)
    await shop.engine.open_drop(DROP, future)

    assert [await shop.buy("ann"), await shop.buy("bob")] == ["NOT_OPEN"] * 2


async def test_too_few_for_one_is_not_sold_out_for_a_smaller_one() -> None:
    shop = Shop()
    await shop.open(allotted=1)

    assert [await shop.buy("ann", 2), await shop.buy("bob", 1)] == ["SOLD_OUT", "HELD"]


async def test_a_lifetime_of_zero_switches_the_flag_off() -> None:
    shop = Shop(0)
    await shop.open()
    await shop.sell_out()
    seen = shop.engine.seen

    assert await shop.buy("cat") == "SOLD_OUT"
    assert shop.engine.seen == seen + 1


async def test_a_next_probe_may_start_before_those_behind_the_last_one_wake() -> None:
    """The answer of the first probe is too old at once: its waiters meet a second, pending one."""
    shop = Shop()
    await shop.open()
    await shop.sell_out()
    shop.outlive()
    shop.engine.gate.clear()
    first = asyncio.create_task(shop.buy("ann"))
    await shop.settle()
    behind = [asyncio.create_task(shop.buy(f"buyer{n}")) for n in range(3)]
    await shop.settle()
    flag = shop.soldout._flags[DROP]
    flag.probe.add_done_callback(lambda _: setattr(flag, "probe", second))
    second = asyncio.get_running_loop().create_future()  # a probe that is still on its way

    shop.engine.gate.set()

    assert await asyncio.gather(first, *behind) == ["OVER_LIMIT", *["SOLD_OUT"] * 3]
