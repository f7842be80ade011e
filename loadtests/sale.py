"""Creates the drops of a load test through the admin API, as an operator does."""

from typing import Any

from msgspec import Struct

from loadtests.history import Drop
from loadtests.line import Answer, Line

PRICE_FEN = 9_900
HOST = "load-host"
NO_LOGIN = {"provider_off", "invalid_code"}
NO_LOGIN_CURE = (
    "the dev login is off there. Make tokens where the service runs, "
    "`livesale token --buyers 1000 > tokens.txt`, and pass --tokens tokens.txt"
)


class Lot(Struct, frozen=True):
    """One drop to sell; `opens_s` counts from the start of the test."""

    opens_s: float
    units: int
    buyer_limit: int = 2
    hold_s: float = 30.0
    turn_s: float = 0.0  # of the line in front of it; 0: none


class SaleRefused(Exception):
    """The service refused to let us sell: one line that says why."""


async def put_on_sale(
    line: Line, token: str, title: str, lots: list[Lot], lasts_s: float, *, in_room: bool = False
) -> list[Drop]:
    """Create and open the drops before their openings; with `in_room`, in a live room. Raises
    SaleRefused."""
    now_ms = await server_ms(line)
    room_id = await _open_room(line, token, title, now_ms) if in_room else ""
    times = {"opens_ms": now_ms, "closes_ms": now_ms + int((lasts_s + 3_600) * 1000)}
    sku = await _post(line, token, "skus", {"title": title, "price_fen": PRICE_FEN})
    campaign = await _post(line, token, "campaigns", {"title": title, **times})
    drops = []
    for lot in lots:
        terms = {
            "campaign_id": campaign["campaign_id"],
            "sku_id": sku["sku_id"],
            "price_fen": PRICE_FEN,
            "allotted": lot.units,
            "buyer_limit": lot.buyer_limit,
            "hold_ms": int(lot.hold_s * 1000),
            "opens_ms": now_ms + int(lot.opens_s * 1000),
            "expired_limit": 0,  # no limit for buyers who walk away often: the test goes on
            "ticket_required": bool(lot.turn_s),
        }
        made = await _post(line, token, "drops", terms)
        drop_id, opens_ms = str(made["drop_id"]), int(str(made["opens_ms"]))
        if room_id:
            await call(line, token, "PUT", f"/v1/rooms/{room_id}/drops/{drop_id}")
        if lot.turn_s:
            turns = {"turn_ms": int(lot.turn_s * 1000), "rate_per_s": 1_000}
            await _post(line, token, f"drops/{drop_id}/line", turns)
        await _post(line, token, f"drops/{drop_id}/open", None)
        numbers = lot.units, lot.buyer_limit, PRICE_FEN, opens_ms
        drops.append(Drop(drop_id, *numbers, room_id, bool(lot.turn_s)))
    return drops


async def _open_room(line: Line, token: str, title: str, now_ms: int) -> str:
    new = {"title": title, "host": HOST, "starts_ms": now_ms}
    room_id = str((await call(line, token, "POST", "/v1/rooms", new))["room_id"])
    await call(line, token, "POST", f"/v1/rooms/{room_id}/start")
    return room_id


async def check_operator(line: Line, token: str) -> None:
    """Raises SaleRefused unless the token belongs to an operator."""
    answer = await line.ask("drops", "GET", "/v1/admin/drops?limit=1", token=token)
    if not answer.good:
        raise _refused("GET /v1/admin/drops", answer)


async def check_login(line: Line) -> None:
    """Raises SaleRefused if the dev login is off."""
    body = {"provider": "dev", "code": "load-check"}
    answer = await line.ask("log in", "POST", "/v1/sessions", body=body)
    if answer.code in NO_LOGIN:
        raise SaleRefused(NO_LOGIN_CURE)


async def server_ms(line: Line) -> int:
    """The service's clock. Raises SaleRefused without an answer."""
    answer = await line.ask("time", "GET", "/v1/time")
    if not answer.good:
        raise SaleRefused(f"GET /v1/time gave {_said(answer)}")
    return int(answer.body["server_ms"])


async def _post(line: Line, token: str, path: str, body: object) -> dict[str, Any]:
    return await call(line, token, "POST", f"/v1/admin/{path}", body)


async def call(
    line: Line, token: str, method: str, path: str, body: object = None
) -> dict[str, Any]:
    """The body of a good answer. Raises SaleRefused for any other."""
    answer = await line.ask(path, method, path, body=body, token=token)
    if not answer.good:
        raise _refused(f"{method} {path}", answer)
    return answer.body


def _refused(call: str, answer: Answer) -> SaleRefused:
    if answer.status in (401, 403):
        return SaleRefused(
            f"the operator's token is refused ({answer.code}). Make one where the service runs, "
            "`livesale token --operator load`, and set LIVESALE_LOAD_OPERATOR_TOKEN"
        )
    return SaleRefused(f"{call} gave {_said(answer)}")


def _said(answer: Answer) -> str:
    detail = answer.body.get("detail", "")
    return f"{answer.status or 'no answer'} {answer.code} {detail}".strip()
