"""Compares what a page showed with what the service had, and names each lie. No I/O."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from tests.faults.pages.witness import HELD, SOLD, Sight

LATE_MS = 10_000  # so long a page may show what was true before, without a word
CLOCKS_MS = 50  # between the clock of a browser and that of Redis


class Truth(Struct, frozen=True):
    """What the service had: the units left from each time on, in order, and all comments."""

    stock: Sequence[tuple[float, int]]
    comments: Mapping[int, str]
    held: bool  # this buyer ever had a reservation
    sold: bool


def truth_of(
    messages: Iterable[Mapping[str, Any]], drop_id: str, *, held: bool, sold: bool
) -> Truth:
    """From what a second viewer heard of the room, whatever was killed."""
    stock: list[tuple[float, int]] = []
    comments: dict[int, str] = {}
    greeted_ms = 0.0  # a snapshot has no time of its own: the greeting before it has
    for message in messages:
        greeted_ms = message.get("server_ms", greeted_ms)
        at_ms = message.get("at_ms", greeted_ms)
        drops = [message["drop"]] if "remaining" in message.get("drop", {}) else []
        drops += [message["stock"]] if message["type"] == "stock" else []
        drops += message.get("drops", [])
        stock += [(at_ms, drop["remaining"]) for drop in drops if drop["drop_id"] == drop_id]
        for comment in [*message.get("comments", []), message.get("comment")]:
            if comment and "text" in comment:
                comments[comment["comment_id"]] = comment["text"]
    return Truth(sorted(stock, key=lambda one: one[0]), comments, held, sold)


def find_lies(sights: Sequence[Sight], truth: Truth, end_ms: float) -> list[str]:
    """Empty: at every moment the page showed what was so, or said that it did not know."""
    lies: list[str] = []
    for sight, until_ms in zip(sights, [*(one.at_ms for one in sights[1:]), end_ms], strict=True):
        lies += _of_purchase(sight, truth)
        lies += _of_stock(sight, until_ms, truth)
        lies += _of_comments(sight, truth)
    return list(dict.fromkeys(lies))


def _of_purchase(sight: Sight, truth: Truth) -> Iterable[str]:
    if set(HELD) & set(sight.claims) and not truth.held:
        yield "it says that units are theirs, and there is no reservation"
    if set(SOLD) & set(sight.claims) and not truth.sold:
        yield "it says that it is paid, and the order is not sold"
    if sight.refusal and truth.held:
        yield f"it says that it failed ({sight.refusal}), and there is a reservation"


def _of_stock(sight: Sight, until_ms: float, truth: Truth) -> Iterable[str]:
    found = re.search(r"(\d+) / \d+", sight.stock)
    if found is None or not truth.stock:
        return
    left = int(found[1])
    times = [at_ms for at_ms, _ in truth.stock]
    values = [value for _, value in truth.stock]
    last = bisect_right(times, sight.at_ms + CLOCKS_MS)
    if left not in values[:last]:
        yield f"it shows {left} left, and {values[max(0, last - 3) : last + 2]} was so"
        return
    if sight.notice == "Reconnecting":
        return
    # The last time that it became untrue, before the page changed.
    since = bisect_right(times, until_ms)
    while since > 0 and values[since - 1] != left:
        since -= 1
    if since < len(times) and until_ms - max(times[since], sight.at_ms) > LATE_MS:
        yield f"it shows {left} left for more than {LATE_MS / 1000:.0f} s after that changed"


def _of_comments(sight: Sight, truth: Truth) -> Iterable[str]:
    ids = [number for number, _ in sight.comments]
    if ids != sorted(set(ids)):
        yield "it shows a comment twice, or in another order"
    if not ids:
        return
    wanted = [number for number in truth.comments if ids[0] <= number <= ids[-1]]
    if missing := set(wanted) - set(ids):
        yield f"it left out {len(missing)} comments in the middle"
    for number, text in sight.comments:
        if truth.comments.get(number, text) != text:
            yield f"comment {number} has another text"


def differs(sight: Sight, snapshot: Mapping[str, Any], drop_id: str) -> str:
    """How the last sight differs from a fresh snapshot; empty if it does not."""
    [drop] = [one for one in snapshot["drops"] if one["drop_id"] == drop_id]
    stock = f"left {drop['remaining']} / {drop['allotted']}"
    if sight.stock != stock:
        return f"{sight.stock!r} and not {stock!r}"
    ids = [number for number, _ in sight.comments]
    kept = [comment["comment_id"] for comment in snapshot["comments"]]
    if ids[-len(kept) :] != kept:
        return f"comments {ids[-3:]} and not {kept[-3:]}"
    return sight.notice if sight.notice == "Reconnecting" else ""
