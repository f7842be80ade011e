"""The OpenAPI document tells the truth: schemathesis asks the real service by it."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from msgspec.structs import replace

from livesale.app import FEATURES, ROUTES
from livesale.feature import problems_of as all_problems
from livesale.ledger.writer import Writer
from livesale.resources import Deployment
from livesale.web.metrics import HTTP_REQUESTS
from livesale.web.openapi import problems_of
from livesale.web.routes import PATH_PARAMETERS
from tests.livesale.api import DOCUMENT, Api
from tests.livesale.conftest import Serve
from tests.livesale.stage import running, until_written

# `make soak` asks for more examples, and for every bound of every field.
EXAMPLES = os.environ.get("SCHEMA_EXAMPLES", "1")
PHASES = os.environ.get("SCHEMA_PHASES", "examples,fuzzing")
# Paths, by who asks for them; nobody asks for the others.
OF_OPERATORS = "^/v1/admin"
OF_BUYERS = "^/v1/(?!admin|time|campaigns|sessions)"


@pytest.fixture
async def open_house(stage: Deployment, serve: Serve) -> Api:
    """The API without rate limits."""
    settings = stage.settings
    endless = dict.fromkeys(("buyer_per_s", "address_per_s"), 1e6)
    limits = settings.limits.model_copy(update=endless)
    return await serve(replace(stage, settings=settings.model_copy(update={"limits": limits})))


async def test_schemathesis_finds_nothing(open_house: Api, tmp_path: Path) -> None:
    """In one process, which reads the document once: as nobody, as a buyer, and as an operator."""
    # given: ids that exist among those that it makes up, and who asks for what
    api = open_house
    drop_id = await api.open_drop(allotted=50, buyer_limit=1_000)
    made = (await api.get(f"/v1/admin/drops/{drop_id}", by=api.viewer)).body
    rid = (await api.reserve(drop_id)).body["reservation_id"]
    config = tmp_path / "schemathesis.toml"
    config.write_text(
        f"""
        [parameters]
        "path.drop_id" = ["{drop_id}", "nosuch"]
        "path.campaign_id" = ["{made["campaign_id"]}", "nosuch"]
        "path.reservation_id" = ["{rid}", "nosuch-0123456789abcdef"]
        "path.order_id" = ["{rid}", "nosuch-0123456789abcdef"]
        [checks.negative_data_rejection]  # 413: what is wrong may also be too much
        expected-statuses = ["400", "401", "403", "404", "406", "409", "413", "415", "422", "429"]
        [[operations]]
        include-path-regex = "{OF_OPERATORS}"
        headers = {{ Authorization = "Bearer {api.boss}" }}
        [[operations]]
        include-path-regex = "{OF_BUYERS}"
        headers = {{ Authorization = "Bearer {api.buyer()}" }}
        """
    )
    command = [
        *("--config-file", str(config)),
        *("run", f"{api.url}/openapi.json"),
        *("--max-examples", EXAMPLES, "--workers", "1", "--no-color"),
        *("--phases", PHASES, "--generation-deterministic"),
        *("--warnings", "off", "--continue-on-failure"),
        # A draw of valid fields may still contradict the state of the shop: 409 is an answer.
        *("--exclude-checks", "positive_data_acceptance"),
    ]
    # when
    async with running(Writer(api.deployment)):
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            *command,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        await until_written(api.deployment)
    # then
    assert process.returncode == 0, output.decode()[-6_000:]
    # and: it was let in as both
    for path in ("/v1/admin/skus", "/v1/me/orders"):
        assert HTTP_REQUESTS.row("GET", path)[200], path
    # and: whatever it did, the books hold
    assert (await api.books(drop_id))["ok"] is True


async def test_the_document_is_served_as_it_is_made(api: Api) -> None:
    assert (await api.get("/openapi.json")).body == DOCUMENT


def test_routes_and_document_are_the_same_set(api: Api) -> None:
    served = {
        (route.method, route.resource.canonical)
        for route in api.app.router.routes()
        if isinstance(route, web.AbstractRoute) and route.resource is not None
    }
    documented = {
        (method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item
    }
    heads = {("HEAD", path) for method, path in documented if method == "GET"}
    assert served == documented | heads | {("*", "/{path}")}


def test_what_is_a_patch_is_a_post_too() -> None:
    patched = {path: item for path, item in DOCUMENT["paths"].items() if "patch" in item}
    assert patched
    for item in patched.values():
        patch, post = item["patch"], item["post"]
        assert post["operationId"] == f"{patch['operationId']}_by_post"
        assert post["description"].startswith("The same as PATCH")
        assert post["requestBody"] == patch["requestBody"]


def test_every_problem_is_documented_somewhere_and_every_code_exists() -> None:
    known = all_problems(FEATURES)
    named = {code for route in ROUTES for code in problems_of(route)}
    assert named <= known.keys()
    everywhere = {"not_found", "method_not_allowed", "internal_error"}
    in_sockets = {"unknown_frame", "out_of_order"}
    assert known.keys() - named == everywhere | in_sockets


def test_each_id_of_a_path_may_be_unknown() -> None:
    for route in ROUTES:
        if route.path == "/v1/admin/insiders/{buyer_id}":
            continue  # one may be named before the first login; else it is unknown_insider
        names = set(re.findall(r"{(\w+)}", route.path)) & PATH_PARAMETERS.keys()
        unknown = {PATH_PARAMETERS[name].unknown for name in names}
        assert unknown <= set(problems_of(route)), f"{route.method} {route.path}"


def test_every_reference_leads_to_a_type() -> None:
    named = set(re.findall(r'"\$ref":"([^"]+)"', msgspec.json.encode(DOCUMENT).decode()))
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert named
    assert named <= known


def test_operations_have_names_of_their_own() -> None:
    names = [one["operationId"] for item in DOCUMENT["paths"].values() for one in item.values()]
    assert len(set(names)) == len(names)
    for path, item in DOCUMENT["paths"].items():
        for operation in item.values():
            declared = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
            assert declared == re.findall(r"{(\w+)}", path)


def test_money_and_time_say_their_unit() -> None:
    def names(schema: Any) -> set[str]:
        return set(schema.get("properties", {}))

    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field in names(schema):
            assert not re.search(r"(price|amount|expires|opens|closes|created)$", field), name
