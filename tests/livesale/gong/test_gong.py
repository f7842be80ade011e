"""The measure of the house: a feature is a folder and one name in the list of features."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from livesale.app import FEATURES, build_app
from livesale.feature import jobs_of, tables_of
from livesale.resources import Deployment
from tests.livesale.api import FAR_MS, Api
from tests.livesale.gong.feature import feature, metadata
from tests.waiting import until

WITH_GONG = (*FEATURES, feature)


@pytest.fixture
async def api(stage: Deployment) -> AsyncIterator[Api]:
    """The service with one more feature in its list, and that feature's table."""
    async with stage.sql.begin() as connection:
        await connection.run_sync(metadata.create_all)
    api = Api(build_app(stage, WITH_GONG), stage)
    await api.start()
    yield api
    await api.stop()


async def test_a_feature_works_by_being_in_the_list(api: Api, stage: Deployment) -> None:
    new = {"title": "Tea time", "host": "host", "starts_ms": FAR_MS}
    room_id = (await api.post("/v1/rooms", new, by=api.boss)).body["room_id"]
    path = f"/v1/rooms/{room_id}/gong"
    url = f"{api.url}/v1/rooms/{room_id}/socket"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as viewer:
        # its route and its event
        assert (await api.post(path, {"times": 2}, by=api.buyer("ann"))).status == 202
        assert (await next_gong(viewer))["times"] == 2
        # its frame
        await viewer.send_json({"type": "gong"})
        assert (await next_gong(viewer))["times"] == 1
    # its refusals
    tired = await api.post(path, {"times": 4}, by=api.buyer("ann"))
    assert (tired.status, tired.code) == (409, "gong_tired")
    # its place in the documents
    assert "gong_tired" in str((await api.get("/openapi.json")).body["paths"][path_of(path)])
    messages = (await api.get("/asyncapi.json")).body["components"]["messages"]
    assert {"GongStruck", "GongFrame"} <= messages.keys()
    assert "Strike the gong" in (await api.get("/docs")).raw.decode()
    # its table, job and metric
    assert "gongs" in {table.name for table in tables_of(WITH_GONG)}
    registry, stop = CollectorRegistry(), asyncio.Event()
    job = dict(jobs_of(WITH_GONG))["gong"](stage, registry)
    assert job is not None
    working = asyncio.create_task(job.run(stop))

    def counted() -> bool:
        return registry.get_sample_value("livesale_gongs") == 2

    await until(counted)
    stop.set()
    await working


async def next_gong(viewer: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    while (message := await viewer.receive_json(timeout=10))["type"] != "gong.struck":
        pass
    return dict(message["gong"])


def path_of(path: str) -> str:
    return "/v1/rooms/{room_id}/" + path.rpartition("/")[2]
