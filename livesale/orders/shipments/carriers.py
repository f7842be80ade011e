"""Carriers, with the codes that WeChat's shipping information takes. No I/O.

The codes are those of its list of delivery companies. A tracking number that cannot be one of its
carrier is refused: a number in the wrong column of a file is the most common mistake.
"""

import re
from enum import StrEnum

from msgspec import Struct


class Method(StrEnum):
    """How goods reach the buyer. Only `EXPRESS` has a carrier and a number."""

    EXPRESS = "express"
    LOCAL = "local"  # by a courier of the shop's city
    VIRTUAL = "virtual"  # nothing is sent
    PICKUP = "pickup"  # the buyer fetches it


class Carrier(Struct, frozen=True):
    code: str
    name: str
    number_pattern: str  # of its tracking numbers


_ANY = r"^[A-Z0-9-]{6,32}$"
CARRIERS: dict[str, Carrier] = {
    carrier.code: carrier
    for carrier in (
        Carrier("SF", "顺丰速运", r"^(SF)?[0-9]{12,15}$"),
        Carrier("ZTO", "中通快递", r"^[A-Z0-9]{8,20}$"),
        Carrier("YTO", "圆通速递", r"^(YT)?[A-Z0-9]{8,20}$"),
        Carrier("STO", "申通快递", r"^[0-9]{12,15}$"),
        Carrier("YD", "韵达速递", r"^[0-9]{10,19}$"),
        Carrier("JTSD", "极兔速递", r"^(JT)?[0-9]{12,16}$"),
        Carrier("EMS", "EMS", r"^([0-9]{13}|[A-Z]{2}[0-9]{9}[A-Z]{2})$"),
        Carrier("YZPY", "邮政快递包裹", r"^[A-Z0-9]{13}$"),
        Carrier("JD", "京东物流", r"^[A-Z0-9-]{8,32}$"),
        Carrier("DBL", "德邦快递", r"^[A-Z0-9]{8,20}$"),
        Carrier("HTKY", "百世快递", r"^[A-Z0-9]{10,20}$"),
        Carrier("UC", "优速快递", r"^[A-Z0-9]{8,20}$"),
        Carrier("ZJS", "宅急送", r"^[A-Z0-9]{8,20}$"),
        Carrier("KYSY", "跨越速运", r"^[A-Z0-9]{8,20}$"),
        Carrier("ANE", "安能物流", r"^[A-Z0-9]{8,20}$"),
        Carrier("DNWL", "丹鸟物流", r"^[A-Z0-9]{8,20}$"),
        Carrier("OTHER", "其他", _ANY),
    )
}
_BY_NAME = {carrier.name: carrier.code for carrier in CARRIERS.values()} | {
    "顺丰": "SF",
    "中通": "ZTO",
    "圆通": "YTO",
    "申通": "STO",
    "韵达": "YD",
    "极兔": "JTSD",
    "邮政": "YZPY",
    "京东": "JD",
    "德邦": "DBL",
}


def carrier_of(text: str) -> Carrier | None:
    """A carrier by its code or its name, as people write them in files."""
    text = text.strip()
    return CARRIERS.get(_BY_NAME.get(text, text.upper()))


def number_of(carrier: Carrier, text: str) -> str:
    """The tracking number without spaces, in capitals; empty if it is none of this carrier."""
    number = "".join(text.split()).upper()
    return number if re.fullmatch(carrier.number_pattern.removesuffix("$"), number) else ""
