"""What a room is made of, for tests that look at its page: items, drops, words of its host."""

from typing import Any

from tests.e2e.system import FAR_MS, Shop


class RoomStage:
    """One room of the shop, through the API: what its host and its operators do."""

    def __init__(self, shop: Shop, room_id: str, drop_id: str) -> None:
        self.shop = shop
        self.room_id = room_id
        self.drop_id = drop_id
        self.path = f"/v1/rooms/{room_id}"
        self._host = {"Authorization": f"Bearer {shop.system.token_of('host')}"}

    @property
    def page(self) -> str:
        return f"{self.shop.system.url}/shop/#/pages/room/index?id={self.room_id}"

    async def act(self, verb: str) -> Any:
        return await self.shop.operate("POST", f"{self.path}/{verb}")

    async def speak(self, text: str) -> int:
        """A comment of the host; its id."""
        said = await self.shop.ask("POST", f"{self.path}/comments", {"text": text}, **self._host)
        return int(said["comment_id"])

    async def pin(self) -> None:
        """Put the drop on the shelf, and show it."""
        new = {"title": "Tea set", "price_fen": 9_900, "state": "on_sale", "drop_id": self.drop_id}
        item = await self.shop.operate("POST", f"{self.path}/items", new)
        await self.shop.operate("POST", f"{self.path}/items/{item['item_id']}/pin")

    async def open_drop(self) -> None:
        path = f"{self.path}/drops/{self.drop_id}/open"
        await self.shop.operate("POST", path, {"countdown_s": 0})

    async def open_bag(self, **terms: Any) -> Any:
        new = {"title": "Tea for one of you", "places": 1, "countdown_s": 30} | terms
        return await self.shop.operate("POST", f"{self.path}/bags", new)


async def stage_room(
    shop: Shop, *, allotted: int = 50, hold_ms: int = 600_000, starts: bool = True
) -> RoomStage:
    """A room with a draft of a drop, which is pinned; live, if it `starts`."""
    new = {"title": "Tea tonight", "host": "host", "host_name": "Mei", "starts_ms": FAR_MS}
    room_id = (await shop.operate("POST", "/v1/rooms", new))["room_id"]
    if starts:
        await shop.operate("POST", f"/v1/rooms/{room_id}/start")
    sku = await shop.admin("POST", "skus", {"title": "Tea set", "price_fen": 9_900})
    times = {"opens_ms": 0, "closes_ms": FAR_MS}
    campaign = await shop.admin("POST", "campaigns", {"title": "Tea week", **times})
    terms = {"price_fen": 9_900, "allotted": allotted, "buyer_limit": 1, "hold_ms": hold_ms}
    ids = {"campaign_id": campaign["campaign_id"], "sku_id": sku["sku_id"]}
    drop_id = (await shop.admin("POST", "drops", {**ids, **terms}))["drop_id"]
    await shop.operate("PUT", f"/v1/rooms/{room_id}/drops/{drop_id}")
    stage = RoomStage(shop, room_id, drop_id)
    await stage.pin()
    return stage
