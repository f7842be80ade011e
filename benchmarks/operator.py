"""An operator over HTTP: puts drops on sale and reads the books."""

import re
import time
from typing import Any

from livesale.settings import Settings
from livesale.tokens.signing import TokenSigner
from loadtests.line import at_once
from loadtests.plain_line import PlainLine
from loadtests.target import connect, parse_target

HOUR_MS = 3_600_000
ANSWER_S = 60.0


class Operator:
    """Calls the API of one running service. Raises RuntimeError for any answer but 2xx."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._target = parse_target(url)
        self._signer = TokenSigner.from_settings(settings)
        self._token = self._signer.operator("benchmark")

    def open_drop(self, allotted: int, buyer_limit: int = 1) -> str:
        """Put units on sale now, with a limit for each buyer; the drop's id."""
        drop_id = self.draft(allotted, buyer_limit)
        self._post(f"/v1/admin/drops/{drop_id}/open")
        return drop_id

    def draft(self, allotted: int, buyer_limit: int = 1) -> str:
        """Create a drop that is not on sale yet, with a limit for each buyer; its id."""
        now_ms = time.time_ns() // 1_000_000
        sku = self._post("/v1/admin/skus", {"title": "Cup", "price_fen": 9_900})
        times = {"opens_ms": now_ms - 60_000, "closes_ms": now_ms + HOUR_MS}
        campaign = self._post("/v1/admin/campaigns", {"title": "Benchmark", **times})
        terms = {"price_fen": 9_900, "allotted": allotted, "hold_ms": HOUR_MS}
        names = {"campaign_id": campaign["campaign_id"], "sku_id": sku["sku_id"]}
        terms["buyer_limit"] = buyer_limit
        drop_id: str = self._post("/v1/admin/drops", {**names, **terms})["drop_id"]
        return drop_id

    def open_room(self) -> str:
        """Open a live room; its id."""
        now_ms = time.time_ns() // 1_000_000
        new = {"title": "Benchmark", "host": "host", "starts_ms": now_ms + HOUR_MS}
        room_id: str = self._post("/v1/rooms", new)["room_id"]
        self._post(f"/v1/rooms/{room_id}/start")
        return room_id

    def draft_in(self, room_id: str, allotted: int) -> str:
        """Create a draft in a room; the drop's id."""
        drop_id = self.draft(allotted)
        self._call("PUT", f"/v1/rooms/{room_id}/drops/{drop_id}", self._token)
        return drop_id

    def open_in(self, room_id: str, drop_id: str, countdown_s: float) -> None:
        """Put a draft on sale in its room."""
        path = f"/v1/rooms/{room_id}/drops/{drop_id}/open"
        self._post(path, {"countdown_s": countdown_s})

    def phases(self, room_id: str) -> dict[str, str]:
        """The phase of each drop of a room, as its viewers see it."""
        page = self._call("GET", f"/v1/rooms/{room_id}/events", self._token)
        return {drop["drop_id"]: drop["phase"] for drop in page["snapshot"]["drops"]}

    def edit(self, room_id: str, title: str, cover_url: str) -> None:
        """Change title and picture of a room, which makes an event of that size."""
        changes = {"title": title, "cover_url": cover_url}
        self._call("PATCH", f"/v1/rooms/{room_id}", self._token, changes)

    def closed(self, why: str) -> int:
        """How many sockets the service has closed for this reason."""
        return self._counted(rf'_sockets_closed_total{{[^}}]*why="{why}"[^}}]*}} ([0-9.e+]+)')

    def shortcuts(self) -> int:
        """How many answers "sold out" the service has given without Redis."""
        return self._counted(r"_sold_out_shortcuts_total(?:{[^}]*})? ([0-9.e+]+)")

    def reserve(self, drop_id: str, buyer_id: str) -> None:
        """Reserve one unit for one buyer over HTTP."""
        token = self._signer.buyer(buyer_id)
        self._call("POST", f"/v1/drops/{drop_id}/reservations", token, {"quantity": 1})

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Anything else that an operator may ask."""
        return self._call(method, path, self._token, body)

    def _counted(self, pattern: str) -> int:
        connection = connect(self._target, ANSWER_S)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return sum(int(float(value)) for value in re.findall(pattern, text))

    def _post(self, path: str, body: object = None) -> dict[str, Any]:
        return self._call("POST", path, self._token, body)

    def _call(self, method: str, path: str, token: str, body: object = None) -> dict[str, Any]:
        with PlainLine(self._target, ANSWER_S) as line:
            answer = at_once(line.ask(path, method, path, body=body, token=token))
        if not answer.good:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body or answer.code}")
        return answer.body
