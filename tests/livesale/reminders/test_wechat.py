"""Messages through a twin of WeChat: what each answer of it means."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from livesale.reminders.messages import Message, MessengerAway, Outcome
from livesale.reminders.wechat import WeChatMessages, make_messenger
from livesale.settings import load_settings
from tests.livesale.reminders.conftest import APPID, ROOM_TEMPLATE, SECRET, flags_for
from tests.twins.wechat_messages import LIFE_S, Sent, WeChatMessagesTwin

TEXTS = {"thing1": "Tea", "time2": "2026年11月24日 20:00"}


def message(**changes: object) -> Message:
    fields = {"openid": "ann", "template_id": ROOM_TEMPLATE, "page": "pages/x", "texts": TEXTS}
    return Message(**(fields | changes))  # type: ignore[arg-type]


def messages_at(base_url: str, folder: Path, **flags: object) -> WeChatMessages:
    given = flags_for(base_url) | {"wechat__timeout_ms": 300, "data_dir": folder} | flags
    messenger = make_messenger(load_settings(**given))
    assert messenger is not None
    return messenger


@pytest.fixture
async def base_url(twin: WeChatMessagesTwin) -> str:
    twin.consent("ann", ROOM_TEMPLATE)
    return await twin.start()


@pytest.fixture
async def messages(base_url: str, tmp_path: Path) -> AsyncIterator[WeChatMessages]:
    messenger = messages_at(base_url, tmp_path)
    async with messenger.running():
        yield messenger


async def test_a_message_arrives_whole(messages: WeChatMessages, twin: WeChatMessagesTwin) -> None:
    delivery = await messages.send(message())
    assert delivery.outcome is Outcome.SENT
    assert twin.sent == [Sent("ann", ROOM_TEMPLATE, "pages/x", TEXTS)]


async def test_a_consent_is_one_message(messages: WeChatMessages, twin: WeChatMessagesTwin) -> None:
    await messages.send(message())
    again = await messages.send(message())
    assert (again.outcome, len(twin.sent)) == (Outcome.REFUSED, 1)
    assert again.detail.startswith("errcode 43101")


@pytest.mark.parametrize(
    ("changes", "errcode", "outcome"),
    [
        ({"openid": "nobody"}, 40003, Outcome.REFUSED),
        ({"template_id": "other"}, 40037, Outcome.WRONG),
        ({"page": "pages/none"}, 41030, Outcome.WRONG),
        ({"texts": TEXTS | {"thing1": "x" * 21}}, 47003, Outcome.WRONG),
        ({"texts": TEXTS | {"time2": "soon"}}, 47003, Outcome.WRONG),
        ({"texts": {"thing1": "Tea"}}, 47003, Outcome.WRONG),
    ],
)
async def test_what_is_refused(
    messages: WeChatMessages,
    twin: WeChatMessagesTwin,
    changes: dict[str, object],
    errcode: int,
    outcome: Outcome,
) -> None:
    twin.pages = {"pages/x"}
    delivery = await messages.send(message(**changes))
    assert delivery.outcome is outcome
    assert delivery.detail.startswith(f"errcode {errcode}:")
    assert twin.sent == []


@pytest.mark.parametrize("errcode", [-1, 45009, 45011, 43108])
async def test_what_is_busy(
    messages: WeChatMessages, twin: WeChatMessagesTwin, errcode: int
) -> None:
    twin.errcode_of = lambda _openid: errcode
    assert (await messages.send(message())).outcome is Outcome.BUSY
    twin.errcode_of = lambda _openid: 0
    assert (await messages.send(message())).outcome is Outcome.SENT


class TestTheToken:
    async def test_it_is_kept(self, messages: WeChatMessages, twin: WeChatMessagesTwin) -> None:
        twin.consents["ann", ROOM_TEMPLATE] = 9
        for _ in range(3):
            await messages.send(message())
        assert (twin.tokens_given, len(twin.sent)) == (1, 3)

    async def test_one_that_somebody_ended_is_fetched_anew(
        self, messages: WeChatMessages, twin: WeChatMessagesTwin
    ) -> None:
        await messages.prepare()
        twin.forget_tokens()
        assert (await messages.send(message())).outcome is Outcome.SENT
        assert twin.tokens_given == 2

    async def test_a_crowd_fetches_it_once(
        self, messages: WeChatMessages, twin: WeChatMessagesTwin
    ) -> None:
        await messages.prepare()
        twin.forget_tokens()
        names = [f"p{number}" for number in range(20)]
        for name in names:
            twin.consent(name, ROOM_TEMPLATE)
        done = await asyncio.gather(*(messages.send(message(openid=name)) for name in names))
        assert {delivery.outcome for delivery in done} == {Outcome.SENT}
        assert twin.tokens_given == 2

    async def test_its_end_is_not_waited_for(
        self, base_url: str, twin: WeChatMessagesTwin, tmp_path: Path
    ) -> None:
        twin.now_s = lambda: 0.0
        messages = messages_at(base_url, tmp_path)
        async with messages.running():
            now_s = [0.0]
            messages._token._now_s = lambda: now_s[0]
            await messages.prepare()
            now_s[0] = LIFE_S - 299.0
            twin.now_s = lambda: now_s[0]
            await messages.prepare()
        assert twin.tokens_given == 2

    @pytest.mark.parametrize("errcode", [-1, 40013, 40125, 40164])
    async def test_without_one_nothing_is_sent(
        self, messages: WeChatMessages, twin: WeChatMessagesTwin, errcode: int
    ) -> None:
        twin.token_errcode = errcode
        with pytest.raises(MessengerAway, match=f"errcode {errcode}"):
            await messages.prepare()
        assert (await messages.send(message())).outcome is Outcome.BUSY
        assert twin.asked == 0

    async def test_a_wrong_secret(
        self, base_url: str, twin: WeChatMessagesTwin, tmp_path: Path
    ) -> None:
        messages = messages_at(base_url, tmp_path, wechat__secret="not it")
        async with messages.running():
            with pytest.raises(MessengerAway, match="errcode 40125") as caught:
                await messages.prepare()
        assert "not it" not in str(caught.value)


async def test_no_answer_leaves_it_unsure(
    messages: WeChatMessages, twin: WeChatMessagesTwin
) -> None:
    twin.answers_s = 1.0
    delivery = await messages.send(message())
    assert (delivery.outcome, len(twin.sent)) == (Outcome.UNSURE, 1)


@pytest.mark.parametrize(
    "answer", [web.Response(status=502, text="bad gateway"), web.Response(body=b"x" * 70_000)]
)
async def test_an_answer_of_no_form_leaves_it_unsure(
    messages: WeChatMessages, twin: WeChatMessagesTwin, answer: web.Response
) -> None:
    async def say() -> web.StreamResponse:
        return answer

    twin.instead = say
    assert (await messages.send(message())).outcome is Outcome.UNSURE


async def test_out_of_reach_nothing_is_sent(messages: WeChatMessages, tmp_path: Path) -> None:
    await messages.prepare()
    messages._url = "http://127.0.0.1:9/"
    assert (await messages.send(message())).outcome is Outcome.BUSY
    strangers = messages_at("http://127.0.0.1:9", tmp_path)
    async with strangers.running():
        with pytest.raises(MessengerAway):
            await strangers.prepare()


async def test_nothing_secret_is_told(messages: WeChatMessages, twin: WeChatMessagesTwin) -> None:
    with capture_logs() as logs:
        twin.answers_s = 1.0
        shown = [await messages.send(message()), message()]
    texts = f"{logs}{shown}"
    for secret in ("ann", SECRET, *twin._tokens):
        assert secret not in texts
    assert APPID not in texts
