"""The keys of WeChat Pay: ours to sign, WeChat's to verify (several during a change of keys), and
the one for encryption. A missing or malformed key refuses the start and is named."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from livesale.errors import Refused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

    from livesale.settings.model import Settings

SECTION = "LIVESALE__WECHATPAY__"
API_V3_KEY_BYTES = 32
LEAST_RSA_BITS = 2_048


class WeChatPayKeys(Struct, frozen=True):
    """`public_keys` go by PUB_KEY_ID_… or by the serial of a platform certificate."""

    private_key: "RSAPrivateKey"
    serial_no: str
    public_keys: Mapping[str, "RSAPublicKey"]
    public_key_id: str
    api_v3_keys: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"WeChatPayKeys({self.serial_no!r}, {sorted(self.public_keys)})"


def load_keys(settings: "Settings") -> WeChatPayKeys:
    """Read all keys, and check the other settings of WeChat Pay.

    Raises Refused.
    """
    wechatpay = settings.wechatpay
    for name in (
        *("appid", "mchid", "serial_no", "private_key_file", "api_v3_key"),
        *("public_key_id", "public_key_file", "notify_url"),
    ):
        value = getattr(wechatpay, name)
        if not (value.get_secret_value() if hasattr(value, "get_secret_value") else value):
            raise Refused(
                f"{SECTION}{name.upper()}",
                "it is not set, but LIVESALE__PAYMENTS__GATEWAY is wechat",
                "Set it; docs/operations.md says where it comes from.",
            )
    if settings.wechat.appid and settings.wechat.appid != wechatpay.appid:
        raise Refused(
            f"{SECTION}APPID",
            "it differs from LIVESALE__WECHAT__APPID, but an openid is valid in one app only",
            "Set both to the mini-program's.",
        )
    if settings.env != "dev" and not wechatpay.notify_url.startswith("https://"):
        raise Refused(
            f"{SECTION}NOTIFY_URL",
            "WeChat calls back over https only",
            "Use https://<this service>/v1/payments/wechat/notify.",
        )
    files = {wechatpay.public_key_id: ("PUBLIC_KEY_FILE", wechatpay.public_key_file)}
    for key_id, path in wechatpay.more_public_keys.items():
        files.setdefault(key_id, (f"MORE_PUBLIC_KEYS__{key_id}", path))
    return WeChatPayKeys(
        private_key=_private_key(wechatpay.private_key_file),
        serial_no=wechatpay.serial_no,
        public_keys={key_id: _public_key(name, path) for key_id, (name, path) in files.items()},
        public_key_id=wechatpay.public_key_id,
        api_v3_keys=tuple(_api_v3_keys(settings)),
    )


def _api_v3_keys(settings: "Settings") -> Iterator[bytes]:
    wechatpay = settings.wechatpay
    for name, secret in (
        ("API_V3_KEY", wechatpay.api_v3_key),
        ("OLD_API_V3_KEY", wechatpay.old_api_v3_key),
    ):
        key = secret.get_secret_value().encode()
        if not key:
            continue
        if len(key) != API_V3_KEY_BYTES:
            problem = f"it has {API_V3_KEY_BYTES} bytes, not {len(key)}"
            raise Refused(f"{SECTION}{name}", problem, "Copy all of it from the merchant platform.")
        yield key


def _private_key(path: str) -> "RSAPrivateKey":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    name = "PRIVATE_KEY_FILE"
    try:
        key = _parse_private(_read(name, path))
    except (ValueError, TypeError):
        raise _malformed(name, "an unencrypted private key (apiclient_key.pem)") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < LEAST_RSA_BITS:
        raise _malformed(name, f"an RSA key of at least {LEAST_RSA_BITS} bits")
    return key


@lru_cache(maxsize=2)
def _parse_private(pem: bytes) -> object:
    """Kept: parsing checks the key for 50 ms, and each start asks for it several times."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem, password=None)


def _public_key(name: str, path: str) -> "RSAPublicKey":
    """Read a public key, or the key of a platform certificate."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    pem = _read(name, path)
    try:
        key: object = (
            load_pem_x509_certificate(pem).public_key()
            if b"BEGIN CERTIFICATE" in pem
            else load_pem_public_key(pem)
        )
    except ValueError:
        raise _malformed(name, "a public key or a platform certificate") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < LEAST_RSA_BITS:
        raise _malformed(name, f"an RSA key of at least {LEAST_RSA_BITS} bits")
    return key


def _read(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror}"
        raise Refused(f"{SECTION}{name}", problem, "Use a file that this user may read.") from None


def _malformed(name: str, what: str) -> Refused:
    return Refused(f"{SECTION}{name}", f"the file is not PEM of {what}", "Download it again.")
