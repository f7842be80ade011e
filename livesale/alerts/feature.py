"""The feature "alerts"."""

from livesale.alerts import routes, tables
from livesale.alerts.service import Alerts
from livesale.alerts.webhook import AlertMetrics, AlertSender
from livesale.feature import Feature

feature = Feature(
    name="alerts",
    routes=routes.ROUTES,
    parts={Alerts: lambda parts: Alerts(parts.deployment)},
    tables=(tables.alerts,),
    jobs={"alerts": AlertSender},
    metrics=(AlertMetrics,),
)
