"""Shared by the commands that work on an opened deployment."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from livesale.catalogue.store import Drop
    from livesale.resources import Deployment

T = TypeVar("T")


def with_deployment(
    run: "Callable[[Deployment], Awaitable[T]]",
    redis: str | None,
    sql: str | None,
    data_dir: Path | None,
    deed: tuple[str, str, dict[str, Any]] | None = None,
) -> T:
    """Run `work` on the deployment of the settings. For a change, `deed` goes into the record of
    actions: the command, the id of the object, and the arguments."""
    from livesale.cli.recorded import recorded
    from livesale.deployment.opening import open_deployment
    from livesale.settings import load_settings
    from livesale.telemetry import logs

    settings = load_settings(redis__url=redis, sql__url=sql, data_dir=data_dir)
    logs.setup(settings, "operator")

    async def inside() -> T:
        async with open_deployment(settings, role="operator", redis_connections=2) as deployment:
            if deed is None:
                return await run(deployment)
            async with recorded(deployment.sql, *deed):
                return await run(deployment)

    return asyncio.run(inside())


def show_drop(drop: "Drop", as_json: bool) -> None:
    from livesale.cli.tables import print_drops, print_json

    if as_json:
        print_json(drop)
    else:
        print_drops([drop])
