"""The flags that several commands share. Without a flag, the setting counts."""

from pathlib import Path
from typing import Annotated

from typer import Option

RedisUrl = Annotated[
    str | None,
    Option("--redis", metavar="URL", help="embedded, redis://, rediss:// or unix://"),
]
SqlUrl = Annotated[
    str | None, Option("--sql", metavar="URL", help="embedded, mysql://, mariadb:// or sqlite:///")
]
DataDir = Annotated[
    Path | None, Option("--data-dir", metavar="DIR", help="Folder of the embedded stores")
]
Host = Annotated[str | None, Option("--host", help="Address to listen on")]
ExposeDev = Annotated[
    bool,
    Option(
        "--expose-dev",
        help="In dev, allow other machines: they can act as anybody and pay without money",
    ),
]
Port = Annotated[int | None, Option("--port", min=0, max=65_535, help="Port; 0 picks a free one")]
Workers = Annotated[int | None, Option("--workers", min=1, max=64, help="API worker processes")]
Json = Annotated[bool, Option("--json", help="JSON instead of a table")]
Partitions = Annotated[
    str | None,
    Option("--partitions", metavar="LIST", help="Work on these only, such as 0-7 or 0-3,9"),
]
