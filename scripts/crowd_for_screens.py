"""Drops with a crowd in front, for `make screenshots`: a waiting room, and a draw."""

import random
import time
from collections.abc import Callable
from threading import Thread
from typing import Any
from urllib.error import URLError

PEOPLE = 140
UNITS = {"lined": 40, "drawn": 48}
GATHER_S, SERVE_S, BUYING_S = 15.0, 10.0, 150.0
COMES = 0.6  # the share that buys in its turn
SALE = {"title": "周五限量 Friday's few"}
TERMS = {"lined": {"mode": "turns", "turn_ms": 20_000, "rate_per_s": 1, "capacity": 5_000},
         "drawn": {"mode": "draw", "turn_ms": 900_000, "capacity": 1_000}}  # fmt: skip
PRICES = {"lined": 26_900, "drawn": 39_900}

Ask = Callable[[str, str, Any, str], Any]


def add_crowds(ask: Ask, skus: dict[str, str], operator: str, buyers: list[str]) -> dict[str, str]:
    """The ids of a drop by turns and of one by lots, each with its line, served for a while.

    `skus` are by the names of TERMS; `buyers` are tokens, of PEOPLE at least.
    """
    opens_ms = round((time.time() + GATHER_S) * 1_000)
    times = {"opens_ms": opens_ms, "closes_ms": opens_ms + 7_200_000}
    campaign = ask("POST", "/v1/admin/campaigns", SALE | times, operator)["campaign_id"]
    found = {name: _add(ask, campaign, skus[name], name, operator) for name in TERMS}
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


def _add(ask: Ask, campaign: str, sku: str, name: str, operator: str) -> str:
    new = {
        "campaign_id": campaign,
        "sku_id": sku,
        "price_fen": PRICES[name],
        "allotted": UNITS[name],
        "buyer_limit": 1,
        "hold_ms": 600_000,
        "ticket_required": True,
    }
    drop_id: str = ask("POST", "/v1/admin/drops", new, operator)["drop_id"]
    path = f"/v1/admin/drops/{drop_id}"
    ask("POST", f"{path}/line", TERMS[name], operator)
    ask("POST", f"{path}/open", {}, operator)
    ask("POST", f"{path}/line", TERMS[name], operator)  # at once, not when the keeper looks
    return drop_id


def _buy(ask: Ask, drop_id: str, buyers: list[str]) -> None:
    """Most of those whose turn it is buy; the others do not come."""
    chance, path = random.Random(7), f"/v1/drops/{drop_id}"
    left = {buyer: chance.random() < COMES for buyer in buyers}
    ends = time.monotonic() + BUYING_S
    while left and time.monotonic() < ends:
        for buyer, comes in list(left.items()):
            try:
                place = ask("GET", f"{path}/line/me", None, buyer)
                if place["standing"] == "waiting":
                    continue
                del left[buyer]
                if comes and place["standing"] == "turn":
                    ticket = ask("POST", f"{path}/tickets", {}, buyer)["ticket"]
                    body = {"quantity": 1, "ticket": ticket}
                    ask("POST", f"{path}/reservations", body, buyer)
            except URLError:  # the turn was over meanwhile, or the pictures are taken
                continue
        time.sleep(0.5)
