"""Sold orders for tests, and what buyers and operators send about them."""

from typing import Any

from tests.livesale.api import Api, Reply
from tests.livesale.stage import until_written

HOME: dict[str, Any] = {
    "name": "王小明",
    "phone": "13800138000",
    "province": "广东省",
    "city": "深圳市",
    "district": "南山区",
    "detail": "科技园路1号",
}
SF = {"carrier": "SF", "number": "SF1234567890123"}


async def sell(api: Api, drop_id: str, buyer: str = "ann", quantity: int = 1) -> str:
    """A paid order that SQL has; its id. A writer must run."""
    reply = await api.reserve(drop_id, buyer, quantity)
    rid = str(reply.body["reservation_id"])
    paid = await api.post(f"/v1/payments/simulated/{rid}", {"outcome": "paid"})
    assert paid.body["result"] == "sold", paid.body
    await until_written(api.deployment)
    return rid


async def tell_address(api: Api, order_id: str, buyer: str = "ann", **changes: Any) -> Reply:
    return await api.ask(
        "PUT", f"/v1/orders/{order_id}/address", {"address": HOME | changes}, by=api.buyer(buyer)
    )


async def ship(api: Api, order_id: str, **parcel: Any) -> Reply:
    return await api.post(f"/v1/admin/orders/{order_id}/parcels", SF | parcel, by=api.boss)


async def order_of(api: Api, order_id: str, buyer: str = "ann") -> dict[str, Any]:
    reply = await api.get(f"/v1/orders/{order_id}", by=api.buyer(buyer))
    assert reply.status == 200, reply.body
    return dict(reply.body)
