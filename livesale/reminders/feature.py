"""The feature "reminders"."""

from prometheus_client import CollectorRegistry

from livesale.feature import Feature
from livesale.reminders import routes, tables
from livesale.reminders.problems import PROBLEMS
from livesale.reminders.sender import ReminderMetrics, ReminderSender
from livesale.reminders.service import Reminders
from livesale.reminders.uses import reminder_of_drop, reminder_of_room
from livesale.reminders.wechat import make_messenger
from livesale.resources import Deployment
from livesale.tasks.clock import Clock


def _make_sender(deployment: Deployment, registry: CollectorRegistry) -> ReminderSender | None:
    messenger = make_messenger(deployment.settings)
    return ReminderSender(deployment, messenger, registry) if messenger else None


feature = Feature(
    name="reminders",
    routes=routes.ROUTES,
    problems=PROBLEMS,
    parts={Reminders: lambda parts: Reminders(parts.deployment, parts[Clock].now_ms)},
    tables=(tables.reminders,),
    uses={"room": reminder_of_room, "drop": reminder_of_drop},
    jobs={"reminders": _make_sender},
    metrics=(ReminderMetrics,),
)
