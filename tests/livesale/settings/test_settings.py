"""Settings: where a value comes from, and what is refused."""

import os
import tomllib
from pathlib import Path

import pytest

from livesale.errors import Refused
from livesale.settings import PREFIX, as_environment, config_folder, load_settings

SECRET = "a secret that is long enough for production"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


def refusal(**flags: object) -> Refused:
    with pytest.raises(Refused) as caught:
        load_settings(**flags)
    return caught.value


def test_flags_beat_environment_beats_env_file_beats_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a setting of each origin: http.workers is 2 by default and 4 in prod.toml
    monkeypatch.setenv("LIVESALE__ENV", "prod")
    monkeypatch.setenv("LIVESALE__AUTH__SECRET", SECRET)
    monkeypatch.setenv("LIVESALE__PAYMENTS__ALLOW_SIMULATED", "true")
    monkeypatch.setenv("LIVESALE__HTTP__PORT", "8001")
    monkeypatch.setenv("LIVESALE__HTTP__DRAIN_S", "7")
    # when
    settings = load_settings(http__drain_s=8, redis__url=None)
    # then
    assert settings.http.drain_s == 8
    assert settings.http.port == 8001
    assert settings.http.workers == 4
    assert settings.http.idle_timeout_s == 75
    assert settings.redis.url == "embedded"
    assert settings.auth.secret.get_secret_value() == SECRET
    assert not settings.auth.dev_login


def test_env_is_a_flag_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVESALE__ENV", "dev")
    settings = load_settings(env="prod", auth={"secret": SECRET}, payments__allow_simulated=True)
    assert (settings.env, settings.log.format, settings.auth.dev_login) == ("prod", "json", False)


def test_dev_works_without_a_single_setting() -> None:
    settings = load_settings()
    assert (settings.env, settings.auth.dev_login) == ("dev", True)
    assert (settings.redis.url, settings.sql.url, settings.data_dir) == (
        "embedded",
        "embedded",
        Path("var"),
    )


def test_lists_and_tables_are_json_or_names_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVESALE__HTTP__TRUSTED_PROXIES", '["10.0.0.0/8"]')
    monkeypatch.setenv("LIVESALE__AUTH__OLD_KEYS", '{"K0": "zero"}')
    monkeypatch.setenv("LIVESALE__AUTH__OLD_KEYS__KX", "ten")
    settings = load_settings()
    assert settings.http.trusted_proxies == ["10.0.0.0/8"]
    assert {key: old.get_secret_value() for key, old in settings.auth.old_keys.items()} == {
        "K0": "zero",
        "kx": "ten",
    }


def test_a_child_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    # given settings unlike the defaults, in every kind of value
    settings = load_settings(
        env="prod",
        data_dir="/srv/livesale",
        redis__url="redis://:pass@host:1/2",
        http={"trusted_proxies": ["10.0.0.0/8"], "access_log_sample": 0.5},
        auth={"secret": SECRET, "old_keys": {"K0": SECRET + "!"}},
        payments={"allow_simulated": True},
    )
    # when a child reads them from its environment
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    # then
    assert load_settings() == settings


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("LIVESALE__HTTP__PORT", "eighty", "integer"),
        ("LIVESALE__HTTP__PORT", "70000", "65535"),
        ("LIVESALE__HTTP__TRUSTED_PROXIES", "10.0.0.0/8", "JSON"),
        ("LIVESALE__HTTP__TRUSTED_PROXIES", '["10.0.0.0/33"]', "network"),
        ("LIVESALE__HTTP__TRUSTED_PROXIES", '["0.0.0.0/0"]', "every address"),
        ("LIVESALE__HTTP__TRUSTED_PROXIES", '["10.0.0.0/8", "::/0"]', "every address"),
        ("LIVESALE__HTTP__DRAIN_S", "inf", "inf"),
        ("LIVESALE__HTTP__NOTICE_S", "nan", "nan"),
        ("LIVESALE__HTTP__IDLE_TIMEOUT_S", "1e300", "3600"),
        ("LIVESALE__HTTP__MAX_BODY_BYTES", "9" * 30, "16777216"),
        ("LIVESALE__LIMITS__BUYER_PER_S", "nan", "nan"),
        ("LIVESALE__LIMITS__ADDRESS_PER_S", "inf", "finite"),
        ("LIVESALE__STOCK__MAX_QUEUE", "9" * 30, "1000000"),
        ("LIVESALE__STOCK__DEADLINE_MS", "9" * 30, "3600000"),
        ("LIVESALE__SQL__TIMEOUT_MS", "9" * 30, "3600000"),
        ("LIVESALE__REDIS__URL", "redis://:pw@h:notaport", "redis://:…@h:notaport"),
        ("LIVESALE__REDIS__URL", "redis://h:70000", "redis://h:70000"),
        ("LIVESALE__REDIS__URL", "sentinel://[::1]x:1/shop", "sentinel://[::1]x:1/shop"),
        ("LIVESALE__REDIS__URL", "sentinel://::1:26379/shop", "sentinel://::1:26379/shop"),
        ("LIVESALE__SQL__URL", "mysql://u:pw@h:x/d", "mysql://u:…@h:x/d"),
        ("LIVESALE__WECHAT__BASE_URL", "https://h:x", "https://h:x"),
        ("LIVESALE__AUTH__SECRET", "", "empty"),
        ("LIVESALE__AUTH__SECRET", " ", "empty"),
        ("LIVESALE__STOCK__PARTITIONS", "0", "greater than or equal to 1"),
        ("LIVESALE__REDIS__URL", "memcached://x", "memcached"),
        ("LIVESALE__SQL__URL", "postgresql://x", "postgresql"),
        ("LIVESALE__REDIS__DURABILITY", "everysec", "everysec"),
        ("LIVESALE__ENV", "production", "production"),
        ("LIVESALE__AUTH__DEV_LOGIN", "perhaps", "boolean"),
    ],
)
def test_a_bad_value_is_refused_by_its_environment_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(name, value)
    refused = refusal()
    assert refused.setting in (name, name.rpartition("__")[0])
    assert problem in str(refused)
    assert refused.cure
    assert "pydantic" not in str(refused)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LIVESALE__HTTP__PRT", "LIVESALE__HTTP__PORT"),
        ("LIVESALE__REDIS_URL", "LIVESALE__REDIS__URL"),
        ("livesale__auth__dev_logn", "LIVESALE__AUTH__DEV_LOGIN"),
        ("LIVESALE_HTTP__PORT", "LIVESALE__HTTP__PORT"),
        ("LIVESALE_HTTP_PORT", "LIVESALE__HTTP__PORT"),
        ("LIVESALE_HTTP__PRT", "LIVESALE__HTTP__PORT"),
        ("LIVESALE_ENV", "LIVESALE__ENV"),
    ],
)
def test_a_misspelled_name_is_refused_with_the_right_one(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "1")
    refused = refusal()
    assert refused.setting == name
    assert meant in refused.cure


def test_what_kubernetes_sets_for_a_service_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_settings()
    monkeypatch.setenv("LIVESALE_HTTP_PORT", "tcp://10.0.0.1:80")
    monkeypatch.setenv("LIVESALE_SERVICE_HOST", "10.0.0.1")
    assert load_settings() == before


def test_a_flag_that_does_not_exist_is_refused() -> None:
    assert refusal(http__prt=1).setting == "LIVESALE__HTTP__PRT"


def test_all_bad_values_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVESALE__HTTP__PORT", "x")
    monkeypatch.setenv("LIVESALE__STOCK__PARTITIONS", "x")
    assert "LIVESALE__STOCK__PARTITIONS" in str(refusal())


def test_a_bad_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVESALE__AUTH__OLD_KEYS", "hunter2")
    monkeypatch.setenv("LIVESALE__REDIS__URL", "amqp://me:hunter2@host")
    assert "hunter2" not in str(refusal())
    monkeypatch.delenv("LIVESALE__AUTH__OLD_KEYS")
    assert "hunter2" not in str(refusal())


@pytest.mark.parametrize(
    ("flags", "setting"),
    [
        ({}, "LIVESALE__AUTH__SECRET"),
        ({"auth__secret": "x" * 31}, "LIVESALE__AUTH__SECRET"),
        ({"auth__secret": "x" * 32}, "LIVESALE__AUTH__SECRET"),
        ({"auth__secret": "abc" * 20}, "LIVESALE__AUTH__SECRET"),
        (
            {"auth__secret": "livesale-dev-secret-never-use-outside-dev "},
            "LIVESALE__AUTH__SECRET",
        ),
        (
            {"auth__secret": SECRET, "auth__old_keys": {"k0": SECRET}},
            "LIVESALE__AUTH__OLD_KEYS__k0",
        ),
        (
            {"auth__secret": SECRET, "auth__old_keys": {"a.b": SECRET + "!"}},
            "LIVESALE__AUTH__OLD_KEYS__a.b",
        ),
        (
            {"auth__secret": "livesale-dev-secret-never-use-outside-dev"},
            "LIVESALE__AUTH__SECRET",
        ),
        (
            {"auth__secret": SECRET, "auth__old_keys": {"k0": "short"}},
            "LIVESALE__AUTH__OLD_KEYS__k0",
        ),
        (
            {"auth__secret": SECRET, "auth__old_keys": {"k1": SECRET}},
            "LIVESALE__AUTH__KEY_ID",
        ),
        ({"auth__secret": SECRET, "auth__dev_login": True}, "LIVESALE__AUTH__DEV_LOGIN"),
        ({"auth__secret": SECRET, "redis__durability": "none"}, "LIVESALE__REDIS__DURABILITY"),
        (
            {"auth__secret": SECRET, "ingest__hook_secret": "too-short-for-production"},
            "LIVESALE__INGEST__HOOK_SECRET",
        ),
        (
            {"auth__secret": SECRET, "ingest__old_hook_secret": "x" * 40},
            "LIVESALE__INGEST__OLD_HOOK_SECRET",
        ),
        ({"auth__secret": SECRET}, "LIVESALE__PAYMENTS__GATEWAY"),
    ],
)
def test_what_breaks_a_promise_is_refused_outside_dev(
    flags: dict[str, object], setting: str
) -> None:
    refused = refusal(env="prod", **flags)
    assert refused.setting == setting
    assert refused.cure


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hook_secret", "it/leads/to/another/path"),
        ("hook_secret", "short"),
        ("old_hook_secret", "with blanks in it, and so on"),
        ("hook_addresses", ["0.0.0.0/0"]),
        ("hook_addresses", ["push.example"]),
        ("push_url", "http://push.example/live"),
        ("push_url", "rtmp://push.example"),
        ("push_url", "rtmp://push.example/live?key=1"),
        ("hls_url", "https://play.example/hls/room.m3u8"),
        ("hls_url", "ftp://play.example/{room_id}"),
        ("flv_url", "{room_id}"),
    ],
)
def test_settings_of_media_servers_that_could_not_work(name: str, value: object) -> None:
    assert refusal(**{f"ingest__{name}": value}).setting == f"LIVESALE__INGEST__{name.upper()}"


def test_the_secret_of_dev_stands_in_its_file() -> None:
    dev = tomllib.loads((config_folder() / "dev.toml").read_text())
    assert load_settings().auth.secret.get_secret_value() == dev["auth"]["secret"]
