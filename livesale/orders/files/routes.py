"""GET /v1/admin/exports/orders, POST /v1/admin/shipping"""

from typing import Annotated

from msgspec import Struct

from livesale.access.actions import Action
from livesale.orders.files.service import OrderFiles, Shipped
from livesale.parts import Parts
from livesale.spreadsheets.problems import FILE_PROBLEMS
from livesale.spreadsheets.sheet import MAX_BYTES
from livesale.spreadsheets.writing import CONTENT_TYPE, file_headers
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, Route

_KINDS = (
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "text/csv",
    "application/octet-stream",
)


class OrdersExportQuery(Struct, frozen=True):
    status: Annotated[
        str,
        whole(
            r"^(waiting|packing|shipped|received|cancelled)?$",
            description="waiting (by default), packing, shipped, received or cancelled",
        ),
    ] = ""
    after: Annotated[
        str,
        whole(
            r"^([0-9]{1,13}\.[0-9a-z]{1,15}-[A-Za-z0-9_-]{16})?$",
            description="from the header Link",
        ),
    ] = ""


async def export_orders(parts: Parts, call: Call) -> Answer:
    status = call.query.status or "waiting"
    raw, cursor = await parts[OrderFiles].export(status, call.query.after)
    following = f"/v1/admin/exports/orders?status={status}&after={cursor}"
    link = {"Link": f'<{following}>; rel="next"'} if cursor else {}
    return Answer(200, raw, CONTENT_TYPE, file_headers(f"orders-{status}.csv") | link)


async def ship_by_file(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[OrderFiles].ship(call.raw, call.name))


ROUTES = [
    Route(
        "GET",
        "/v1/admin/exports/orders",
        export_orders,
        "Orders with their addresses as csv",
        "admin",
        {200: bytes},
        ("addresses_off", "store_unavailable"),
        auth="operator",
        action=Action.ORDER_SHIP,
        query=OrdersExportQuery,
        content_type=CONTENT_TYPE,
        description="500 orders at once; the header `Link` has the address of the rest.",
    ),
    Route(
        "POST",
        "/v1/admin/shipping",
        ship_by_file,
        "Ship orders by a file of tracking numbers",
        "admin",
        {200: Shipped},
        (*FILE_PROBLEMS, "store_unavailable"),
        auth="operator",
        action=Action.ORDER_SHIP,
        changes=True,
        files=_KINDS,
        max_bytes=lambda _: MAX_BYTES,
        description=(
            "xlsx or csv with the columns order_id, carrier and number (订单号, 快递公司, "
            "快递单号), up to 1,000 rows. Good rows take effect, bad ones come back with the "
            "reason. The same file again changes nothing."
        ),
    ),
]
