"""The packed forms of a reservation and a buyer's holdings, shared by Lua and Python. No I/O.

A reservation is `state|buyer|quantity|price_fen|expires_ms[|paid_by[|refunds]]` with one letter for
the state and refunds joined by commas; see lua/includes/records.lua for the other side.
"""

from stock.model import HoldState, Reservation

STATE_OF_LETTER = {
    "h": HoldState.HELD,
    "s": HoldState.SOLD,
    "r": HoldState.RELEASED,
    "e": HoldState.EXPIRED,
}
LETTER_OF_STATE = {state: letter for letter, state in STATE_OF_LETTER.items()}


def unpack_reservation(rid: str, text: str) -> Reservation:
    """Read a packed reservation. Raises ValueError or KeyError if it is malformed."""
    state, buyer_id, quantity, price_fen, expires_ms, *rest = text.split("|")
    refunds = rest[1] if len(rest) > 1 else ""
    return Reservation(
        rid,
        STATE_OF_LETTER[state],
        buyer_id,
        int(quantity),
        int(price_fen),
        int(expires_ms),
        rest[0] if rest else "",
        tuple(refunds.split(",")) if refunds else (),
    )


def pack_reservation(reservation: Reservation) -> str:
    """Pack a reservation in the same form as Lua."""
    r = reservation
    head = f"{LETTER_OF_STATE[r.state]}|{r.buyer_id}|{r.quantity}|{r.price_fen}|{r.expires_ms}"
    if r.refunds:
        return f"{head}|{r.paid_by}|{','.join(r.refunds)}"
    return f"{head}|{r.paid_by}" if r.paid_by else head
