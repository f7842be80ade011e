"""The documents of the interface: compressed once, and sent once to each cache."""

import gzip

import aiohttp
import pytest

from livesale.web.documents import takes_gzip
from tests.livesale.api import Api


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/asyncapi.json"])
async def test_a_document_is_sent_once_and_compressed(api: Api, path: str) -> None:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        # given
        async with session.get(api.url + path, headers={"Accept-Encoding": "br, gzip"}) as packed:
            small = await packed.read()
        async with session.get(api.url + path, headers={"Accept-Encoding": "identity"}) as plain:
            whole = await plain.read()
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert gzip.decompress(small) == whole
        assert len(small) < len(whole) / 4
        assert packed.headers["ETag"] != plain.headers["ETag"]
        # when: a cache asks again, by either tag
        for first in (packed, plain):
            assert first.headers["Vary"] == "Accept-Encoding"
            assert first.headers["Cache-Control"].startswith("public, max-age=")
            known = {"If-None-Match": f'"other", W/{first.headers["ETag"]}'}
            async with session.get(api.url + path, headers=known) as again:
                # then
                assert (again.status, await again.read()) == (304, b"")
                assert "Content-Length" not in again.headers
        async with session.get(api.url + path, headers={"If-None-Match": '"other"'}) as changed:
            assert changed.status == 200
        async with session.head(api.url + path) as head:
            assert (head.status, await head.read()) == (200, b"")
    # and: nothing else may be kept
    assert (await api.get("/livez")).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("", False),
        ("gzip", True),
        ("br;q=1.0, GZIP;q=0.8", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("identity, *;q=0", False),
        ("deflate, br", False),
    ],
)
def test_who_takes_gzip(accepted: str, takes: bool) -> None:
    assert takes_gzip(accepted) is takes
