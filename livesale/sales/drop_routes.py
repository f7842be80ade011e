"""GET /v1/drops, /v1/drops/{drop_id}"""

from typing import Annotated

from msgspec import Struct

from livesale.catalogue.view import CatalogueView, FoundDrops, ShownDrop
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, PathParameter, Route, declare_path_parameters
from stock.ids import DROP_ID_PATTERN, RID_PATTERN

MAX_IDS = 50

_ID = DROP_ID_PATTERN.strip("^$")


class DropsQuery(Struct, frozen=True):
    ids: Annotated[
        str,
        whole(
            rf"^({_ID}(,{_ID}){{0,{MAX_IDS - 1}}})?$",
            description=f"1 to {MAX_IDS} ids of drops, with commas between them",
            examples=["d1,d2"],
        ),
    ] = ""


async def show_drops(parts: Parts, call: Call) -> Answer:
    ids = call.query.ids
    return Answer(200, await parts[CatalogueView].drops(ids.split(",") if ids else []))


async def show_drop(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[CatalogueView].drop(call.path["drop_id"]))


declare_path_parameters(
    drop_id=PathParameter(DROP_ID_PATTERN, "unknown_drop", "A drop's id"),
    reservation_id=PathParameter(RID_PATTERN, "unknown_reservation", "A reservation's id"),
)

ROUTES = [
    Route(
        "GET",
        "/v1/drops",
        show_drops,
        "Several drops at once, by their ids",
        "drops",
        {200: FoundDrops},
        ("store_unavailable", "overloaded", "engine_refused"),
        query=DropsQuery,
        description=(
            "Each id has its own entry: an unknown one hides no other. An id that is given twice "
            "has one entry. `remaining` may lag by 200 ms."
        ),
    ),
    Route(
        "GET",
        "/v1/drops/{drop_id}",
        show_drop,
        "A drop: when, how much, what is left",
        "drops",
        {200: ShownDrop},
        ("unknown_drop", "store_unavailable", "overloaded", "books_broken", "engine_refused"),
        description="`remaining` may lag by 200 ms.",
    ),
]
