"""`livesale call`: any call of the API by an operator, as the console shows it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from livesale.cli.faults import FAILED, say

if TYPE_CHECKING:
    from urllib.request import Request

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
    raise typer.Exit(_send(_request(method, f"{base}{path}", body, file, headers)))


def _request(
    method: str, url: str, body: str | None, file: Path | None, headers: dict[str, str]
) -> "Request":
    from urllib.request import Request

    data = None
    if file is not None:
        data, kind = file.read_bytes(), "application/octet-stream"
    elif body is not None or method not in ("GET", "DELETE"):
        kind = "application/json"
        try:
            data = json.dumps(json.loads(body or "{}")).encode()
        except ValueError as error:
            raise typer.BadParameter(f"The body is no JSON: {error}") from None
    if data is not None:
        headers = {**headers, "Content-Type": kind}
    return Request(url, data, headers, method=method)  # noqa: S310  the operator's own address


def _send(request: "Request") -> int:
    """Send it, and print what comes back; the exit code."""
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    try:
        with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            sys.stdout.write(_pretty(answer.read()))
        return 0
    except HTTPError as refusal:
        problem = _pretty(refusal.read())
        sys.stdout.write(problem)
        say(f"The service refused: {refusal.code}.", "")
        return FAILED
    except (URLError, TimeoutError, OSError) as fault:
        reason = getattr(fault, "reason", fault)
        say(
            f"No answer from {request.full_url}: {reason}. It may have been done.",
            "Send the same again with the same --key.",
        )
        return FAILED


def _pretty(raw: bytes) -> str:
    try:
        return json.dumps(json.loads(raw), ensure_ascii=False, indent=2) + "\n"
    except ValueError:
        return raw.decode(errors="replace")
