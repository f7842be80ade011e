"""What WeChat Pay's server does with keys: signs, seals, and checks what merchants sign."""

import base64
import json
import re
import secrets
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

_FIELD = re.compile(r'(\w+)="([^"]*)"')


@cache
def rsa_key(name: str) -> RSAPrivateKey:
    """The key of this name; made once for all tests."""
    return generate_private_key(65_537, 2_048)


def write_private(key: RSAPrivateKey, path: Path) -> str:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem)
    return str(path)


def write_public(key: RSAPrivateKey, path: Path) -> str:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path.write_bytes(pem)
    return str(path)


def write_certificate(key: RSAPrivateKey, path: Path) -> str:
    """A platform certificate, signed by itself."""
    from datetime import UTC, datetime, timedelta

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Tenpay twin")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    path.write_bytes(made.public_bytes(Encoding.PEM))
    return str(path)


def sign(key: RSAPrivateKey, *lines: str, body: bytes | None = None) -> str:
    """Each line, and the body, end in a newline."""
    message = "".join(f"{line}\n" for line in lines).encode()
    if body is not None:
        message += body + b"\n"
    return base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()


def is_signed(key: RSAPublicKey, signature: str, *lines: str, body: bytes | None = None) -> bool:
    message = "".join(f"{line}\n" for line in lines).encode()
    if body is not None:
        message += body + b"\n"
    try:
        key.verify(base64.b64decode(signature, validate=True), message, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def signature_headers(
    key: RSAPrivateKey, serial: str, body: bytes, at_s: float, nonce: str | None = None
) -> dict[str, str]:
    """Of an answer or a callback."""
    timestamp, nonce = str(int(at_s)), nonce or secrets.token_hex(16)
    return {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": sign(key, timestamp, nonce, body=body),
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }


def seal(api_v3_key: str, content: Any, more: str, nonce: str | None = None) -> dict[str, str]:
    """The `resource` of a callback, but for its original_type."""
    nonce = nonce or secrets.token_hex(6)
    plain = content if isinstance(content, bytes) else json.dumps(content).encode()
    sealed = AESGCM(api_v3_key.encode()).encrypt(nonce.encode(), plain, more.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(sealed).decode(),
        "associated_data": more,
        "nonce": nonce,
    }


def read_authorization(header: str) -> dict[str, str]:
    """The fields of a merchant's signature; none when the scheme is another."""
    scheme, _, rest = header.partition(" ")
    return dict(_FIELD.findall(rest)) if scheme == "WECHATPAY2-SHA256-RSA2048" else {}
