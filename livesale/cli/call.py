"""`livesale call`: any call of the API by an operator, as the console shows it."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from livesale.cli.faults import FAILED, say

TIMEOUT_S = 30.0
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def call(
    method: Annotated[str, Argument(metavar="METHOD", help="GET, POST, PUT, PATCH or DELETE")],
    path: Annotated[str, Argument(metavar="PATH", help="Such as /v1/admin/drops")],
    body: Annotated[str | None, Argument(metavar="[JSON]", help="The body")] = None,
    file: Annotated[
        Path | None, Option(metavar="FILE", help="Send this file instead of JSON")
    ] = None,
    key: Annotated[
        str | None, Option(help="The Idempotency-Key: the same again is done once")
    ] = None,
    operator: Annotated[str, Option(metavar="NAME", help="Who asks, as the log has it")] = "cli",
    role: Annotated[
        list[str] | None, Option(help="owner (by default), sale, finance, room or viewer")
    ] = None,
    url: Annotated[
        str | None, Option(metavar="URL", help="The service; by default that of the settings")
    ] = None,
) -> None:
    """Call the API as an operator, with a token of the settings, and print the answer."""
    from livesale.settings import load_settings
    from livesale.tokens.signing import TokenSigner

    method = method.upper()
    if method not in _METHODS:
        raise typer.BadParameter(f"METHOD is one of {', '.join(_METHODS)}.")
    if not path.startswith("/v1/"):
        raise typer.BadParameter("PATH begins with /v1/.")
    settings = load_settings()
    base = (url or f"http://{settings.http.host}:{settings.http.port}").rstrip("/")
    try:
        token = TokenSigner.from_settings(settings).operator(operator, role or ["owner"])
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    headers = {"Authorization": f"Bearer {token}"}
    if key is not None:
        headers["Idempotency-Key"] = key
    content = _content(body, file, method)
    raise typer.Exit(_send(method, base, path, content, headers))


def _content(body: str | None, file: Path | None, method: str) -> tuple[bytes, str] | None:
    """What to send, and its media type."""
    if file is not None:
        return file.read_bytes(), "application/octet-stream"
    if body is None and method in ("GET", "DELETE"):
        return None
    try:
        return json.dumps(json.loads(body or "{}")).encode(), "application/json"
    except ValueError as error:
        raise typer.BadParameter(f"The body is no JSON: {error}") from None


def _send(
    method: str,
    base: str,
    path: str,
    content: tuple[bytes, str] | None,
    headers: dict[str, str],
) -> int:
    """Send it, and print what comes back; the exit code."""
    # It follows no proxy of the environment: the service is not outside.
    from http.client import HTTPConnection, HTTPException, HTTPSConnection
    from urllib.parse import urlsplit

    data = None
    if content is not None:
        data, headers["Content-Type"] = content
    parts = urlsplit(base)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    try:
        connection = kind(parts.netloc, timeout=TIMEOUT_S)
        try:
            connection.request(method, parts.path + path, data, headers)
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
    except (HTTPException, OSError, ValueError) as fault:
        say(
            f"No answer from {base}{path}: {fault or type(fault).__name__}. It may have been done.",
            "Send the same again with the same --key.",
        )
        return FAILED
    sys.stdout.write(_pretty(raw))
    if answer.status < 400:
        return 0
    say(f"The service refused: {answer.status}.", "")
    return FAILED


def _pretty(raw: bytes) -> str:
    try:
        return json.dumps(json.loads(raw), ensure_ascii=False, indent=2) + "\n"
    except ValueError:
        return raw.decode(errors="replace")
