"""Errors as RFC 9457 `application/problem+json`. Their kinds are declared by the features."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec
from msgspec import Struct

from livesale.database.errors import StoreUnavailable
from livesale.errors import LivesaleError
from livesale.tasks.turns import Crowded
from livesale.tokens.errors import IdentityFault
from livesale.validation.refusals import ChallengeRequired, LoginLocked, SalesFault, TooOften
from stock.errors import (
    BooksBroken,
    FencedOff,
    LogTooNew,
    NotSent,
    OutcomeUnknown,
    ScriptRefused,
)

CONTENT_TYPE = "application/problem+json"

_CORE_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (NotSent, "overloaded"),
    (OutcomeUnknown, "outcome_unknown"),
    (FencedOff, "fenced"),
    (ScriptRefused, "engine_refused"),
    (BooksBroken, "books_broken"),
    (LogTooNew, "log_too_new"),
    (StoreUnavailable, "store_unavailable"),
)


class ProblemKind(Struct, frozen=True):
    """A kind of problem. `advice` says what a client does; a client may try again after
    `retry_after_s`, where that can help (else 0)."""

    code: str
    status: int
    title: str
    advice: str
    retry_after_s: int = 0


# What any call of the engine may be answered.
ENGINE_PROBLEMS = ("overloaded", "outcome_unknown", "fenced", "engine_refused", "books_broken")

# Every kind that is declared, by code. Features declare theirs in their `problems.py`.
PROBLEMS: dict[str, ProblemKind] = {}
_FAULTS: list[tuple[type[Exception], str]] = list(_CORE_FAULTS)


def declare(**kinds: tuple[int, str, str] | tuple[int, str, str, int]) -> Mapping[str, ProblemKind]:
    """Kinds of problems by their codes. Raises ValueError for a code that is taken.

    Codes never change: clients tell cases apart by them. Texts may change.
    """
    found = {code: ProblemKind(code, *rest) for code, rest in kinds.items()}
    for code, kind in found.items():
        if PROBLEMS.setdefault(code, kind) != kind:
            raise ValueError(f"two problems with the code {code!r}")
    return found


def declare_faults(*faults: tuple[type[Exception], str]) -> None:
    """Exceptions of a feature that are answered by a problem, the more special ones first."""
    _FAULTS.extend(fault for fault in faults if fault not in _FAULTS)


CORE_PROBLEMS = declare(
    malformed_request=(400, "This is not valid HTTP", "Client bug: fix before you reconnect."),
    malformed_json=(400, "The body is not JSON", "Send valid JSON. A body is required here."),
    malformed_body=(400, "The body could not be read", "Send the whole body, correctly encoded."),
    invalid_parameter=(
        400,
        "A parameter or header is invalid",
        "Correct it: `field` and `in` name it.",
    ),
    unknown_parameter=(400, "Unknown query parameter", "Remove it: `field` names it."),
    unauthenticated=(401, "A bearer token is required", "Send `Authorization: Bearer …`."),
    invalid_token=(401, "The token is invalid", "Log in again."),
    expired_token=(401, "The token has expired", "Log in again."),
    session_ended=(401, "The session is over", "Log in again."),
    csrf_failed=(
        403,
        "The request does not come from our page",
        "Send `csrf` of `GET /v1/operator/session` as `X-CSRF-Token`.",
    ),
    forbidden=(403, "This token may not do this", "Use a token of the right kind and role."),
    not_found=(404, "There is nothing at this path", "Correct the path."),
    method_not_allowed=(
        405,
        "This path does not support this method",
        "Use a method that `Allow` names.",
    ),
    request_timeout=(
        408,
        "The request took too long to arrive",
        "Head or body took more than 10 s. Repeat it on a new connection.",
    ),
    body_too_large=(
        413,
        "The body is too large",
        "Send less than `LIVESALE__HTTP__MAX_BODY_BYTES`.",
    ),
    unsupported_media_type=(
        415,
        "The body must be plain application/json",
        "Send `Content-Type: application/json`, not compressed.",
    ),
    expectation_failed=(417, "Only `Expect: 100-continue` is supported", "Remove the header."),
    version_conflict=(
        409,
        "It has changed since you read it",
        "Read it again, and send its `version`.",
    ),
    in_use=(
        409,
        "Something else uses it",
        "`detail` says what. Delete that first, or keep both.",
    ),
    missing_field=(422, "A field is missing", "Add it: `field` names it."),
    unknown_field=(422, "Unknown field", "Remove it: `field` names it."),
    invalid_field=(422, "A field is invalid", "Correct it: `field` names it, `detail` says why."),
    idempotency_conflict=(
        422,
        "This idempotency key was used for another request",
        "Use a new key for a new request.",
    ),
    upgrade_required=(
        426,
        "This address is a WebSocket",
        "Connect as a WebSocket, version 13, or use `…/events`.",
    ),
    slow_down=(
        429,
        "Too many requests",
        "Wait for `Retry-After`. "
        "`by` says whose requests were too many: `buyer`, `address` (all behind one address) "
        "or `room` (all in the room).",
        1,
    ),
    headers_too_large=(
        431,
        "The headers are too large",
        "Send less than `LIVESALE__HTTP__MAX_HEADER_BYTES`.",
    ),
    internal_error=(
        500,
        "This is our fault",
        "Repeat it with the same key. Report the `X-Request-Id`.",
    ),
    overloaded=(
        503,
        "Too busy, or the store is away; nothing was done",
        "Nothing was sent to Redis. Repeat it after `Retry-After`, with or without a key.",
        1,
    ),
    outcome_unknown=(
        503,
        "It may or may not have been done; repeat it with the same key",
        "Repeat it **with the same key**: you get the first answer. "
        "Without a key, read `/v1/orders` before you repeat it.",
        1,
    ),
    fenced=(
        503,
        "This part of the stock is closed until it is recovered",
        "Wait: an operator must recover the partition.",
        5,
    ),
    engine_refused=(
        503,
        "The store refused this; nothing was done",
        "Redis refused before its first write (memory, read-only). Repeat it later. "
        "An operator must act.",
        5,
    ),
    books_broken=(
        503,
        "The books of this drop do not balance; nothing was done",
        "Wait: the drop stops until an operator has checked it.",
        5,
    ),
    store_unavailable=(
        503,
        "The database is unavailable",
        "SQL is unavailable. Reservations continue. Repeat later what needs SQL.",
        2,
    ),
)


class ProblemDocument(Struct, frozen=True, omit_defaults=True, rename={"where": "in"}):
    """A problem. `code` is stable; `field` names the culprit, `in` says where it was;
    `by` is whose requests were too many."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    field: str | None = None
    where: str | None = None
    opens_ms: int | None = None
    server_ms: int | None = None
    remaining: int | None = None
    available: int | None = None
    retry_after_s: int | None = None
    by: Literal["buyer", "address", "room", "clerk"] | None = None
    until_ms: int | None = None
    challenge: dict[str, Any] | None = None


class Problem(LivesaleError):
    """A request that is answered by a problem. Members are those of ProblemDocument."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        headers: dict[str, str] | None = None,
        **members: str | int,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.members = members
        self.challenge: Mapping[str, Any] | None = None
        self.headers = headers or {}
        kind = PROBLEMS[code]
        if kind.retry_after_s:
            members.setdefault("retry_after_s", kind.retry_after_s)
            self.headers["Retry-After"] = str(members["retry_after_s"])
        if kind.status == 401:
            error = "" if code == "unauthenticated" else f', error="{code}"'
            self.headers["WWW-Authenticate"] = f'Bearer realm="livesale"{error}'

    @property
    def status(self) -> int:
        return PROBLEMS[self.code].status

    def encode(self) -> bytes:
        members = tuple(self.members.items())
        if self.challenge is None and "server_ms" not in self.members:
            return _encode(self.code, self.detail, members)
        document = _document(self.code, self.detail, members)  # always another: not remembered
        if self.challenge is not None:
            document["challenge"] = self.challenge
        return msgspec.json.encode(document)


def problem_of(fault: Exception) -> Problem | None:
    """The problem that a fault is to a client; None for one that nobody foresaw."""
    match fault:
        case Problem():
            return fault
        case TooOften() | LoginLocked():
            return Problem(fault.code, None, None, **fault.members)
        case Crowded():
            return Problem("slow_down", "Too many requests are waiting.")
        case SalesFault():
            problem = Problem(fault.code, fault.detail)
            problem.members.update(fault.members)
            if "field" in fault.members:
                problem.members["where"] = "body"
            if isinstance(fault, ChallengeRequired):
                problem.challenge = fault.challenge
            return problem
        case IdentityFault():
            return Problem(fault.code)
    for kind, code in _FAULTS:
        if isinstance(fault, kind):
            return Problem(code)
    return None


@lru_cache(maxsize=1_024)
def _encode(code: str, detail: str | None, members: tuple[tuple[str, str | int], ...]) -> bytes:
    return msgspec.json.encode(_document(code, detail, members))


def _document(
    code: str, detail: str | None, members: tuple[tuple[str, str | int], ...]
) -> dict[str, Any]:
    kind = PROBLEMS[code]
    fields = {"in" if name == "where" else name: value for name, value in members}
    document: dict[str, Any] = {
        "type": f"/docs#{code}",
        "title": kind.title,
        "status": kind.status,
        "code": code,
    }
    if detail:
        document["detail"] = detail
    return document | fields
