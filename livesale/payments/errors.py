"""Faults of payments. `livesale.web.problems` turns them into answers.

LivesaleError
└── PaymentFault
    ├── GatewayFault
    │   ├── GatewayRefused      the gateway refused; it did nothing
    │   ├── GatewayUnavailable  nothing was sent, or the gateway asks us to retry later
    │   └── GatewayUnknown      it was sent, and there is no trustworthy answer
    ├── CallbackRefused         a callback is forged, stale, or does not fit what we know
    └── AmountMismatch          a payment of another amount than the reservation's
"""

from livesale.errors import LivesaleError


class PaymentFault(LivesaleError):
    """Base. The text never carries a key, a signature or an openid."""


class GatewayFault(PaymentFault):
    """The gateway did not do what we asked. The same request may be repeated."""


class GatewayRefused(GatewayFault):
    """The gateway refused, with its own code; it did nothing."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


class GatewayUnavailable(GatewayFault):
    """Nothing was done: no connection, or the gateway asks us to retry later."""


class GatewayUnknown(GatewayFault):
    """It was sent, and there is no trustworthy answer: it may or may not be done."""


class CallbackRefused(PaymentFault):
    """`reason` is one word for logs and metrics; the answer does not have it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the callback is refused: {reason}")
        self.reason = reason


class AmountMismatch(PaymentFault):
    """The amount is not that of the reservation; nothing has changed."""
