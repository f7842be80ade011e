"""A forged sale that holds, for tests to break in one place each."""

from collections import Counter
from typing import Any

import msgspec

from loadtests.history import Claim, Drop, Held, History, Paid, Sample
from loadtests.service import Books, DropBooks, Order, Said, Stand

DROP = "0drop"


def claim(buyer: str, rid: str = "", quantity: int = 1, codes: str = "held") -> Claim:
    """A claim that was answered, in words; `rid` where it was told of a reservation."""
    told = codes.split()
    answers = [
        Held(rid, quantity, quantity * 100, code == "held")
        for code in told
        if code in ("held", "replayed")
    ]
    return Claim(DROP, buyer, quantity, told, answers)


def order(rid: str, buyer: str, quantity: int = 1, state: str = "held", **other: Any) -> Order:
    found = Order(rid, buyer, quantity, quantity * 100, state, DROP, 5_000)
    return msgspec.structs.replace(found, **other)


def history(*claims: Claim, **parts: Any) -> History:
    tally = Counter({"reserve|201|held|": len(claims)})
    return History(
        drops={DROP: Drop(DROP, 3, 2, 100, 5_000)},
        claims=list(claims),
        samples=[Sample(DROP, 3, 1, 1, 1, 0)],
        tally=tally,
        **parts,
    )


def said(*orders: Order, others: tuple[str, ...] = (), **books: Any) -> Said:
    """What a healthy service says of these orders, unless `books` say otherwise."""
    held = sum(each.quantity for each in orders if each.state == "held")
    sold = sum(each.quantity for each in orders if each.state == "sold")
    right = Books(3, 3 - held - sold, held, sold, 0)
    whole = {"redis": right, "sql": right, "lag_entries": 0, "ok": True} | books
    stand = Stand(
        DropBooks(DROP, **whole),
        {each.order_id: each for each in orders},
        settled=whole["ok"] and not whole["lag_entries"],
    )
    return Said({DROP: stand}, list(others), 7)


def healthy() -> tuple[History, Said]:
    """Anna paid, Bob holds, Cid never learned what came of his wish, Dora came too late."""
    claims = (
        claim("anna", "r1", codes="overloaded held"),
        claim("bob", "r2", codes="lost replayed"),
        claim("cid", codes="outcome_unknown hung_up"),
        claim("dora", codes="not_open sold_out"),
    )
    orders = (order("r1", "anna", state="sold"), order("r2", "bob"), order("r3", "cid"))
    return history(*claims, payments=[Paid("r1", "sold")]), said(*orders)
