"""Purchase tickets: signed like tokens, bound to a buyer and a drop. No state, no I/O.

    lst1.<key id>.<epoch>.<serial>.<expires_ms>.<mac>

The mac is HMAC-SHA256 over everything before its dot, the drop and the buyer. Drop and buyer are
not in the text: only the buyer who got the ticket can use it. The serial is the microsecond of the
issue, by the clock of Redis; `lua/stock/reserve.lua` accepts it once. The epoch is the partition's:
a recovery rebuilds sales, but not the used tickets, so it ends all issued tickets.
"""

import re

from livesale.tokens.errors import TicketInvalid
from livesale.tokens.keyring import Keyring
from stock.model import Ticket

VERSION = "lst1"
MAX_TICKET_LENGTH = 160
TICKET_PATTERN = r"^[!-~]{1,160}$"

_read = re.compile(
    r"(lst1\.([A-Za-z0-9]{1,16})\.(\d{1,15})\.(\d{1,16})\.(\d{1,15}))\.([A-Za-z0-9_-]{43})",
    re.ASCII,
).fullmatch


class TicketSigner:
    """Signs and reads tickets."""

    def __init__(self, keyring: Keyring) -> None:
        self._keys = keyring

    def sign(self, ticket: Ticket, *, drop_id: str, buyer_id: str, epoch: int) -> str:
        text = f"{VERSION}.{self._keys.key_id}.{epoch}.{ticket.serial}.{ticket.expires_ms}"
        return f"{text}.{self._keys.mac(text, drop_id, buyer_id)}"

    def read(self, text: str, *, drop_id: str, buyer_id: str, epoch: int) -> Ticket:
        """The ticket, if we issued it to this buyer for this drop in this epoch.

        `reserve` checks whether it has expired or was used. Raises TicketInvalid.
        """
        found = _read(text)
        if found is None or not self._keys.knows(found[2]):
            raise TicketInvalid("not a ticket of this service")
        if not self._keys.holds(found[6], found[2], found[1], drop_id, buyer_id):
            raise TicketInvalid("not for this buyer and this drop, or altered")
        if int(found[3]) != epoch:
            raise TicketInvalid("from before this part of the stock was recovered")
        return Ticket(int(found[4]), int(found[5]))
