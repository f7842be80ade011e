"""Reads bodies, queries, paths and headers; says which part of a request is wrong, and how."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from multidict import MultiMapping

from livesale.access.actions import roles_for
from livesale.tokens.errors import TokenInvalid
from livesale.tokens.signing import Buyer, Operator, TokenSigner
from livesale.web.headers import Headers
from livesale.web.problems import Problem
from livesale.web.routes import JSON, PATH_PARAMETERS, Route
from stock.ids import is_idempotency_key

_AT = re.compile(r" - at `(?:key in )?\$(?:\.)?([^`]*)`$")
_MISSING = re.compile(r"^Object missing required field `([^`]*)`")
_UNKNOWN = re.compile(r"^Object contains unknown field `(.*)`", re.DOTALL)
_JSON_TYPE = re.compile(
    r"""application/json[ \t]*(;[ \t]*charset[ \t]*=[ \t]*"?utf-?8"?[ \t]*)?;?""", re.IGNORECASE
)
_MAX_ECHO = 100
# What a number is in, by how the name of its field ends: a wrong unit is the likely mistake.
_UNITS = {"_fen": "fen: 100 are one yuan", "_ms": "milliseconds", "_s": "seconds"}


def read_body(decoder: "msgspec.json.Decoder[Any]", raw: bytes) -> Any:
    """The body as the route's type. Raises Problem."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = str(error) if isinstance(error, msgspec.DecodeError) else "The body is not UTF-8."
        raise Problem("malformed_json", detail) from None
    except RecursionError:
        raise Problem("malformed_json", "The JSON is nested too deeply.") from None


def check_content_type(headers: Headers) -> None:
    """Raises Problem unless the body is said to be JSON in UTF-8, as it is."""
    encoding = headers.get("Content-Encoding")
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        raise Problem("unsupported_media_type", "A body must not be compressed.")
    given = headers.get("Content-Type")
    if given != JSON and (given is None or not _JSON_TYPE.fullmatch(given.strip())):
        raise Problem("unsupported_media_type")


def read_query(kind: type[Struct] | None, query: "MultiMapping[str]") -> Any:
    """The query parameters as the route's type. Raises Problem for unknown and repeated ones."""
    known = kind.__struct_fields__ if kind else ()
    for name in query:
        if name not in known:
            raise Problem("unknown_parameter", field=_shortened(name), where="query") from None
        if len(query.getall(name)) > 1:
            raise _parameter(name, "query", "It is given more than once.")
    if kind is None:
        return None
    try:
        return msgspec.convert(dict(query), kind, strict=False)
    except msgspec.ValidationError as error:
        name, detail = _place(str(error))
        raise _parameter(name, "query", f"{detail}{_unit_of(name)}") from None


def check_path(path: Mapping[str, str]) -> None:
    """An id of the wrong form is the id of nothing. Raises Problem (404)."""
    for name, value in path.items():
        parameter = PATH_PARAMETERS[name]
        if not _fits(parameter.pattern, value):
            raise Problem(parameter.unknown, "Malformed id.", field=name, where="path")


def _fits(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern, value) is not None  # re remembers what it compiled


def read_key(headers: Headers) -> str | None:
    """The Idempotency-Key, if there is one. Raises Problem."""
    key = headers.get("Idempotency-Key")
    if key is not None and not is_idempotency_key(key):
        detail = "Give it once, with 1 to 64 visible ASCII characters."
        raise _parameter("Idempotency-Key", "header", detail)
    return key


def read_caller(signer: TokenSigner, route: Route, headers: Headers) -> Buyer | Operator:
    """Who asks, by the bearer token. Raises Problem or TokenFault."""
    caller = read_bearer(signer, headers)
    if caller is None:
        raise Problem("unauthenticated")
    check_caller(route, caller)
    return caller


def check_caller(route: Route, caller: Buyer | Operator) -> None:
    """Raises Problem unless the route is for this caller."""
    if isinstance(caller, Buyer):
        if route.auth == "operator":
            raise Problem("forbidden", "Use an operator's token.")
    elif route.action is None:
        raise Problem("forbidden", "Use a buyer's token.")
    elif not caller.may(route.action):
        needed = roles_for(route.action)
        raise Problem("forbidden", f"For {route.action}, you need the role {needed}.")


def read_bearer(signer: TokenSigner, headers: Headers) -> Buyer | Operator | None:
    """Who the bearer token speaks for, None without one. Raises TokenFault."""
    given = headers.get("Authorization")
    if given is None:
        return None
    scheme, _, token = given.partition(" ")
    if scheme != "Bearer" and scheme.lower() != "bearer":
        raise TokenInvalid("one bearer token is needed")
    return signer.verify(token.strip())


def _invalid(text: str) -> Problem:
    """msgspec's sentence as a problem: `Expected … - at `$.place``."""
    name, detail = _place(text)
    for pattern, code in ((_MISSING, "missing_field"), (_UNKNOWN, "unknown_field")):
        found = pattern.match(text)
        if found:
            inner = f"{name}.{found[1]}" if name != "$" else found[1]
            return Problem(code, field=_shortened(inner), where="body")
    return Problem("invalid_field", f"{detail}{_unit_of(name)}", field=name, where="body")


def _place(text: str) -> tuple[str, str]:
    found = _AT.search(text)
    if found is None:
        return "$", f"{_shortened(text)}."
    return found[1] or "$", f"{_shortened(text[: found.start()])}."


def _unit_of(name: str) -> str:
    """A sentence that names the unit of a field, where its name has one."""
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            return f" It is in {unit}."
    return ""


def _parameter(name: str, where: str, detail: str) -> Problem:
    return Problem("invalid_parameter", detail, field=name, where=where)


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_ECHO else f"{name[:_MAX_ECHO]}…"
