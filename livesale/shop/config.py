"""What clients need to know before they ask for anything else. It names no secret."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from livesale.settings import Settings
from livesale.web.documents import Document

Player = Literal["auto", "live_player", "video", "none"]


class Brand(Struct, frozen=True):
    """Empty texts: the client shows its own."""

    name: str
    logo_url: str
    color: Annotated[str, Meta(description="`#rrggbb`, or empty")]


class Logins(Struct, frozen=True):
    """The providers that `POST /v1/sessions` takes. `wechat_h5`: pages in WeChat's browser."""

    dev: bool
    wechat: bool
    wechat_h5: bool


class MiniProgram(Struct, frozen=True):
    """The pages of the mini-program that `GET /v1/mini-program/link` opens."""

    home: bool
    room: bool
    drop: bool
    product: bool


class Features(Struct, frozen=True):
    """What is switched on. `reminders` of a kind has a template in `templates`."""

    login: Logins
    payments: Annotated[
        Literal["simulated", "wechat"], Meta(description="`simulated` moves no money")
    ]
    room_reminders: bool
    drop_reminders: bool
    addresses: bool
    mini_program: MiniProgram


class Templates(Struct, frozen=True):
    """For `wx.requestSubscribeMessage`, which works only directly in a tap: so ask before it.
    Empty: there is none."""

    room: str
    drop: str


class Playing(Struct, frozen=True):
    """How to show a room's video. `auto`: the first of live-player, video and cover that works.
    `live_player` asks for a category of the mini-program. `none`: the service has no addresses for
    viewers; show the cover. `hls` and `flv` say which addresses rooms have."""

    mode: Player
    hls: bool
    flv: bool


class Config(Struct, frozen=True):
    brand: Brand
    features: Features
    templates: Templates
    player: Playing


class ConfigDocument(Document):
    """GET /v1/config, made once: the settings do not change while a process runs."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(msgspec.json.encode(describe(settings)))


def describe(settings: Settings) -> Config:
    shop, reminders, ingest = settings.shop, settings.reminders, settings.ingest
    sends = bool(settings.wechat.appid)  # messages go out by the mini-program of the login
    room = reminders.room_template_id if sends else ""
    drop = reminders.drop_template_id if sends else ""
    plays = bool(ingest.hls_url or ingest.flv_url)
    return Config(
        Brand(shop.name, shop.logo_url, shop.color),
        Features(
            login=Logins(
                dev=settings.auth.dev_login,
                wechat=sends,
                wechat_h5=bool(settings.official_account.appid),
            ),
            payments=settings.payments.gateway,
            room_reminders=bool(room),
            drop_reminders=bool(drop),
            addresses=bool(settings.orders.address_key.get_secret_value()),
            mini_program=_mini_program(settings),
        ),
        Templates(room, drop),
        Playing(shop.player if plays else "none", bool(ingest.hls_url), bool(ingest.flv_url)),
    )


def _mini_program(settings: Settings) -> MiniProgram:
    wechat, program = settings.wechat, settings.mini_program
    is_on = bool(wechat.appid and wechat.secret.get_secret_value())
    return MiniProgram(
        home=is_on,
        room=is_on,
        drop=is_on and bool(program.drop_page),
        product=is_on and bool(program.product_page),
    )
