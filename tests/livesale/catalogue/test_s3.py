"""Pictures in an S3-compatible store, whose twin checks each signature."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from livesale.catalogue.pictures.s3 import S3Store
from livesale.errors import Refused
from livesale.resources import Deployment
from livesale.settings import MediaSettings, load_settings
from tests.livesale.catalogue.drawn import opened, picture
from tests.livesale.catalogue.test_pictures import upload
from tests.livesale.conftest import Serve
from tests.twins.s3 import KEY_ID, REGION, SECRET, S3Twin


@pytest.fixture
async def twin() -> AsyncIterator[S3Twin]:
    found = S3Twin()
    async with found.running():
        yield found


def settings_of(stage: Deployment, twin: S3Twin, secret: str = SECRET) -> MediaSettings:
    changes = {
        "s3_url": twin.url,
        "s3_region": REGION,
        "s3_key_id": KEY_ID,
        "s3_secret": SecretStr(secret),
        "public_url": "https://cdn.example/pictures",
    }
    return stage.settings.media.model_copy(update=changes)


def with_media(stage: Deployment, media: MediaSettings) -> Deployment:
    return replace(stage, settings=stage.settings.model_copy(update={"media": media}))


async def test_pictures_go_to_the_store_and_come_from_it(
    stage: Deployment, serve: Serve, twin: S3Twin
) -> None:
    # given a service with that store, which is busy for a moment
    api = await serve(with_media(stage, settings_of(stage, twin)))
    twin.faults = [503]
    # when
    made = await upload(api, picture())
    # then all files are there, and buyers are sent to the public address
    assert made.status == 201, made.body
    assert twin.refused == [] and len(twin.objects) >= 2
    url = made.body["sizes"]["large"]["webp"]
    assert url.startswith("https://cdn.example/pictures/")
    # and what the CDN asks the service for comes from the store
    name = url.rpartition("/")[2]
    found = await api.get(f"/media/{name}", If_None_Match='"other"')
    assert opened(found.raw).format == "WEBP"
    assert (await api.get(f"/media/{'0' * 32}.jpg")).code == "unknown_picture"


async def test_a_store_that_refuses_is_said(stage: Deployment, serve: Serve, twin: S3Twin) -> None:
    api = await serve(with_media(stage, settings_of(stage, twin, secret="wrong")))
    refused = await upload(api, picture())
    assert (refused.status, refused.code) == (503, "media_unavailable")
    assert set(twin.refused) == {"SignatureDoesNotMatch"}
    assert (await api.get("/v1/admin/pictures", by=api.viewer)).body["pictures"] == []


async def test_a_name_may_have_any_form(stage: Deployment, twin: S3Twin) -> None:
    store = S3Store(settings_of(stage, twin))
    async with store.running():
        for name in ("a.webp", "a-b_c~d.jpg"):
            await store.put(name, b"x" * 1_000, "image/webp")
            assert await store.get(name) == b"x" * 1_000
        assert await store.get("none") is None
    assert twin.refused == []


def test_a_store_needs_its_keys() -> None:
    with pytest.raises(Refused, match="S3_KEY_ID"):
        load_settings(media__s3_url="https://x.example")
