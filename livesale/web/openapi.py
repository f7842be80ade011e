"""The OpenAPI 3.1 document, made from the route table and the types that validate."""

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from msgspec import Struct

from livesale.access.actions import may
from livesale.access.roles import Role
from livesale.validation.texts import WHOLE_END
from livesale.web.problems import CONTENT_TYPE, PROBLEMS, ProblemDocument
from livesale.web.routes import JSON, PATH_PARAMETERS, Auth, Route
from livesale.web.sessions import CSRF_HEADER
from stock.ids import IDEMPOTENCY_KEY_PATTERN

_REF = "#/components/schemas/{name}"
_ABOUT = """Sells scarce goods to a crowd, never twice.

Money is in fen, times are in milliseconds since 1970 UTC by the clock of `/v1/time`. Errors are
RFC 9457 problems with a stable `code`. Any answer may also be a 500 `internal_error`."""

_LOCATION = {"Location": {"description": "Where to look", "schema": {"type": "string"}}}

_SCHEMES: dict[Auth, tuple[str, ...]] = {
    "buyer": ("buyer",),
    "operator": ("operator", "session"),
    "member": ("buyer", "operator", "session"),
}

# The problems of checks that every route makes, or every route of a kind.
_ALWAYS = ("malformed_request", "unknown_parameter", "expectation_failed", "headers_too_large")
_AUTH = ("unauthenticated", "invalid_token", "expired_token", "forbidden")
_SESSION = ("session_ended", "csrf_failed", "store_unavailable")
_BODY = (
    "malformed_json",
    "malformed_body",
    "request_timeout",
    "body_too_large",
    "unsupported_media_type",
    "missing_field",
    "unknown_field",
    "invalid_field",
)


def problems_of(route: Route) -> list[str]:
    """Every code that a route may answer, its checks included."""
    codes = [*_ALWAYS, *route.problems]
    if route.any_query:
        codes.remove("unknown_parameter")
    codes += ["slow_down"] if route.limited or route.auth in ("buyer", "member") else []
    codes += ["overloaded"] if route.limited else []  # too many requests of one address at once
    codes += _AUTH if route.auth else ()
    codes += _SESSION if route.action else ()
    codes += _BODY if route.body else ()
    codes += ["malformed_body", "request_timeout", "body_too_large"] if route.reads_bytes else []
    codes += ["unsupported_media_type"] if route.files else []
    codes += ["invalid_parameter"] if route.query or route.keyed else []
    return sorted(set(codes), key=lambda code: (PROBLEMS[code].status, code))


def about_of(route: Route) -> str:
    """What is said of a route besides its summary."""
    if not route.alias_of:
        return route.description
    same = f"The same as {route.alias_of}, for clients that cannot send it."
    return f"{same} {route.description}".rstrip()


def describe(routes: Sequence[Route]) -> dict[str, Any]:
    """The document."""
    types: list[Any] = [ProblemDocument]
    for route in routes:
        types += [route.body] if route.body else []
        types += [kind for kind in route.answers.values() if _is_struct(kind)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    for route in routes:
        for name, schema in _named_in_query(route).items():
            if components.setdefault(name, schema) != schema:
                raise ValueError(f"two types with the name {name!r}")
    spell_patterns(components)
    refs = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, refs)
    bearer = {"type": "http", "scheme": "bearer"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "livesale", "version": version("livesale"), "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "buyer": {**bearer, "description": "From POST /v1/sessions."},
                "operator": {**bearer, "description": "From `livesale token --operator NAME`."},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-livesale",
                    "description": (
                        "From POST /v1/operator/session. In dev its name is `livesale`. A call "
                        f"that changes something needs the header `{CSRF_HEADER}`, too."
                    ),
                },
            },
        },
    }


def _operation(route: Route, refs: dict[Any, Any]) -> dict[str, Any]:
    name, about = route.handler.__name__, about_of(route)
    operation: dict[str, Any] = {
        "operationId": f"{name}_by_{route.method.lower()}" if route.alias_of else name,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": list(_parameters(route)),
        "responses": _responses(route, refs),
    }
    if about:
        operation["description"] = about
    if route.auth:
        operation["security"] = [{kind: []} for kind in _SCHEMES[route.auth]]
    if route.action:
        operation["x-action"] = route.action
        operation["x-roles"] = [role for role in Role if may(frozenset({role}), route.action)]
    if route.body:
        operation["requestBody"] = {
            "required": route.default_body is None,
            "content": {JSON: {"schema": refs[route.body]}},
        }
    if route.files:
        operation["requestBody"] = {"required": True, "content": _file(route)}
    if route.signed:
        operation["requestBody"] = {"content": {route.media_type: {"schema": {"type": "object"}}}}
    return operation


def _file(route: Route) -> dict[str, Any]:
    raw: dict[str, Any] = {"schema": {"type": "string", "format": "binary", "minLength": 1}}
    form = {"type": "object", "properties": {"file": raw["schema"]}, "required": ["file"]}
    kinds: dict[str, Any] = dict.fromkeys(route.files, raw)
    return kinds | {"multipart/form-data": {"schema": form}}


def _named_in_query(route: Route) -> dict[str, Any]:
    """The types that the query parameters of a route refer to."""
    if route.query is None:
        return {}
    _, found = msgspec.json.schema_components([route.query], ref_template=_REF)
    return {name: schema for name, schema in found.items() if name != route.query.__name__}


def _parameters(route: Route) -> Any:
    for name in re.findall(r"{(\w+)}", route.path):
        known = PATH_PARAMETERS[name]
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": known.description,
            "schema": {"type": "string", "pattern": known.pattern},
        }
    if route.query:
        _, components = msgspec.json.schema_components([route.query], ref_template=_REF)
        spell_patterns(components)
        for name, schema in components[route.query.__name__]["properties"].items():
            yield {"name": name, "in": "query", "required": False, "schema": schema}
    if route.keyed:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "The same key makes a retry the same request.",
            "schema": {"type": "string", "pattern": IDEMPOTENCY_KEY_PATTERN},
        }


def _responses(route: Route, refs: dict[Any, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, kind in route.answers.items():
        schema = refs[kind] if _is_struct(kind) else {} if route.content_type == JSON else None
        content = {route.content_type: {"schema": schema} if schema is not None else {}}
        responses[str(status)] = {
            "description": route.summary,
            "content": {} if status in (101, 304) else content,
        }
        if status == 303:
            responses[str(status)]["headers"] = _LOCATION
    by_status: dict[int, list[str]] = {}
    for code in problems_of(route):
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    for status, codes in by_status.items():
        response = responses.setdefault(str(status), {"description": "", "content": {}})
        titles = "; ".join(f"`{code}`: {PROBLEMS[code].title.lower()}" for code in codes)
        response["description"] = "; ".join(filter(None, (response["description"], titles)))
        response["content"][CONTENT_TYPE] = {
            "schema": {"allOf": [refs[ProblemDocument], {"properties": {"code": {"enum": codes}}}]}
        }
        if any(PROBLEMS[code].retry_after_s for code in codes):
            response["headers"] = {
                "Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}
            }
    return dict(sorted(responses.items()))


def spell_patterns(schema: Any) -> None:
    """JSON Schema knows no \\Z: its $ means the same."""
    if isinstance(schema, dict):
        pattern = schema.get("pattern")
        if isinstance(pattern, str):
            schema["pattern"] = re.sub(re.escape(WHOLE_END) + "$", "$", pattern)
        for inner in schema.values():
            spell_patterns(inner)
    elif isinstance(schema, list):
        for inner in schema:
            spell_patterns(inner)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)
