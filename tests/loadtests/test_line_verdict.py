"""What people of a load test were told of their places, against the order that is published."""

from livesale.draws.order import Order
from loadtests.history import Drop, History, Placed
from loadtests.order import position_of
from loadtests.service import PublishedLine, Said
from loadtests.verdict import judge
from stock.line.checks import commitment_of

SEED, CLOSING = "5e" * 32, "1790000000000-3"
LINE = PublishedLine("open", commitment_of(SEED), SEED, 40, CLOSING, 50, 10)
TITLE = "one place a person, in the published order"


def wrong(*placed: Placed, line: PublishedLine | None = LINE) -> list[str]:
    drop = Drop("d", 1, 1, 1, 0, in_line=True)
    lines = {"d": line} if line else {}
    found = judge(History(drops={"d": drop}, placed=set(placed)), Said({}, [], 0, lines), 0.0)
    return next(one.wrong for one in found if one.title == TITLE)


def test_the_second_reading_of_the_order_is_the_first() -> None:
    order = Order(SEED, 40, CLOSING)
    positions = [position_of(index, SEED, 40, CLOSING) for index in range(50)]
    assert positions == [order.position_of(index) for index in range(50)]


def test_places_out_of_order_are_named() -> None:
    at = [position_of(index, SEED, 40, CLOSING) for index in range(3)]
    ann, bob = Placed("d", "ann", 0, at[0]), Placed("d", "bob", 1, at[1])
    early = Placed("d", "ann", 0, -1)  # before the opening nobody knows a position
    assert wrong(ann, bob, early, Placed("d", "late", 45, 45)) == []
    assert wrong(ann, Placed("d", "bob", 1, at[2])) == [
        f"the place 1 was shown at {at[2]}, it is at {at[1]}"
    ]
    assert len(wrong(ann, Placed("d", "bob", 0, at[0]))) == 1  # two people in one place
    assert wrong(ann, line=None) == ["d shows a position, and no order to check it by"]
    other = PublishedLine("open", "00" * 32, SEED, 40, CLOSING, 50, 10)
    assert wrong(line=other) == ["d: the seed is not the one that was promised"]
