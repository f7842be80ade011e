"""GET /v1/drops/{drop_id}"""

from livesale.http.routes import Answer, Call, Route
from livesale.http.services import Services
from livesale.sales.showcase import ShownDrop


async def show_drop(services: Services, call: Call) -> Answer:
    return Answer(200, await services.showcase.drop(call.path["drop_id"]))


ROUTES = [
    Route(
        "GET",
        "/v1/drops/{drop_id}",
        show_drop,
        "A drop: when, how much, what is left",
        "drops",
        {200: ShownDrop},
        ("unknown_drop", "store_unavailable", "overloaded", "books_broken", "engine_refused"),
        description="`remaining` may lag by 200 ms.",
    )
]
