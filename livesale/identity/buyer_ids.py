"""Who logged in, and which buyer that is.

A buyer id is a hash if the provider's name for a user (WeChat's openid) is personal: that name is
stored in SQL for payments, and appears in no id, token or log.
"""

import base64
import hashlib

from msgspec import Struct

from stock.ids import is_buyer_id


class Identity(Struct, frozen=True):
    """Who logged in. `subject` is the provider's name for the user: never logged.

    `buyer_id` is the buyer whom this login makes, unless the person is one already: `union_id` is
    what WeChat calls the person in all apps of a shop, if it tells; `appid` is the app.
    """

    buyer_id: str
    provider: str
    subject: str
    appid: str = ""
    union_id: str = ""

    def __repr__(self) -> str:
        return f"Identity({self.buyer_id!r}, {self.provider!r})"


def wechat_buyer_id(appid: str, openid: str) -> str:
    """The buyer whom an app knows by this openid: what pays can be compared without asking SQL."""
    return f"wx-{_digest(appid, openid)}"


def union_digest(union_id: str) -> str:
    """What SQL has of a union id."""
    return _digest("union", union_id)


def dev_buyer_id(name: str) -> str:
    buyer_id = f"dev-{name}"
    return buyer_id if is_buyer_id(buyer_id) else f"dev-{_digest('dev', name)}"


def _digest(*parts: str) -> str:
    """24 characters for the parts, which cannot be reversed."""
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=18, person=b"livesale buyer").digest()
    return base64.urlsafe_b64encode(digest).decode()
