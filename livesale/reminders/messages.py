"""The port that sends a message to one person. `WeChatMessages` implements it. No I/O."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from livesale.errors import LivesaleError

AT_ONCE = 32  # concurrent messages of one keeper


class Message(Struct, frozen=True):
    """`openid` is WeChat's id of the person. Never log it."""

    openid: str
    template_id: str
    page: str
    texts: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Message({self.template_id!r})"


class Outcome(StrEnum):
    SENT = "sent"
    REFUSED = "refused"  # permanent for this person: no consent, or unknown
    BUSY = "busy"  # not sent; try again
    WRONG = "wrong"  # not sent; the settings are wrong, so no such message works
    UNSURE = "unsure"  # no answer: it may have been sent


class Delivery(Struct, frozen=True):
    """The result of a message. `detail` is the messenger's reason."""

    outcome: Outcome
    detail: str = ""


class MessengerAway(LivesaleError):
    """Nothing was sent, and nothing can be sent now. The text has no secrets or tokens."""


class Messenger(Protocol):
    def running(self) -> AbstractAsyncContextManager[None]:
        """Opens the connections; all other methods need it."""
        ...

    async def prepare(self) -> None:
        """Prepare to send; call it before claiming reminders. Raises MessengerAway."""
        ...

    async def send(self, message: Message) -> Delivery:
        """Send once. A network fault is an outcome, not an exception."""
        ...
