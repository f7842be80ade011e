"""Structured logs on stderr: JSON in production and in a pipe, colours on a terminal.

The standard library's logging (aiohttp, alembic, redis) uses the same processors. The last step
before rendering is redaction, so no token, secret or openid is printed. It redacts keys by their
names, and texts by their form and by the secrets of the settings.
"""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from io import TextIOWrapper
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

from livesale.printing.encoding import REPLACE, to_json
from livesale.settings import Settings
from livesale.telemetry.repeats import Repeats

REDACTED = "[redacted]"

_SECRET_KEYS = {"code", "cookie", "authorization", "openid", "unionid", "subject", "signature"}
_SECRET_KEY_PARTS = (
    "token",
    "secret",
    "password",
    "passwd",
    "private_key",
    "api_v3_key",
    "session_key",
    "authorization",
    "openid",
    "js_code",
)
_TEXTS = (
    # our own tokens, tickets and publish keys, anywhere
    (re.compile(r"\bls(?:1|t1|p1)\.[A-Za-z0-9._+-]+"), REDACTED),
    # Authorization: Bearer …, whatever follows
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s'\",;}]+"), rf"\1 {REDACTED}"),
    # token=…, "openid": "…" in queries, JSON and reprs
    (
        re.compile(
            r"(?i)(?<![a-z0-9_])((?:[a-z0-9]+_)*"
            r"(?:token|secret|password|openid|unionid|session_key|authorization))"
            r"([\"']?\s*[=:]\s*[\"']?)(?!\[redacted\])(?:(?:bearer|basic)\s+)?[^\s&'\",;}]+"
        ),
        rf"\1\2{REDACTED}",
    ),
    # code=… likewise, but not exit_code=1, nor "code: 7" in prose
    (
        re.compile(
            r"(?i)(?<![a-z0-9_])((?:js_)?code)(=|[\"']\s*:\s*)([\"']?)(?!\[redacted\])[^\s&'\",;}]+"
        ),
        rf"\1\2\3{REDACTED}",
    ),
    # scheme://user:password@host
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), rf"\1{REDACTED}@"),
)
# Each of the forms above contains one of these: a text without them needs no search.
_may_tell = re.compile(r"[.:=\s]").search
_QUIET = {"aiosqlite": logging.WARNING, "alembic": logging.WARNING, "asyncio": logging.WARNING}
_MAX_DEPTH = 6
_DEV_SECRET_LENGTH = 8  # shorter values would redact ordinary words


def setup(settings: Settings, process: str, stream: TextIO | None = None) -> None:
    """Configure structlog and the standard library for this process.

    `process` (such as `api-0`) is bound to every line.
    """
    out = stream or sys.stderr
    if isinstance(out, TextIOWrapper):
        out.reconfigure(errors=REPLACE)
    level = logging.getLevelName(settings.log.level.upper())
    console = settings.log.format == "console" or (
        settings.log.format == "auto" and settings.env != "prod" and out.isatty()
    )
    enrich: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _named(process),
    ]
    finish: list[Processor] = [
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        Redaction(secrets_of(settings)),
        _console_renderer(out) if console else structlog.processors.JSONRenderer(_json_for(out)),
    ]
    repeats = Repeats().until_exit()
    structlog.configure(
        processors=[repeats, *enrich, *finish],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,  # a process may call it again, with another stream
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *enrich],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    handler.addFilter(repeats.filter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, floor in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, floor))


def secrets_of(settings: Settings) -> list[str]:
    """Every secret of the settings, to redact it in any text."""
    return [value for value in _secret_values(settings.model_dump()) if value]


class Harmless(str):
    """A text whose parts cannot contain a secret: it is printed unchanged.

    For long, frequent lines: a search would cost ten times as much as everything else.
    """

    __slots__ = ()


class Redaction:
    """A structlog processor that redacts secrets in an event, at any depth."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({s for s in secrets if len(s) >= _DEV_SECRET_LENGTH}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        return cast(MutableMapping[str, Any], self._mapping(event, 0))

    def text(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        if _may_tell(text) is None:
            return text
        for pattern, replacement in _TEXTS:
            text = pattern.sub(replacement, text)
        return text

    def _mapping(self, mapping: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        return {
            str(key): REDACTED if is_secret(str(key)) else self._value(value, depth + 1)
            for key, value in mapping.items()
        }

    def _value(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Harmless):
            return str(value)
        if isinstance(value, str):
            return self.text(str(value))
        if isinstance(value, bytes | bytearray):
            return self.text(value.decode("utf-8", "backslashreplace"))
        if depth > _MAX_DEPTH:
            return "…"
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(item, depth + 1) for item in value]
        # Rendered here, not later: a repr may contain secrets without their keys.
        return self.text(repr(value) if not isinstance(value, BaseException) else str(value))


def is_secret(key: str) -> bool:
    """Whether a field of this name is never printed."""
    name = key.lower().replace("-", "_")
    return name in _SECRET_KEYS or any(part in name for part in _SECRET_KEY_PARTS)


def _secret_values(value: Any) -> Iterable[str]:
    if hasattr(value, "get_secret_value"):
        yield str(value.get_secret_value())
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secret_values(item)


def _named(process: str) -> Processor:
    def add_process(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event.setdefault("process", process)
        return event

    return add_process


def _console_renderer(out: TextIO) -> Processor:
    # Plain tracebacks: the pretty ones print local variables, which may be secrets.
    return structlog.dev.ConsoleRenderer(
        colors=out.isatty() and "NO_COLOR" not in os.environ,
        exception_formatter=structlog.dev.plain_traceback,
        timestamp_key="at",
    )


def _json_for(out: TextIO) -> Callable[..., str]:
    def render(event: Any, **_: Any) -> str:
        return to_json(event, out)

    return render
