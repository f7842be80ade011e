"""The page at /docs: whole, and nothing in it leads nowhere."""

import re

import aiohttp

from livesale.app import ROUTES
from livesale.web import docs_page
from tests.livesale.api import DOCUMENT, Api

PAGE = docs_page.render(ROUTES, DOCUMENT).decode()


def test_every_link_of_the_page_leads_somewhere() -> None:
    anchors = re.findall(r'\bid="([^"]+)"', PAGE)
    assert len(set(anchors)) == len(anchors)
    links = set(re.findall(r'href="([^"]+)"', PAGE))
    assert {link[1:] for link in links if link.startswith("#")} <= set(anchors)
    assert {link for link in links if not link.startswith("#")} == {"/openapi.json"}
    assert "over_limit" in anchors


def test_values_are_spelled_out() -> None:
    states = " | ".join(
        f"<code>{state}</code>" for state in ("expired", "held", "released", "sold")
    )
    assert f"<td><code>status</code><td>{states}" in PAGE
    assert "HoldState" not in PAGE


def test_types_within_types_are_shown_with_their_fields() -> None:
    assert '<a href="#type-Books">' in PAGE
    section = PAGE.partition('<h3 id="type-Books">')[2].partition("<h3")[0]
    for counter in ("allotted", "available", "held", "sold", "burned"):
        assert f"<code>{counter}</code>" in section


def test_names_are_written_as_people_write_them() -> None:
    assert "Create a SKU" in PAGE


async def test_the_door_leads_to_the_page(api: Api) -> None:
    # when it is asked for without following, then it says where the page is
    async with aiohttp.ClientSession(api.url) as http:
        answer = await http.get("/", allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/docs")
        assert await answer.read() == b""
        # and who follows gets there
        answer = await http.get("/")
        assert (answer.status, answer.url.path) == (200, "/docs")
        assert "<title>livesale API</title>" in await answer.text()
