"""Stolen sessions, foreign requests, foreign frames: against operators who are logged in."""

from urllib.parse import quote

import pytest
from playwright.async_api import expect

from livesale.app import ROUTES
from tests.livesale.api import FAR_MS, Api
from tests.livesale.console.conftest import OpenScreen
from tests.livesale.console.elsewhere import elsewhere
from tests.livesale.console.screen import WAIT_MS
from tests.livesale.identity.operators.person import come, new_link
from tests.livesale.web.test_access import NAMES
from tests.waiting import until

CHANGES = [
    route
    for route in ROUTES
    if route.auth in ("operator", "member") and route.method not in ("GET", "HEAD")
]


async def test_a_session_cannot_be_read_kept_or_used_twice(api: Api, open_tab: OpenScreen) -> None:
    # given an operator who opened a one-time link
    drop_id = await api.open_drop()
    screen = await open_tab()
    page = screen.page
    await screen.come("olga", "sale")
    await expect(page.locator(screen.drop(drop_id))).to_be_visible(timeout=WAIT_MS)
    # then no script of the page can read the cookie, and no other site sends it
    [cookie] = await page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    assert await page.evaluate("document.cookie") == ""
    kept = str(await page.evaluate("JSON.stringify([localStorage, sessionStorage])"))
    assert cookie["value"] not in kept
    assert "csrf" not in kept.lower()
    # and going back does not find the link
    assert "login" not in page.url
    await page.go_back()
    assert "login" not in page.url

    # when somebody else opens the same link
    used = await new_link(api, "olga")
    first, second = await open_tab(), await open_tab()
    await first.page.goto(f"{api.url}/console#login={used}")
    await expect(first.page.locator('[data-nav="orders"]')).to_be_visible(timeout=WAIT_MS)
    await second.page.goto(f"{api.url}/console#login={used}")
    # then it lets nobody in
    await expect(second.page.locator('[role="alert"]').first).to_be_visible(timeout=WAIT_MS)
    assert await second.page.context.cookies() == []

    # given a thief who has copied the cookie out of the first browser's disk
    thief = await open_tab()
    await thief.page.context.add_cookies([cookie])  # type: ignore[list-item]
    await thief.page.goto(f"{api.url}/console")
    await expect(thief.page.locator(screen.drop(drop_id))).to_be_visible(timeout=WAIT_MS)
    # when the operator logs out
    await page.goto(f"{api.url}/console")
    await page.click('[data-deed="logout"]')
    await expect(page.locator("form")).to_be_visible(timeout=WAIT_MS)
    # then the thief is out, within the two seconds that the socket needs
    await thief.sees("Your session has ended")
    # and the operator's other session goes on
    await first.page.reload()
    await expect(first.page.locator('[data-nav="orders"]')).to_be_visible(timeout=WAIT_MS)
    assert first.wrong == []


async def test_no_other_site_acts_reads_listens_or_frames(api: Api, open_tab: OpenScreen) -> None:
    # given an operator who is logged in, and looks at another site
    drop_id = await api.open_drop()
    made = await api.post(
        "/v1/rooms", {"title": "x", "host": "h", "starts_ms": FAR_MS}, by=api.boss
    )
    screen = await open_tab()
    page = screen.page
    await screen.come("olga", "owner")
    await expect(page.locator(screen.drop(drop_id))).to_be_visible(timeout=WAIT_MS)
    pause = f"{api.url}/v1/admin/drops/{drop_id}/pause"
    csrf = await page.evaluate(
        "async () => (await (await fetch('/v1/operator/session')).json()).csrf"
    )
    sockets = ["/v1/admin/cockpit/socket", f"/v1/rooms/{made.body['room_id']}/host/socket"]
    async with elsewhere() as site:
        for origin in (site.url, site.beside):
            # when it sends a form, as a browser does without asking
            await page.goto(f"{origin}/?form={quote(pause)}")
            await page.wait_for_url("**/pause")
            # then the service refuses: the cookie is missing, or the page's own token
            expected = "unauthenticated" if origin == site.url else "csrf_failed"
            assert expected in await page.content()
            # when its scripts ask, then none reads an answer, with what it may have learned neither
            await page.goto(f"{origin}/")
            assert await site.fetch(page, pause, "POST") == "sent"
            assert await site.fetch(page, pause, "POST", **{"X-CSRF-Token": csrf}) == "refused"
            assert await site.fetch(page, f"{api.url}/v1/operator/session") == "refused"
            # and none listens
            for path in sockets:
                url = f"{api.url}{path}".replace("http", "ws", 1)
                assert await site.listen(page, url) == "refused", (origin, path)
            # and no page of ours is shown in a frame of theirs
            for shown in ("/console/", "/shop/"):
                await page.goto(f"{origin}/?frame={quote(api.url + shown)}")

                def is_refused() -> bool:
                    frames = [each for each in page.frames if each is not page.main_frame]
                    return [each.url.startswith("chrome-error:") for each in frames] == [True]

                await until(is_refused)
    # and the drop sells on
    assert (await api.reserve(drop_id)).status == 201


async def test_every_change_by_cookie_needs_the_token_of_its_session(api: Api) -> None:
    ann, bob = await come(api, "ann", "owner"), await come(api, "bob", "owner")
    assert len(CHANGES) > 50
    for route in CHANGES:
        path = route.path.format_map(NAMES)
        for token in ("", "x" * 32, bob.own["csrf"]):
            # when a page that is not ours asks, with the cookie
            reply = await ann.ask(route.method, path, {}, X_CSRF_Token=token)
            # then it is refused before anything else is looked at
            assert (reply.status, reply.code) == (403, "csrf_failed"), (route.path, token)


@pytest.mark.parametrize("path", ["/console/", "/shop/"])
async def test_pages_say_what_browsers_must_not_do(api: Api, path: str) -> None:
    page = await api.get(path)
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in page.headers["Content-Security-Policy"].split(";")
    )
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["default-src"] == "'none'"
    assert "object-src" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] in ("no-referrer", "same-origin")
