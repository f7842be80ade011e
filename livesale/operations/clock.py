"""GET /v1/time"""

from msgspec import Struct

from livesale.parts import Parts
from livesale.tasks.clock import Clock
from livesale.web.routes import Answer, Call, Route


class ServerTime(Struct, frozen=True):
    server_ms: int


async def show_time(parts: Parts, _call: Call) -> Answer:
    return Answer(200, ServerTime(parts[Clock].now_ms()))


ROUTES = [
    Route(
        "GET",
        "/v1/time",
        show_time,
        "The clock that opens sales",
        "time",
        {200: ServerTime},
        description="Redis's clock, in ms since 1970 UTC: use it for countdowns, not your own.",
    )
]
