"""Subscribe messages of WeChat: each message uses up one consent given in the mini-program.

POST {base_url}/cgi-bin/message/subscribe/send?access_token=…, see
https://developers.weixin.qq.com/miniprogram/dev/server/API/mp-message-management/
subscribe-message/api_sendmessage
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from msgspec import Struct

from livesale.reminders.messages import AT_ONCE, Delivery, Message, MessengerAway, Outcome
from livesale.settings import Settings
from livesale.tasks.turns import Crowded
from livesale.wechat.access_token import AccessToken, NoAccessToken
from livesale.wechat.client import Bounds, NoAnswer, NotAsked, Outgoing

_STALE_TOKEN = {40001, 40014, 42001}
_OUTCOMES = {
    0: Outcome.SENT,
    40003: Outcome.REFUSED,  # no such openid
    43101: Outcome.REFUSED,  # no consent, or used up, or withdrawn
    -1: Outcome.BUSY,
    43108: Outcome.BUSY,  # another message to the same person is in progress
    45009: Outcome.BUSY,  # the day's quota
    45011: Outcome.BUSY,  # too many a minute
}  # any other, as 40037 (template), 41030 (page) or 47003 (texts): Outcome.WRONG


class _Answer(Struct):
    errcode: int
    errmsg: str = ""


class WeChatMessages:
    """The credentials of the mini-program that buyers use to log in."""

    def __init__(self, settings: Settings) -> None:
        wechat = settings.wechat
        self._state = settings.reminders.mini_program
        timeout_s = wechat.timeout_ms / 1000
        self._url = f"{wechat.base_url.rstrip('/')}/cgi-bin/message/subscribe/send"
        proxy = wechat.proxy.get_secret_value()
        # The sender limits concurrency, and WeChat has quotas.
        bounds = Bounds(2 * AT_ONCE, None)
        self._outgoing = Outgoing(wechat.base_url, timeout_s, bounds, proxy)
        self._token = AccessToken(
            appid=wechat.appid,
            secret=wechat.secret.get_secret_value(),
            base_url=wechat.base_url,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._outgoing.running():
            yield

    async def prepare(self) -> None:
        """Fetch a token if needed. Raises MessengerAway."""
        try:
            await self._token.get(self._outgoing)
        except NoAccessToken as why:
            raise MessengerAway(str(why)) from None

    async def send(self, message: Message) -> Delivery:
        """Send; if WeChat refuses the token, fetch a new one and retry once: nothing was sent."""
        try:
            token = await self._token.get(self._outgoing)
            answer = await self._ask(token, message)
            if isinstance(answer, _Answer) and answer.errcode in _STALE_TOKEN:
                token = await self._token.get(self._outgoing, not_this=token)
                answer = await self._ask(token, message)
        except NoAccessToken as why:
            return Delivery(Outcome.BUSY, str(why))
        if isinstance(answer, Delivery):
            return answer
        if answer.errcode in _STALE_TOKEN:
            return Delivery(Outcome.BUSY, f"errcode {answer.errcode}")
        outcome = _OUTCOMES.get(answer.errcode, Outcome.WRONG)
        detail = "" if outcome is Outcome.SENT else f"errcode {answer.errcode}: {answer.errmsg}"
        return Delivery(outcome, detail[:100])

    async def _ask(self, token: str, message: Message) -> _Answer | Delivery:
        """WeChat's answer, or the outcome of a missing answer."""
        body = {
            "touser": message.openid,
            "template_id": message.template_id,
            **({"page": message.page} if message.page else {}),
            "miniprogram_state": self._state,
            "lang": "zh_CN",
            "data": {name: {"value": text} for name, text in message.texts.items()},
        }
        try:
            found = await self._outgoing.ask(
                "POST",
                self._url,
                params={"access_token": token},
                data=msgspec.json.encode(body),
                headers={"Content-Type": "application/json"},
            )
        except (Crowded, NotAsked) as fault:
            return Delivery(Outcome.BUSY, f"not sent: {fault}")
        except NoAnswer as fault:
            return Delivery(Outcome.UNSURE, str(fault))
        try:
            return msgspec.json.decode(found.body, type=_Answer)
        except msgspec.MsgspecError:
            return Delivery(Outcome.UNSURE, f"HTTP {found.status}, not as WeChat documents")


def make_messenger(settings: Settings) -> WeChatMessages | None:
    """The messenger of the settings; None if no kind of reminder is on."""
    reminders = settings.reminders
    on = reminders.room_template_id or reminders.drop_template_id or reminders.hold_template_id
    return WeChatMessages(settings) if on else None
