"""Faults of payments. `livesale.web.problems` turns them into answers.

LivesaleError
└── PaymentFault
    ├── GatewayFault
    │   ├── GatewayRefused      the gateway said no; nothing was done there
    │   ├── GatewayUnavailable  nothing was sent, or the gateway asks to come back later
    │   └── GatewayUnknown      it was sent, and no answer came that can be trusted
    ├── CallbackRefused         a callback is forged, stale, or does not fit what we know
    └── AmountMismatch          a payment of another amount than the reservation's
"""

from livesale.errors import LivesaleError


class PaymentFault(LivesaleError):
    """Base. The text never carries a key, a signature or an openid."""


class GatewayFault(PaymentFault):
    """The gateway did not do what was asked. The same question may be asked again."""


class GatewayRefused(GatewayFault):
    """The gateway said no, with a code of its own; nothing was done there."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


class GatewayUnavailable(GatewayFault):
    """Nothing was done: no connection, or the gateway asks to come back later."""


class GatewayUnknown(GatewayFault):
    """It was sent and no answer came that can be trusted: it may or may not be done."""


class CallbackRefused(PaymentFault):
    """`reason` is one word, for logs and metrics: a stranger is not told it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the callback is refused: {reason}")
        self.reason = reason


class AmountMismatch(PaymentFault):
    """Not the amount of this reservation; nothing changed."""
