"""WeChat Pay's settings: what is missing or malformed refuses the start, and is named."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as new_ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from livesale.errors import Refused
from livesale.settings import load_settings
from tests.livesale.payments.shop import new_twin, wechat_flags

NAMES = (
    *("appid", "mchid", "serial_no", "private_key_file", "api_v3_key"),
    *("public_key_id", "public_key_file", "notify_url"),
)


@pytest.fixture
def flags(tmp_path: Path) -> dict[str, Any]:
    return wechat_flags(new_twin(), "http://127.0.0.1:1", tmp_path)


def refusal(flags: dict[str, Any], **changes: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        load_settings(**flags | {"wechatpay": flags["wechatpay"] | changes})
    assert caught.value.cure
    return caught.value


def test_all_of_them_are_enough(flags: dict[str, Any]) -> None:
    assert load_settings(**flags).payments.gateway == "wechat"


@pytest.mark.parametrize("name", NAMES)
def test_each_of_them_is_needed(flags: dict[str, Any], name: str) -> None:
    refused = refusal(flags, **{name: ""})
    assert refused.setting == f"LIVESALE__WECHATPAY__{name.upper()}"


@pytest.mark.parametrize("size", [1, 31, 33, 64])
def test_the_api_v3_key_has_32_bytes(flags: dict[str, Any], size: int) -> None:
    refused = refusal(flags, api_v3_key="x" * size)
    assert refused.setting == "LIVESALE__WECHATPAY__API_V3_KEY"
    assert "x" * size not in str(refused) or size == 1


def test_files_that_are_not_there_or_not_keys(flags: dict[str, Any], tmp_path: Path) -> None:
    junk, small, curve, locked = (tmp_path / name for name in ("junk", "small", "curve", "locked"))
    plain = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    junk.write_text("-----BEGIN PRIVATE KEY-----\nno\n-----END PRIVATE KEY-----\n")
    small.write_bytes(generate_private_key(65_537, 1_024).private_bytes(*plain))
    curve.write_bytes(new_ec_key(SECP256R1()).private_bytes(*plain))
    locked.write_bytes(
        generate_private_key(65_537, 2_048).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        )
    )
    for name in ("private_key_file", "public_key_file"):
        for path in (tmp_path / "nosuch", tmp_path, junk, small, curve, locked):
            refused = refusal(flags, **{name: str(path)})
            assert refused.setting == f"LIVESALE__WECHATPAY__{name.upper()}", path


def test_the_keys_that_are_rotated_in_are_read_too(flags: dict[str, Any]) -> None:
    refused = refusal(flags, more_public_keys={"PUB_KEY_ID_NEXT": "/nosuch"})
    assert refused.setting == "LIVESALE__WECHATPAY__MORE_PUBLIC_KEYS__PUB_KEY_ID_NEXT"


def test_one_app_logs_in_and_pays(flags: dict[str, Any]) -> None:
    refused = refusal(flags | {"wechat": {"appid": "wxother", "secret": "x"}})
    assert refused.setting == "LIVESALE__WECHATPAY__APPID"


def test_outside_dev_wechat_calls_back_by_https(flags: dict[str, Any]) -> None:
    prod = flags | {"env": "prod", "auth": {"secret": "x" * 32}}
    assert load_settings(**prod).env == "prod"
    refused = refusal(prod, notify_url="http://shop.example/v1/payments/wechat/notify")
    assert refused.setting == "LIVESALE__WECHATPAY__NOTIFY_URL"
