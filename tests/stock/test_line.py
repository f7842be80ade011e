"""What every engine does with lines: the same tests run against the scripts and the twin.

`World.state` folds the log each time and compares it with places, turns and state, so every test
here is a test of I13 as well.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from stock.ids import START
from stock.line.checks import commitment_of
from stock.line.model import (
    JoinCode,
    JoinOutcome,
    LeaveCode,
    LineCloseCode,
    LineMode,
    LineOpenCode,
    LineState,
    LineTerms,
    NextInLine,
    Place,
    ServeCode,
    Turn,
)
from stock.model import ArchiveCode, Attempt, Fate, TakeBack, Ticket
from tests.stock.conftest import NOON, World, terms

DROP = "shoes"
SEED = "5e" * 32
TERMS = LineTerms(commitment_of(SEED), turn_ms=60_000, rate=1_000, capacity=1_000)
OPENS = NOON + 10_000


async def gather(world: World, *, units: int = 10, **changes: Any) -> None:
    """A drop that opens in ten seconds, with a line in front of it."""
    await world.engine.open_drop(DROP, terms(opens_ms=OPENS, allotted=units, ticket_required=True))
    assert await world.engine.line.open(DROP, replace(TERMS, **changes)) is LineOpenCode.OPENED


async def join(world: World, *buyers: str) -> list[str]:
    """`JOINED 3`, and so on."""
    outcomes = await world.engine.line.join(DROP, buyers)
    return [f"{one.code} {one.index}" if one.index >= 0 else one.code for one in outcomes]


async def open_line(world: World, *buyers: str, units: int = 10, **changes: Any) -> None:
    await gather(world, units=units, **changes)
    if buyers:
        await join(world, *buyers)
    await world.at(OPENS)
    assert await world.engine.line.close(DROP, SEED) is LineCloseCode.OPENED


async def serve(
    world: World, serving: int, promised: int = 0, per_mille: int = 1_000
) -> tuple[str, int]:
    outcome = await world.engine.line.serve(DROP, serving, promised, per_mille)
    return outcome.code.value, outcome.serving


async def buy(world: World, *buyers: str) -> None:
    ticket = Ticket(NOON * 1_000, NOON + 10**8)
    attempts = [Attempt(f"{DROP}-{buyer:x<16}", buyer, 1, ticket) for buyer in buyers]
    outcomes = (await world.engine.reserve(DROP, attempts)).outcomes
    assert [one.code for one in outcomes] == ["HELD"] * len(buyers)


# Gathering


async def test_a_line_opens_once_before_a_drop_with_tickets(world: World) -> None:
    assert await world.engine.line.open(DROP, TERMS) is LineOpenCode.UNKNOWN_DROP
    await gather(world)
    assert await world.engine.line.open(DROP, TERMS) is LineOpenCode.REPLAYED
    other = replace(TERMS, turn_ms=1_000)
    assert await world.engine.line.open(DROP, other) is LineOpenCode.CONFLICT
    line = await world.engine.line.snapshot(DROP)
    assert line and (line.state, line.terms, line.n, line.n0) == ("gathering", TERMS, 0, None)
    assert (line.seed, line.closing_id, line.turns) == ("", "", ())
    await world.state(DROP)


@pytest.mark.parametrize(
    ("opens_ms", "closes_ms", "by_ticket", "code"),
    [
        (OPENS, NOON + 10**7, False, "NO_TICKETS"),
        (NOON, NOON + 10**7, True, "TOO_LATE"),
        (NOON - 9, NOON, True, "CLOSED"),
    ],
)
async def test_a_line_needs_a_drop_that_opens_later_and_sells_by_tickets(
    world: World, opens_ms: int, closes_ms: int, by_ticket: bool, code: str
) -> None:
    its = terms(opens_ms=opens_ms, closes_ms=closes_ms, ticket_required=by_ticket)
    await world.engine.open_drop(DROP, its)
    assert (await world.engine.line.open(DROP, TERMS)).value == code
    assert await world.engine.line.snapshot(DROP) is None


async def test_a_buyer_has_one_place_however_often_they_join(world: World) -> None:
    await gather(world)
    assert await join(world, "ann", "bob", "ann") == ["JOINED 0", "JOINED 1", "REPLAYED 0"]
    assert await join(world, "bob", "cat") == ["REPLAYED 1", "JOINED 2"]
    _, _, entries = await world.state(DROP)
    # then: a replay alone leaves no entry
    assert await join(world, "ann") == ["REPLAYED 0"]
    assert (await world.state(DROP))[2] == entries
    assert await world.engine.line.place(DROP, "cat") == Place(2)
    assert await world.engine.line.place(DROP, "dan") is None


async def test_who_leaves_gets_a_new_place_at_the_end(world: World) -> None:
    await gather(world)
    await join(world, "ann", "bob")
    assert await world.engine.line.leave(DROP, "ann") is LeaveCode.LEFT
    assert await world.engine.line.leave(DROP, "ann") is LeaveCode.REPLAYED
    assert await world.engine.line.leave(DROP, "zoe") is LeaveCode.UNKNOWN
    assert await world.engine.line.place(DROP, "ann") == Place(0, left=True)
    assert await join(world, "ann") == ["JOINED 2"]
    line = await world.engine.line.snapshot(DROP)
    assert line and (line.n, line.left) == (3, 1)
    await world.state(DROP)


async def test_a_full_line_takes_nobody_and_keeps_those_it_has(world: World) -> None:
    await gather(world, capacity=2)
    assert await join(world, "ann", "bob", "cat") == ["JOINED 0", "JOINED 1", "FULL"]
    assert await join(world, "cat", "ann") == ["FULL", "REPLAYED 0"]


async def test_without_a_line_everything_is_unknown(world: World) -> None:
    await world.engine.open_drop(DROP, terms(ticket_required=True))
    assert await world.engine.line.join(DROP, ["ann"]) == [JoinOutcome(JoinCode.UNKNOWN_LINE)]
    assert await world.engine.line.leave(DROP, "ann") is LeaveCode.UNKNOWN_LINE
    assert await world.engine.line.close(DROP, SEED) is LineCloseCode.UNKNOWN_LINE
    assert (await serve(world, 0))[0] == "UNKNOWN_LINE"
    assert await world.engine.line.snapshot(DROP) is None


# The opening


async def test_the_gathering_ends_at_the_opening_with_the_seed_that_was_promised(
    world: World,
) -> None:
    await gather(world)
    await join(world, "ann", "bob")
    await world.at(OPENS - 1)
    assert await world.engine.line.close(DROP, SEED) is LineCloseCode.TOO_EARLY
    assert (await serve(world, 0))[0] == "NOT_OPEN"
    await world.at(OPENS)
    assert await world.engine.line.close(DROP, "00" * 32) is LineCloseCode.MISMATCH
    assert await world.engine.line.close(DROP, SEED) is LineCloseCode.OPENED
    assert await world.engine.line.close(DROP, SEED) is LineCloseCode.REPLAYED
    line = await world.engine.line.snapshot(DROP)
    assert line and (line.state, line.seed, line.n0) == (LineState.OPEN, SEED, 2)
    assert line.closing_id == line.log_id != START
    await world.state(DROP)


async def test_who_comes_after_the_opening_is_not_shuffled_even_if_the_keeper_is_late(
    world: World,
) -> None:
    await gather(world)
    await join(world, "ann", "bob")
    await world.at(OPENS)
    await join(world, "cat")
    await world.later(1)
    await join(world, "dan")
    assert await world.engine.line.close(DROP, SEED) is LineCloseCode.OPENED
    line = await world.engine.line.snapshot(DROP)
    assert line and (line.n0, line.n) == (2, 4)
    await world.state(DROP)


# Serving


async def test_as_many_have_their_turn_as_units_are_expected_to_be_taken(world: World) -> None:
    await open_line(world, *(f"b{n}" for n in range(60)), units=10)
    await world.later(250)
    # given: 6 of 10 turns take a unit, so 10 units are for 17 turns
    assert await serve(world, 0, per_mille=600) == ("SERVED", 17)
    await world.later(250)
    assert await serve(world, 17, promised=10, per_mille=600) == ("IDLE", 17)
    await buy(world, "b1", "b2", "b3", "b4")
    # when: four were taken, and the live turns will take three more: 3 are for 5 turns
    assert await serve(world, 17, promised=3, per_mille=600) == ("SERVED", 22)
    line = await world.engine.line.snapshot(DROP, after=17)
    assert line and line.turns == (Turn(17, 22, OPENS + 500),)
    assert (line.available, line.held) == (6, 4)
    await world.state(DROP)


async def test_two_keepers_serve_once(world: World) -> None:
    await open_line(world, "ann", "bob", "cat", units=1)
    await world.later(250)
    assert await serve(world, 0) == ("SERVED", 1)
    await world.later(250)
    assert await serve(world, 0) == ("MOVED", 1)


async def test_the_rate_holds_whoever_asks_how_often(world: World) -> None:
    await open_line(world, *(f"b{n}" for n in range(30)), units=100, rate=4)
    served = 0
    for _ in range(20):
        await world.later(50)
        served = (await serve(world, served))[1]
    assert served == 4  # in a second
    await world.later(10_000)  # a keeper was away: no more than a second's worth at once
    assert await serve(world, 4) == ("SERVED", 8)


async def test_a_paused_drop_gives_no_turns(world: World) -> None:
    await open_line(world, "ann")
    await world.later(1_000)
    await world.engine.pause_drop(DROP)
    assert await serve(world, 0) == ("PAUSED", 0)
    await world.engine.resume_drop(DROP)
    assert await serve(world, 0) == ("SERVED", 1)


async def test_gone_is_said_when_nothing_is_held_and_a_restock_revives_the_line(
    world: World,
) -> None:
    await open_line(world, "ann", "bob", units=1)
    await world.later(250)
    assert await serve(world, 0) == ("SERVED", 1)
    await buy(world, "ann")
    await world.later(250)
    assert await serve(world, 1) == ("IDLE", 1)  # the unit may return
    rid = f"{DROP}-{'ann':x<16}"
    await world.engine.confirm(rid, "pay1", 9_900)
    assert await serve(world, 1) == ("GONE", 1)
    before = await world.state(DROP)
    assert await serve(world, 1) == ("GONE", 1)
    assert await join(world, "cat", "bob") == ["GONE", "REPLAYED 1"]
    assert await world.state(DROP) == before
    # when
    await world.engine.adjust_drop(DROP, "more", 1, "found a box")
    assert await serve(world, 0) == ("REVIVED", 1)
    # then: it goes on where it was
    assert await join(world, "cat") == ["JOINED 2"]
    await world.later(250)
    assert await serve(world, 1) == ("SERVED", 2)
    await buy(world, "bob")
    await world.engine.confirm(f"{DROP}-{'bob':x<16}", "pay2", 9_900)
    assert await serve(world, 2) == ("GONE", 2)
    # and: a unit that comes back from a buyer does the same, but not after the sale
    back = TakeBack(f"{DROP}-{'bob':x<16}", "back1", 1, Fate.AVAILABLE, "changed their mind")
    await world.engine.take_back(back)
    await world.engine.close_drop(DROP)
    assert await serve(world, 2) == ("GONE", 2)
    await world.state(DROP)


async def test_a_returned_unit_is_the_next_one_s(world: World) -> None:
    await open_line(world, "ann", "bob", units=1)
    await world.later(250)
    await serve(world, 0)
    await buy(world, "ann")
    await world.later(250)
    assert await serve(world, 1) == ("IDLE", 1)
    await world.engine.release(f"{DROP}-{'ann':x<16}", "ann")
    assert await serve(world, 1) == ("SERVED", 2)


@pytest.mark.parametrize("is_open", [True, False])
async def test_a_sale_that_is_over_ends_its_line(world: World, is_open: bool) -> None:
    await (open_line if is_open else gather)(world)
    await join(world, "ann")
    await world.engine.close_drop(DROP)
    assert await join(world, "bob") == ["CLOSED"]
    word = "GONE" if is_open else "VOID"
    assert (await serve(world, 0))[0] == word
    assert await join(world, "bob", "ann") == [word, "REPLAYED 0"]
    await world.at(OPENS + 1)
    code = await world.engine.line.close(DROP, SEED)
    assert code is (LineCloseCode.REPLAYED if is_open else LineCloseCode.CLOSED)
    await world.state(DROP)


# Units that are held for people: draws and waitlists


def people(*names: str, first: int = 0) -> list[NextInLine]:
    """Those whose index is `first` and so on."""
    return [
        NextInLine(f"{DROP}-{name:y<16}", name, index) for index, name in enumerate(names, first)
    ]


async def hold(world: World, serving: int, *some: NextInLine) -> tuple[str, int, list[str]]:
    outcome = await world.engine.line.hold(DROP, serving, some)
    names = [rid.partition("-")[2].rstrip("y") for rid in outcome.rids]
    return outcome.code.value, outcome.serving, names


async def open_draw(world: World, *buyers: str, units: int = 2) -> None:
    await open_line(world, *buyers, units=units, mode=LineMode.DRAW)


async def test_a_draw_holds_units_for_the_next_and_gives_no_turns(world: World) -> None:
    await open_draw(world, "ann", "bob", "cat")
    await world.later(250)
    assert await serve(world, 0) == ("IDLE", 0)
    # when
    assert await hold(world, 0, *people("ann", "bob", "cat")) == ("SERVED", 2, ["ann", "bob"])
    # then: each has a hold of turn_ms, whatever the drop's own
    claim = await world.engine.reservation(f"{DROP}-{'ann':y<16}")
    assert claim and (claim.state, claim.quantity) == ("held", 1)
    assert claim.expires_ms == OPENS + 250 + TERMS.turn_ms
    line = await world.engine.line.snapshot(DROP)
    assert line and (line.available, line.held, line.serving) == (0, 2, 2)
    assert line.turns == (Turn(0, 2, OPENS + 250),)
    _, _, entries = await world.state(DROP)
    # and: the same again changes nothing
    assert await hold(world, 0, *people("ann", "bob")) == ("MOVED", 2, [])
    assert await hold(world, 2, *people("cat", first=2)) == ("IDLE", 2, [])
    assert (await world.state(DROP))[2] == entries
    # when: one does not pay
    await world.later(TERMS.turn_ms)
    assert await world.engine.expire(DROP, [f"{DROP}-{'bob':y<16}"]) == 1
    assert await hold(world, 2, *people("cat", first=2)) == ("SERVED", 3, ["cat"])
    await world.state(DROP)


async def test_who_left_or_has_enough_is_passed_over(world: World) -> None:
    await open_draw(world, "ann", "bob", "cat", "dan", "eve", units=4)
    await buy(world, "bob")
    await world.engine.line.leave(DROP, "ann")
    await join(world, "ann")
    # given: ann is at the end now, bob has one unit, and cat as many as a buyer may have
    await world.engine.reserve(
        DROP, [Attempt(f"{DROP}-{'c':x<16}", "cat", 3, Ticket(NOON * 1_000, NOON + 10**8))]
    )
    await world.engine.adjust_drop(DROP, "more", 2, "more")
    assert await hold(world, 0, *people("ann", "bob", "cat", "dan")) == (
        "SERVED",
        4,
        ["bob", "dan"],
    )
    await world.engine.adjust_drop(DROP, "more2", 9, "more")
    await world.engine.line.leave(DROP, "ann")
    await join(world, "ann")
    # a buyer comes twice: with the place that was left, and with the new one
    first, *rest = people("eve", "ann", first=4)
    last = NextInLine(f"{DROP}-{'ann6':y<16}", "ann", 6)
    assert await hold(world, 4, first, *rest, last) == ("SERVED", 7, ["eve", "ann6"])
    await world.state(DROP)


async def test_nobody_gets_a_unit_twice_for_a_place(world: World) -> None:
    """After a loss of turns in Redis, the same places are given again: they have had theirs."""
    await open_draw(world, "ann", "bob", units=1)
    await hold(world, 0, *people("ann"))
    await world.engine.release(f"{DROP}-{'ann':y<16}", "ann")
    again = people("ann", first=0)[0]
    assert await hold(world, 1, again) == ("SERVED", 2, [])
    assert (await world.engine.line.snapshot(DROP)).available == 1  # type: ignore[union-attr]
    await world.state(DROP)


async def test_a_waitlist_is_for_units_that_return(world: World) -> None:
    its = terms(allotted=2, ticket_required=True)
    await world.engine.open_drop(DROP, its)
    waitlist = replace(TERMS, mode=LineMode.WAITLIST)
    # given: it opens while the drop sells, and is for nobody while units can be had
    assert await world.engine.line.open(DROP, waitlist) is LineOpenCode.OPENED
    assert await world.engine.line.open(DROP, waitlist) is LineOpenCode.REPLAYED
    assert await world.engine.line.open(DROP, TERMS) is LineOpenCode.CONFLICT
    assert await world.engine.line.close(DROP, SEED) is LineCloseCode.REPLAYED
    assert await join(world, "ann") == ["AVAILABLE"]
    await buy(world, "bob", "cat")
    assert await join(world, "ann", "dan", "eve") == ["JOINED 0", "JOINED 1", "JOINED 2"]
    assert await hold(world, 0, *people("ann", "dan")) == ("IDLE", 0, [])
    # when: a unit returns, it is the first one's; who waits longer comes before who comes now
    await world.engine.release(f"{DROP}-{'bob':x<16}", "bob")
    assert await join(world, "fay") == ["JOINED 3"]
    assert await hold(world, 0, *people("ann", "dan")) == ("SERVED", 1, ["ann"])
    # then: sold out for good is gone, and a return revives it
    await world.engine.confirm(f"{DROP}-{'cat':x<16}", "pay1", 9_900)
    await world.engine.confirm(f"{DROP}-{'ann':y<16}", "pay2", 9_900)
    assert await hold(world, 1) == ("GONE", 1, [])
    back = TakeBack(f"{DROP}-{'cat':x<16}", "back1", 1, Fate.AVAILABLE, "broken box")
    await world.engine.take_back(back)
    assert await hold(world, 1, *people("dan", first=1)) == ("REVIVED", 1, [])
    assert await hold(world, 1, *people("dan", first=1)) == ("SERVED", 2, ["dan"])
    await world.state(DROP)


async def test_a_line_of_turns_holds_nothing(world: World) -> None:
    await open_line(world, "ann")
    assert await hold(world, 0, *people("ann")) == ("IDLE", 0, [])


# The end, and faults


async def test_a_line_leaves_with_its_drop_and_only_as_the_other_store_knows_it(
    world: World,
) -> None:
    await open_line(world, "ann", "bob")
    await world.engine.close_drop(DROP)
    snapshot = await world.engine.snapshot(DROP)
    assert snapshot

    async def archive(places: int) -> ArchiveCode:
        offset = (await world.log_of(DROP))[-1].id
        return await world.engine.archive_drop(DROP, snapshot.books, 0, offset, places)

    assert await archive(2) is ArchiveCode.UNFINISHED
    await serve(world, 0)
    assert await archive(1) is ArchiveCode.DIFFERENT
    assert await archive(2) is ArchiveCode.ARCHIVED
    assert await world.engine.line.snapshot(DROP) is None
    assert await world.engine.line.place(DROP, "ann") is None


async def test_an_old_epoch_changes_no_line(world: World) -> None:
    await gather(world)
    await join(world, "ann")
    await world.raise_epoch(DROP)
    before = await world.state(DROP)
    assert await world.engine.line.open(DROP, TERMS) is LineOpenCode.FENCED
    assert await join(world, "bob") == ["FENCED"]
    assert await world.engine.line.leave(DROP, "ann") is LeaveCode.FENCED
    assert await world.engine.line.close(DROP, SEED) is LineCloseCode.FENCED
    assert (await serve(world, 0))[0] == ServeCode.FENCED
    assert (await hold(world, 0))[0] == ServeCode.FENCED
    assert await world.state(DROP) == before


async def test_what_no_engine_accepts(world: World) -> None:
    await gather(world)
    for buyers in ([], ["b"] * 257, ["no buyer"], [""]):
        with pytest.raises(ValueError, match="buyer"):
            await world.engine.line.join(DROP, buyers)
    for serving, promised, per_mille in ((-1, 0, 1), (0, -1, 1), (0, 0, 0)):
        with pytest.raises(ValueError, match="cannot serve"):
            await world.engine.line.serve(DROP, serving, promised, per_mille)
    ann, other = people("ann")[0], NextInLine("other-" + "y" * 16, "ann", 0)
    for some in ([other], [ann, ann], [ann] * 257, [replace(ann, index=-1)]):
        with pytest.raises(ValueError, match="cannot hold"):
            await world.engine.line.hold(DROP, 0, some)
    with pytest.raises(ValueError, match="seed"):
        await world.engine.line.close(DROP, "5e")
