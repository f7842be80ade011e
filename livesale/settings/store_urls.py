"""The options in the URLs of stores, including TLS. Everything else is refused.

Drivers accept any option and fail with a traceback at the first connection, or ignore it silently:
a misspelled TLS option would send passwords unencrypted. The server's certificate and host name
are always verified; no option turns that off.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from stock.hosts import groups_of

if TYPE_CHECKING:
    from ssl import SSLContext

_FILES_REDIS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_FILES_SQL = ("ssl_ca", "ssl_cert", "ssl_key")
_TLS_SCHEMES = ("rediss", "sentinels", "clusters")
ESCAPE = "write / ? # @ [ ] in a password as %2F %3F %23 %40 %5B %5D"
_ALWAYS = "the certificate is always verified; set its authority with {ca}=/path/ca.pem"
# Options of other programs, and what to write here.
_INSTEAD = {
    "password": "write it before the host: user:password@host",
    "username": "write it before the host: user:password@host",
    "user": "write it before the host: user:password@host",
    "timeout": "set TIMEOUT_MS of the same section",
    "socket_timeout": "set TIMEOUT_MS of the same section",
    "connect_timeout": "set TIMEOUT_MS of the same section",
    "max_connections": "set CONNECTIONS of the same section",
    "pool_size": "set CONNECTIONS of the same section",
    "ssl_mode": "write ssl=true; " + _ALWAYS.format(ca="ssl_ca"),
    "sslmode": "write ssl=true; " + _ALWAYS.format(ca="ssl_ca"),
    "ssl_verify_cert": _ALWAYS.format(ca="ssl_ca"),
    "ssl_check_hostname": "the host name is always compared with the certificate",
    "ssl_cert_reqs": _ALWAYS.format(ca="ssl_ca_certs"),
}


def check_redis_url(url: str) -> str:
    """The same address. Raises ValueError, with the name of what is wrong in it."""
    if url in ("", "embedded"):
        return url
    groups = groups_of(url)
    if len(groups) > 1:
        for each in groups:
            check_redis_url(each)
        return url
    scheme, _, rest = url.partition("://")
    user = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[0]
    if "[" in user or "]" in user:  # redis-py takes them for an IPv6 address
        raise ValueError(ESCAPE)
    if scheme != "unix" and not user and "@" in rest.partition("?")[0]:
        raise ValueError(ESCAPE)
    none: tuple[str, ...] = ()
    of_scheme = {"unix": ("db", "username", "password"), "cluster": none, "clusters": none}
    allowed = of_scheme.get(scheme, ("db",))
    options = _options(url, (*allowed, *(_FILES_REDIS if scheme in _TLS_SCHEMES else ())))
    path = rest.partition("?")[0].partition("/")[2].strip("/")
    number = path.partition("/")[2] if scheme.startswith("sentinel") else path
    for text in (options.get("db", ""), "" if scheme == "unix" else number):
        if text and not (text.isascii() and text.isdigit()):
            raise ValueError(f"give the number of a Redis database, not {text!r}")
    _check_files(options, *_FILES_REDIS)
    return url


def check_sql_url(url: str) -> str:
    """The same address. Raises ValueError, with the name of what is wrong in it."""
    if url == "embedded":
        return url
    if url.startswith("sqlite"):
        _options(url, ())
        return url
    options = _options(url, ("unix_socket", "charset", "ssl", *_FILES_SQL))
    if options.get("charset", "utf8mb4") != "utf8mb4":
        raise ValueError("charset is always utf8mb4")
    if options.get("ssl", "true") != "true":
        raise ValueError("ssl can only be true; leave it out for an unencrypted connection")
    if "unix_socket" in options and wants_tls(options):
        raise ValueError("unix_socket stays on this machine: leave out the options of ssl")
    _check_files(options, *_FILES_SQL)
    return url


def sql_context(options: Mapping[str, Any]) -> "SSLContext":
    """The TLS context for the options of an SQL URL. Raises OSError like `make_context`."""
    return make_context(*(options.get(name) for name in _FILES_SQL))


def wants_tls(options: Mapping[str, object]) -> bool:
    """Whether the options of an SQL URL require TLS."""
    return any(name in options for name in ("ssl", *_FILES_SQL))


def _options(url: str, allowed: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    # Not by urlsplit, which newer Pythons let refuse several hosts in brackets.
    for name, value in parse_qsl(url.partition("?")[2], keep_blank_values=True):
        if name not in allowed:
            raise ValueError(_explain(name, allowed))
        if name in found:
            raise ValueError(f"the option {name} is given twice")
        if not value:
            raise ValueError(f"the option {name} is empty")
        found[name] = value
    return found


def _explain(name: str, allowed: tuple[str, ...]) -> str:
    said = f"there is no option {name!r}"
    if name in _FILES_REDIS:
        return f"{said} without TLS; begin with rediss://, sentinels:// or clusters://"
    if name in _INSTEAD and name not in allowed:
        return f"{said}; {_INSTEAD[name]}"
    near = get_close_matches(name, allowed, n=1, cutoff=0.6)
    if near:
        return f"{said}; did you mean {near[0]}?"
    return f"{said}; the options are {', '.join(allowed)}" if allowed else f"{said}, and no other"


def make_context(ca: str | None, cert: str | None = None, key: str | None = None) -> "SSLContext":
    """Verifies the server and its host name by `ca`, or by the authorities of this machine.

    `cert` and `key` are ours, for servers that require them. Raises OSError for invalid files; its
    text names the file.
    """
    import ssl

    path = ca
    try:
        context = ssl.create_default_context(cafile=ca)  # with `ca`, trust no other authority
        if cert is not None:
            path = cert
            context.load_cert_chain(
                cert, key, password=""
            )  # otherwise OpenSSL asks on the terminal
    except ssl.SSLError as error:
        raise OSError(
            f"{path}: not a PEM file with the required content ({error.reason})"
        ) from None
    except OSError as error:
        raise OSError(f"{path}: {error.strerror}") from None
    return context


def _check_files(options: Mapping[str, str], ca: str, cert: str, key: str) -> None:
    if key in options and cert not in options:
        raise ValueError(f"{key} needs {cert}, the certificate of that key")
    if ca in options or cert in options:
        try:
            make_context(options.get(ca), options.get(cert), options.get(key))
        except OSError as error:
            raise ValueError(str(error)) from None
