"""An operator over HTTP: puts drops on sale and reads the books."""

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

from livesale.identity.tokens import TokenSigner
from livesale.settings import Settings

HOUR_MS = 3_600_000


class Operator:
    """Calls the API of one running service. Raises RuntimeError for any answer but 2xx."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._host = urlsplit(url).netloc
        self._signer = TokenSigner.from_settings(settings)
        self._token = self._signer.operator("benchmark")

    def open_drop(self, allotted: int) -> str:
        """Units on sale from now on, one for each buyer; the drop's id."""
        now_ms = time.time_ns() // 1_000_000
        sku = self._post("/v1/admin/skus", {"title": "Cup", "price_fen": 9_900})
        times = {"opens_ms": now_ms - 60_000, "closes_ms": now_ms + HOUR_MS}
        campaign = self._post("/v1/admin/campaigns", {"title": "Benchmark", **times})
        terms = {"price_fen": 9_900, "allotted": allotted, "buyer_limit": 1, "hold_ms": HOUR_MS}
        names = {"campaign_id": campaign["campaign_id"], "sku_id": sku["sku_id"]}
        drop_id: str = self._post("/v1/admin/drops", {**names, **terms})["drop_id"]
        self._post(f"/v1/admin/drops/{drop_id}/open")
        return drop_id

    def held(self, drop_id: str) -> int:
        """Units that are held, by Redis."""
        books = self._call("GET", f"/v1/admin/drops/{drop_id}/books", self._token)
        return int(books["redis"]["held"])

    def reserve(self, drop_id: str, buyer_id: str) -> None:
        """One unit for one buyer, as he would do it."""
        token = self._signer.buyer(buyer_id)
        self._call("POST", f"/v1/drops/{drop_id}/reservations", token, {"quantity": 1})

    def _post(self, path: str, body: object = None) -> dict[str, Any]:
        return self._call("POST", path, self._token, body)

    def _call(self, method: str, path: str, token: str, body: object = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        sent = None
        if body is not None:
            headers["Content-Type"], sent = "application/json", json.dumps(body)
        connection = http.client.HTTPConnection(self._host, timeout=60)
        try:
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if not 200 <= answer.status < 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
        found: dict[str, Any] = json.loads(text)
        return found
