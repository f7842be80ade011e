"""Long-running commands: the demo, the service, its roles."""

import sys
from typing import Annotated

import typer
from typer import Option

from livesale.cli.flags import (
    DataDir,
    ExposeDev,
    Host,
    Json,
    Partitions,
    Port,
    RedisUrl,
    SqlUrl,
    Workers,
)


def demo(
    live: Annotated[bool, Option("--live", help="Play a show in a live room instead")] = False,
    buyers: Annotated[int, Option(min=1, max=1_000_000, help="Buyers in the crowd")] = 20_000,
    viewers: Annotated[int, Option(min=10, max=2_000, help="Viewers of the show")] = 300,
    stock: Annotated[
        int | None,
        Option(min=1, max=1_000_000, help="Units on sale; default 1,000, with --live 100"),
    ] = None,
    seconds: Annotated[int, Option(min=1, max=3_600, help="How long buyers keep coming")] = 20,
    workers: Annotated[
        int | None, Option(min=1, max=64, help="API worker processes; default 4, with --live 2")
    ] = None,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    seed: Annotated[int | None, Option(help="Repeat the crowd of this seed")] = None,
    as_json: Json = False,
) -> None:
    """Sell to a simulated crowd, show it live, audit the books: exit 0 only if they hold."""
    from livesale.demo import DemoOptions

    options = DemoOptions(
        live=live,
        people=viewers if live else buyers,
        stock=stock or (100 if live else 1_000),
        seconds=seconds,
        workers=workers or (2 if live else 4),
        redis=redis,
        sql=sql,
        json=as_json,
        seed=seed,
    )
    if not as_json:  # print it first, because the imports take seconds
        print(f"livesale demo: {options.cast} · {options.stores}", flush=True)
    from livesale.demo import run as run_demo
    from livesale.settings import load_settings

    settings = load_settings(redis__url=redis, sql__url=sql, http__workers=options.workers)
    raise typer.Exit(run_demo(settings, options))


def up(
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    expose_dev: ExposeDev = False,
    cluster: Annotated[
        int | None,
        Option(
            "--cluster",
            min=3,
            max=16,
            help="In a new data folder, embed a cluster of so many primaries, with their replicas",
        ),
    ] = None,
    seed: Annotated[
        bool, Option("--seed/--no-seed", help="In dev, fill empty stores with a shop to look at")
    ] = True,
) -> None:
    """Run everything on this machine: API workers, writer and keeper, embedded by default."""
    roles = {"api", "writer", "keeper"}
    _serve(
        *(roles, redis, sql, data_dir, host, port, workers, expose_dev),
        seed=seed,
        cluster=cluster,
    )


def serve(
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    expose_dev: ExposeDev = False,
) -> None:
    """Run the API workers."""
    _serve({"api"}, redis, sql, data_dir, host, port, workers, expose_dev)


def writer(
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    partitions: Partitions = None,
) -> None:
    """Write the log from Redis into SQL. Several writers share the partitions."""
    from livesale.processes.roles import run_writer
    from livesale.settings import load_settings

    settings = load_settings(
        redis__url=redis, sql__url=sql, data_dir=data_dir, writer__partitions=partitions
    )
    raise typer.Exit(run_writer(settings))


def keeper(
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    partitions: Partitions = None,
) -> None:
    """Expire holds and close drops on time. Several keepers share the partitions."""
    from livesale.processes.roles import run_keeper
    from livesale.settings import load_settings

    settings = load_settings(
        redis__url=redis, sql__url=sql, data_dir=data_dir, keeper__partitions=partitions
    )
    raise typer.Exit(run_keeper(settings))


def api_worker(index: Annotated[int, Option(min=0, max=63)]) -> None:
    """Run one API worker for the supervisor: all settings come from the environment."""
    from livesale.processes.worker import run_api_worker
    from livesale.settings import load_settings

    raise typer.Exit(run_api_worker(load_settings(), index))


def _serve(
    roles: set[str],
    redis: str | None,
    sql: str | None,
    data_dir: DataDir,
    host: str | None,
    port: int | None,
    workers: int | None,
    expose_dev: bool,
    *,
    seed: bool = False,
    cluster: int | None = None,
) -> None:
    if sys.stderr.isatty():  # print it first, because the imports take seconds
        print(f"livesale: starting {', '.join(sorted(roles))} …", file=sys.stderr, flush=True)
    from livesale.cli.faults import say
    from livesale.deployment.exposure import check_exposure
    from livesale.processes import run as run_roles
    from livesale.settings import load_settings

    settings = load_settings(
        redis__url=redis,
        sql__url=sql,
        data_dir=data_dir,
        http__host=host,
        http__port=port,
        http__workers=workers,
        http__expose_dev=expose_dev or None,
        seeds__on=seed,
    )
    if settings.probes.port:
        from livesale.errors import Refused

        problem = "it is for `livesale writer` and `livesale keeper`: the API answers by itself"
        raise Refused("LIVESALE__PROBES__PORT", problem, "Leave it out here.")
    if cluster is not None:
        from livesale.deployment.embedded_cluster import make_plan

        make_plan(settings, cluster)
    for sentence in check_exposure(settings):
        say(f"OPEN: {sentence}.", f"Other machines can reach {settings.http.host}.")
    raise typer.Exit(run_roles(settings, roles, settings.http.workers))
