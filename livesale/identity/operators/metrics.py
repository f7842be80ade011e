"""Metrics of operators who log in."""

from prometheus_client import Counter

from livesale.telemetry.metrics import REGISTRY

LOGINS = Counter(
    "livesale_operator_logins_total",
    "Logins of operators: opened, login_refused or login_locked",
    ["answer"],
    registry=REGISTRY,
)
