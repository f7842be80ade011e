"""The operator of the demo: puts the goods on sale through the admin API."""

from typing import Any

import aiohttp

from livesale.demo.options import BUYER_LIMIT, HOLD_MS, PRICE_FEN, DemoOptions
from livesale.errors import LivesaleError


class ShopClosed(LivesaleError):
    """The admin API did not do what the demo asked."""


async def put_on_sale(
    url: str, operator_token: str, options: DemoOptions, lead_ms: int, closes_after_ms: int
) -> tuple[str, int]:
    """Create SKU, campaign and drop, open it `lead_ms` ahead: the drop's id and opens_ms.

    Raises ShopClosed.
    """
    headers = {"Authorization": f"Bearer {operator_token}"}
    async with aiohttp.ClientSession(url, headers=headers) as http:
        async with http.get("/v1/time") as answer:
            now_ms = int((await answer.json())["server_ms"])
        opens_ms = now_ms + lead_ms
        times = {"opens_ms": opens_ms, "closes_ms": opens_ms + closes_after_ms}
        sku = await _post(
            http, "/v1/admin/skus", {"title": "Demo sneaker, size 42", "price_fen": PRICE_FEN}
        )
        campaign = await _post(http, "/v1/admin/campaigns", {"title": "Livesale demo", **times})
        drop = await _post(
            http,
            "/v1/admin/drops",
            {
                "campaign_id": campaign["campaign_id"],
                "sku_id": sku["sku_id"],
                "price_fen": PRICE_FEN,
                "allotted": options.stock,
                "buyer_limit": BUYER_LIMIT,
                "hold_ms": HOLD_MS,
            },
        )
        drop_id = str(drop["drop_id"])
        await _post(http, f"/v1/admin/drops/{drop_id}/open", None)
        return drop_id, opens_ms


async def _post(http: aiohttp.ClientSession, path: str, body: Any) -> dict[str, Any]:
    async with http.post(path, json=body) if body is not None else http.post(path) as answer:
        if answer.status not in (200, 201):
            raise ShopClosed(f"POST {path} answered {answer.status}: {await answer.text()}")
        found: dict[str, Any] = await answer.json()
        return found
