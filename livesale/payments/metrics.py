"""What becomes of money."""

from prometheus_client import Counter

from livesale.telemetry.metrics import REGISTRY

PAYMENTS = Counter(
    "livesale_payments_total",
    "Payments taken in: sold, late_sold, replayed, refund_due, or stray (of an unknown order)",
    ["result"],
    registry=REGISTRY,
)
CALLBACKS_REFUSED = Counter(
    "livesale_callbacks_refused_total",
    "Callbacks of the payment gateway that were refused, by the first reason found",
    ["reason"],
    registry=REGISTRY,
)
GATEWAY_FAULTS = Counter(
    "livesale_gateway_faults_total",
    "Questions to the payment gateway that got no answer, or none that can be trusted",
    ["fault"],
    registry=REGISTRY,
)
