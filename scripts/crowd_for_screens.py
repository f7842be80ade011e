"""Drops with a crowd in front, for `make screenshots`: lines of the shop and of the console."""

import random
import time
from collections.abc import Callable
from threading import Thread
from typing import Any
from urllib.error import URLError

PEOPLE = 140
UNITS = {"lined": 40, "drawn": 48}
GATHER_S, SERVE_S, BUYING_S = 15.0, 10.0, 150.0
LINE_S = 25.0  # until a line of the shop opens: so many join before
COMES = 0.6  # the share that buys in its turn
SALE = {"title": "周五限量 Friday's few"}
TERMS = {"lined": {"mode": "turns", "turn_ms": 20_000, "rate_per_s": 1, "capacity": 5_000},
         "drawn": {"mode": "draw", "turn_ms": 900_000, "capacity": 1_000}}  # fmt: skip
PRICES = {"lined": 26_900, "drawn": 39_900}
NEW = {"buyer_limit": 1, "hold_ms": 600_000, "ticket_required": True}  # what all drops have

Ask = Callable[[str, str, Any, str], Any]


def add_crowds(ask: Ask, skus: dict[str, str], operator: str, buyers: list[str]) -> dict[str, str]:
    """The ids of a drop by turns and of one by lots, each with its line, served for a while.

    `skus` are by the names of TERMS; `buyers` are tokens, of PEOPLE at least.
    """
    opens_ms = round((time.time() + GATHER_S) * 1_000)
    times = {"opens_ms": opens_ms, "closes_ms": opens_ms + 7_200_000}
    campaign = ask("POST", "/v1/admin/campaigns", SALE | times, operator)["campaign_id"]
    found: dict[str, str] = {}
    for name, terms in TERMS.items():
        new = {"price_fen": PRICES[name], "allotted": UNITS[name], "sku_id": skus[name]}
        found[name] = _add(ask, {"campaign_id": campaign} | new, terms, operator)
    for name, drop_id in found.items():
        where = "entries" if TERMS[name]["mode"] == "draw" else "line"
        for buyer in buyers[:PEOPLE]:
            ask("POST", f"/v1/drops/{drop_id}/{where}", {}, buyer)
    time.sleep(max(0.0, opens_ms / 1_000 - time.time()))
    # They go on while the pictures are taken.
    crowd = Thread(target=_buy, args=(ask, found["lined"], buyers[:PEOPLE]), daemon=True)
    crowd.start()
    time.sleep(SERVE_S)
    return found


def add_lines(
    ask: Ask,
    campaign: str,
    skus: dict[str, str],
    operator: str,
    token_of: Callable[[str], str],
    name: str,
) -> dict[str, str]:
    """The ids of drops in whose lines the buyer `name` waits, is in turn, and is on a waitlist.

    `skus` are `lamp_line`, `mug_line` and `bottle_line`; `token_of` makes the token of a buyer.
    """
    buyer, now_ms = token_of(name), round(time.time() * 1_000)

    def add(sku: str, units: int, in_s: float, **terms: Any) -> str:
        new = {"campaign_id": campaign, "sku_id": skus[sku], "price_fen": 6_900, "allotted": units}
        opens = {"opens_ms": now_ms + round(in_s * 1_000)}
        return _add(ask, new | opens, terms, operator)

    def join(drop_id: str, *tokens: str) -> None:
        for token in tokens:
            ask("POST", f"/v1/drops/{drop_id}/line", {}, token)

    def guests(count: int) -> list[str]:
        return [token_of(f"dev-guest-{number}") for number in range(count)]

    waiting = add("lamp_line", 24, LINE_S, mode="turns", turn_ms=300_000, rate_per_s=1)
    turn = add("mug_line", 9, LINE_S, mode="turns", turn_ms=600_000)
    listed = add("bottle_line", 2, 0, mode="waitlist", turn_ms=300_000)
    join(waiting, *guests(400))
    join(turn, buyer, *guests(2))
    for guest in guests(2):
        _reserve(ask, listed, guest)
    join(listed, *guests(8)[2:], buyer)
    for drop_id in (waiting, turn):
        while ask("GET", f"/v1/drops/{drop_id}/line", None, buyer)["state"] != "open":
            time.sleep(0.2)
    join(waiting, buyer)  # behind those who came before the opening
    return {"line_waiting": waiting, "line_turn": turn, "line_listed": listed}


def _add(ask: Ask, new: dict[str, Any], terms: dict[str, Any], operator: str) -> str:
    """The id of an opened drop whose line can be joined. `new` has what NEW lacks."""
    drop_id: str = ask("POST", "/v1/admin/drops", NEW | new, operator)["drop_id"]
    path = f"/v1/admin/drops/{drop_id}"
    ask("POST", f"{path}/line", terms, operator)
    ask("POST", f"{path}/open", {}, operator)
    ask("POST", f"{path}/line", terms, operator)  # at once, not when the keeper looks
    return drop_id


def _reserve(ask: Ask, drop_id: str, buyer: str) -> None:
    path = f"/v1/drops/{drop_id}"
    ticket = ask("POST", f"{path}/tickets", {}, buyer)["ticket"]
    ask("POST", f"{path}/reservations", {"quantity": 1, "ticket": ticket}, buyer)


def _buy(ask: Ask, drop_id: str, buyers: list[str]) -> None:
    """Most of those whose turn it is buy; the others do not come."""
    chance = random.Random(7)
    left = {buyer: chance.random() < COMES for buyer in buyers}
    ends = time.monotonic() + BUYING_S
    while left and time.monotonic() < ends:
        for buyer, comes in list(left.items()):
            try:
                place = ask("GET", f"/v1/drops/{drop_id}/line/me", None, buyer)
                if place["standing"] == "waiting":
                    continue
                del left[buyer]
                if comes and place["standing"] == "turn":
                    _reserve(ask, drop_id, buyer)
            except URLError:  # the turn was over meanwhile, or the pictures are taken
                continue
        time.sleep(0.5)
