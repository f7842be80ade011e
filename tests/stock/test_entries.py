"""What the log's codec accepts is what scripts write; all else is refused with the reason."""

import pytest

from stock.books import Books, Movement
from stock.entries import Confirmed, Opened, Reserved, decode, movements
from stock.errors import LogCorrupt
from stock.fold import Fold
from stock.model import ConfirmCode, DropTerms, HoldState
from stock.records import pack_reservation, unpack_reservation

RID = "shoes-aaaaaaaaaaaaaaaa"
RESERVE = {
    "v": "1",
    "k": "reserve",
    "e": "1",
    "d": "shoes",
    "t": "1790000000000",
    "b": "10|8|2|0|0",
    "r": f"{RID}|ann|2",
    "p": "9900",
    "x": "1790000060000",
}
CONFIRM = RESERVE | {"k": "confirm", "r": f"{RID}|ann|2|h|SOLD|pay1|19800"}


def test_a_reserve_entry_reads_as_its_rows() -> None:
    entry = decode("5-0", RESERVE)

    assert entry.rows == (Reserved(RID, "ann", 2, 9900, 1790000060000),)
    assert movements(entry) == [Movement("reserve", RID, available=-2, held=2)]
    assert entry.books == Books(10, 8, 2, 0, 0)


def test_a_confirm_entry_reads_as_its_row() -> None:
    entry = decode("5-0", CONFIRM)

    assert entry.rows == (
        Confirmed(RID, "ann", 2, HoldState.HELD, ConfirmCode.SOLD, "pay1", 19800),
    )
    assert movements(entry) == [Movement("confirm", RID, held=-2, sold=2)]


@pytest.mark.parametrize(
    ("columns", "terms"),
    [
        ("1|2|3|4|5|6|7", DropTerms(1, 2, 3, 4, 5, 6, 7)),
        ("1|2|3|4|5|6|7|1", DropTerms(1, 2, 3, 4, 5, 6, 7, ticket_required=True)),
        ("1|2|3|4|5|6|7|0", None),
        ("1|2|3|4|5|6|7|2", None),
        ("1|2|3|4|5|6|7|1|1", None),
    ],
)
def test_an_opening_reads_as_the_terms(columns: str, terms: DropTerms | None) -> None:
    fields = RESERVE | {"k": "open", "r": columns}
    if terms is None:
        with pytest.raises(LogCorrupt, match="terms of a drop"):
            decode("5-0", fields)
    else:
        assert decode("5-0", fields).rows == (Opened(terms),)


@pytest.mark.parametrize(
    ("entry", "changes", "reason"),
    [
        (RESERVE, {"v": "2"}, "version '2'"),
        (RESERVE, {"v": None}, "no 'v'"),
        (RESERVE, {"k": "steal"}, "unknown kind 'steal'"),
        (RESERVE, {"e": "one"}, "invalid literal"),
        (RESERVE, {"d": "../x"}, "not a drop id"),
        (RESERVE, {"t": ""}, "invalid literal"),
        (RESERVE, {"b": "10|8|1|0|0"}, "do not balance"),
        (RESERVE, {"b": "1|2|-1|0|0"}, "do not balance"),
        (RESERVE, {"b": "1|1"}, "do not balance"),
        (RESERVE, {"b": "0|0|0|0|0|0"}, "Extra positional"),
        (RESERVE, {"r": ""}, "reserve without rows"),
        (RESERVE, {"r": None}, "no 'r'"),
        (RESERVE, {"p": None}, "no 'p'"),
        (RESERVE, {"r": f"{RID}|ann"}, "not enough values"),
        (RESERVE, {"r": f"{RID}|ann|2|3"}, "too many values"),
        (RESERVE, {"r": f"{RID}|ann|0"}, "no buyer with a quantity"),
        (RESERVE, {"r": f"{RID}||2"}, "no buyer with a quantity"),
        (RESERVE, {"r": "hats-aaaaaaaaaaaaaaaa|ann|2"}, "not a reservation of shoes"),
        (RESERVE, {"r": "shoes-short|ann|2"}, "not a reservation of shoes"),
        (RESERVE, {"k": "pause"}, "pause carries no rows"),
        (RESERVE, {"k": "open"}, "invalid literal"),
        (RESERVE, {"k": "adjust", "r": "a|b"}, "not enough values"),
        (CONFIRM, {"r": f"{RID}|ann|2|h|GIVEN|pay1|19800"}, "'GIVEN'"),
        (CONFIRM, {"r": f"{RID}|ann|2|h|MISMATCH|pay1|19800"}, "not a confirm"),
        (CONFIRM, {"r": f"{RID}|ann|2|q|SOLD|pay1|19800"}, "'q'"),
        (CONFIRM, {"r": f"{RID}|ann|2|h|SOLD|pay 1|19800"}, "not a confirm"),
    ],
)
def test_what_no_script_would_write_is_corrupt(
    entry: dict[str, str], changes: dict[str, str | None], reason: str
) -> None:
    fields = {name: value for name, value in (entry | changes).items() if value is not None}

    with pytest.raises(LogCorrupt, match=rf"^5-0: .*({reason})"):
        decode("5-0", fields)


def test_the_fold_refuses_what_does_not_follow() -> None:
    fold = Fold()
    opened = RESERVE | {"k": "open", "b": "10|10|0|0|0", "r": "0|9|1|3|9900|10|2"}
    fold.apply(decode("1-0", opened))
    fold.apply(decode("2-0", RESERVE))

    with pytest.raises(ValueError, match="reserved twice"):
        fold.apply(decode("3-0", RESERVE | {"b": "10|6|4|0|0"}))
    with pytest.raises(ValueError, match="folds to"):
        fold.apply(decode("4-0", CONFIRM | {"b": "10|8|2|0|0"}))
    fold.apply(decode("5-0", CONFIRM | {"b": "10|8|0|2|0"}))
    sold_again = CONFIRM | {"r": f"{RID}|ann|2|e|REFUND_DUE|pay2|19800", "b": "10|8|0|2|0"}
    with pytest.raises(ValueError, match="was sold, not expired"):
        fold.apply(decode("6-0", sold_again))
    unknown = RESERVE | {"k": "expire", "r": "shoes-bbbbbbbbbbbbbbbb|ann|1", "b": "10|9|0|1|0"}
    with pytest.raises(ValueError, match="folds to"):
        fold.apply(decode("7-0", unknown))
    assert fold.books == {"shoes": Books(10, 8, 0, 2, 0)}
    assert fold.reservations[RID].state is HoldState.SOLD


@pytest.mark.parametrize(
    "text",
    [
        "h|ann|2|9900|1790000060000",
        "s|ann|1|0|5|pay1",
        "s|ann|1|0|5|pay1|pay2,pay3",
        "e|a_b-C|3|9900|5||pay2",
    ],
)
def test_a_packed_reservation_reads_and_writes_the_same(text: str) -> None:
    assert pack_reservation(unpack_reservation(RID, text)) == text
