"""Keeps the shortcuts of dev on this machine, out of reach for strangers."""

import socket
from ipaddress import IPv6Address, ip_address
from typing import Any

from livesale.errors import Refused
from livesale.settings import Settings
from livesale.settings.checks import is_weak_secret

ALLOWED_BY = "--expose-dev, or LIVESALE__HTTP__EXPOSE_DEV=true"


def check_exposure(settings: Settings) -> list[str]:
    """What strangers can do here, in sentences. Raises Refused unless the settings allow it.

    Empty on a loopback address, or with settings that are safe everywhere.
    """
    if settings.env != "dev" or _is_loopback(settings):
        return []
    found = open_doors(settings)
    if found and not settings.http.expose_dev:
        raise Refused(
            "LIVESALE__HTTP__HOST",
            f"other machines can reach {settings.http.host}, and in dev {', '.join(found)}",
            f"Set LIVESALE__ENV=prod. In a network of people you trust: {ALLOWED_BY}.",
        )
    return found


def open_doors(settings: Settings) -> list[str]:
    """What anybody who reaches this service can do."""
    found = []
    if is_weak_secret(settings.auth.secret):
        found.append("anybody can sign an operator's token, because the secret is public or weak")
    if settings.auth.dev_login:
        found.append("anybody can log in as any buyer")
    if settings.payments.gateway == "simulated":
        found.append("anybody can pay without money")
    return found


def _is_loopback(settings: Settings) -> bool:
    host = str(resolve(settings.http.host, settings.http.port)[1][0])
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback


def resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """Family and address to listen on. Raises Refused."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise Refused(
            "LIVESALE__HTTP__HOST", f"cannot resolve {host!r}: {error.strerror}", "Correct it."
        ) from None
    family, _, _, _, address = found[0]
    return family, address
