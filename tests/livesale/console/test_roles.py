"""Roles × actions in the browser: what one may not do is not shown, and refused if forced."""

import json
import re

from playwright.async_api import Page, expect

from livesale.access.actions import PERMISSIONS, Action
from livesale.access.roles import Role
from livesale.app import ROUTES
from livesale.web.routes import Route
from scripts.console import CONSOLE
from tests.livesale.api import Api
from tests.livesale.console.conftest import OpenScreen
from tests.livesale.console.screen import WAIT_MS, Screen
from tests.livesale.web.test_access import NAMES

LESSER = [role for role in Role if role is not Role.OWNER]
# Each route of operators that its own page could be made to call, as the service's table has them.
FORCED = [route for route in ROUTES if route.action is not None]

_SCREEN = re.compile(r"path: '([^']+)', name: '([^']+)', label: '[^']+', action: '([^']+)'")
_FORCE = """async (calls) => {
    const session = await (await fetch('/v1/operator/session')).json()
    const headers = {'X-CSRF-Token': session.csrf, 'Content-Type': 'application/json'}
    const force = async ([method, path]) => {
        const body = method === 'GET' ? undefined : '{}'
        const answer = await fetch(path, {method, headers, body})
        return [answer.status, (await answer.json().catch(() => ({}))).code ?? '']
    }
    const found = []
    for (let at = 0; at < calls.length; at += 6)
        found.push(...await Promise.all(calls.slice(at, at + 6).map(force)))
    return found
}"""
_OPEN_SOCKET = """(path) => new Promise(done => {
    const socket = new WebSocket(location.origin.replace('http', 'ws') + path)
    socket.onopen = () => done('open')
    socket.onerror = () => done('refused')
})"""


def may(role: Role, action: Action) -> bool:
    return role in PERMISSIONS[action].roles


def screens() -> list[tuple[str, str, Action]]:
    """Path, name and action of each screen, as the console's router has them."""
    found = _SCREEN.findall((CONSOLE / "src/router.ts").read_text())
    assert len(found) > 5
    return [(path, name, Action(action)) for path, name, action in found]


async def force(page: Page, routes: list[Route]) -> list[tuple[int, str]]:
    calls = [(route.method, route.path.format_map(NAMES)) for route in routes]
    return [(status, code) for status, code in await page.evaluate(_FORCE, calls)]


async def look(screen: Screen, role: Role) -> None:
    """Every screen that the role may see, by the way that leads there."""
    page = screen.page
    for path, name, action in screens():
        link = page.locator(f'[data-nav="{name}"]')
        if not may(role, action):
            await expect(link).to_have_count(0)
            continue
        await link.click()
        await page.wait_for_url(f"**/console/#{path}")
        await page.wait_for_load_state("networkidle" if name == "people" else "load")


async def test_each_lesser_role_sees_less_and_is_refused_at_each_forced_action(
    api: Api, open_tab: OpenScreen
) -> None:
    drop_id = await api.open_drop()
    for role in LESSER:
        # given a browser of that role only
        screen = await open_tab()
        page = screen.page
        refused: list[str] = []
        page.on(
            "response",
            lambda found, into=refused: found.status == 403 and into.append(found.url),
        )
        await screen.come(f"one-{role}", role, **({"store_id": "s1"} if role == "clerk" else {}))
        await expect(page.locator('[data-nav="account"]')).to_be_visible(timeout=WAIT_MS)
        # then it is shown the screens that it may see, and nothing there asks for what it may not
        await look(screen, role)
        assert refused == [], role
        # and a screen that it may not see leads elsewhere, when its address is typed
        for path, _, action in screens():
            if not may(role, action):
                await page.goto(f"{api.url}/console/#{path}")
                await expect(page).not_to_have_url(f"{api.url}/console/#{path}", timeout=WAIT_MS)
        assert refused == [], role
        # and the buttons of a drop are those of its actions
        if may(role, Action.COCKPIT_READ):
            await page.click('[data-nav="cockpit"]')
            await expect(page.locator(screen.drop(drop_id))).to_be_visible(timeout=WAIT_MS)
            for deed, action in (
                ("pause", Action.DROP_CHANGE),
                ("restock", Action.DROP_ADJUST),
                ("close", Action.DROP_CLOSE),
            ):
                shown = await page.locator(screen.drop(drop_id, deed)).count()
                assert bool(shown) == may(role, action), (role, deed)
        # when its page is made to call everything that it may not
        forbidden = [route for route in FORCED if route.action and not may(role, route.action)]
        found = await force(page, forbidden)
        # then each call is refused, whatever it was
        named = [f"{route.method} {route.path}" for route in forbidden]
        wrong = [pair for pair in zip(named, found, strict=True) if pair[1] != (403, "forbidden")]
        assert wrong == [], role
        # and so is each socket
        for route in forbidden:
            if route.upgrades:
                path = route.path.format_map(NAMES)
                assert await page.evaluate(_OPEN_SOCKET, path) == "refused", (role, path)
        # and nothing that was forced has changed anything
        assert (await api.books(drop_id))["redis"]["available"] == 10
        assert screen.mistakes(403) == [], role
        await page.context.close()


def test_the_matrix_has_every_route_of_operators() -> None:
    """A new route is in the matrix by itself: if it can be named, and somebody may not call it."""
    for route in FORCED:
        assert "{" not in route.path.format_map(NAMES), route.path
    closed = {route.action for route in FORCED} - {Action.ACCOUNT_OWN}
    for action in closed:
        assert action is None or any(not may(role, action) for role in LESSER), action
    assert len(json.dumps([route.path for route in FORCED])) > 1_000
