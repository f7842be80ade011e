"""What the commands that work on an opened deployment share."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from livesale.deployment import Deployment
    from livesale.store.catalogue import Drop

T = TypeVar("T")


def with_deployment(
    run: "Callable[[Deployment], Awaitable[T]]",
    redis: str | None,
    sql: str | None,
    data_dir: Path | None,
) -> T:
    from livesale import logs
    from livesale.deployment import open_deployment
    from livesale.settings import load_settings

    settings = load_settings(redis__url=redis, sql__url=sql, data_dir=data_dir)
    logs.setup(settings, "operator")

    async def inside() -> T:
        async with open_deployment(settings, role="operator", redis_connections=2) as deployment:
            return await run(deployment)

    return asyncio.run(inside())


def show_drop(drop: "Drop", as_json: bool) -> None:
    from livesale.cli.tables import print_drops, print_json

    if as_json:
        print_json(drop)
    else:
        print_drops([drop])
