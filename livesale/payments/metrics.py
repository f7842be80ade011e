"""Metrics of payments and of the gateway."""

from prometheus_client import Counter

from livesale.telemetry.metrics import REGISTRY

PAYMENTS = Counter(
    "livesale_payments_total",
    "Accepted payments: sold, late_sold, replayed, refund_due, or stray (of an unknown order)",
    ["result"],
    registry=REGISTRY,
)
CALLBACKS_REFUSED = Counter(
    "livesale_callbacks_refused_total",
    "Refused callbacks of the payment gateway, by the first reason found",
    ["reason"],
    registry=REGISTRY,
)
GATEWAY_FAULTS = Counter(
    "livesale_gateway_faults_total",
    "Requests to the payment gateway without a verified answer",
    ["fault"],
    registry=REGISTRY,
)
