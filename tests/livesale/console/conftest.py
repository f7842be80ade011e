"""A browser for the tests of a module, a tab for each."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from argon2 import PasswordHasher

from livesale.identity.operators.passwords import Passwords
from tests.livesale.api import Api
from tests.livesale.console.screen import Screen, open_screen
from tests.phones import open_browser

OpenScreen = Callable[..., Awaitable[Screen]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of passwords that cost little: what they cost is in test_passwords."""
    monkeypatch.setattr(Passwords.__init__, "__defaults__", (PasswordHasher(1, 8, 1),))


@pytest.fixture
async def open_tab(api: Api) -> AsyncIterator[OpenScreen]:
    """Opens tabs, each with cookies of its own."""
    async with open_browser() as browser:

        async def start(width: int = 1280, **options: str) -> Screen:
            size = {"width": width, "height": 844}
            context = await browser.new_context(viewport=size, locale="en-GB", **options)  # type: ignore[arg-type]
            return await open_screen(context, api)

        yield start
