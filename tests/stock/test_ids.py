import pytest

from stock.ids import (
    Origin,
    drop_of,
    is_buyer_id,
    is_drop_id,
    is_idempotency_key,
    is_rid,
    keyed_rid,
    least_id,
    made_ms,
    new_id,
    origin_id,
    random_rid,
    shell_id,
)


def test_ids_are_short_unique_and_sort_by_time() -> None:
    first = [new_id() for _ in range(50)]

    assert len(set(first)) == 50
    assert all(is_drop_id(one) and len(one) == 13 for one in first)
    assert new_id()[:8] >= first[0][:8]


def test_an_id_tells_when_it_was_made() -> None:
    assert made_ms(least_id(1_795_746_344_102)) == 1_795_746_344_102
    one = new_id()
    assert least_id(made_ms(one)) <= one < least_id(made_ms(one) + 1)


def test_a_rid_tells_its_drop_and_fits_a_payment_gateway() -> None:
    drop_id = new_id()

    for rid in (random_rid(drop_id), keyed_rid(drop_id, "buyer_1", "k" * 64)):
        assert is_rid(rid)
        assert drop_of(rid) == drop_id
        assert len(rid) == 30  # WeChat Pay's out_trade_no has at most 32


def test_a_key_means_one_rid_for_one_buyer_in_one_drop() -> None:
    rid = keyed_rid("drop1", "ann", "key")

    assert rid == keyed_rid("drop1", "ann", "key")
    others = {
        keyed_rid("drop1", "bob", "key"),
        keyed_rid("drop2", "ann", "key"),
        keyed_rid("drop1", "ann", "key2"),
        keyed_rid("drop1", "an", "n|key"),
    }
    assert len(others | {rid}) == 5


def test_ids_of_different_origin_never_meet() -> None:
    # given what a prize, an operator, a room and the command line make
    ours = {
        origin_id("drop1", Origin.PRIZE, "b1", "ann"),
        origin_id("drop1", Origin.OPERATOR, "boss", "k"),
        origin_id("drop1", Origin.ROOM, "buyer", "host", "k"),
        shell_id("drop1", "boss|k"),
        shell_id("drop1", "k"),
    }
    assert len(ours) == 5
    # when buyers of any name send keys that spell the same text
    theirs = {
        keyed_rid("drop1", "bag", "b1|ann"),
        keyed_rid("drop1", "operator", "boss|k"),
        keyed_rid("drop1", "operator", "k"),
        keyed_rid("drop1", "room", "buyer|host|k"),
    }
    # then none is one of ours
    assert len(theirs) == 4
    assert not ours & theirs
    with pytest.raises(ValueError, match="no part of an id"):
        origin_id("drop1", Origin.PRIZE, "b|1", "ann")


def test_ids_are_those_of_the_releases_before() -> None:
    """A retry that crosses an upgrade must find what it made."""
    assert keyed_rid("drop1", "ann", "key") == "drop1-Wm4lqIWKPwXm0Yo1"
    assert keyed_rid("drop1", "ann", "bag|x") == "drop1-WLUoZqd0GLjTSnES"
    assert origin_id("drop1", Origin.PRIZE, "b1", "ann") == "drop1-wHu-lF0L5TZfF8CN"
    assert origin_id("drop1", Origin.OPERATOR, "boss", "k") == "drop1-prWAJHO_Jmam-3jG"
    assert origin_id("drop1", Origin.ROOM, "buyer", "host", "k") == "drop1-wBtA3WkiOORY7JYd"
    assert shell_id("drop1", "k") == "drop1-ENGvzy6tEHTtDUQx"


def test_what_may_not_stand_in_a_key_is_refused() -> None:
    for bad in ("", "a b", "a|b", "a;b", "ä", "x" * 41, "a\n"):
        assert not is_buyer_id(bad)
    for bad in ("", "UPPER", "with-dash", "x" * 16, "a\n"):
        assert not is_drop_id(bad)
    for bad in ("", "a b", "é", "x" * 65, "a\n"):
        assert not is_idempotency_key(bad)
    assert is_idempotency_key("9f0c-{any}/printable|ASCII")
