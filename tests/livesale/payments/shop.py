"""A deployment that is paid by WeChat Pay, with the twin in WeChat's place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from livesale.app import build_app
from livesale.identity.buyer_ids import wechat_buyer_id
from livesale.identity.store import remember_buyer
from livesale.payments.wechat.gateway import WeChatPay
from livesale.resources import Deployment
from livesale.settings.wechat_keys import load_keys
from tests.livesale.api import Api, Reply
from tests.livesale.stage import open_stage
from tests.twins.wechat_pay import Callback, WeChatPayTwin
from tests.twins.wechat_pay_crypto import rsa_key, write_private, write_public

APPID, MCHID, SERIAL_NO = "wxd678efh567hg6787", "1900009191", "5157F09EFDC096DE15EBE81A47057A72"
API_V3_KEY = "an APIv3 key of thirty-two bytes"
NOTIFY = "/v1/payments/wechat/notify"


def new_twin() -> WeChatPayTwin:
    return WeChatPayTwin(APPID, MCHID, SERIAL_NO, API_V3_KEY)


def wechat_flags(twin: WeChatPayTwin, base_url: str, folder: Path) -> dict[str, Any]:
    """The settings, with the keys as files."""
    return {
        "payments__gateway": "wechat",
        "wechatpay": {
            "appid": APPID,
            "mchid": MCHID,
            "serial_no": SERIAL_NO,
            "private_key_file": write_private(rsa_key("merchant"), folder / "merchant.pem"),
            "api_v3_key": API_V3_KEY,
            "public_key_id": twin.public_key_id,
            "public_key_file": write_public(twin.platform, folder / "platform.pem"),
            "base_url": base_url,
            "notify_url": f"https://shop.example{NOTIFY}",
            "timeout_ms": 1_000,
        },
    }


class Shop:
    """The API, its twin, and buyers who have logged in through WeChat."""

    def __init__(self, api: Api, twin: WeChatPayTwin) -> None:
        self.api = api
        self.twin = twin
        self.stage = api.deployment

    async def buyer(self, name: str) -> str:
        """A buyer id; its openid is `o-<name>`."""
        openid = f"o-{name}"
        buyer_id = wechat_buyer_id(APPID, openid)
        await remember_buyer(self.stage.sql, buyer_id, "wechat", openid)
        return buyer_id

    async def begin(self, drop_id: str, name: str = "ann", quantity: int = 1) -> str:
        """A hold whose payment has begun; its rid."""
        rid = await self.hold(drop_id, name, quantity)
        reply = await self.start(rid, name)
        assert reply.status == 201, reply.body
        return rid

    async def hold(self, drop_id: str, name: str = "ann", quantity: int = 1) -> str:
        """A hold; its rid."""
        buyer_id = await self.buyer(name)
        reply = await self.api.reserve(drop_id, buyer_id, quantity)
        while reply.status == 409:  # a unit that came back is not seen for up to 200 ms
            await asyncio.sleep(0.02)
            reply = await self.api.reserve(drop_id, buyer_id, quantity)
        return str(reply.body["reservation_id"])

    async def start(self, rid: str, name: str = "ann") -> Reply:
        token = self.api.buyer(await self.buyer(name))
        return await self.api.post(f"/v1/reservations/{rid}/payment", by=token)

    async def notify(self, callback: Callback, path: str = NOTIFY) -> Reply:
        headers, raw = callback
        sent = {name.replace("-", "_"): value for name, value in headers.items()}
        return await self.api.post(path, raw=raw, **sent)


@asynccontextmanager
async def open_shop(
    redis: Redis, redis_url: str, sql_url: str, folder: Path, *, port: int = 0, **flags: Any
) -> AsyncIterator[Shop]:
    """A shop on an empty Redis and an empty database."""
    twin = new_twin()
    base_url = await twin.start()
    try:
        settings = wechat_flags(twin, base_url, folder)
        settings["wechatpay"] |= flags.pop("wechatpay", {})
        async with open_stage(redis, redis_url, sql_url, folder, **settings, **flags) as stage:
            api = Api(build_app(stage), stage)
            await api.start(port)
            twin.deliver_to = api.url
            try:
                yield Shop(api, twin)
            finally:
                await api.stop()
    finally:
        await twin.stop()


def gateway_of(stage: Deployment, **changes: Any) -> WeChatPay:
    """Another gateway on the same settings, but for `changes`."""
    settings = stage.settings
    return WeChatPay(settings.wechatpay.model_copy(update=changes), load_keys(settings))
