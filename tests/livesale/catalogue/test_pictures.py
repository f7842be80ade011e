"""Pictures: what is uploaded, what is kept of it, and what is refused."""

import asyncio
import io
import zipfile
from pathlib import Path

import pytest
from aiohttp import FormData

from livesale.catalogue.pictures.made import SIZES
from tests.livesale.api import Api, Reply
from tests.livesale.catalogue.drawn import bomb, opened, picture, with_place


async def upload(api: Api, raw: bytes, kind: str = "application/octet-stream") -> Reply:
    return await api.post("/v1/admin/pictures", raw=raw, by=api.boss, Content_Type=kind)


async def media(api: Api, url: str) -> Reply:
    """A file, which is no text."""
    async with api._session.get(f"{api.url}{url}") as response:
        return Reply(response, await response.read())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
async def test_a_picture_is_kept_in_three_sizes_and_two_kinds(api: Api, kind: str) -> None:
    # given a picture, when it is uploaded, whatever its sender says that it is
    made = await upload(api, picture(kind, (1_800, 900)), "text/html")
    # then each size is there, in both kinds, for everybody, for ever
    assert made.status == 201, made.body
    assert (made.body["width"], made.body["height"]) == (1_800, 900)
    assert set(made.body["sizes"]) == set(SIZES)
    for size, files in made.body["sizes"].items():
        for name, form in (("webp", "WEBP"), ("jpeg", "JPEG")):
            found = await media(api, files[name])
            assert found.status == 200
            assert found.headers["Content-Type"] == f"image/{name}"
            assert "immutable" in found.headers["Cache-Control"]
            assert found.headers["X-Content-Type-Options"] == "nosniff"
            shown = opened(found.raw)
            assert (shown.format, max(shown.size)) == (form, SIZES[size])
            assert shown.size == (files["width"], files["height"])
            left, right = (shown.convert("RGB").getpixel((x, 5)) for x in (5, shown.width - 5))
            assert left[0] > 150 > left[2] and right[2] > 150 > right[0]  # type: ignore[index]
    # and the same bytes are the same picture
    again = await upload(api, picture(kind, (1_800, 900)))
    assert (again.status, again.body) == (200, made.body)
    page = (await api.get("/v1/admin/pictures", by=api.viewer)).body
    assert [one["picture_id"] for one in page["pictures"]] == [made.body["picture_id"]]


@pytest.mark.parametrize("orientation", [1, 6])
async def test_nothing_but_the_pixels_is_kept(api: Api, orientation: int) -> None:
    # given a photo that says where it was taken
    raw = with_place(orientation)
    assert b"Secret Maker" in raw and b"secret comment" in raw
    # when it is uploaded
    made = (await upload(api, raw)).body
    # then it is upright, and its files say nothing
    assert (made["width"], made["height"]) == ((40, 20) if orientation == 1 else (20, 40))
    for files in made["sizes"].values():
        for url in (files["webp"], files["jpeg"]):
            found = (await media(api, url)).raw
            assert b"ecret" not in found
            assert not opened(found).getexif()
            assert opened(found).size == (made["width"], made["height"])  # and not enlarged


async def test_a_form_may_carry_the_file(api: Api) -> None:
    form = FormData()
    form.add_field("title", "x")
    large = picture("PNG", (300, 200), compress_level=0)  # more than other bodies may have
    assert len(large) > 100_000
    form.add_field("file", large, filename="../../etc/passwd", content_type="image/svg+xml")
    async with api._session.post(
        f"{api.url}/v1/admin/pictures",
        data=form,
        headers={"Authorization": f"Bearer {api.boss}"},
    ) as response:
        assert response.status == 201, await response.text()
    # and one without a file is refused
    async with api._session.post(
        f"{api.url}/v1/admin/pictures",
        data=FormData({"title": "x"}),
        headers={
            "Authorization": f"Bearer {api.boss}",
            "Content-Type": "multipart/form-data; boundary=x",
        },
    ) as response:
        assert (await response.json())["code"] == "malformed_body"


_HEAD = b'--x\r\nContent-Disposition: form-data; name="a"'


async def test_a_form_that_is_torn_is_refused(api: Api) -> None:
    for raw in (
        b"--y\r\n\r\nx\r\n--y--",
        _HEAD,
        _HEAD + b"\x01\r\n\r\nx\r\n--x--",
        _HEAD + b"\xff" * 20_000 + b"\r\n\r\nx\r\n--x--",
        _HEAD + b"\r\nContent-Type: multipart/mixed; boundary=z\r\n\r\n--z--\r\n--x--",
    ):
        kind = {"Content_Type": "multipart/form-data; boundary=x"}
        torn = await api.post("/v1/admin/pictures", raw=raw, by=api.boss, **kind)
        assert torn.code == "malformed_body", raw[:80]


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.js", "alert(1)")
    return target.getvalue()


REFUSED = {
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', "picture_kind", "SVG"),
    "xml svg": (b'<?xml version="1.0"?><svg/>', "picture_kind", "SVG"),
    "page": (b"<!doctype html><script>1</script>", "picture_kind", "web page"),
    "heic": (b"\x00\x00\x00\x18ftypheic" + bytes(50), "picture_kind", "heic"),
    "noise": (b"nonsense", "picture_kind", "unknown"),
    "bmp": (picture("BMP"), "picture_kind", "unknown"),
    "bomb": (bomb(), "picture_pixels", "30000"),
    "truncated png": (picture("PNG", (400, 400))[:-200], "picture_broken", ""),
    "truncated jpeg": (picture("JPEG", (400, 400))[:400], "picture_broken", ""),
    "truncated webp": (picture("WEBP", (400, 400))[:60], "picture_broken", ""),
    "only a head": (b"\xff\xd8\xff\xe0", "picture_broken", ""),
    "zip behind": (picture("PNG") + zipped(), "picture_mixed", "ZIP"),
    "zip behind a gif": (picture("GIF") + zipped(), "picture_mixed", "ZIP"),
    "page in a comment": (
        picture("JPEG", comment=b"<ScRiPt>alert(1)</script>"),
        "picture_mixed",
        "scripts",
    ),
    "php behind": (picture("GIF") + b"<?php system($_GET[0]);", "picture_mixed", "scripts"),
    "pdf": (picture("JPEG", comment=b"%PDF-1.4"), "picture_mixed", "PDF"),
}


async def test_what_is_no_picture_or_more_than_one_is_refused(api: Api, tmp_path: Path) -> None:
    for name, (raw, code, said) in REFUSED.items():
        refused = await upload(api, raw, "image/png")
        assert refused.code == code, name
        assert said in refused.body["detail"], (name, refused.body)
    # nothing of it is kept
    assert (await api.get("/v1/admin/pictures", by=api.viewer)).body["pictures"] == []
    assert list(tmp_path.glob("media/*/*")) == []


async def test_bounds_of_a_file(api: Api) -> None:
    most = api.deployment.settings.media.max_bytes
    large = await upload(api, bytes(most + 5_000))
    assert (large.status, large.code) == (413, "body_too_large")
    empty = await api.post("/v1/admin/pictures", by=api.boss)
    assert empty.code == "malformed_body"
    packed = await api.post(
        "/v1/admin/pictures", raw=b"x", by=api.boss, Content_Encoding="gzip", Content_Type="x/y"
    )
    assert packed.code == "unsupported_media_type"


async def test_other_requests_are_answered_while_a_picture_is_encoded(api: Api) -> None:
    # given a picture that needs a while
    raw = picture("PNG", (4_000, 3_000))
    done: list[str] = []

    async def send() -> None:
        assert (await upload(api, raw)).status == 201
        done.append("picture")

    async def look() -> None:
        while "picture" not in done:
            assert (await api.get("/v1/time")).status == 200
            done.append("time")
            await asyncio.sleep(0.005)

    # when both run, then many answers come before the picture's
    await asyncio.gather(send(), look())
    assert done.index("picture") > 10


async def test_a_file_is_not_sent_again_to_who_has_it(api: Api) -> None:
    made = (await upload(api, picture())).body
    url = made["sizes"]["thumb"]["webp"]
    name = url.rpartition("/")[2]
    headers = {"If-None-Match": f'"{name}"'}
    async with api._session.get(f"{api.url}{url}", headers=headers) as same:
        assert (same.status, await same.read()) == (304, b"")
    for path in (f"/media/{'0' * 32}.webp", "/media/..%2f..%2fetc%2fpasswd", "/media/x.webp"):
        missing = await api.get(path)
        assert (missing.status, missing.code) == (404, "unknown_picture")
