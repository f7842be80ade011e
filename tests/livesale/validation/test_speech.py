"""What becomes of a text before others see it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livesale.validation.speech import MAX_JOINED, MAX_MARKS, ZWJ, clean

FAMILY = "👨‍👩‍👧‍👦"


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("  主播好！\r\n 多少钱\t? ", "主播好！ 多少钱 ?"),
        ("<b>&lt;script>alert(1)</b>", "<b>&lt;script>alert(1)</b>"),  # text, and nothing else
        ("a\u0000b\u001b[31mc\u0085d", "ab[31mc d"),
        ("pay \u202egnp.exe\u202c now", "pay gnp.exe now"),
        ("\u2066a\u2069\u200e\u200f\u061cb", "ab"),
        ("a\u200bb\u2060c\ufeffd\u00ade", "abcde"),
        ("\u2028one\u2029two\u3000three", "one two three"),
        ("\ue000\U000e0041\ufff9x\uffff", "x"),
        ("e\u0301te\u0301", "été"),
        ("a" + "\u0336" * 40, "a" + "\u0336" * MAX_MARKS),
        ("\u0336\u0336a \u0336b", "a b"),  # a mark needs a letter
        (FAMILY + " 🏳️‍🌈 👩🏽‍🚀 1️⃣", FAMILY + " 🏳️‍🌈 👩🏽‍🚀 1️⃣"),
        (ZWJ.join("👨" * 9), ZWJ.join("👨" * MAX_JOINED) + "👨" * (9 - MAX_JOINED)),
        (f"{ZWJ}a{ZWJ}{ZWJ}{ZWJ}b {ZWJ}c{ZWJ}", f"a{ZWJ}b c"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("สวัสดี ครับ", "สวัสดี ครับ"),
        ("ti\u1ebfng Vi\u1ec7t", "tiếng Việt"),
        ("\u200b\u200d\u202e \t", ""),
        ("\u3164\u115f\u1160\uffa0\u2800\U0001d159", ""),  # letters that nobody sees
        ("加\u3164v\uffa0信\u2800!", "加v信 !"),
        ("a\u034f\u17b4b", "ab"),
        ("", ""),
    ],
)
def test_what_others_see(sent: str, seen: str) -> None:
    assert clean(sent) == seen


@given(st.text(max_size=200))
def test_whatever_is_sent_is_one_bounded_line(sent: str) -> None:
    seen = clean(sent)
    assert len(seen) <= len(unicodedata.normalize("NFC", sent))
    assert clean(seen) == seen
    assert "  " not in seen
    assert seen == seen.strip()
    marks = 0
    for character in seen:
        category = unicodedata.category(character)
        assert category not in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")
        assert category != "Cf" or character in ("\u200c", ZWJ)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        assert marks <= MAX_MARKS
