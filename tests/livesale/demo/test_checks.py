"""The demo's checkers catch what they are for: forged histories against forged rows."""

import pytest

from livesale.demo.options import DemoOptions
from livesale.demo.scene import Scene
from livesale.demo.verdict import findings_of
from loadtests import checks
from loadtests.checks import Ack, OrderRow, Unknown
from loadtests.line import Answer
from stock.books import Books
from tests.loadtests.forged import DROP, healthy


def ack(rid: str, buyer: str = "b1", quantity: int = 1) -> Ack:
    return Ack(rid, buyer, quantity, quantity * 100, 1_000)


def row(rid: str, buyer: str = "b1", quantity: int = 1, state: str = "sold") -> OrderRow:
    return OrderRow(rid, buyer, quantity, quantity * 100, state)


def rows(*found: OrderRow) -> dict[str, OrderRow]:
    return {order.order_id: order for order in found}


def test_what_agrees_is_left_alone() -> None:
    acks, orders = [ack("r1"), ack("r2", "b2", 2)], rows(row("r1"), row("r2", "b2", 2))
    assert checks.no_acknowledged_order_is_lost(acks, orders) == []
    assert checks.no_order_without_a_request(acks, [], orders) == []
    assert checks.no_acknowledgement_is_given_twice(acks) == []
    assert checks.nothing_is_oversold(orders.values(), 3) == []
    assert checks.nothing_stays_unsold(orders.values(), 3, empty_handed=9) == []
    assert checks.no_buyer_exceeds_the_limit(orders.values(), 2) == []
    assert checks.payments_and_sales_agree({"r1", "r2"}, orders.values()) == []


def test_a_lost_order_is_caught() -> None:
    (wrong,) = checks.no_acknowledged_order_is_lost([ack("r1"), ack("r2")], rows(row("r1")))
    assert "r2" in wrong


@pytest.mark.parametrize("forged", [row("r1", "b2"), row("r1", "b1", 2)])
def test_an_order_that_is_not_what_was_said_is_caught(forged: OrderRow) -> None:
    (wrong,) = checks.no_acknowledged_order_is_lost([ack("r1")], rows(forged))
    assert "r1" in wrong


def test_an_order_of_another_price_is_caught() -> None:
    dearer = OrderRow("r1", "b1", 1, 101, "sold")
    assert len(checks.no_acknowledged_order_is_lost([ack("r1")], rows(dearer))) == 1


def test_a_phantom_order_is_caught() -> None:
    (wrong,) = checks.no_order_without_a_request([ack("r1")], [], rows(row("r1"), row("r2", "b2")))
    assert "r2 of b2" in wrong


def test_an_unknown_outcome_may_be_an_order_or_not() -> None:
    with_key, without = Unknown("b1", 1, "r1"), Unknown("b2", 2)
    for orders in (rows(), rows(row("r1")), rows(row("r1"), row("r9", "b2", 2))):
        assert checks.no_order_without_a_request([], [with_key, without], orders) == []


def test_an_unknown_outcome_excuses_no_more_than_one_order() -> None:
    orders = rows(row("r8", "b2", 2), row("r9", "b2", 2))
    assert len(checks.no_order_without_a_request([], [Unknown("b2", 2)], orders)) == 1
    assert len(checks.no_order_without_a_request([], [Unknown("b2", 1)], orders)) == 2
    assert len(checks.no_order_without_a_request([], [Unknown("b2", 2, "r8")], orders)) == 1


def test_a_second_201_for_one_reservation_is_caught() -> None:
    (wrong,) = checks.no_acknowledgement_is_given_twice([ack("r1"), ack("r2"), ack("r1")])
    assert "r1 was answered 201 2 times" in wrong


def test_an_oversell_is_caught() -> None:
    held = [row("r1", quantity=2), row("r2", "b2", 2, "held"), row("r3", "b3", 5, "expired")]
    assert checks.nothing_is_oversold(held, 4) == []
    assert checks.nothing_is_oversold(held, 3) == ["4 units in orders, the stock was 3"]


def test_a_unit_left_over_is_caught_only_if_somebody_wanted_it() -> None:
    sold = [row("r1", quantity=2)]
    assert checks.nothing_stays_unsold(sold, 3, empty_handed=0) == []
    assert len(checks.nothing_stays_unsold(sold, 3, empty_handed=1)) == 1
    assert len(checks.nothing_stays_unsold(sold, 1, empty_handed=1)) == 1


def test_a_buyer_over_the_limit_is_caught() -> None:
    several = [row("r1", quantity=2), row("r2", quantity=2, state="held")]
    assert checks.no_buyer_exceeds_the_limit(several, 4) == []
    assert checks.no_buyer_exceeds_the_limit(several, 3) == ["b1 has 4, the limit is 3"]


def test_money_without_goods_and_goods_without_money_are_caught() -> None:
    wrong = checks.payments_and_sales_agree(
        {"r1", "r3"}, [row("r1"), row("r2"), row("r3", state="held")]
    )
    assert [text.split()[0] for text in wrong] == ["r3", "r2"]


@pytest.mark.parametrize(
    "bad", [Books(5, 1, 2, 2, 0), Books(3, -1, 2, 2, 0), Books(4, 1, 2, 2, 0), Books(4, 0, 0, 4, 0)]
)
def test_a_bad_sample_of_the_books_is_caught(bad: Books) -> None:
    scene = Scene(DemoOptions(stock=3))
    scene.see(DROP, Books(3, 1, 1, 1, 0))
    assert scene.bad_samples == []
    scene.see(DROP, bad)
    assert scene.bad_samples
    assert scene.samples == 2


def test_the_verdict_names_what_is_broken() -> None:
    # given a sale that holds, as load tests forge it
    past, said = healthy()
    scene = Scene(DemoOptions(stock=3, people=3), history=past)
    scene.see(DROP, Books(3, 0, 1, 1, 1))
    assert [finding.title for finding in findings_of(scene, said) if not finding.ok] == []

    # when an order is lost, a patient buyer found nothing, and the service answered with a fault
    del said.stands[DROP].orders["r2"]
    scene.empty_handed = 1
    scene.hear("reserve", Answer(500, "internal_error"), 1_000)

    # then these are broken
    broken = {finding.title for finding in findings_of(scene, said) if not finding.ok}
    assert broken >= {
        "no acknowledged order is lost",
        "nothing stays unsold while somebody asks",
        "every answer is one the API promises",
    }
    assert scene.requests == 1


def test_a_long_list_of_faults_is_shortened() -> None:
    assert checks.shorten([str(number) for number in range(7)]) == [*"01234", "… and 2 more"]
    assert checks.shorten(["a"]) == ["a"]
