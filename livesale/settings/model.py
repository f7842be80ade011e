"""Settings, the same for all processes: default.toml < <env>.toml < environment < flags.

The names, types and ranges are here, the values in `config/`. Environment names are
`LIVESALE__<SECTION>__<NAME>`, such as `LIVESALE__REDIS__URL`; lists and tables are JSON there.
"""

import json
import os
import re
import tomllib
from functools import cache
from importlib.resources import files
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from livesale.settings.message_texts import check_texts
from livesale.settings.store_urls import ESCAPE, check_redis_url, check_sql_url
from stock.hosts import groups_of, parse_cluster

PREFIX = "LIVESALE__"
ENVS = ("dev", "prod")


HOOK_PATTERN = r"^[A-Za-z0-9_-]{16,128}$"  # a secret in a path
HOUR_S = 3_600
YEAR_S = 365 * 24 * HOUR_S


def _networks(texts: list[str]) -> list[str]:
    for text in texts:
        if ip_network(text, strict=False).prefixlen == 0:  # raises ValueError
            raise ValueError(f"{text} is every address: then any client could name any address")
    return texts


def _address(url: str) -> str:
    """Check early that the port can be parsed: later errors are less clear."""
    groups = groups_of(url)
    if len(groups) > 1:
        for each in groups:
            if not each.startswith("sentinel"):
                raise ValueError("after ; another sentinel://host:port/primary must follow")
            _address(each)
        return url
    # Not with urlsplit, which refuses several hosts in brackets in newer Pythons.
    rest = url.partition("://")[2]
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    for host in authority.rpartition("@")[2].split(","):  # several Sentinels
        try:
            urlsplit(f"//{host}").port  # noqa: B018  raises ValueError
        except ValueError:
            if "@" in rest and "@" not in authority:  # the "port" is a part of the password
                raise ValueError(ESCAPE) from None
            raise
    if url.startswith(("sentinel", "cluster")):
        # Imports redis, which `livesale token` does not need.
        from stock.connection import parse

        (parse_cluster if url.startswith("cluster") else parse)(url)
    return url


def _origins(texts: list[str]) -> list[str]:
    for text in texts:
        _origin(text or "none")
    return texts


def _origin(text: str) -> str:
    if text and re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", text) is None:
        raise ValueError(f"{text!r} is not an origin; write it like https://shop.example")
    return text


def _page(text: str) -> str:
    if text and "{id}" not in text:
        raise ValueError("it has no {id}: every link would open the same page")
    return text


def _hosts(texts: list[str]) -> list[str]:
    for text in texts:
        if re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", text) is None:
            raise ValueError(f"{text!r} is not the name of a host; write it like img.example.com")
    return texts


def _proxy(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    if url and re.fullmatch(r"https?://[^\s/?#]+/?", url) is None:
        raise ValueError("it is not a proxy; write it like http://user:password@proxy.example:3128")
    _address(url)
    return secret


def _partitions(text: str) -> str:
    for part in text.split(",") if text else ():
        found = re.fullmatch(r"([0-9]{1,2})(?:-([0-9]{1,2}))?", part)
        if found is None or int(found[2] or found[1]) < int(found[1]):
            raise ValueError("it is not a list of partitions; write it like 0-7 or 0-3,9")
    return text


def _template(url: str) -> str:
    if url and "{room_id}" not in url:
        raise ValueError("it has no {room_id}: all rooms would play the same stream")
    return _address(url)


def _texts(texts: dict[str, str]) -> dict[str, str]:
    check_texts(texts)
    return texts


TEMPLATE_PATTERN = r"^[A-Za-z0-9_-]{0,64}$"
# A path of a mini-program without a slash before it, and the query that WeChat allows behind it.
_PAGE_PATTERN = r"^([A-Za-z0-9_][A-Za-z0-9_/-]{0,200}(\?[0-9A-Za-z!$&'()*+,/:;=@._~{}-]{1,300})?)?$"
_PLAY_PATTERN = r"^(https?://[^\s?#]+(\?[^\s#]*)?)?$"


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RedisSettings(Section):
    url: Annotated[str, AfterValidator(_address), AfterValidator(check_redis_url)] = Field(
        pattern=r"^(embedded$|rediss?://|unix://|sentinels?://|clusters?://)"
    )
    loader_url: Annotated[str, AfterValidator(_address), AfterValidator(check_redis_url)] = Field(
        pattern=r"^($|rediss?://|unix://|sentinels?://|clusters?://)"
    )
    connections: int = Field(ge=2, le=1_000)
    timeout_ms: int = Field(ge=10, le=HOUR_S * 1000)
    durability: Literal["fsync", "replicated", "none"]
    replicas: int = Field(ge=1, le=10)
    wait_ms: int = Field(ge=1, le=HOUR_S * 1000)
    aof_budget_mib: int = Field(ge=64, le=1 << 20)


class SqlSettings(Section):
    url: Annotated[str, AfterValidator(_address), AfterValidator(check_sql_url)] = Field(
        pattern=r"^(embedded$|sqlite|mysql|mariadb)"
    )
    connections: int = Field(ge=1, le=100)
    timeout_ms: int = Field(ge=100, le=HOUR_S * 1000)


class HttpSettings(Section):
    host: str
    expose_dev: bool
    port: int = Field(ge=0, le=65_535)
    workers: int = Field(ge=1, le=64)
    fast_lane: bool
    max_body_bytes: int = Field(ge=256, le=16 * 1024 * 1024)
    max_header_bytes: int = Field(ge=1_024, le=1024 * 1024)
    head_timeout_s: float = Field(gt=0, le=HOUR_S)
    idle_timeout_s: float = Field(gt=0, le=HOUR_S)
    max_connections: int = Field(ge=10, le=1_000_000)
    max_connections_per_address: int = Field(ge=1, le=1_000_000)
    hsts_s: int = Field(ge=0, le=100_000_000)
    cors_origins: Annotated[list[str], AfterValidator(_origins)]
    drain_s: float = Field(ge=0, le=HOUR_S)
    notice_s: float = Field(ge=0, le=HOUR_S)
    access_log_sample: float = Field(ge=0, le=1)
    trusted_proxies: Annotated[list[str], AfterValidator(_networks)]


class AuthSettings(Section):
    secret: SecretStr
    key_id: str = Field(pattern=r"^[A-Za-z0-9]{1,16}$")
    old_keys: dict[str, SecretStr]
    dev_login: bool
    buyer_token_s: int = Field(ge=60, le=YEAR_S)
    operator_token_s: int = Field(ge=60, le=YEAR_S)
    operator_session_s: int = Field(ge=60, le=YEAR_S)
    operator_idle_s: int = Field(ge=60, le=YEAR_S)
    avatar_hosts: Annotated[list[str], AfterValidator(_hosts)]
    operator_link_s: int = Field(ge=60, le=HOUR_S * 24)


class WeChatSettings(Section):
    appid: str
    secret: SecretStr
    base_url: Annotated[str, AfterValidator(_address)] = Field(pattern=r"^https?://")
    timeout_ms: int = Field(ge=100, le=HOUR_S * 1000)
    proxy: Annotated[SecretStr, AfterValidator(_proxy)]


class OfficialAccountSettings(Section):
    """The official account by which pages in WeChat's browser log in and pay: docs/h5.md."""

    appid: str = Field(pattern=r"^[A-Za-z0-9_-]{0,64}$")
    secret: SecretStr
    origin: Annotated[str, AfterValidator(_origin)]
    authorize_url: Annotated[str, AfterValidator(_address)] = Field(pattern=r"^https?://[^\s?#]+$")


class MiniProgramSettings(Section):
    """Its pages, for links from elsewhere; `{id}` stands for the drop or the product. That of rooms
    is in the shop's section."""

    drop_page: Annotated[str, AfterValidator(_page)] = Field(pattern=_PAGE_PATTERN)
    product_page: Annotated[str, AfterValidator(_page)] = Field(pattern=_PAGE_PATTERN)
    link_days: int = Field(ge=2, le=30)
    links_per_s: float = Field(gt=0, le=100)


class PaymentSettings(Section):
    gateway: Literal["simulated", "wechat"]
    allow_simulated: bool
    grace_ms: int = Field(ge=0, le=60_000)


class WeChatPaySettings(Section):
    """WeChat Pay API v3, for mini-programs. `more_public_keys`: serial or public key id → file."""

    appid: str
    mchid: str
    serial_no: str
    private_key_file: str
    api_v3_key: SecretStr
    old_api_v3_key: SecretStr
    public_key_id: str
    public_key_file: str
    more_public_keys: dict[str, str]
    base_url: str = Field(pattern=r"^https?://[^?#]+$")
    notify_url: str = Field(pattern=r"^(https?://[^?#]+)?$")
    timeout_ms: int = Field(ge=100, le=30_000)


class StockSettings(Section):
    partitions: int = Field(ge=1, le=100)
    max_queue: int = Field(ge=1, le=1_000_000)
    deadline_ms: int = Field(ge=10, le=HOUR_S * 1000)
    sold_out_ms: int = Field(ge=0, le=200)
    min_hold_ms: int = Field(ge=1, le=HOUR_S * 1000)
    expired_limit: int = Field(ge=0, le=1_000_000)


class TicketSettings(Section):
    lifetime_s: int = Field(ge=5, le=3_600)
    challenge_s: int = Field(ge=10, le=3_600)


class DoorSettings(Section):
    """A page in front of the shop that holds a crowd: docs/door.md."""

    around_s: int = Field(ge=1, le=24 * HOUR_S)
    spread_s: int = Field(ge=0, le=HOUR_S)


class LimitSettings(Section):
    """Per API worker. Behind trusted proxies, addresses come from X-Forwarded-For, if present."""

    buyer_per_s: float = Field(gt=0, le=1_000_000)
    buyer_burst: int = Field(ge=1, le=1_000_000)
    address_per_s: float = Field(gt=0, le=1_000_000)
    address_burst: int = Field(ge=1, le=1_000_000)
    outside_at_once: int = Field(ge=2, le=1_000)
    outside_per_s: float = Field(gt=0, le=100_000)


class WriterSettings(Section):
    max_rows: int = Field(ge=1, le=5_000)
    standby_ms: int = Field(ge=10, le=HOUR_S * 1000)
    trim_every_ms: int = Field(ge=10, le=HOUR_S * 1000)
    partitions: Annotated[str, AfterValidator(_partitions)]


class KeeperSettings(Section):
    sweep_ms: int = Field(ge=10, le=1_000)
    archive_after_s: int = Field(ge=0, le=100_000 * HOUR_S)
    keep_actions_s: int = Field(ge=HOUR_S, le=100 * YEAR_S)
    partitions: Annotated[str, AfterValidator(_partitions)]


class ProbeSettings(Section):
    """HTTP of a writer or keeper that runs alone, for orchestrators. Port 0: none."""

    host: str
    port: int = Field(ge=0, le=65_535)


class LiveSettings(Section):
    history: int = Field(ge=100, le=100_000)
    heartbeat_ms: int = Field(ge=100, le=HOUR_S * 1000)
    abandon_s: int = Field(ge=1, le=100 * HOUR_S)
    expire_after_s: int = Field(ge=60, le=100_000 * HOUR_S)
    keep_s: int = Field(ge=60, le=100_000 * HOUR_S)
    keep_comments_s: int = Field(ge=HOUR_S, le=100 * YEAR_S)
    ping_s: int = Field(ge=1, le=HOUR_S)
    behind_events: int = Field(ge=10, le=100_000)
    behind_ms: int = Field(ge=100, le=HOUR_S * 1000)
    max_frame_bytes: int = Field(ge=256, le=65_536)
    frames_per_s: float = Field(gt=0, le=1_000)
    frames_burst: int = Field(ge=1, le=10_000)
    poll_ms: int = Field(ge=0, le=50_000)
    people_ms: int = Field(ge=200, le=60_000)
    comment_chars: int = Field(ge=1, le=500)
    comment_ms: int = Field(ge=0, le=HOUR_S * 1000)
    comment_burst: int = Field(ge=1, le=100)
    comments_per_s: float = Field(gt=0, le=1_000)
    comments_kept: int = Field(ge=1, le=200)
    likes_per_s: float = Field(gt=0, le=1_000)
    blocked_words: str


class IngestSettings(Section):
    """Media servers. In the templates, `{room_id}` stands for the room."""

    push_url: Annotated[str, AfterValidator(_address)] = Field(
        pattern=r"^(rtmps?://[^\s?#/]+(/[^\s?#/]+)+)?$"
    )
    hls_url: Annotated[str, AfterValidator(_template)] = Field(pattern=_PLAY_PATTERN)
    flv_url: Annotated[str, AfterValidator(_template)] = Field(pattern=_PLAY_PATTERN)
    key_s: int = Field(ge=60, le=YEAR_S)
    silence_ms: int = Field(ge=100, le=HOUR_S * 1000)
    hook_secret: SecretStr
    old_hook_secret: SecretStr
    hook_addresses: Annotated[list[str], AfterValidator(_networks)]


class ReminderSettings(Section):
    """Subscribe messages of WeChat; a kind of reminder without a template is off.

    The fields of a template → the texts that fill them: `livesale.settings.message_texts`.
    In a page, `{id}` stands for the room or the drop.
    """

    room_template_id: str = Field(pattern=TEMPLATE_PATTERN)
    room_texts: Annotated[dict[str, str], AfterValidator(_texts)]
    room_page: str = Field(max_length=512)
    drop_template_id: str = Field(pattern=TEMPLATE_PATTERN)
    drop_texts: Annotated[dict[str, str], AfterValidator(_texts)]
    drop_page: str = Field(max_length=512)
    hold_template_id: str = Field(pattern=TEMPLATE_PATTERN)
    hold_texts: Annotated[dict[str, str], AfterValidator(_texts)]
    hold_page: str = Field(max_length=512)
    mini_program: Literal["formal", "trial", "developer"]
    utc_offset_min: int = Field(ge=-720, le=840)
    ahead_s: int = Field(ge=10, le=24 * HOUR_S)
    late_s: int = Field(ge=1, le=HOUR_S)
    max_per_buyer: int = Field(ge=1, le=1_000)
    max_per_target: int = Field(ge=1, le=10_000_000)
    keep_s: int = Field(ge=HOUR_S, le=YEAR_S)


class OrderSettings(Section):
    """Orders after the sale. The address key encrypts addresses; old ones still open them."""

    address_key: SecretStr
    address_key_id: str = Field(pattern=r"^[A-Za-z0-9]{1,16}$")
    old_address_keys: dict[str, SecretStr]
    max_addresses: int = Field(ge=1, le=100)
    receipt_s: int = Field(ge=1, le=YEAR_S)
    ask_s: int = Field(ge=1, le=YEAR_S)
    answer_s: int = Field(ge=1, le=YEAR_S)
    return_s: int = Field(ge=1, le=YEAR_S)
    check_s: int = Field(ge=1, le=YEAR_S)


class AlertSettings(Section):
    """The webhook that is told of alerts; empty: none."""

    webhook_url: Annotated[str, AfterValidator(_address)] = Field(pattern=r"^(https?://[^\s#@]+)?$")
    webhook_secret: SecretStr
    timeout_ms: int = Field(ge=100, le=15_000)
    proxy: Annotated[str, AfterValidator(_address)] = Field(pattern=r"^(https?://[^\s/?#@]+/?)?$")
    keep_s: int = Field(ge=HOUR_S, le=100 * YEAR_S)


class MediaSettings(Section):
    """Files of pictures: in a folder, or in an S3-compatible store if it has a URL."""

    folder: str
    s3_url: Annotated[str, AfterValidator(_address)] = Field(pattern=r"^(https?://[^\s?#@]+)?$")
    s3_region: str = Field(pattern=r"^[A-Za-z0-9-]{1,40}$")
    s3_key_id: str = Field(pattern=r"^[!-~]{0,128}$")
    s3_secret: SecretStr
    public_url: str = Field(pattern=r"^(https://[^\s?#]+)?$")
    max_bytes: int = Field(ge=100_000, le=32 * 1024 * 1024)
    max_pixels: int = Field(ge=100_000, le=64_000_000)


class ShopSettings(Section):
    """What clients show of this shop: GET /v1/config."""

    name: str = Field(max_length=40)
    logo_url: Annotated[str, AfterValidator(_address)] = Field(
        max_length=512, pattern=r"^((https://|/media/)[^\s#]+)?$"
    )
    color: str = Field(pattern=r"^(#[0-9a-f]{6})?$")
    player: Literal["auto", "live_player", "video"]
    room_url: str = Field(pattern=r"^(/|https://[^\s/]+/)\S*\{id\}\S*$", max_length=512)
    room_page: str = Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", max_length=128)


class CheckSettings(Section):
    """Checks that operators start: the longest time that each may take."""

    audit_s: int = Field(ge=10, le=24 * HOUR_S)
    full_audit_s: int = Field(ge=10, le=7 * 24 * HOUR_S)


class SeedSettings(Section):
    """A shop to look at, in empty stores of dev: `livesale up` switches it on."""

    on: bool


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"]
    format: Literal["auto", "json", "console"]


class Settings(BaseSettings):
    """All settings. Created by `load_settings`, which also checks them against the promises."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    env: Literal["dev", "prod"]
    data_dir: Path
    redis: RedisSettings
    sql: SqlSettings
    http: HttpSettings
    auth: AuthSettings
    wechat: WeChatSettings
    official_account: OfficialAccountSettings
    mini_program: MiniProgramSettings
    payments: PaymentSettings
    wechatpay: WeChatPaySettings
    stock: StockSettings
    tickets: TicketSettings
    door: DoorSettings
    limits: LimitSettings
    writer: WriterSettings
    keeper: KeeperSettings
    probes: ProbeSettings
    live: LiveSettings
    ingest: IngestSettings
    reminders: ReminderSettings
    orders: OrderSettings
    media: MediaSettings
    alerts: AlertSettings
    shop: ShopSettings
    checks: CheckSettings
    seeds: SeedSettings
    log: LogSettings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        assert isinstance(init_settings, InitSettingsSource)  # noqa: S101  carries the flags
        env = init_settings.init_kwargs.get("env") or os.environ.get(f"{PREFIX}ENV")
        default = read_config("default")
        toml = InitSettingsSource(settings_cls, _merge(default, _config_of(env or default["env"])))
        return init_settings, env_settings, toml


def config_folder() -> Path:
    """The folder of the TOML files: in the installed package, or beside it in a checkout."""
    packaged = Path(str(files("livesale"))) / "config"
    return packaged if packaged.is_dir() else packaged.parent.parent / "config"


def _config_of(env: str) -> dict[str, Any]:
    """The file of an environment; nothing for one that there is not, which is refused later."""
    there = (config_folder() / f"{env}.toml").is_file()
    return read_config(env) if there else {}


def _merge(default: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Both files: of a section that both have, the second one's values go first."""
    found = {**default, **own}
    for name in default.keys() & own.keys():
        if isinstance(own[name], dict):
            found[name] = default[name] | own[name]
    return found


@cache
def read_config(name: str) -> dict[str, Any]:
    """One file of `config/`, unchanged."""
    return tomllib.loads((config_folder() / f"{name}.toml").read_text(encoding="utf-8"))


def as_environment(settings: Settings) -> dict[str, str]:
    """The same settings as environment names, with plain secrets: only for child processes."""
    found: dict[str, str] = {}
    for name, value in settings:
        if isinstance(value, Section):
            for part, inner in value:
                found[f"{PREFIX}{name}__{part}".upper()] = _environment_text(inner)
        else:
            found[f"{PREFIX}{name}".upper()] = _environment_text(value)
    return found


def _environment_text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return json.dumps({key: _environment_text(inner) for key, inner in value.items()})
    return json.dumps(value) if isinstance(value, list) else str(value)
