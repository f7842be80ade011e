"""The shop's page and its files: cached, compressed, nothing else of the disk."""

import gzip
from pathlib import Path

import aiohttp
import pytest

from livesale.app import PARTS
from livesale.faces.feature import video_hosts
from livesale.faces.files import FaceFiles, page_headers
from livesale.settings import load_settings
from tests.livesale.api import Api

SCRIPT = b"export const name = 'shop'\n" * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    built = tmp_path / "h5"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html><title>shop</title>")
    (built / "assets/index-a1b2.js").write_bytes(SCRIPT)
    (built / "assets/index-a1b2.js.gz").write_bytes(gzip.compress(SCRIPT, mtime=0))
    (built / "assets/notes.txt").write_text("not for anybody")
    (tmp_path / "secret.js").write_text("secret")
    return built


async def test_the_shop_is_a_page_and_its_files(api: Api, folder: Path) -> None:
    # given a shop that is built
    api.app[PARTS][FaceFiles] = FaceFiles(folder, page_headers({"https://play.example"}))
    # when a browser asks for the page, and for its script
    page = await api.get("/shop/")
    script = await api.ask("GET", "/shop/assets/index-a1b2.js", Accept_Encoding="gzip")
    plain = await api.ask("GET", "/shop/assets/index-a1b2.js", Accept_Encoding="gzip;q=0")
    # then the page is asked for anew each time, runs no script of others, and is in no frame
    assert (page.status, page.headers["Cache-Control"]) == (200, "no-cache")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe-eval" not in policy
    assert "media-src 'self' blob: https://play.example;" in policy
    assert "frame-ancestors 'none'" in policy
    # and the script is kept for ever, as it is or compressed
    assert (script.raw, plain.raw) == (SCRIPT, SCRIPT)  # the client unpacks it
    assert script.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert "immutable" in script.headers["Cache-Control"]
    assert script.headers["Content-Type"].startswith("text/javascript")
    # and what the browser has already is not sent again
    tag = script.headers["ETag"]
    again = await api.ask("GET", "/shop/assets/index-a1b2.js", If_None_Match=tag)
    assert (again.status, again.raw) == (304, b"")


async def test_a_picture_below_the_page_is_that_of_the_service(api: Api) -> None:
    # uni-app asks for `/media/…` below its own base
    name = f"{'0' * 31}a.webp"
    async with aiohttp.ClientSession(api.url) as http:
        answer = await http.get(f"/shop/media/{name}", allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (308, f"/media/{name}")
    assert (await api.get("/shop/media/../secret.js")).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/shop/assets/notes.txt",
        "/shop/assets/missing.js",
        "/shop/assets/..%2F..%2Fsecret.js",
        "/shop/assets/.hidden",
        "/shop/assets/index.html",
    ],
)
async def test_nothing_else_of_the_disk_is_sent(api: Api, folder: Path, path: str) -> None:
    api.app[PARTS][FaceFiles] = FaceFiles(folder, page_headers(()))
    assert (await api.get(path)).code == "unknown_file"


async def test_the_name_without_a_slash_leads_to_the_page(api: Api) -> None:
    async with aiohttp.ClientSession(api.url) as http:
        answer = await http.get("/shop", allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (308, "/shop/")


async def test_the_page_is_sent_whatever_others_add_to_its_address(api: Api) -> None:
    """WeChat adds its code and state after a login, and `from` when somebody shares the page."""
    async with aiohttp.ClientSession(api.url) as http:
        for query in ("code=0a&state=b", "from=singlemessage&isappinstalled=0", "a=1&a=2"):
            answer = await http.get(f"/shop/?{query}")
            assert (answer.status, answer.content_type) == (200, "text/html")


def test_video_may_come_from_where_the_settings_say() -> None:
    settings = load_settings(
        ingest__hls_url="https://play.example/{room_id}.m3u8",
        ingest__flv_url="https://flv.example:8443/{room_id}.flv",
    )
    assert video_hosts(settings.ingest) == {"https://play.example", "https://flv.example:8443"}
    assert video_hosts(load_settings().ingest) == set()
