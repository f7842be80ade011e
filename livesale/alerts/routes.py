"""GET /v1/admin/alerts"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.alerts.service import Alerts
from livesale.alerts.store import Alert
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, Route


class AlertsQuery(Struct, frozen=True):
    after: Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="`next` of a page")] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    kind: Annotated[str, whole(r"^[a-z_]{0,32}$", description="only these, such as stock_low")] = ""
    lasting: Annotated[bool, Meta(description="only those whose cause is not over")] = False


class AlertPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    alerts: list[Alert]
    next: str | None


async def list_alerts(parts: Parts, call: Call) -> Answer:
    query = call.query
    found = await parts[Alerts].list(
        before=query.after, limit=query.limit, kind=query.kind, lasting=query.lasting
    )
    is_full = len(found) == query.limit
    return Answer(200, AlertPage(found, found[-1].alert_id if is_full else None))


ROUTES = [
    Route(
        "GET",
        "/v1/admin/alerts",
        list_alerts,
        "Alerts, the newest first",
        "admin",
        {200: AlertPage},
        ("store_unavailable",),
        auth="operator",
        action=Action.ALERT_READ,
        query=AlertsQuery,
        description="`stock_low`, `stock_short`: of a SKU that keeps stock.",
    ),
]
