"""The texts for a template of WeChat's subscribe messages. No I/O.

A template has fields named by kind and number (`thing1`, `time2`), and each kind accepts only
certain texts; WeChat refuses a message with an invalid field (47003). The kinds and
their limits: https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/
subscribe-message/api_sendmessage
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

MAX_FIELDS = 10

_FIELD = re.compile(r"(thing|time|date|phrase|character_string)[0-9]{1,3}")
_PLACE = re.compile(r"\{[^}]*\}?|\}")
_FITS = {
    "thing": re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,20}"),
    "phrase": re.compile(r"[\u4e00-\u9fff]{1,5}"),
    "character_string": re.compile(r"[!-~]{1,32}"),
}
MAX_THING = 20
PLACES = {"{title}": ("thing",), "{time}": ("time", "date", "thing")}


def check_texts(texts: Mapping[str, str]) -> None:
    """Raises ValueError for fields that no message can fill."""
    if len(texts) > MAX_FIELDS:
        raise ValueError(f"a template has at most {MAX_FIELDS} fields")
    for name, text in texts.items():
        found = _FIELD.fullmatch(name)
        if found is None:
            kinds = "thing, time, date, phrase or character_string"
            raise ValueError(f"{name!r} is not a field: use {kinds} and a number")
        kind, places = found[1], _PLACE.findall(text)
        for place in places:
            if kind not in PLACES.get(place, ()):
                raise ValueError(f"{name} cannot have {place}")
        if kind in ("time", "date"):
            if text != "{time}":
                raise ValueError(f"{name} must be {{time}}")
        elif not places and not _FITS[kind].fullmatch(text):
            raise ValueError(f"{name} does not accept {text!r}")


def fill(texts: Mapping[str, str], *, title: str, at_ms: int, offset_min: int) -> dict[str, str]:
    """The texts of one message. Cuts titles to the length of their field."""
    time = _clock_time(at_ms, offset_min)
    filled = {}
    for name, text in texts.items():
        whole = text.replace("{time}", time)
        room = MAX_THING - _units(whole.replace("{title}", ""))
        whole = whole.replace("{title}", _clip(title, max(1, room)))
        filled[name] = _clip(whole, MAX_THING) if name.startswith("thing") else whole
    return filled


def _clock_time(at_ms: int, offset_min: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC) + timedelta(minutes=offset_min)
    return f"{at.year}年{at.month}月{at.day}日 {at:%H:%M}"


def _clip(text: str, most: int) -> str:
    """At most this many UTF-16 units, as in JavaScript and Java; marks a cut."""
    if _units(text) <= most:
        return text
    kept = ""
    for character in text:
        if _units(kept) + _units(character) > most - 1:
            break
        kept += character
    return f"{kept}…"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
