"""The judge of pages finds each lie, and none where there is none."""

from tests.faults.pages.lies import Truth, differs, find_lies
from tests.faults.pages.witness import Sight

TRUTH = Truth([(0, 10), (1_000, 9), (2_000, 8)], {1: "a", 2: "b", 3: "c"}, held=True, sold=False)
NOBODY = Truth([(0, 10)], {}, held=False, sold=False)


def found(sight: Sight, truth: Truth = TRUTH, end_ms: float = 5_000) -> str:
    return "; ".join(find_lies([sight], truth, end_ms))


def test_a_true_page_has_no_lies() -> None:
    rows = [(1, "a"), (2, "b"), (3, "c")]
    sights = [
        Sight(1_100, stock="left 9 / 10", comments=rows[:2]),
        Sight(2_100, stock="left 8 / 10", comments=rows, claims=["It is yours: pay now"]),
    ]
    assert find_lies(sights, TRUTH, 60_000) == []


def test_success_without_an_answer_and_failure_beside_a_hold_are_lies() -> None:
    assert "no reservation" in found(Sight(100, claims=["It is yours"]), NOBODY)
    assert "not sold" in found(Sight(100, claims=["Paid"]))
    assert "it failed" in found(Sight(100, refusal="Sold out."))
    assert found(Sight(100, refusal="Sold out."), NOBODY) == ""


def test_stock_that_never_was_or_is_long_over_is_a_lie_unless_the_page_says_so() -> None:
    assert "was so" in found(Sight(500, stock="left 9 / 10"))
    old = Sight(1_500, stock="left 9 / 10")
    assert found(old, end_ms=11_000) == ""
    assert "more than 10 s" in found(old, end_ms=13_000)
    assert found(Sight(1_500, stock="left 9 / 10", notice="Reconnecting"), end_ms=13_000) == ""


def test_comments_that_are_doubled_missing_or_changed_are_lies() -> None:
    assert "twice" in found(Sight(0, comments=[(1, "a"), (1, "a")]))
    assert "left out 1" in found(Sight(0, comments=[(1, "a"), (3, "c")]))
    assert "another text" in found(Sight(0, comments=[(1, "x")]))


def test_a_page_is_compared_with_a_fresh_snapshot() -> None:
    snapshot = {
        "drops": [{"drop_id": "d", "remaining": 8, "allotted": 10}],
        "comments": [{"comment_id": 2}, {"comment_id": 3}],
    }
    rows = [(1, "a"), (2, "b"), (3, "c")]
    assert differs(Sight(0, stock="left 8 / 10", comments=rows), snapshot, "d") == ""
    assert "not 'left 8" in differs(Sight(0, stock="left 9 / 10", comments=rows), snapshot, "d")
    assert "comments" in differs(Sight(0, stock="left 8 / 10", comments=rows[:2]), snapshot, "d")
    late = Sight(0, stock="left 8 / 10", comments=rows, notice="Reconnecting")
    assert differs(late, snapshot, "d") == "Reconnecting"
