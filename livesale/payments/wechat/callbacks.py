"""Callbacks of WeChat Pay: verify the signature over the unchanged body, decrypt, then compare.

https://pay.weixin.qq.com/doc/v3/merchant/4012791902. A callback may come late, twice, or never.
"""

import base64
import binascii
from collections.abc import Collection, Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct
from multidict import MultiMapping

from livesale.payments.errors import CallbackRefused
from livesale.payments.gateway import Payment, RefundNews
from livesale.payments.wechat.api import Unverified, WeChatPayApi
from livesale.payments.wechat.messages import RefundNotice, payment_of, read, refund_answer_of
from livesale.settings.wechat_keys import WeChatPayKeys

ALGORITHM = "AEAD_AES_256_GCM"
_NONCE_BYTES = 12


class _Resource(Struct):
    algorithm: str
    ciphertext: str
    nonce: str
    original_type: str
    associated_data: str = ""


class _Envelope(Struct):
    id: str
    event_type: str
    resource_type: str
    resource: _Resource


class CallbackReader:
    """Reads callbacks that `api` verifies. Raises CallbackRefused for invalid ones."""

    def __init__(
        self, api: WeChatPayApi, keys: WeChatPayKeys, appids: Collection[str], mchid: str
    ) -> None:
        self._api = api
        self._ciphers = [AESGCM(key) for key in keys.api_v3_keys]
        self._appids = appids
        self._mchid = mchid

    async def read_payment(self, headers: MultiMapping[str], raw: bytes) -> Payment:
        """A payment that succeeded."""
        try:
            _, plain = await self._open(headers, raw, ["TRANSACTION.SUCCESS"], "transaction")
            return payment_of(plain, self._appids, self._mchid)
        except Unverified as why:
            raise CallbackRefused(why.reason) from None

    async def read_refund(self, headers: MultiMapping[str], raw: bytes) -> RefundNews:
        """The state of a refund."""
        events = ["REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED"]
        try:
            event, plain = await self._open(headers, raw, events, "refund")
            notice = read(plain, RefundNotice)
            if notice.mchid != self._mchid:
                raise Unverified("mchid")
            if event != f"REFUND.{notice.refund_status}":
                raise Unverified("refund_status")
            if not 1 <= notice.amount.refund <= notice.amount.total:
                raise Unverified("amount")
            answer = refund_answer_of(notice.refund_status, notice.refund_id)
        except Unverified as why:
            raise CallbackRefused(why.reason) from None
        return RefundNews(
            notice.out_refund_no,
            notice.transaction_id,
            notice.out_trade_no,
            notice.amount.refund,
            notice.amount.total,
            answer,
        )

    async def _open(
        self, headers: MultiMapping[str], raw: bytes, events: Iterable[str], original: str
    ) -> tuple[str, bytes]:
        await self._api.verify(headers, raw)
        envelope = read(raw, _Envelope)
        resource = envelope.resource
        for field, fits in (
            ("event_type", envelope.event_type in events),
            ("resource_type", envelope.resource_type == "encrypt-resource"),
            ("algorithm", resource.algorithm == ALGORITHM),
            ("original_type", resource.original_type == original),
        ):
            if not fits:
                raise Unverified(field)
        return envelope.event_type, self._decrypt(resource)

    def _decrypt(self, resource: _Resource) -> bytes:
        nonce, more = resource.nonce.encode(), resource.associated_data.encode()
        if len(nonce) != _NONCE_BYTES:
            raise Unverified("nonce")
        try:
            sealed = base64.b64decode(resource.ciphertext, validate=True)
        except (binascii.Error, ValueError):
            raise Unverified("ciphertext") from None
        for cipher in self._ciphers:  # also the old key, during a change of keys
            try:
                return cipher.decrypt(nonce, sealed, more)
            except (InvalidTag, ValueError):
                continue
        raise Unverified("ciphertext")
