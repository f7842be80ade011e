"""GET /v1/time"""

from msgspec import Struct

from livesale.http.routes import Answer, Call, Route
from livesale.http.services import Services


class ServerTime(Struct, frozen=True):
    server_ms: int


async def show_time(services: Services, _call: Call) -> Answer:
    return Answer(200, ServerTime(services.clock.now_ms()))


ROUTES = [
    Route(
        "GET",
        "/v1/time",
        show_time,
        "The clock that opens sales",
        "time",
        {200: ServerTime},
        description="Redis's clock, in ms since 1970 UTC: count down by it, not by your own.",
    )
]
