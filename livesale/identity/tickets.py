"""Purchase tickets: signed like tokens, bound to a buyer and a drop. No state, no I/O.

    lst1.<key id>.<epoch>.<serial>.<expires_ms>.<mac>

The mac is HMAC-SHA256 over everything before its dot, the drop and the buyer, who are not in the
text: whoever presents it must be the one it was given to. The serial is the microsecond of the
issue, by the clock of Redis; `lua/reserve.lua` makes it good once. The epoch is the partition's: a
recovery, which rebuilds what was sold and not which tickets were used, ends all that were out.
"""

import base64
import hmac
import re
from collections.abc import Mapping

from livesale.identity.errors import TicketInvalid
from livesale.settings import Settings
from stock.model import Ticket

VERSION = "lst1"
MAX_TICKET_LENGTH = 160
TICKET_PATTERN = r"^[!-~]{1,160}$"

_read = re.compile(
    r"(lst1\.([A-Za-z0-9]{1,16})\.(\d{1,15})\.(\d{1,16})\.(\d{1,15}))\.([A-Za-z0-9_-]{43})",
    re.ASCII,
).fullmatch


class TicketSigner:
    """Issues with one key and accepts those of the old keys too, until they are removed."""

    def __init__(
        self, key_id: str, secret: bytes, old_keys: Mapping[str, bytes] | None = None
    ) -> None:
        self._key_id = key_id
        self._secrets = {**(old_keys or {}), key_id: secret}

    @classmethod
    def from_settings(cls, settings: Settings) -> "TicketSigner":
        auth = settings.auth
        old = {key_id: value.get_secret_value().encode() for key_id, value in auth.old_keys.items()}
        return cls(auth.key_id, auth.secret.get_secret_value().encode(), old)

    def sign(self, ticket: Ticket, *, drop_id: str, buyer_id: str, epoch: int) -> str:
        text = f"{VERSION}.{self._key_id}.{epoch}.{ticket.serial}.{ticket.expires_ms}"
        return f"{text}.{_mac(self._secrets[self._key_id], text, drop_id, buyer_id)}"

    def read(self, text: str, *, drop_id: str, buyer_id: str, epoch: int) -> Ticket:
        """The ticket, if we gave it to this buyer for this drop in this epoch.

        Whether it has expired or was used is decided by `reserve`. Raises TicketInvalid.
        """
        found = _read(text)
        secret = self._secrets.get(found[2]) if found else None
        if found is None or secret is None:
            raise TicketInvalid("not a ticket of ours")
        if not hmac.compare_digest(found[6], _mac(secret, found[1], drop_id, buyer_id)):
            raise TicketInvalid("not for this buyer and this drop, or altered")
        if int(found[3]) != epoch:
            raise TicketInvalid("from before this part of the stock was recovered")
        return Ticket(int(found[4]), int(found[5]))


def _mac(secret: bytes, text: str, drop_id: str, buyer_id: str) -> str:
    # `|` is in none of the three, so no two of them can trade characters.
    message = f"{text}|{drop_id}|{buyer_id}".encode()
    digest = hmac.digest(secret, message, "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
