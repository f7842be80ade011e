"""Words that are not said, and what may be said although it looks like them."""

from pathlib import Path

import pytest

from livesale.errors import Refused
from livesale.settings import config_folder
from livesale.validation.blocked_words import BlockedWords, load_words

WORDS = BlockedWords(["赌博", "加微信", "加v信", "ass", "Straße", "が", "!?"])


@pytest.mark.parametrize(
    "text",
    [
        "来赌博吧",
        "赌 博",
        "赌\u200b博",
        "赌-*。博",
        "赌😀博",
        "加Ｖ信",
        "加 V 信 abc",
        "加Ⓥ信",
        "ASS",
        "ａｓｓ",
        "a.s.s",
        "áss",
        "a\u0336s\u0336s",
        "你ass好",
        "STRASSE",
        "か\u3099",
    ],
)
def test_what_is_found(text: str) -> None:
    assert WORDS.found_in(text)


@pytest.mark.parametrize("text", ["赌一把", "pass", "assess", "a sass", "加微", "博赌", "", "!?"])
def test_what_is_not_found(text: str) -> None:
    assert not WORDS.found_in(text)


def test_a_file_is_words_and_remarks(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\ufeff# a remark\n 坏话 \n\nBad\n", encoding="utf-8")
    words = load_words(path)
    assert len(words) == 2
    assert words.found_in("bad!")
    assert not words.found_in("a remark")


def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    broken = tmp_path / "broken.txt"
    broken.write_bytes(b"\xff\xfe\xff")
    for path in (broken, tmp_path / "missing.txt"):
        with pytest.raises(Refused, match="LIVESALE__LIVE__BLOCKED_WORDS"):
            load_words(path)


def test_the_list_that_comes_along_holds_back_no_greeting() -> None:
    words = load_words(config_folder() / "blocked-words.txt")
    assert words.found_in("加 微 信 有 优惠")
    for text in ("主播好漂亮", "多少钱？", "还有货吗", "加油！", "微信支付可以吗", "push it"):
        assert not words.found_in(text), text
