"""What the log's codec accepts is what scripts write; all else is refused with the reason."""

from contextlib import nullcontext

import pytest

from stock.books import Books, Movement
from stock.entries import (
    Confirmed,
    Granted,
    Opened,
    Reserved,
    TakenBack,
    decode,
    is_known,
    movements,
    read_books,
)
from stock.errors import LogCorrupt, LogTooNew
from stock.fold import Fold
from stock.line.rows import Joined, Left, LineClosed, LineRevived, Served
from stock.model import ConfirmCode, DropTerms, Fate, HoldState, Reservation
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
}
CONFIRM = RESERVE | {"k": "confirm", "r": f"{RID}|ann|2|h|SOLD|pay1|19800"}
TAKE_BACK = RESERVE | {
    "k": "take_back",
    "b": "10|9|0|1|0",
    "r": f"t1|{RID}|ann|1|a|as%20new",
}
GRANT = RESERVE | {"k": "grant", "b": "10|8|0|2|0", "r": f"{RID}|ann|2|-", "s": "bag%201"}
OPEN = RESERVE | {"k": "open", "b": "10|10|0|0|0", "r": "0|9|1|3|9900|10|2"}
LINE = RESERVE | {"k": "line_leave", "r": "ann|3"}
HELD = RESERVE | {"p": "9900", "x": "1790000600000"}
HOLD = HELD | {"k": "line_hold", "i": "4", "u": "7"}
JOIN = RESERVE | {"k": "line_join", "r": "ann;bob", "i": "7"}
HASH = "0f" * 32
RESERVE |= {"p": "9900", "x": "1790000060000"}


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
    ("letter", "before", "moved"),
    [("-", None, {"available": -2}), ("h", HoldState.HELD, {"held": -2})],
)
def test_a_grant_reads_as_its_rows(
    letter: str, before: HoldState | None, moved: dict[str, int]
) -> None:
    entry = decode("5-0", GRANT | {"r": f"{RID}|ann|2|{letter}"})

    assert entry.rows == (Granted(RID, "ann", 2, before, "bag 1"),)
    assert movements(entry) == [Movement("grant", RID, sold=2, **moved)]


@pytest.mark.parametrize(
    ("letter", "fate", "moved"),
    [("a", Fate.AVAILABLE, {"available": 1}), ("b", Fate.BURNED, {"burned": 1})],
)
def test_a_take_back_reads_as_its_row(letter: str, fate: Fate, moved: dict[str, int]) -> None:
    entry = decode("5-0", TAKE_BACK | {"r": f"t1|{RID}|ann|1|{letter}|as%20new"})

    assert entry.rows == (TakenBack(RID, "ann", 1, "t1", fate, "as new"),)
    assert movements(entry) == [Movement("take_back", RID, sold=-1, **moved)]


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        (f"t1|{RID}|ann|1|c|x", LogTooNew),  # a fate of a later version
        (f"t1|{RID}|ann|1|a|x|more", LogTooNew),
        (f"t1|{RID}|ann|1|?|x", LogCorrupt),
        (f"t1|{RID}|ann|0|a|x", LogCorrupt),
        (f"t 1|{RID}|ann|1|a|x", LogCorrupt),
        ("t1|hats-aaaaaaaaaaaaaaaa|ann|1|a|x", LogCorrupt),
        (f"t1|{RID}|ann|1|a", LogCorrupt),
    ],
)
def test_a_take_back_that_cannot_be_read(columns: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        decode("5-0", TAKE_BACK | {"r": columns})


def test_the_fold_takes_back_what_was_sold() -> None:
    fold, other = Fold(), "shoes-bbbbbbbbbbbbbbbb"
    fold.apply(decode("1-0", OPEN))
    fold.apply(decode("2-0", RESERVE))
    fold.apply(decode("3-0", GRANT | {"b": "10|7|2|1|0", "r": f"{other}|bob|1|-"}))
    with pytest.raises(ValueError, match="it was held"):
        fold.apply(decode("4-0", TAKE_BACK | {"b": "10|8|2|0|0"}))
    fold.apply(decode("5-0", CONFIRM | {"b": "10|7|0|3|0"}))
    fold.apply(decode("6-0", TAKE_BACK | {"b": "10|8|0|2|0"}))
    row = f"t2|{RID}|ann|2|b|x"
    with pytest.raises(ValueError, match="3 of 2"):
        fold.apply(decode("7-0", TAKE_BACK | {"b": "10|8|0|0|2", "r": row}))
    assert fold.taken == {RID: 1}
    assert fold.books["shoes"] == Books(10, 8, 0, 2, 0)


@pytest.mark.parametrize(
    ("columns", "terms"),
    [
        ("1|2|3|4|5|6|7", DropTerms(1, 2, 3, 4, 5, 6, 7)),
        ("1|2|3|4|5|6|7|1", DropTerms(1, 2, 3, 4, 5, 6, 7, ticket_required=True)),
        ("1|2|3|4|5|6", None),
        ("1|2|3|4|5|6|x", None),
    ],
)
def test_an_opening_reads_as_the_terms(columns: str, terms: DropTerms | None) -> None:
    fields = OPEN | {"r": columns}
    if terms is None:
        with pytest.raises(LogCorrupt):
            decode("5-0", fields)
    else:
        assert decode("5-0", fields).rows == (Opened(terms),)


@pytest.mark.parametrize(
    ("entry", "changes", "reason"),
    [
        (RESERVE, {"v": None}, "no 'v'"),
        (RESERVE, {"v": "0"}, "version '0'"),
        (RESERVE, {"v": "01"}, "version '01'"),
        (RESERVE, {"v": "one"}, "version 'one'"),
        (RESERVE, {"v": "-2"}, "version '-2'"),
        (RESERVE, {"k": None}, "no 'k'"),
        (RESERVE, {"k": "Steal!"}, "unknown kind"),
        (RESERVE, {"k": ""}, "unknown kind"),
        (RESERVE, {"\udc80": "x"}, "with the fields"),
        (RESERVE, {"z": "\udcff"}, "with the fields"),
        (RESERVE, {"z": "new", "b": "10|8|1|0|0"}, "do not balance"),
        (RESERVE, {"z": "new", "d": "../x"}, "not a drop id"),
        (RESERVE, {"b": "0|0|0|0|0|x"}, "invalid literal"),
        (RESERVE, {"r": f"{RID}|ann|2|\udcff"}, "too many values"),
        (RESERVE, {"r": f"{RID}|ann|none|new"}, "too many values"),
        (CONFIRM, {"r": f"{RID}|ann|2|h|given|pay1|19800"}, "'given'"),
        (CONFIRM, {"r": f"{RID}|ann|2|?|SOLD|pay1|19800"}, "'\\?'"),
        (CONFIRM, {"r": f"{RID}|ann|2|h|GIVEN|pay 1|19800"}, "'GIVEN'"),
        (RESERVE, {"e": "one"}, "invalid literal"),
        (RESERVE, {"d": "../x"}, "not a drop id"),
        (RESERVE, {"t": ""}, "invalid literal"),
        (RESERVE, {"b": "10|8|1|0|0"}, "do not balance"),
        (RESERVE, {"b": "1|2|-1|0|0"}, "do not balance"),
        (RESERVE, {"b": "1|1"}, "do not balance"),
        (RESERVE, {"r": ""}, "reserve without rows"),
        (RESERVE, {"r": None}, "no 'r'"),
        (RESERVE, {"p": None}, "no 'p'"),
        (RESERVE, {"r": f"{RID}|ann"}, "not enough values"),
        (RESERVE, {"r": f"{RID}|ann|0"}, "no buyer with a quantity"),
        (RESERVE, {"r": f"{RID}||2"}, "no buyer with a quantity"),
        (RESERVE, {"r": "hats-aaaaaaaaaaaaaaaa|ann|2"}, "not a reservation of shoes"),
        (RESERVE, {"r": "shoes-short|ann|2"}, "not a reservation of shoes"),
        (RESERVE, {"k": "open"}, "invalid literal"),
        (RESERVE, {"k": "adjust", "r": "a|b"}, "not enough values"),
        (CONFIRM, {"r": f"{RID}|ann|2|h|SOLD|pay 1|19800"}, "not a confirm"),
        (GRANT, {"s": None}, "no 's'"),
        (GRANT, {"r": f"{RID}|ann|0|-"}, "no buyer with a quantity"),
        (GRANT, {"r": f"{RID}|ann|2|?"}, "'\\?'"),
        (GRANT, {"r": f"{RID}|ann|2"}, "not enough values"),
        (JOIN, {"i": None}, "no 'i'"),
        (JOIN, {"i": "-1"}, "not a place"),
        (JOIN, {"r": "ann;b b"}, "not a buyer"),
        (JOIN, {"r": ""}, "without rows|too many|not enough"),
        (LINE, {"r": "ann|3;bob|4"}, "2 rows"),
        (LINE, {"k": "line_open", "r": "abc|1000|1|1"}, "not a SHA-256"),
        (LINE, {"k": "line_open", "r": f"{HASH}|999|1|1"}, "turn_ms"),
        (LINE, {"k": "line_close", "r": "5|seed"}, "not a seed"),
        (LINE, {"k": "line_serve", "r": "5|5"}, "nobody was served"),
        (LINE, {"k": "line_end", "r": "Gone!"}, "Gone!"),
        (LINE, {"k": "line_open", "r": f"{HASH}|1000|5|5|turns"}, "not the mode"),
        (LINE, {"k": "line_revive", "r": "-1"}, "not a place"),
        (HOLD, {"u": "4"}, "nobody was served"),
        (HOLD, {"i": None}, "no 'i'"),
        (HOLD, {"r": ""}, "without rows"),
    ],
)
def test_what_no_script_would_write_is_corrupt(
    entry: dict[str, str], changes: dict[str, str | None], reason: str
) -> None:
    fields = {name: value for name, value in (entry | changes).items() if value is not None}

    with pytest.raises(LogCorrupt, match=rf"^5-0: .*({reason})"):
        decode("5-0", fields)


@pytest.mark.parametrize(
    ("entry", "changes", "reason"),
    [
        (RESERVE, {"v": "2"}, "version 2"),
        (RESERVE, {"v": "9", "k": None, "d": None, "b": "?"}, "version 9"),
        (RESERVE, {"k": "teleport"}, "kind 'teleport'"),
        (RESERVE, {"k": "seal", "d": None, "b": None, "r": None}, "kind 'seal'"),
        (RESERVE, {"z": "new"}, "field 'z'"),
        (CONFIRM, {"p": "9900"}, "field 'p'"),
        (RESERVE, {"b": "10|7|2|0|0|1"}, "6 counters"),
        (RESERVE, {"r": f"{RID}|ann|2|gift"}, "4 columns"),
        (RESERVE, {"r": f"{RID}|ann|2;{RID}|ann|2|gift"}, "4 columns"),
        (CONFIRM, {"k": "expire", "r": f"{RID}|ann|2|why"}, "4 columns"),
        (CONFIRM, {"k": "pause", "r": "ann|lunch"}, "2 columns"),
        (OPEN, {"r": "1|2|3|4|5|6|7|2"}, "8 columns"),
        (OPEN, {"r": "1|2|3|4|5|6|7|1|1"}, "9 columns"),
        (CONFIRM, {"k": "adjust", "r": "a|5|why|who"}, "4 columns"),
        (CONFIRM, {"r": f"{RID}|ann|2|h|GIVEN|pay1|19800"}, "code 'GIVEN'"),
        (CONFIRM, {"r": f"{RID}|ann|2|h|MISMATCH|pay1|19800"}, "code 'MISMATCH'"),
        (CONFIRM, {"r": f"{RID}|ann|2|q|SOLD|pay1|19800"}, "state 'q'"),
        (GRANT, {"r": f"{RID}|ann|2|e"}, "state 'e'"),
        (GRANT, {"r": f"{RID}|ann|2|-|why"}, "5 columns"),
        (GRANT, {"p": "0"}, "field 'p'"),
        (LINE, {"r": "ann|3|why"}, "3 columns"),
        (JOIN, {"r": "ann|vip;bob"}, "2 columns"),
        (LINE, {"k": "line_end", "r": "asleep"}, "end 'asleep'"),
        (LINE, {"k": "line_open", "r": f"{HASH}|1000|5|5|raffle"}, "mode 'raffle'"),
        (LINE, {"k": "line_open", "r": f"{HASH}|1000|5|5|draw|x"}, "6 columns"),
        (HOLD, {"r": f"{RID}|ann|1|gift"}, "4 columns"),
        (CONFIRM, {"r": f"{RID}|ann|2|q|GIVEN|pay1|19800|cny"}, "8 columns, state 'q', code"),
    ],
)
def test_what_a_later_version_may_write_is_too_new(
    entry: dict[str, str], changes: dict[str, str | None], reason: str
) -> None:
    fields = {name: value for name, value in (entry | changes).items() if value is not None}

    with pytest.raises(LogTooNew, match=rf"^5-0: .*({reason})"):
        decode("5-0", fields)
    whole = is_known(fields) and "counters" not in reason
    with nullcontext() if whole else pytest.raises(LogTooNew):
        assert read_books("5-0", fields).balanced


def test_the_fold_refuses_what_does_not_follow() -> None:
    fold = Fold()
    fold.apply(decode("1-0", OPEN))
    fold.apply(decode("2-0", RESERVE))

    with pytest.raises(ValueError, match="reserved twice"):
        fold.apply(decode("3-0", RESERVE | {"b": "10|6|4|0|0"}))
    with pytest.raises(ValueError, match="folds to"):
        fold.apply(decode("4-0", CONFIRM | {"b": "10|8|2|0|0"}))
    fold.apply(decode("5-0", CONFIRM | {"b": "10|8|0|2|0"}))
    sold_again = CONFIRM | {"r": f"{RID}|ann|2|e|REFUND_DUE|pay2|19800", "b": "10|8|0|2|0"}
    with pytest.raises(ValueError, match="was sold, not expired"):
        fold.apply(decode("6-0", sold_again))
    unknown = CONFIRM | {"k": "expire", "r": "shoes-bbbbbbbbbbbbbbbb|ann|1", "b": "10|9|0|1|0"}
    with pytest.raises(ValueError, match="folds to"):
        fold.apply(decode("7-0", unknown))
    assert fold.books == {"shoes": Books(10, 8, 0, 2, 0)}
    assert fold.reservations[RID].state is HoldState.SOLD


def test_the_fold_grants_once() -> None:
    fold = Fold()
    fold.apply(decode("1-0", OPEN))
    fold.apply(decode("2-0", RESERVE))

    with pytest.raises(ValueError, match="was held, not None"):
        fold.apply(decode("3-0", GRANT | {"b": "10|6|2|2|0"}))
    fold.apply(decode("4-0", GRANT | {"r": f"{RID}|ann|2|h"}))
    with pytest.raises(ValueError, match="was sold, not None"):
        fold.apply(decode("5-0", GRANT | {"b": "10|6|0|4|0"}))
    other = "shoes-bbbbbbbbbbbbbbbb"
    fold.apply(decode("6-0", GRANT | {"b": "10|7|0|3|0", "r": f"{other}|bob|1|-"}))
    assert fold.reservations[RID].state is HoldState.SOLD
    given = Reservation(other, HoldState.SOLD, "bob", 1, 0, 1790000000000)
    assert fold.reservations[other] == given


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


def test_the_rows_of_a_line_move_no_stock() -> None:
    join = decode("5-0", JOIN)
    assert join.rows == (Joined("ann", 7), Joined("bob", 8))
    assert decode("6-0", LINE).rows == (Left("ann", 3),)
    assert decode("7-0", LINE | {"k": "line_close", "r": f"5|{HASH}"}).rows == (
        LineClosed(5, HASH),
    )
    assert decode("8-0", LINE | {"k": "line_serve", "r": "5|9"}).rows == (Served(5, 9),)
    assert decode("9-0", LINE | {"k": "line_revive", "r": "9"}).rows == (LineRevived(9),)
    assert movements(join) == []
    # but for units that are held with it
    held = decode("10-0", HOLD)
    assert held.rows == (Served(4, 7), *decode("11-0", HELD).rows)
    assert movements(held) == movements(decode("11-0", HELD))


def test_the_fold_of_a_line_takes_an_entry_whole_or_not_at_all() -> None:
    """I13: one place a buyer, places without a gap, turns that only rise."""
    books = {"b": "10|10|0|0|0"}
    fold = Fold()
    fold.apply(decode("1-0", OPEN))
    with pytest.raises(ValueError, match="has no line"):
        fold.apply(decode("2-0", JOIN | books | {"i": "0"}))
    opening = LINE | books | {"k": "line_open", "r": f"{HASH}|1000|5|5"}
    fold.apply(decode("3-0", opening))
    fold.apply(decode("4-0", JOIN | books | {"i": "0"}))
    for rows, first, reason in (
        ("cat;ann", "2", "ann has two places"),
        ("cat;dan", "3", "place 3 after 2"),
        ("cat;cat", "2", "joins twice"),
    ):
        with pytest.raises(ValueError, match=reason):
            fold.apply(decode("5-0", JOIN | books | {"r": rows, "i": first}))
    with pytest.raises(ValueError, match="serves 0 to 1, gathering"):
        fold.apply(decode("6-0", LINE | books | {"k": "line_serve", "r": "0|1"}))
    fold.apply(decode("7-0", LINE | books | {"r": "ann|0"}))
    fold.apply(decode("8-0", LINE | books | {"k": "line_close", "r": f"2|{HASH}"}))
    fold.apply(decode("9-0", LINE | books | {"k": "line_serve", "r": "0|2"}))
    with pytest.raises(ValueError, match="at 2"):
        fold.apply(decode("10-0", LINE | books | {"k": "line_serve", "r": "0|1"}))
    fold.apply(decode("11-0", LINE | books | {"k": "line_end", "r": "gone"}))
    with pytest.raises(ValueError, match="gone after gone"):
        fold.apply(decode("12-0", LINE | books | {"k": "line_end", "r": "gone"}))
    line = fold.lines.lines["shoes"]
    assert (line.n, line.n0, line.left, line.serving, line.state) == (2, 2, 1, 2, "gone")
    assert line.closing_id == "8-0"
