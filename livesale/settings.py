"""Settings, once for all processes: defaults < config/<env>.toml < environment < flags.

Environment names are `LIVESALE__<SECTION>__<NAME>`, such as `LIVESALE__REDIS__URL`.
"""

import os
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

DEV_SECRET = "livesale-dev-secret-never-use-outside-dev"  # noqa: S105  refused outside dev


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RedisSettings(Section):
    url: str = "embedded"
    connections: int = Field(16, ge=2, le=1_000)
    timeout_ms: int = Field(5_000, ge=10)
    durability: Literal["fsync", "none"] = "fsync"


class SqlSettings(Section):
    url: str = "embedded"
    connections: int = Field(5, ge=1, le=100)
    timeout_ms: int = Field(10_000, ge=100)


class HttpSettings(Section):
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65_535)
    workers: int = Field(2, ge=1, le=64)
    max_body_bytes: int = Field(16_384, ge=256)
    max_header_bytes: int = Field(8_190, ge=1_024)
    idle_timeout_s: float = Field(75.0, gt=0)
    drain_s: float = Field(10.0, ge=0)
    notice_s: float = Field(0.5, ge=0)  # readyz says 503 this long before connections are refused
    access_log_sample: float = Field(0.01, ge=0, le=1)
    trusted_proxies: list[str] = ["127.0.0.0/8", "::1/128"]


class AuthSettings(Section):
    secret: SecretStr = SecretStr(DEV_SECRET)
    key_id: str = Field("k1", pattern=r"^[A-Za-z0-9]{1,16}$")
    old_keys: dict[str, SecretStr] = {}  # key id → secret: still accepted, no longer issued
    dev_login: bool | None = None  # by default where env = "dev"
    buyer_token_s: int = Field(24 * 3600, ge=60)
    operator_token_s: int = Field(12 * 3600, ge=60)


class WeChatSettings(Section):
    appid: str = ""
    secret: SecretStr = SecretStr("")
    base_url: str = "https://api.weixin.qq.com"
    timeout_ms: int = Field(3_000, ge=100)


class StockSettings(Section):
    partitions: int = Field(4, ge=1, le=100)
    max_queue: int = Field(20_000, ge=1)  # attempts waiting in front of one drop, per worker
    deadline_ms: int = Field(3_000, ge=10)
    sold_out_ms: int = Field(200, ge=0, le=200)
    expired_limit: int = Field(3, ge=0)


class LimitSettings(Section):
    """Per API worker. Addresses of trusted proxies are counted by X-Forwarded-For, if at all."""

    buyer_per_s: float = Field(20.0, gt=0)
    buyer_burst: int = Field(40, ge=1)
    address_per_s: float = Field(500.0, gt=0)
    address_burst: int = Field(1_000, ge=1)


class WriterSettings(Section):
    max_rows: int = Field(500, ge=1, le=5_000)
    standby_ms: int = Field(1_000, ge=10)
    trim_every_ms: int = Field(1_000, ge=10)


class KeeperSettings(Section):
    sweep_ms: int = Field(250, ge=10, le=1_000)


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="LIVESALE__", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    env: Literal["dev", "prod"] = "dev"
    data_dir: Path = Path("var")
    redis: RedisSettings = RedisSettings()
    sql: SqlSettings = SqlSettings()
    http: HttpSettings = HttpSettings()
    auth: AuthSettings = AuthSettings()
    wechat: WeChatSettings = WeChatSettings()
    stock: StockSettings = StockSettings()
    limits: LimitSettings = LimitSettings()
    writer: WriterSettings = WriterSettings()
    keeper: KeeperSettings = KeeperSettings()
    log: LogSettings = LogSettings()
