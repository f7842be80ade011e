"""What every engine does: the same tests run against the real scripts and the twin.

`World.state` folds the log each time it is asked and compares it with books and reservations, so
every test here is a test of I1 and I2 as well.
"""

import pytest
from msgspec.structs import replace

from stock.books import Books
from stock.entries import Adjusted, Granted, TakenBack
from stock.errors import FencedOff, ScriptRefused
from stock.ids import random_rid
from stock.model import (
    MAX_UNITS,
    AdjustCode,
    ArchiveCode,
    Attempt,
    ConfirmCode,
    DropState,
    Fate,
    Grant,
    GrantCode,
    HoldState,
    OpenCode,
    ReleaseCode,
    Reservation,
    ReserveCode,
    StateCode,
    TakeBack,
    TakeBackCode,
    Ticket,
)
from tests.stock.conftest import NOON, World, terms

DROP = "shoes"


def attempt(name: str, buyer: str = "ann", quantity: int = 1) -> Attempt:
    return Attempt(f"{DROP}-{name:x<16}", buyer, quantity)


async def codes(world: World, *attempts: Attempt) -> list[str]:
    return [outcome.code for outcome in (await world.engine.reserve(DROP, attempts)).outcomes]


async def hold(world: World, name: str, buyer: str = "ann", quantity: int = 1) -> str:
    one = attempt(name, buyer, quantity)
    assert await codes(world, one) == ["HELD"]
    return one.rid


# Opening


async def test_a_drop_opens_once_and_again_is_a_replay(world: World) -> None:
    assert await world.engine.open_drop(DROP, terms()) is OpenCode.OPENED
    before = await world.state(DROP)

    assert await world.engine.open_drop(DROP, terms()) is OpenCode.REPLAYED
    assert await world.engine.open_drop(DROP, terms(price_fen=1)) is OpenCode.CONFLICT
    assert await world.state(DROP) == before
    assert before[0] and before[0].terms == terms()


async def test_a_restock_does_not_make_opening_again_a_conflict(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    await world.engine.adjust_drop(DROP, "a", 5, "found a box")

    assert await world.engine.open_drop(DROP, terms()) is OpenCode.REPLAYED
    assert await world.engine.open_drop(DROP, terms(allotted=15)) is OpenCode.CONFLICT


async def test_nothing_is_sold_before_the_opening_or_from_the_closing_on(world: World) -> None:
    await world.engine.open_drop(DROP, terms(opens_ms=NOON + 10, closes_ms=NOON + 20))

    for moment, code in (
        (NOON + 9, "NOT_OPEN"),
        (NOON + 10, "HELD"),
        (NOON + 19, "HELD"),
        (NOON + 20, "CLOSED"),
    ):
        await world.at(moment)
        answer = await world.engine.reserve(DROP, [attempt(f"t{moment}")])
        assert answer.outcomes[0].code == code
        if code == "NOT_OPEN":
            assert answer.outcomes[0].opens_ms == NOON + 10
    snapshot, claims, _ = await world.state(DROP)
    assert snapshot and snapshot.held == len(claims) == 2


async def test_an_unknown_drop_is_said_to_be_unknown_by_every_verb(world: World) -> None:
    rid = attempt("a").rid

    assert await codes(world, attempt("a"), attempt("b")) == ["UNKNOWN_DROP"] * 2
    assert await world.engine.take_back(back(rid)) == (TakeBackCode.UNKNOWN_DROP, 0)
    assert (await world.engine.confirm(rid, "pay1", 9_900)).code is ConfirmCode.UNKNOWN
    assert await grants(world, grant("a"), grant("b")) == ["UNKNOWN_DROP"] * 2
    assert (await world.engine.release(rid, "ann")).code is ReleaseCode.UNKNOWN
    assert await world.engine.expire(DROP, [rid]) == 0
    assert (await world.engine.adjust_drop(DROP, "a", 1, "x"))[0] is AdjustCode.UNKNOWN_DROP
    for change in (world.engine.pause_drop, world.engine.resume_drop, world.engine.close_drop):
        assert await change(DROP) is StateCode.UNKNOWN_DROP
    assert await world.engine.snapshot(DROP) is None
    assert await world.engine.reservation(rid) is None
    assert await world.entries() == []


# Reserving


async def test_a_hold_takes_units_for_a_time_at_the_price_of_the_drop(world: World) -> None:
    await world.engine.open_drop(DROP, terms())

    answer = await world.engine.reserve(DROP, [attempt("a", "ann", 2)])

    claim = answer.outcomes[0].reservation
    assert claim
    assert (claim.state, claim.quantity, claim.amount_fen) == (HoldState.HELD, 2, 19_800)
    assert claim.expires_ms == NOON + 60_000
    assert (answer.remaining, answer.outcomes[0].remaining, answer.buyers) == (8, 8, 1)
    assert answer.now_ms == NOON


async def test_one_batch_is_answered_in_order_and_leaves_one_entry(world: World) -> None:
    """Replay, conflict, limit and a smaller one behind one too large, all inside one call."""
    await world.engine.open_drop(DROP, terms(allotted=4))
    same = attempt("a", "ann", 2)

    got = await codes(
        world,
        same,
        same,  # the same rid again
        Attempt(same.rid, "ann", 1),  # the same rid, another payload
        Attempt(same.rid, "bob", 2),  # another buyer's rid
        attempt("b", "ann", 2),  # 2 + 2 > 3
        attempt("c", "bob", 3),  # 2 left
        attempt("d", "bob", 2),  # fits
        attempt("e", "cat", 1),
        attempt("f", "ann", 1),
    )

    assert got == [
        *("HELD", "REPLAYED", "CONFLICT", "CONFLICT", "OVER_LIMIT"),
        *("SOLD_OUT", "HELD", "SOLD_OUT", "SOLD_OUT"),
    ]
    snapshot, claims, entries = await world.state(DROP)
    assert snapshot and (snapshot.available, snapshot.held) == (0, 4)
    assert {claim.buyer_id: claim.quantity for claim in claims.values()} == {"ann": 2, "bob": 2}
    assert entries == 2  # the opening and one for the whole batch


async def test_a_batch_in_which_nobody_gets_anything_changes_nothing(world: World) -> None:
    await world.engine.open_drop(DROP, terms(allotted=0))
    before = await world.state(DROP)

    assert await codes(world, attempt("a"), attempt("b", "bob")) == ["SOLD_OUT"] * 2

    assert await world.state(DROP) == before


async def test_a_full_batch_is_one_step_and_one_more_is_refused(world: World) -> None:
    await world.engine.open_drop(DROP, terms(allotted=100))
    batch = [attempt(f"n{n}", f"buyer{n}") for n in range(256)]

    got = await codes(world, *batch)

    assert got == ["HELD"] * 100 + ["SOLD_OUT"] * 156
    snapshot, _, entries = await world.state(DROP)
    assert snapshot and (snapshot.held, snapshot.buyers, entries) == (100, 100, 2)
    for wrong in ([], [*batch, attempt("x")]):
        with pytest.raises(ValueError, match="1 to 256 attempts"):
            await world.engine.reserve(DROP, wrong)


async def test_a_replay_gives_the_first_answer_whatever_came_after(world: World) -> None:
    await world.engine.open_drop(DROP, terms(allotted=1))
    rid = await hold(world, "a")
    first = await world.engine.reservation(rid)

    for change in (world.engine.pause_drop, world.engine.resume_drop, world.engine.close_drop):
        await change(DROP)
        again = (await world.engine.reserve(DROP, [attempt("a")])).outcomes[0]
        assert (again.code, again.reservation) == (ReserveCode.REPLAYED, first)
    await world.later(10**8)
    assert await codes(world, attempt("a"), attempt("b")) == ["REPLAYED", "CLOSED"]


async def test_a_buyer_whose_holds_keep_expiring_is_barred(world: World) -> None:
    await world.engine.open_drop(DROP, terms(expired_limit=2))
    for name in ("a", "b"):
        rid = await hold(world, name)
        await world.later(60_000)
        assert await world.engine.expire(DROP, [rid]) == 1

    assert await codes(world, attempt("c"), attempt("d", "bob")) == ["BARRED", "HELD"]
    # A hold that was given back by its buyer does not count.
    await world.engine.release(attempt("d").rid, "bob")
    assert await codes(world, attempt("e", "bob")) == ["HELD"]


async def test_an_expired_limit_of_zero_bars_nobody(world: World) -> None:
    await world.engine.open_drop(DROP, terms(expired_limit=0))
    for name in ("a", "b", "c", "d"):
        rid = await hold(world, name)
        await world.later(60_000)
        assert await world.engine.expire(DROP, [rid]) == 1


# Tickets


def ticket(serial: int, lasts_ms: int = 60_000) -> Ticket:
    return Ticket(NOON * 1_000 + serial, NOON + lasts_ms)


def ticketed(name: str, with_: Ticket | None, buyer: str = "ann", quantity: int = 1) -> Attempt:
    return Attempt(attempt(name).rid, buyer, quantity, with_)


async def test_a_drop_that_sells_by_tickets_refuses_without_one(world: World) -> None:
    await world.engine.open_drop(DROP, terms(ticket_required=True))
    before = await world.state(DROP)

    assert await codes(world, attempt("a"), attempt("b", "bob")) == ["TICKET_REQUIRED"] * 2

    assert await world.state(DROP) == before
    assert before[0] and before[0].terms == terms(ticket_required=True)
    assert await world.engine.open_drop(DROP, terms()) is OpenCode.CONFLICT
    assert await world.engine.open_drop(DROP, terms(ticket_required=True)) is OpenCode.REPLAYED


async def test_a_ticket_reserves_once(world: World) -> None:
    """Within a batch, between batches, and after the hold has ended."""
    await world.engine.open_drop(DROP, terms(ticket_required=True))
    one, two = ticket(1), ticket(2)

    got = await codes(
        world, ticketed("a", one), ticketed("b", one), ticketed("a", one), ticketed("c", one, "bob")
    )

    # The names of the buyers stand in the signature of a ticket: here bob's is another one.
    assert got == ["HELD", "TICKET_USED", "REPLAYED", "HELD"]
    assert await codes(world, ticketed("d", one), ticketed("e", two)) == ["TICKET_USED", "HELD"]
    await world.engine.release(attempt("a").rid, "ann")
    await world.engine.confirm(attempt("e").rid, "pay1", 9_900)
    await world.later(59_000)
    assert await codes(world, ticketed("f", one), ticketed("g", two)) == ["TICKET_USED"] * 2
    snapshot, claims, _ = await world.state(DROP)
    assert snapshot and (snapshot.held, snapshot.sold, len(claims)) == (1, 1, 3)


async def test_a_ticket_of_a_clock_that_was_ahead_spoils_no_other(world: World) -> None:
    # given: the clock is an hour ahead, and somebody uses a ticket of that time
    hour_ms = 3_600_000
    await world.engine.open_drop(DROP, terms(ticket_required=True, closes_ms=NOON + 10 * hour_ms))
    ahead = Ticket((NOON + hour_ms) * 1_000, NOON + hour_ms + 60_000)
    other = Ticket((NOON + hour_ms) * 1_000 + 1, NOON + hour_ms + 60_000)
    await world.at(NOON + hour_ms)
    assert await codes(world, ticketed("a", ahead)) == ["HELD"]
    # when it is set back
    await world.at(NOON + 1_000)
    # then tickets of the present are good, once each, and those of the future are not
    assert await codes(world, ticketed("b", other), ticketed("c", ahead)) == ["TICKET_INVALID"] * 2
    assert await codes(world, ticketed("d", ticket(1)), ticketed("e", ticket(1))) == [
        "HELD",
        "TICKET_USED",
    ]
    await world.state(DROP)


async def test_an_older_ticket_ends_with_a_newer_one(world: World) -> None:
    await world.engine.open_drop(DROP, terms(ticket_required=True))

    got = await codes(world, ticketed("a", ticket(7)), ticketed("b", ticket(6)))

    assert got == ["HELD", "TICKET_USED"]


async def test_a_used_ticket_stays_used_when_its_hold_expires(world: World) -> None:
    await world.engine.open_drop(DROP, terms(ticket_required=True, expired_limit=0))
    long = ticket(1, lasts_ms=10**7)
    assert await codes(world, ticketed("a", long)) == ["HELD"]
    await world.later(60_000)
    assert await world.engine.expire(DROP, [attempt("a").rid]) == 1

    assert await codes(world, ticketed("b", long)) == ["TICKET_USED"]
    assert await codes(world, ticketed("a", long)) == ["REPLAYED"]


async def test_a_ticket_ends_by_the_clock_of_the_engine(world: World) -> None:
    await world.engine.open_drop(DROP, terms(ticket_required=True))
    short = ticket(1, lasts_ms=1_000)
    await world.at(NOON + 1_000)
    assert await codes(world, ticketed("a", short)) == ["TICKET_INVALID"]
    await world.at(NOON + 999)
    assert await codes(world, ticketed("a", short)) == ["HELD"]
    # A retry is answered, whatever has become of the ticket, and with none as well.
    await world.at(NOON + 5_000)
    assert await codes(world, ticketed("a", short), attempt("a")) == ["REPLAYED"] * 2


async def test_a_refused_attempt_uses_no_ticket(world: World) -> None:
    await world.engine.open_drop(DROP, terms(ticket_required=True, buyer_limit=2, allotted=2))
    one = ticket(1)
    assert await codes(world, ticketed("a", one, quantity=3)) == ["OVER_LIMIT"]
    await world.engine.pause_drop(DROP)
    assert await codes(world, ticketed("a", one)) == ["PAUSED"]
    await world.engine.resume_drop(DROP)
    assert await codes(world, ticketed("b", ticket(1), "bob", 2)) == ["HELD"]
    assert await codes(world, ticketed("a", one)) == ["SOLD_OUT"]
    await world.engine.release(attempt("b").rid, "bob")
    assert await codes(world, ticketed("a", one)) == ["HELD"]


async def test_a_drop_without_tickets_takes_no_notice_of_them(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    old = ticket(1, lasts_ms=-1)
    assert await codes(world, ticketed("a", old), ticketed("b", old)) == ["HELD"] * 2


# Paying


async def test_a_payment_of_the_amount_sells_once(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    rid = await hold(world, "a", "ann", 2)

    sold = await world.engine.confirm(rid, "pay1", 19_800)
    after = await world.state(DROP)
    again = await world.engine.confirm(rid, "pay1", 19_800)

    assert (sold.code, again.code) == (ConfirmCode.SOLD, ConfirmCode.REPLAYED)
    assert sold.reservation and sold.reservation.paid_by == "pay1"
    assert again.reservation == sold.reservation
    assert await world.state(DROP) == after
    assert after[0] and (after[0].held, after[0].sold) == (0, 2)
    await world.later(10**7)
    assert rid not in await world.engine.due(world.keyspace.partition_of(DROP), 10)


async def test_a_payment_of_another_amount_changes_nothing(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    rid = await hold(world, "a")
    before = await world.state(DROP)

    for amount in (0, 9_899, 9_901, 19_800):
        assert (await world.engine.confirm(rid, "pay1", amount)).code is ConfirmCode.MISMATCH

    assert await world.state(DROP) == before


async def test_a_second_payment_goes_back_and_is_noted_once(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    rid = await hold(world, "a")
    await world.engine.confirm(rid, "pay1", 9_900)

    first = await world.engine.confirm(rid, "pay2", 9_900)
    after = await world.state(DROP)
    again = await world.engine.confirm(rid, "pay2", 9_900)
    third = await world.engine.confirm(rid, "pay3", 9_900)

    assert [first.code, again.code, third.code] == [ConfirmCode.REFUND_DUE] * 3
    assert first.reservation and first.reservation.refunds == ("pay2",)
    assert third.reservation and third.reservation.refunds == ("pay2", "pay3")
    assert third.reservation.paid_by == "pay1"
    assert (await world.state(DROP))[2] == after[2] + 1  # only pay3 left an entry
    assert (await world.engine.confirm(rid, "pay1", 9_900)).code is ConfirmCode.REPLAYED


@pytest.mark.parametrize("ending", ["expire", "release"])
async def test_late_money_takes_the_stock_again_if_it_is_there(world: World, ending: str) -> None:
    await world.engine.open_drop(DROP, terms(allotted=2))
    rid = await hold(world, "a", "ann", 2)
    await end(world, rid, ending)

    late = await world.engine.confirm(rid, "pay1", 19_800)

    assert late.code is ConfirmCode.LATE_SOLD
    snapshot, claims, _ = await world.state(DROP)
    assert snapshot and (snapshot.available, snapshot.sold) == (0, 2)
    assert claims[rid].state is HoldState.SOLD
    assert (await world.engine.confirm(rid, "pay1", 19_800)).code is ConfirmCode.REPLAYED
    assert await codes(world, attempt("b")) == ["SOLD_OUT"]


@pytest.mark.parametrize("ending", ["expire", "release"])
async def test_late_money_goes_back_when_the_stock_is_gone(world: World, ending: str) -> None:
    await world.engine.open_drop(DROP, terms(allotted=2))
    rid = await hold(world, "a", "ann", 2)
    await end(world, rid, ending)
    await hold(world, "b", "bob", 1)

    late = await world.engine.confirm(rid, "pay1", 19_800)

    assert late.code is ConfirmCode.REFUND_DUE
    snapshot, claims, _ = await world.state(DROP)
    assert snapshot and (snapshot.available, snapshot.held, snapshot.sold) == (1, 1, 0)
    assert claims[rid].refunds == ("pay1",)
    # Once it is to go back it stays so, even when stock is there again.
    await world.engine.release(attempt("b").rid, "bob")
    assert (await world.engine.confirm(rid, "pay1", 19_800)).code is ConfirmCode.REFUND_DUE


async def test_late_money_never_breaks_the_buyers_limit(world: World) -> None:
    await world.engine.open_drop(DROP, terms(buyer_limit=2))
    rid = await hold(world, "a", "ann", 2)
    await world.engine.release(rid, "ann")
    await hold(world, "b", "ann", 1)

    assert (await world.engine.confirm(rid, "pay1", 19_800)).code is ConfirmCode.REFUND_DUE
    _, claims, _ = await world.state(DROP)
    assert sum(c.quantity for c in claims.values() if c.state is HoldState.HELD) == 1


async def test_what_costs_nothing_is_not_paid(world: World) -> None:
    await world.engine.open_drop(DROP, terms(price_fen=0))
    rid = await hold(world, "a")
    given = await given_to(world, "b")
    before = await world.state(DROP)

    for amount in (0, 1):
        for each in (rid, given):
            assert (await world.engine.confirm(each, "pay1", amount)).code is ConfirmCode.MISMATCH

    assert await world.state(DROP) == before


async def end(world: World, rid: str, how: str) -> None:
    if how == "release":
        assert (await world.engine.release(rid, "ann")).code is ReleaseCode.RELEASED
    else:
        await world.later(60_000)
        assert await world.engine.expire(DROP, [rid]) == 1


async def test_money_for_an_unknown_reservation_changes_nothing(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    before = await world.state(DROP)

    assert (await world.engine.confirm(random_rid(DROP), "p", 9_900)).code is ConfirmCode.UNKNOWN
    assert await world.state(DROP) == before


# Granting


def grant(name: str, buyer: str = "ann", quantity: int = 1) -> Grant:
    return Grant(attempt(name).rid, buyer, quantity)


async def grants(world: World, *wanted: Grant) -> list[str]:
    return [outcome.code for outcome in await world.engine.grant(DROP, "bag 1", wanted)]


async def given_to(world: World, name: str, buyer: str = "bob", quantity: int = 1) -> str:
    one = grant(name, buyer, quantity)
    assert await grants(world, one) == ["GRANTED"]
    return one.rid


@pytest.mark.parametrize("price_fen", [0, 9_900])
async def test_a_grant_is_sold_for_nothing_once(world: World, price_fen: int) -> None:
    await world.engine.open_drop(DROP, terms(price_fen=price_fen, ticket_required=True))

    [first] = await world.engine.grant(DROP, "bag 1", [grant("a", "ann", 2)])
    await world.later(10)
    after = await world.state(DROP)
    [again] = await world.engine.grant(DROP, "bag 1", [grant("a", "ann", 2)])

    assert (first.code, again.code) == (GrantCode.GRANTED, GrantCode.REPLAYED)
    claim = Reservation(grant("a").rid, HoldState.SOLD, "ann", 2, 0, NOON)
    assert first.reservation == again.reservation == claim
    assert await world.state(DROP) == after
    assert after[0] and (after[0].available, after[0].held, after[0].sold) == (8, 0, 2)
    assert [row for entry in await world.entries() for row in entry.rows[-1:]][1:] == [
        Granted(claim.rid, "ann", 2, None, "bag 1")
    ]
    assert await world.engine.due(world.keyspace.partition_of(DROP), 10) == []
    assert (await world.engine.release(claim.rid, "ann")).code is ReleaseCode.ALREADY_SOLD


async def test_grants_are_answered_in_order_and_leave_one_entry(world: World) -> None:
    await world.engine.open_drop(DROP, terms(allotted=5))
    rid = await hold(world, "h", "dan")

    got = await grants(
        world,
        grant("a", "ann", 2),
        grant("a", "ann", 2),
        grant("a", "ann", 1),  # the same rid, another payload
        grant("a", "bob", 2),
        grant("b", "ann", 2),  # 2 + 2 > 3
        grant("c", "bob", 3),  # 2 left
        grant("d", "bob", 1),
        grant("e", "cat", 1),
        grant("f", "cat", 1),
        grant("h", "dan", 1),  # a hold that is to be paid
    )

    assert got == [
        *("GRANTED", "REPLAYED", "CONFLICT", "CONFLICT", "OVER_LIMIT", "SOLD_OUT"),
        *("GRANTED", "GRANTED", "SOLD_OUT", "CONFLICT"),
    ]
    snapshot, claims, entries = await world.state(DROP)
    assert snapshot and (snapshot.available, snapshot.held, snapshot.sold) == (0, 1, 4)
    assert claims[rid].state is HoldState.HELD
    assert (len(claims), entries) == (4, 3)
    assert await grants(world, grant("g", "eve")) == ["SOLD_OUT"]
    assert (await world.state(DROP))[2] == 3
    for wrong in ([], [grant("a")] * 257):
        with pytest.raises(ValueError, match="1 to 256 grants"):
            await world.engine.grant(DROP, "bag 1", wrong)
    for source in ("", "x" * 65):
        with pytest.raises(ValueError, match="1 to 64 characters"):
            await world.engine.grant(DROP, source, [grant("a")])


async def test_a_grant_counts_for_the_buyers_limit(world: World) -> None:
    await world.engine.open_drop(DROP, terms(buyer_limit=2))
    await given_to(world, "a", "ann", 2)
    await hold(world, "b", "bob", 2)

    assert await codes(world, attempt("c", "ann")) == ["OVER_LIMIT"]
    assert await grants(world, grant("d", "bob")) == ["OVER_LIMIT"]


async def test_who_was_refused_a_grant_is_no_buyer(world: World) -> None:
    await world.engine.open_drop(DROP, terms(buyer_limit=2))

    assert await grants(world, grant("a", "ann"), grant("b", "bob", 3)) == ["GRANTED", "OVER_LIMIT"]
    snapshot, _, _ = await world.state(DROP)
    assert snapshot and snapshot.buyers == 1
    assert [name async for name in world.engine.buyers(DROP)] == ["ann"]


async def test_a_grant_keeps_to_the_times_and_the_pause_of_a_drop(world: World) -> None:
    await world.engine.open_drop(DROP, terms(opens_ms=NOON + 10, closes_ms=NOON + 20))

    assert await grants(world, grant("a")) == ["NOT_OPEN"]
    await world.at(NOON + 10)
    rid = await given_to(world, "a")
    await world.engine.pause_drop(DROP)
    assert await grants(world, grant("b"), grant("a", "bob")) == ["PAUSED", "REPLAYED"]
    await world.engine.resume_drop(DROP)
    await world.at(NOON + 20)
    assert await grants(world, grant("b"), grant("a", "bob")) == ["CLOSED", "REPLAYED"]
    await world.engine.close_drop(DROP)
    assert await grants(world, grant("b"), grant("a", "bob")) == ["CLOSED", "REPLAYED"]
    _, claims, _ = await world.state(DROP)
    assert list(claims) == [rid]


async def test_expired_holds_and_tickets_do_not_keep_a_grant_away(world: World) -> None:
    await world.engine.open_drop(DROP, terms(expired_limit=1, ticket_required=True))
    await world.engine.reserve(DROP, [ticketed("a", ticket(1))])
    await end(world, attempt("a").rid, "expire")
    assert await codes(world, ticketed("b", ticket(2))) == ["BARRED"]

    assert await grants(world, grant("c", "ann")) == ["GRANTED"]
    assert await codes(world, ticketed("d", ticket(2))) == ["BARRED"]  # both are remembered


async def test_a_hold_at_price_0_is_granted_by_its_rid(world: World) -> None:
    """Whatever the drop has come to: a hold goes on through a pause and a closing."""
    await world.engine.open_drop(DROP, terms(price_fen=0, allotted=1))
    rid = await hold(world, "a", "ann")
    await world.engine.close_drop(DROP)

    [outcome] = await world.engine.grant(DROP, "bag 1", [grant("a", "ann")])

    assert outcome.code is GrantCode.GRANTED
    snapshot, claims, _ = await world.state(DROP)
    assert snapshot and (snapshot.available, snapshot.held, snapshot.sold) == (0, 0, 1)
    assert claims[rid] == outcome.reservation
    assert claims[rid].state is HoldState.SOLD
    assert claims[rid].expires_ms == NOON + 60_000
    rows = (await world.entries())[-1].rows
    assert rows == (Granted(rid, "ann", 1, HoldState.HELD, "bag 1"),)
    await world.later(10**6)
    assert await world.engine.due(world.keyspace.partition_of(DROP), 10) == []


async def test_a_hold_that_has_ended_is_not_granted(world: World) -> None:
    await world.engine.open_drop(DROP, terms(price_fen=0))
    rid = await hold(world, "a", "ann")
    await end(world, rid, "release")
    before = await world.state(DROP)

    [outcome] = await world.engine.grant(DROP, "bag 1", [grant("a", "ann")])

    assert outcome.code is GrantCode.REPLAYED
    assert outcome.reservation and outcome.reservation.state is HoldState.RELEASED
    assert await world.state(DROP) == before


# Taking back


def back(rid: str, take_id: str = "t1", units: int = 1, fate: Fate = Fate.AVAILABLE) -> TakeBack:
    return TakeBack(rid, take_id, units, fate, "returned; as new|")


async def sold(world: World, name: str = "a", buyer: str = "ann", quantity: int = 2) -> str:
    rid = await hold(world, name, buyer, quantity)
    amount = quantity * 9_900
    assert (await world.engine.confirm(rid, f"p-{name}", amount)).code is ConfirmCode.SOLD
    return rid


@pytest.mark.parametrize(
    ("fate", "books"),
    [(Fate.AVAILABLE, Books(10, 9, 0, 1, 0)), (Fate.BURNED, Books(10, 8, 0, 1, 1))],
)
async def test_a_unit_comes_back_once(world: World, fate: Fate, books: Books) -> None:
    await world.engine.open_drop(DROP, terms())
    rid = await sold(world)

    first = await world.engine.take_back(back(rid, fate=fate))
    after = await world.state(DROP)
    again = await world.engine.take_back(back(rid, fate=fate))

    assert first == (TakeBackCode.TAKEN, books.available)
    assert again == (TakeBackCode.REPLAYED, books.available)
    assert await world.state(DROP) == after
    assert after[0] and after[0].books == books
    assert after[1][rid].state is HoldState.SOLD
    assert (await world.entries())[-1].rows == (
        TakenBack(rid, "ann", 1, "t1", fate, "returned; as new|"),
    )
    # and the same id for anything else is a conflict
    other = Fate.BURNED if fate is Fate.AVAILABLE else Fate.AVAILABLE
    for wrong in (back(rid, units=2, fate=fate), back(rid, fate=other)):
        assert (await world.engine.take_back(wrong))[0] is TakeBackCode.CONFLICT


async def test_no_more_comes_back_than_was_sold(world: World) -> None:
    await world.engine.open_drop(DROP, terms(buyer_limit=3))
    rid, other = await sold(world, quantity=3), await sold(world, "b", "bob")

    assert (await world.engine.take_back(back(rid, "t1", 2)))[0] is TakeBackCode.TAKEN
    assert (await world.engine.take_back(back(rid, "t2", 2)))[0] is TakeBackCode.TOO_MANY
    assert (await world.engine.take_back(back(other, "t1", 2)))[0] is TakeBackCode.CONFLICT
    assert (await world.engine.take_back(back(rid, "t2", 1)))[0] is TakeBackCode.TAKEN
    assert (await world.engine.take_back(back(rid, "t3", 1)))[0] is TakeBackCode.TOO_MANY
    # and its buyer may buy as many again, and no more
    assert await codes(world, attempt("c", "ann", 3), attempt("d", "ann")) == ["HELD", "OVER_LIMIT"]


async def test_only_what_is_sold_comes_back(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    held, ended = await hold(world, "a"), await hold(world, "b")
    await end(world, ended, "release")
    before = await world.state(DROP)

    for rid, code in ((held, "NOT_SOLD"), (ended, "NOT_SOLD"), (attempt("z").rid, "UNKNOWN")):
        assert (await world.engine.take_back(back(rid)))[0] == code
    assert await world.state(DROP) == before
    for wrong in (back(held, units=0), back(held, units=1_001), back(held, "a|b"), back(held, "")):
        with pytest.raises(ValueError, match=r"units come back|not an id"):
            await world.engine.take_back(wrong)


async def test_a_prize_comes_back_too(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    rid = await given_to(world, "a")
    assert (await world.engine.take_back(back(rid)))[0] is TakeBackCode.TAKEN
    snapshot, _, _ = await world.state(DROP)
    assert snapshot and (snapshot.available, snapshot.sold) == (10, 0)


async def test_a_closed_drop_takes_nothing_back(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    rid = await sold(world, quantity=3)
    assert (await world.engine.take_back(back(rid)))[0] is TakeBackCode.TAKEN
    await world.engine.pause_drop(DROP)
    assert (await world.engine.take_back(back(rid, "t2")))[0] is TakeBackCode.TAKEN
    await world.engine.close_drop(DROP)
    before = await world.state(DROP)

    assert (await world.engine.take_back(back(rid, "t2")))[0] is TakeBackCode.REPLAYED
    assert (await world.engine.take_back(back(rid, "t3")))[0] is TakeBackCode.CLOSED
    assert await world.state(DROP) == before


# Giving back


async def test_a_released_hold_is_on_sale_again_once(world: World) -> None:
    await world.engine.open_drop(DROP, terms(allotted=3))
    rid = await hold(world, "a", "ann", 3)
    assert await codes(world, attempt("b", "bob")) == ["SOLD_OUT"]

    first = await world.engine.release(rid, "ann")
    after = await world.state(DROP)
    again = await world.engine.release(rid, "ann")

    assert (first.code, again.code) == (ReleaseCode.RELEASED, ReleaseCode.REPLAYED)
    assert await world.state(DROP) == after
    assert await codes(world, attempt("b", "bob", 3)) == ["HELD"]
    replay = (await world.engine.reserve(DROP, [attempt("a", "ann", 3)])).outcomes[0]
    assert replay.reservation and replay.reservation.state is HoldState.RELEASED


async def test_only_the_owner_releases_and_never_what_is_sold(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    rid = await hold(world, "a")
    before = await world.state(DROP)

    assert (await world.engine.release(rid, "bob")).code is ReleaseCode.UNKNOWN
    assert await world.state(DROP) == before
    await world.engine.confirm(rid, "pay1", 9_900)
    before = await world.state(DROP)
    assert (await world.engine.release(rid, "ann")).code is ReleaseCode.ALREADY_SOLD
    assert await world.state(DROP) == before


async def test_a_hold_expires_at_its_deadline_and_not_before(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    partition = world.keyspace.partition_of(DROP)
    early, late = await hold(world, "a", "ann", 2), None
    await world.later(1)
    late = await hold(world, "b", "bob")
    before = await world.state(DROP)

    await world.at(NOON + 59_999)
    assert await world.engine.due(partition, 10) == []
    assert await world.engine.expire(DROP, [early, late]) == 0
    assert (await world.state(DROP))[1:] == before[1:]

    await world.at(NOON + 60_000)
    assert await world.engine.due(partition, 10) == [early]
    assert await world.engine.expire(DROP, [early, late, early]) == 1
    assert await world.engine.expire(DROP, [early]) == 0
    snapshot, claims, _ = await world.state(DROP)
    assert snapshot and (snapshot.available, snapshot.held) == (9, 1)
    assert (claims[early].state, claims[late].state) == (HoldState.EXPIRED, HoldState.HELD)
    assert await world.engine.due(partition, 10) == []


async def test_many_holds_of_one_buyer_expire_in_one_call(world: World) -> None:
    await world.engine.open_drop(DROP, terms(expired_limit=0))
    rids = [await hold(world, name) for name in ("a", "b", "c")]
    await world.later(60_000)

    assert await world.engine.expire(DROP, rids) == 3

    snapshot, _, _ = await world.state(DROP)
    assert snapshot and (snapshot.available, snapshot.held) == (10, 0)
    assert await codes(world, attempt("d", "ann", 3)) == ["HELD"]


async def test_sold_released_and_unknown_reservations_do_not_expire(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    sold, released = await hold(world, "a"), await hold(world, "b")
    await world.engine.confirm(sold, "pay1", 9_900)
    await world.engine.release(released, "ann")
    await world.later(10**6)
    before = await world.state(DROP)

    assert await world.engine.expire(DROP, [sold, released, random_rid(DROP)]) == 0
    assert await world.state(DROP) == before
    with pytest.raises(ValueError, match="1 to 256 rids"):
        await world.engine.expire(DROP, [])


async def test_a_sweep_of_one_drop_never_touches_the_holds_of_another(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    rid = await hold(world, "a")
    await world.later(60_000)
    due = await world.engine.due(world.keyspace.partition_of(DROP), 10)

    with pytest.raises(ScriptRefused, match="another drop"):
        await world.engine.expire("hats", [rid])

    assert await world.engine.due(world.keyspace.partition_of(DROP), 10) == due == [rid]


# Operators


async def test_restock_and_scrap_move_the_books_once_each(world: World) -> None:
    await world.engine.open_drop(DROP, terms(allotted=5))
    await hold(world, "a", "ann", 3)

    assert await world.engine.adjust_drop(DROP, "in", 4, "a|b;c 箱") == (AdjustCode.ADJUSTED, 6)
    assert await world.engine.adjust_drop(DROP, "in", 4, "again") == (AdjustCode.REPLAYED, 6)
    assert await world.engine.adjust_drop(DROP, "in", 5, "other") == (AdjustCode.CONFLICT, 6)
    assert await world.engine.adjust_drop(DROP, "out", -6, "wet") == (AdjustCode.ADJUSTED, 0)

    snapshot, _, _ = await world.state(DROP)
    assert snapshot
    assert (snapshot.terms.allotted, snapshot.available) == (9, 0)
    assert (snapshot.held, snapshot.burned) == (3, 6)
    rows = [row for e in await world.entries() for row in e.rows if isinstance(row, Adjusted)]
    assert rows == [Adjusted("in", 4, "a|b;c 箱"), Adjusted("out", -6, "wet")]


async def test_an_adjustment_that_cannot_be_changes_nothing(world: World) -> None:
    await world.engine.open_drop(DROP, terms(allotted=5))
    await hold(world, "a", "ann", 3)
    before = await world.state(DROP)

    assert await world.engine.adjust_drop(DROP, "x", -3, "held!") == (AdjustCode.TOO_FEW, 2)
    assert await world.engine.adjust_drop(DROP, "y", MAX_UNITS, "?") == (AdjustCode.TOO_MANY, 2)
    with pytest.raises(ValueError, match="0 units"):
        await world.engine.adjust_drop(DROP, "z", 0, "nothing")
    assert await world.state(DROP) == before
    await world.engine.close_drop(DROP)
    assert await world.engine.adjust_drop(DROP, "w", 1, "late") == (AdjustCode.CLOSED, 2)


async def test_a_paused_drop_refuses_and_its_holds_go_on(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    rid = await hold(world, "a")

    assert await world.engine.pause_drop(DROP) is StateCode.CHANGED
    assert await world.engine.pause_drop(DROP) is StateCode.REPLAYED
    assert await codes(world, attempt("b", "bob")) == ["PAUSED"]
    assert (await world.engine.confirm(rid, "pay1", 9_900)).code is ConfirmCode.SOLD
    assert await world.engine.resume_drop(DROP) is StateCode.CHANGED
    assert await world.engine.resume_drop(DROP) is StateCode.REPLAYED
    assert await codes(world, attempt("b", "bob")) == ["HELD"]


async def test_a_closed_drop_stays_closed(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    rid = await hold(world, "a")

    assert await world.engine.close_drop(DROP) is StateCode.CHANGED
    assert await world.engine.close_drop(DROP) is StateCode.REPLAYED
    assert await world.engine.resume_drop(DROP) is StateCode.CLOSED
    assert await world.engine.pause_drop(DROP) is StateCode.CLOSED
    assert await codes(world, attempt("b", "bob")) == ["CLOSED"]
    assert (await world.engine.confirm(rid, "pay1", 9_900)).code is ConfirmCode.SOLD
    snapshot, _, _ = await world.state(DROP)
    assert snapshot and snapshot.state is DropState.CLOSED


async def test_a_drop_is_due_for_closing_at_its_time(world: World) -> None:
    await world.engine.open_drop(DROP, terms(closes_ms=NOON + 500))
    partition = world.keyspace.partition_of(DROP)

    assert await world.engine.close_drop(DROP, only_when_due=True) is StateCode.TOO_EARLY
    await world.at(NOON + 500)
    assert await world.engine.due(partition, 10) == [DROP]
    assert await world.engine.close_drop(DROP, only_when_due=True) is StateCode.CHANGED
    assert await world.engine.close_drop(DROP, only_when_due=True) is StateCode.REPLAYED
    assert await world.engine.due(partition, 10) == []


async def test_an_old_epoch_changes_nothing(world: World) -> None:
    await world.engine.open_drop(DROP, terms())
    rid = await hold(world, "a")
    entries, claims = await world.entries(), await world.engine.reservation(rid)

    await world.raise_epoch(DROP)
    await world.later(10**6)

    assert await codes(world, attempt("b"), attempt("a")) == ["FENCED"] * 2
    assert (await world.engine.confirm(rid, "pay1", 9_900)).code is ConfirmCode.FENCED
    assert await grants(world, grant("b"), grant("c")) == ["FENCED"] * 2
    assert (await world.engine.release(rid, "ann")).code is ReleaseCode.FENCED
    with pytest.raises(FencedOff):
        await world.engine.expire(DROP, [rid])
    assert await world.engine.adjust_drop(DROP, "a", 1, "x") == (AdjustCode.FENCED, 0)
    assert await world.engine.take_back(back(rid)) == (TakeBackCode.FENCED, 0)
    for change in (world.engine.pause_drop, world.engine.resume_drop, world.engine.close_drop):
        assert await change(DROP) is StateCode.FENCED
    assert await world.engine.open_drop(DROP, terms()) is OpenCode.FENCED
    assert await world.entries() == entries
    assert await world.engine.reservation(rid) == claims


async def test_the_buyers_of_a_drop_are_never_forgotten(world: World) -> None:
    await world.engine.open_drop(DROP, terms(allotted=2000, buyer_limit=1))
    names = {f"buyer{n}" for n in range(1500)}
    batch = [attempt(f"n{name[5:]}", name) for name in sorted(names)]
    for start in range(0, len(batch), 250):
        await world.engine.reserve(DROP, batch[start : start + 250])
    await world.engine.release(batch[0].rid, batch[0].buyer_id)

    assert {name async for name in world.engine.buyers(DROP)} == names
    snapshot = await world.engine.snapshot(DROP)
    assert snapshot and snapshot.buyers == 1500


# Archiving


async def test_only_a_finished_drop_that_is_held_whole_elsewhere_is_forgotten(
    world: World,
) -> None:
    # given a drop with one unit sold, held at first, and a world that has seen all of its log
    await world.engine.open_drop(DROP, terms())
    rid = await hold(world, "a")

    async def archive(count: int = 1, behind: int = 0, other: int = 0) -> ArchiveCode:
        snapshot = await world.engine.snapshot(DROP)
        if snapshot is None:
            return await world.engine.archive_drop(DROP, Books(), 0, "0-0")
        offset = (await world.entries())[-1 - behind].id
        books = replace(snapshot.books, burned=snapshot.burned + other)
        return await world.engine.archive_drop(DROP, books, count, offset)

    # then it stays as long as something speaks for it
    assert await archive() is ArchiveCode.UNFINISHED
    await world.engine.confirm(rid, "pay1", 9_900)
    assert await archive() is ArchiveCode.UNFINISHED
    await world.engine.close_drop(DROP)
    before = await world.state(DROP)
    assert await archive(behind=1) is ArchiveCode.BEHIND
    assert await archive(count=2) is ArchiveCode.DIFFERENT
    assert await archive(other=1) is ArchiveCode.DIFFERENT
    assert await world.state(DROP) == before
    # and goes when nothing does; once more is no harm
    assert await archive() is ArchiveCode.ARCHIVED
    assert await world.engine.snapshot(DROP) is None
    assert await world.engine.reservation(rid) is None
    assert await codes(world, attempt("a")) == ["UNKNOWN_DROP"]
    assert await archive() is ArchiveCode.UNKNOWN_DROP
    await world.raise_epoch(DROP)
    assert await archive() is ArchiveCode.FENCED
