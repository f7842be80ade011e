"""/v1/admin/insiders: buyers who work for the shop."""

from livesale.access.actions import Action
from livesale.line.insiders import Insider, InsiderList, InsiderNote, Insiders
from livesale.parts import Parts
from livesale.web.routes import Answer, Call, Nothing, Route


async def list_insiders(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Insiders].list())


async def add_insider(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Insiders].add(call.path["buyer_id"], call.body.note))


async def remove_insider(parts: Parts, call: Call) -> Answer:
    await parts[Insiders].remove(call.path["buyer_id"])
    return Answer(200, Nothing())


_PATH = "/v1/admin/insiders"

INSIDER_ROUTES = [
    Route(
        "GET",
        _PATH,
        list_insiders,
        "Buyers who work for the shop",
        "admin",
        {200: InsiderList},
        ("store_unavailable",),
        auth="operator",
        action=Action.OPERATOR_READ,
        description="They enter no line and no draw, as hosts and assistants of rooms do not.",
    ),
    Route(
        "PUT",
        f"{_PATH}/{{buyer_id}}",
        add_insider,
        "Say that a buyer works for the shop",
        "admin",
        {200: Insider},
        ("unknown_buyer", "too_many_insiders", "store_unavailable"),
        auth="operator",
        action=Action.OPERATOR_MANAGE,
        body=InsiderNote,
        default_body=InsiderNote(),
        changes=True,
        description="May be repeated. A place that this buyer has already stays.",
    ),
    Route(
        "DELETE",
        f"{_PATH}/{{buyer_id}}",
        remove_insider,
        "Say that a buyer does not work for the shop any more",
        "admin",
        {200: Nothing},
        ("unknown_buyer", "unknown_insider", "store_unavailable"),
        auth="operator",
        action=Action.OPERATOR_MANAGE,
        changes=True,
    ),
]
