"""Whether embedded stores have any data: commands that only read must not create them."""

from pathlib import Path

from livesale.errors import Refused
from livesale.folders.private import EMBEDDED_FILE
from livesale.settings import Settings

CURE = "Start `livesale up`, or name your stores with --redis and --sql."


def is_blank(settings: Settings) -> bool:
    """Whether the settings ask for embedded stores and none of these was ever started."""
    kept: list[Path] = []
    if settings.redis.url == "embedded":
        kept.append(settings.data_dir / "redis")
    if settings.sql.url == "embedded":
        kept.append(settings.data_dir / EMBEDDED_FILE)
    return bool(kept) and not any(path.exists() for path in kept)


def blank(settings: Settings) -> str:
    """That it is so, in words."""
    return f"nothing runs in {settings.data_dir.resolve()} and there is no data"


def refuse_blank(settings: Settings) -> None:
    """Raises Refused where there is nothing to look at."""
    if is_blank(settings):
        raise Refused("LIVESALE__DATA_DIR", blank(settings), CURE)
