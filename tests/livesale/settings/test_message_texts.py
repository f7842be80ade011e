"""What stands in a message fits the template's fields, whatever a room is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livesale.settings.message_texts import MAX_FIELDS, check_texts, fill
from tests.twins.wechat_messages import FITS

TEXTS = {"thing1": "{title}", "time2": "{time}", "date3": "{time}", "thing4": "直播 {title}"}
EVENING_MS = 1_795_521_600_000  # 2026-11-24 12:00 UTC


def test_a_message_says_what_and_when() -> None:
    filled = fill(TEXTS, title="茶会", at_ms=EVENING_MS, offset_min=480)
    assert filled == {
        "thing1": "茶会",
        "time2": "2026年11月24日 20:00",
        "date3": "2026年11月24日 20:00",
        "thing4": "直播 茶会",
    }


@given(
    title=st.text(min_size=1, max_size=200).filter(lambda text: text.isprintable()),
    at_ms=st.integers(0, 4_000_000_000_000),
    offset_min=st.integers(-720, 840),
)
def test_every_title_fits(title: str, at_ms: int, offset_min: int) -> None:
    filled = fill(TEXTS, title=title, at_ms=at_ms, offset_min=offset_min)
    for name, text in filled.items():
        assert FITS[name.rstrip("0123456789")].fullmatch(text), (name, text)
        assert len(text.encode("utf-16-le")) <= 40


def test_a_title_that_is_cut_shows_it() -> None:
    assert fill(TEXTS, title="x" * 21, at_ms=0, offset_min=0)["thing1"] == "x" * 19 + "…"
    assert fill(TEXTS, title="x" * 20, at_ms=0, offset_min=0)["thing1"] == "x" * 20


@pytest.mark.parametrize(
    "texts",
    [
        {"title": "{title}"},
        {"thing": "{title}"},
        {"name1": "{title}"},
        {"thing1": "{who}"},
        {"thing1": "{title"},
        {"thing1": ""},
        {"thing1": "x" * 21},
        {"time1": "20:00"},
        {"time1": "{title}"},
        {"phrase1": "soon"},
        {"phrase1": "即将开始抢购"},
        {"character_string1": "不行"},
        {"character_string1": "{title}"},
        {f"thing{number}": "x" for number in range(MAX_FIELDS + 1)},
    ],
)
def test_texts_that_could_never_be_sent(texts: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_texts(texts)


def test_texts_that_can() -> None:
    check_texts(TEXTS | {"phrase5": "即将开抢", "character_string6": "live-24", "thing7": "别错过"})
