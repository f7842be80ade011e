"""GET /v1/drops/{drop_id}"""

from livesale.catalogue.view import CatalogueView, ShownDrop
from livesale.parts import Parts
from livesale.web.routes import Answer, Call, PathParameter, Route, declare_path_parameters
from stock.ids import DROP_ID_PATTERN, RID_PATTERN


async def show_drop(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[CatalogueView].drop(call.path["drop_id"]))


declare_path_parameters(
    drop_id=PathParameter(DROP_ID_PATTERN, "unknown_drop", "A drop's id"),
    reservation_id=PathParameter(RID_PATTERN, "unknown_reservation", "A reservation's id"),
)

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
