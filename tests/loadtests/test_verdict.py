"""Each check of a load test catches what it is for, in a forged sale that is otherwise in order."""

from collections.abc import Callable

import msgspec
import pytest

from loadtests.history import Broke, History, Paid, Restock, Sample
from loadtests.service import Books, Said, Stand
from loadtests.verdict import judge
from tests.loadtests.forged import DROP, claim, healthy, history, order, said

Story = tuple[History, Said]


def broken(story: Story, budget: float = 0.001) -> list[str]:
    """The titles of the checks that found something."""
    return [finding.title for finding in judge(*story, budget) if not finding.ok]


def test_a_sale_that_holds_is_left_alone() -> None:
    assert broken(healthy()) == []


def _lost() -> Story:
    past, service = healthy()
    del service.stands[DROP].orders["r2"]
    return past, service


def _another_amount() -> Story:
    past, service = healthy()
    service.stands[DROP].orders["r2"] = order("r2", "bob", amount_fen=1)
    return past, service


def _phantom() -> Story:
    past, service = healthy()
    service.stands[DROP].orders["r4"] = order("r4", "dora")
    return past, service


def _two_for_one_unknown() -> Story:
    past, service = healthy()
    service.stands[DROP].orders["r4"] = order("r4", "cid", state="released")
    return past, service


def _oversold() -> Story:
    claims = [claim(f"b{n}", f"r{n}") for n in range(4)]
    orders = [order(f"r{n}", f"b{n}") for n in range(4)]
    return history(*claims), said(*orders)


def _oversold_for_a_moment() -> Story:
    past, service = healthy()
    past.samples.append(Sample(DROP, 3, 0, 3, 1, 0))
    return past, service


def _below_zero() -> Story:
    past, service = healthy()
    past.samples.append(Sample(DROP, 3, -1, 3, 0, 1))
    return past, service


def _two_answers_to_one_key() -> Story:
    past, service = healthy()
    twice = claim("eve", "r5", codes="held")
    twice.answers += claim("eve", "r6", codes="replayed").answers
    past.claims.append(twice)
    service.stands[DROP].orders["r5"] = order("r5", "eve", state="released")
    return past, service


def _created_twice() -> Story:
    past, service = healthy()
    past.claims[1] = claim("bob", "r2", codes="held lost held")
    return past, service


def _one_for_two_claims() -> Story:
    past, service = healthy()
    past.claims.append(claim("bob", "r2"))
    return past, service


def _greedy() -> Story:
    claims = [claim("bob", f"r{n}") for n in range(3)]
    return history(*claims), said(*[order(f"r{n}", "bob") for n in range(3)])


def _sold_for_nothing() -> Story:
    past, service = healthy()
    past.payments.clear()
    return past, service


def _paid_for_nothing() -> Story:
    past, service = healthy()
    past.payments.append(Paid("r2", "sold"))
    return past, service


def _early() -> Story:
    past, service = healthy()
    service.stands[DROP].orders["r2"] = order("r2", "bob", created_ms=4_999)
    return past, service


def _behind() -> Story:
    past, service = healthy()
    return past, said(*service.stands[DROP].orders.values(), lag_entries=3)


def _books_not_ok() -> Story:
    past, service = healthy()
    return past, said(*service.stands[DROP].orders.values(), ok=False)


def _counters_altered() -> Story:
    past, service = healthy()
    books = Books(3, 0, 1, 2, 0)
    return past, said(*service.stands[DROP].orders.values(), redis=books, sql=books)


def _units_from_nowhere() -> Story:
    past, service = healthy()
    books = Books(4, 1, 2, 1, 0)
    return past, said(*service.stands[DROP].orders.values(), redis=books, sql=books)


def _unreadable() -> Story:
    past, service = healthy()
    trouble = "its books gave 503 books_broken"
    orders = service.stands[DROP].orders
    return past, Said({DROP: Stand(None, orders, trouble=trouble)}, [], 0)


def _other_drop() -> Story:
    past, service = healthy()
    return past, msgspec.structs.replace(service, others=["0other: 503 books_broken"])


def _faults() -> Story:
    past, service = healthy()
    past.tally.update({"reserve|503|overloaded|": 1})
    return past, service


def _silence() -> Story:
    past, service = healthy()
    past.tally.update({"drop||lost|": 1})
    return past, service


def _surprise() -> Story:
    past, service = healthy()
    past.tally.update({"reserve|401|invalid_token|": 1})
    return past, service


def _nobody_served() -> Story:
    return history(claim("anna", codes="slow_down"), claim("bob", codes="sold_out")), said()


AGREE = "SQL has everything, and the books agree"


@pytest.mark.parametrize(
    ("tell", "titles"),
    [
        (_lost, {"no acknowledged order is lost", AGREE}),
        (_another_amount, {"no acknowledged order is lost"}),
        (_phantom, {"no order without a request", "nothing is oversold", AGREE}),
        (_two_for_one_unknown, {"no order without a request"}),
        (_oversold, {"nothing is oversold"}),
        (_oversold_for_a_moment, {"nothing is oversold"}),
        (_below_zero, {"nothing is oversold"}),
        (_two_answers_to_one_key, {"one key, one reservation"}),
        (_created_twice, {"one key, one reservation"}),
        (_one_for_two_claims, {"one key, one reservation"}),
        (_greedy, {"no buyer is above the limit"}),
        (_sold_for_nothing, {"what is sold is paid, what is paid is sold"}),
        (_paid_for_nothing, {"what is sold is paid, what is paid is sold"}),
        (_early, {"nothing is sold before the opening"}),
        (_behind, {AGREE}),
        (_books_not_ok, {AGREE}),
        (_counters_altered, {AGREE}),
        (_units_from_nowhere, {AGREE}),
        (_unreadable, {AGREE}),
        (_other_drop, {"the books of all other drops agree"}),
        (_faults, {"5xx and missing answers stay within 0.10%"}),
        (_silence, {"5xx and missing answers stay within 0.10%"}),
        (_surprise, {"every answer is one the API promises"}),
        (_nobody_served, {"the crowd was served"}),
    ],
    ids=lambda value: getattr(value, "__name__", "").lstrip("_") or None,
)
def test_what_is_wrong_is_found_and_nothing_else(
    tell: Callable[[], Story], titles: set[str]
) -> None:
    found = broken(tell())
    assert found
    assert set(found) == titles


def test_faults_within_the_budget_are_forgiven() -> None:
    past, service = _faults()
    assert broken((past, service), budget=0.25) == []


@pytest.mark.parametrize(
    ("done", "allotted", "holds"),
    [(True, 5, True), (True, 3, False), (None, 5, True), (None, 3, True), (False, 5, False)],
)
def test_a_restock_counts_as_far_as_it_is_known(
    done: bool | None, allotted: int, holds: bool
) -> None:
    past, service = healthy()
    past.restocks.append(Restock(DROP, 2, done))
    books = Books(allotted, allotted - 3, 2, 1, 0)
    orders = service.stands[DROP].orders.values()
    assert (broken((past, said(*orders, redis=books, sql=books))) == []) is holds


def test_whoever_does_not_know_his_own_id_is_believed_once() -> None:
    """Tokens from a file may come without ids."""
    past, service = healthy()
    for each in past.claims:
        each.buyer_id = ""
    assert broken((past, service)) == []
    # two orders that nobody was told of, one claim that may explain one
    service.stands[DROP].orders["r4"] = order("r4", "eve", state="released")
    assert broken((past, service)) == ["no order without a request"]


def test_a_payment_whose_answer_was_lost_may_have_been_taken_or_not() -> None:
    for state in ("held", "sold"):
        past, _ = healthy()
        past.payments.append(Paid("r2", "lost"))
        orders = (order("r1", "anna", state="sold"), order("r2", "bob", state=state))
        assert broken((past, said(*orders))) == []


def test_where_a_ramp_broke_is_no_fault() -> None:
    past, service = healthy()
    past.broke = Broke(100, 2_000.0, "p95 is 1,200 ms")
    assert broken((past, service)) == []
