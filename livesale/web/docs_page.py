"""The page at /docs: the OpenAPI document for people, one file, no script, nothing loaded."""

from collections.abc import Sequence
from html import escape
from importlib.metadata import version
from typing import Any

from livesale.web.openapi import about_of, problems_of
from livesale.web.problems import PROBLEMS
from livesale.web.routes import Route

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--accent:#c2410c}
body{font:16px/1.55 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:2rem 1rem 6rem}
h1{font-size:1.7rem;margin:0}h2{margin:3rem 0 .5rem;text-transform:capitalize}
p,summary{overflow-wrap:break-word}td{overflow-wrap:anywhere}
code,pre{font:.87em ui-monospace,Menlo,Consolas,monospace}
nav a{margin-right:.8rem}a{color:var(--accent)}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0;padding:.1rem .8rem}
summary{cursor:pointer;padding:.45rem 0}summary b{display:inline-block;min-width:4.4rem}
summary span{opacity:.75;margin-left:.6rem}
table{border-collapse:collapse;width:100%;margin:.4rem 0 1rem}
td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;border-top:1px solid var(--line)}
tr:target,h3:target{background:var(--soft)}
th{opacity:.7;font-weight:500}.tag{background:var(--soft);border-radius:.3rem;padding:.1rem .4rem}
"""


HTML = "text/html; charset=utf-8"
# The page is one file without scripts: nothing else may be loaded or run.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
}


def render(routes: Sequence[Route], document: dict[str, Any]) -> bytes:
    """The page, ready to send."""
    tags = list(dict.fromkeys(route.tag for route in routes))
    links = " ".join(f'<a href="#{tag}">{tag}</a>' for tag in [*tags, "types", "problems"])
    about = "".join(f"<p>{_prose(text)}</p>" for text in _paragraphs(document))
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>livesale API</title><style>{_STYLE}</style>",
        f"<h1>livesale <small>{escape(version('livesale'))}</small></h1>{about}",
        '<p>For machines: <a href="/openapi.json">/openapi.json</a>.</p>',
        f"<nav>{links}</nav>",
    ]
    schemas = document["components"]["schemas"]
    for tag in tags:
        parts.append(f'<h2 id="{tag}">{tag}</h2>')
        parts += [_operation(route, schemas) for route in routes if route.tag == tag]
    parts.append('<h2 id="types">types</h2>')
    for name in _nested(schemas):
        about = _prose(schemas[name].get("description", ""))
        parts.append(f'<h3 id="type-{name}">{name}</h3><p>{about}</p>')
        parts.append(_fields(schemas[name], schemas))
    parts.append('<h2 id="problems">problems</h2>')
    parts.append("<p>Every error has the media type <code>application/problem+json</code>; ")
    parts.append("<code>code</code> is stable, <code>field</code> names the culprit.</p>")
    rows = (
        f'<tr id="{code}"><td><code>{code}</code><td>{kind.status}<td>{escape(kind.title)}'
        for code, kind in sorted(PROBLEMS.items(), key=lambda item: (item[1].status, item[0]))
    )
    parts.append(f"<table><tr><th>code<th>status<th>meaning{''.join(rows)}</table>")
    return "".join(parts).encode()


def _paragraphs(document: dict[str, Any]) -> list[str]:
    text: str = document["info"]["description"]
    return text.split("\n\n")


def _operation(route: Route, schemas: dict[str, Any]) -> str:
    who = f' <span class="tag">{route.auth}’s token</span>' if route.auth else ""
    who += f' <span class="tag">{route.action}</span>' if route.action else ""
    parts = [
        f"<details><summary><b>{route.method}</b> <code>{escape(route.path)}</code> ",
        f"<span>{escape(route.summary)}</span>{who}</summary>",
        f"<p>{_prose(about_of(route))}</p>",
    ]
    if route.keyed:
        parts.append("<p>Header <code>Idempotency-Key</code>: optional, up to 64 characters.</p>")
    if route.query:
        fields = ", ".join(f"<code>{name}</code>" for name in route.query.__struct_fields__)
        parts.append(f"<p>Query: {fields}.</p>")
    if route.body:
        parts.append(f"<h4>Body</h4>{_fields(schemas[route.body.__name__], schemas)}")
    for status, kind in route.answers.items():
        name = getattr(kind, "__name__", "")
        shown = _fields(schemas[name], schemas) if name in schemas else ""
        parts.append(f"<h4>{status}</h4>{shown}")
    codes = ", ".join(
        f'<a href="#{code}"><code>{code}</code></a>&nbsp;{PROBLEMS[code].status}'
        for code in problems_of(route)
    )
    return "".join([*parts, f"<p>Problems: {codes}</p></details>"])


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code><td>{_kind(field, schemas)}"
        f"<td>{'' if name in required else 'optional'}<td>{escape(field.get('description', ''))}"
        for name, field in schema.get("properties", {}).items()
    )
    return f"<table>{rows}</table>" if rows else "<p>Empty.</p>"


def _nested(schemas: dict[str, Any]) -> list[str]:
    """The names of the types that are fields of others, or in lists of them."""
    found: set[str] = set()

    def look(part: Any) -> None:
        if isinstance(part, dict):
            found.update([_name(part["$ref"])] if "$ref" in part else [])
            for inner in part.values():
                look(inner)
        elif isinstance(part, list):
            for inner in part:
                look(inner)

    look([schema.get("properties", {}) for schema in schemas.values()])
    return sorted(name for name in found if "enum" not in schemas[name])


def _kind(field: dict[str, Any], schemas: dict[str, Any]) -> str:
    """A type as HTML: values spelled out, a type of several fields as a link to them."""
    if "$ref" in field:
        name = _name(field["$ref"])
        if "enum" in schemas[name]:
            return _kind(schemas[name], schemas)
        return f'<a href="#type-{name}">{name}</a>'
    if "anyOf" in field:
        return " or ".join(_kind(part, schemas) for part in field["anyOf"])
    if "enum" in field:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_kind(field.get('items', {}), schemas)}"
    low, high = field.get("minimum"), field.get("maximum")
    bounds = f" {low:,} to {high:,}" if low is not None and high is not None else ""
    return escape(f"{field.get('type', 'any')}{bounds}")


def _name(ref: str) -> str:
    return ref.rpartition("/")[2]


def _prose(text: str) -> str:
    """Escaped, with `code` as code."""
    pieces = escape(text).split("`")
    return "".join(
        f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces)
    )
