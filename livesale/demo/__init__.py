"""The demo: a crowd buys through the real system, live on the terminal, audited at the end."""

from typing import TYPE_CHECKING

from livesale.demo.options import DemoOptions as DemoOptions
from livesale.demo.options import LiveOptions as LiveOptions
from livesale.demo.options import Options

if TYPE_CHECKING:
    from livesale.settings import Settings

__all__ = ["DemoOptions", "LiveOptions", "run"]


def run(settings: "Settings", options: Options) -> int:
    """Play the demo; the exit code. See livesale.demo.show."""
    # Imported here: the crowd's processes are in this package too, and need none of it.
    from livesale.demo.show import run as show

    return show(settings, options)
