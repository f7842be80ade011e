"""Reads of alerts."""

from livesale.alerts import store
from livesale.alerts.store import Alert
from livesale.database.session import session
from livesale.resources import Deployment


class Alerts:
    """All raise StoreUnavailable. Alerts are raised in the transaction of their cause, by
    `livesale.alerts.store.raise_alert`."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql

    async def after(self, alert_id: str, limit: int = 100) -> list[Alert]:
        """Those that were raised after this one, the oldest first: for a socket that follows."""
        async with session(self._sql) as connection:
            return await store.alerts_after(connection, alert_id, limit)

    async def list(
        self, *, before: str = "", limit: int = 50, kind: str = "", lasting: bool = False
    ) -> list[Alert]:
        """The newest first."""
        async with session(self._sql) as connection:
            return await store.list_alerts(
                connection, before=before, limit=limit, kind=kind, lasting=lasting
            )
