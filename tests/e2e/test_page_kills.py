"""kill -9 under a browser: the page never lies, and soon shows what a fresh snapshot has."""

import random

import pytest

from tests.e2e.system import Shop
from tests.faults.pages.scene import play
from tests.phones import open_browser

pytestmark = [
    pytest.mark.xdist_group("rooms"),  # one system for all of them
    pytest.mark.soak,
]

KILLS = {"api": ("api-0", "api-1"), "redis": ("redis",)}


async def test_pages_tell_the_truth_while_workers_and_redis_die(shop: Shop) -> None:
    """The long form is `python -m tests.faults.pages`."""
    chance = random.Random(1)
    async with open_browser() as browser:
        for part, roles in KILLS.items():

            async def kill(roles: tuple[str, ...] = roles) -> None:
                for role in roles:
                    await shop.system.kill(role)

            # Given phones that buy and pay, when a part is killed, then no screen was a lie
            for run in await play(shop, browser, part, kill, 2, chance):
                print(f"right {run.right_s:.1f} s after kill -9 of {part}, {run.sights} screens")
                assert not run.lies, run.lies
                assert run.held
