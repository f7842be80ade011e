"""The command that writes the mini-program for WeChat's devtools."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from livesale.cli.flags import Json


def mini_program(
    appid: Annotated[str, Option(metavar="wx…", help="AppID of your mini-program")],
    api: Annotated[str, Option(metavar="https://…", help="Where your service is, for phones")],
    out: Annotated[Path, Option(metavar="DIR", help="The folder to write")] = Path("mini-program"),
    dev: Annotated[
        bool, Option("--dev", help="Allow http and this machine: only for WeChat's devtools")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write the buyer's mini-program as a folder that WeChat's devtools open and upload.

    It needs no Node and no running service. docs/mini-program.md goes on from there.
    """
    import msgspec

    from livesale.faces.files import built_folder
    from livesale.faces.mini_program import write_folder

    written = write_folder(built_folder("mp-weixin"), out, appid=appid, address=api, dev=dev)
    if as_json:
        typer.echo(msgspec.json.encode(written).decode())
        return
    typer.echo(f"{written.folder}: {written.files} files, {written.bytes // 1000} KB")
    typer.echo(f"Open it in WeChat's devtools. It asks {written.api}.")
    if not dev:
        typer.echo("Allow these domains at mp.weixin.qq.com, Development settings:")
        for kind, domain in written.domains.items():
            typer.echo(f"  {kind:<13} {domain}")
