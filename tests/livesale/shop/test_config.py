"""GET /v1/config: what a client asks first."""

from typing import Any

import msgspec
import pytest

from livesale.errors import Refused
from livesale.resources import Deployment
from livesale.settings import load_settings
from livesale.shop.config import Config, describe
from tests.livesale.conftest import Serve

WECHAT = {"wechat__appid": "wx-app", "wechat__secret": "wechat-secret-that-nobody-may-see"}


def config_of(**flags: Any) -> Config:
    return describe(load_settings(**flags))


async def test_a_client_gets_it_and_asks_again_by_its_tag(stage: Deployment, serve: Serve) -> None:
    # given a shop with a name, a logo and a colour
    brand = {"name": "茶铺", "logo_url": "/media/logo.webp", "color": "#d4380d"}
    shop = stage.settings.shop.model_copy(update=brand)
    settings = stage.settings.model_copy(update={"shop": shop})
    api = await serve(msgspec.structs.replace(stage, settings=settings))
    # when somebody without a token asks, and asks again with the tag
    first = await api.get("/v1/config")
    api.headers = {"If-None-Match": first.headers["ETag"]}
    again = await api.get("/v1/config")
    # then the answer has the brand, and is sent once
    assert (first.status, first.body["brand"]) == (200, brand)
    assert first.body["features"]["login"] == {"dev": True, "wechat": False, "wechat_h5": False}
    assert first.body["features"]["payments"] == "simulated"
    assert (again.status, again.raw) == (304, b"")


def test_a_reminder_is_on_if_it_has_a_template_and_a_mini_program() -> None:
    room = {
        "reminders__room_template_id": "tmpl-room",
        "reminders__room_texts": {"thing1": "{title}"},
        "reminders__room_page": "pages/room/index?id={id}",
    }
    found = config_of(**WECHAT, **room)
    assert (found.features.room_reminders, found.features.drop_reminders) == (True, False)
    assert (found.templates.room, found.templates.drop) == ("tmpl-room", "")
    assert found.features.login.wechat


@pytest.mark.parametrize(
    ("ingest", "expected"),
    [
        ({}, ("none", False, False)),
        ({"ingest__hls_url": "https://play.example/{room_id}.m3u8"}, ("video", True, False)),
        ({"ingest__flv_url": "https://play.example/{room_id}.flv"}, ("video", False, True)),
    ],
)
def test_without_addresses_for_viewers_there_is_nothing_to_play(
    ingest: dict[str, str], expected: tuple[str, bool, bool]
) -> None:
    player = config_of(shop__player="video", **ingest).player
    assert (player.mode, player.hls, player.flv) == expected


def test_it_has_no_secret() -> None:
    raw = msgspec.json.encode(config_of(**WECHAT))
    assert b"secret" not in raw
    assert b"wx-app" not in raw


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("logo_url", "http://img.example/logo.png"),
        ("logo_url", "javascript:alert(1)"),
        ("logo_url", "https://img.example:port/logo.png"),
        ("color", "red"),
        ("color", "#12345"),
        ("player", "flash"),
        ("name", "x" * 41),
    ],
)
def test_a_brand_that_no_client_can_show_is_refused_at_the_start(name: str, value: str) -> None:
    with pytest.raises(Refused, match=f"LIVESALE__SHOP__{name.upper()}"):
        load_settings(**{f"shop__{name}": value})
