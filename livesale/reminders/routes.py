"""/v1/…/reminder and /v1/reminders: a message before a room begins or a drop opens, or when a unit
is held for somebody in line."""

from collections.abc import Awaitable, Callable

from livesale.parts import Parts
from livesale.reminders.service import (
    UNKNOWN,
    ReminderKind,
    Reminders,
    ReminderView,
    WaitingReminders,
)
from livesale.web.routes import Answer, Call, Handler, Route

Use = Callable[[Reminders, str, str, str], Awaitable[ReminderView]]

_REFUSALS = {
    ReminderKind.ROOM: ("room_state", "room_over"),
    ReminderKind.DROP: ("already_open", "drop_closed"),
    ReminderKind.HOLD: ("unknown_line", "drop_closed"),
}
_PATHS = {
    ReminderKind.ROOM: ("/v1/rooms/{room_id}/reminder", "room_id"),
    ReminderKind.DROP: ("/v1/drops/{drop_id}/reminder", "drop_id"),
    ReminderKind.HOLD: ("/v1/drops/{drop_id}/line/reminder", "drop_id"),
}


async def list_reminders(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Reminders].list(call.buyer_id))


def _handler(name: str, kind: ReminderKind, use: Use) -> Handler:
    async def handle(parts: Parts, call: Call) -> Answer:
        target_id = call.path[_PATHS[kind][1]]
        return Answer(200, await use(parts[Reminders], kind, target_id, call.buyer_id))

    handle.__name__ = f"{name}_{kind}_reminder"
    return handle


def _routes(kind: ReminderKind, when: str) -> list[Route]:
    path, _ = _PATHS[kind]
    always = ("reminders_off", UNKNOWN[kind], "store_unavailable")
    return [
        Route(
            "PUT",
            path,
            _handler("set", kind, Reminders.set),
            f"Tell me {when}",
            "reminders",
            {200: ReminderView},
            (*_REFUSALS[kind], "not_reachable", "too_many_reminders", *always),
            auth="buyer",
            description=(
                "Call it after the person accepted `wx.requestSubscribeMessage` for the "
                "`template_id` from GET. May be repeated."
            ),
        ),
        Route(
            "GET",
            path,
            _handler("show", kind, Reminders.find),
            "The state of my reminder",
            "reminders",
            {200: ReminderView},
            always,
            auth="buyer",
        ),
        Route(
            "DELETE",
            path,
            _handler("unset", kind, Reminders.take_back),
            "Cancel my reminder",
            "reminders",
            {200: ReminderView},
            always,
            auth="buyer",
            description="A message that is sent, or being sent, does not change. May be repeated.",
        ),
    ]


ROUTES = [
    *_routes(ReminderKind.ROOM, "before it begins"),
    *_routes(ReminderKind.DROP, "before it opens"),
    *_routes(ReminderKind.HOLD, "when a unit is held for me"),
    Route(
        "GET",
        "/v1/reminders",
        list_reminders,
        "My reminders",
        "reminders",
        {200: WaitingReminders},
        ("reminders_off", "store_unavailable"),
        auth="buyer",
    ),
]
