"""The port: what sends a message to one person. `WeChatMessages` implements it. No I/O."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from livesale.errors import LivesaleError

AT_ONCE = 32  # messages on their way, of one keeper


class Message(Struct, frozen=True):
    """`openid` is WeChat's name of the person: never logged."""

    openid: str
    template_id: str
    page: str
    texts: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Message({self.template_id!r})"


class Outcome(StrEnum):
    SENT = "sent"
    REFUSED = "refused"  # by this person, for good: no consent, or nobody we know
    BUSY = "busy"  # nothing was sent, and the same may be asked again
    WRONG = "wrong"  # nothing was sent, and nothing like it will be: the settings are wrong
    UNSURE = "unsure"  # it was asked, and no answer came: it may have been sent


class Delivery(Struct, frozen=True):
    """What became of a message. `detail` says why in words of the messenger."""

    outcome: Outcome
    detail: str = ""


class MessengerAway(LivesaleError):
    """Nothing can be sent now; nothing was. The text never carries a secret or a token."""


class Messenger(Protocol):
    def running(self) -> AbstractAsyncContextManager[None]:
        """Everything else works inside of it."""
        ...

    async def prepare(self) -> None:
        """Get ready to send: no person's turn comes before it works. Raises MessengerAway."""
        ...

    async def send(self, message: Message) -> Delivery:
        """Send once. No fault of the network is raised: it is an outcome."""
        ...
