"""The demo: people of `loadtests` buy through the real system, drawn live, audited at the end."""

from typing import TYPE_CHECKING

from livesale.demo.options import DemoOptions as DemoOptions

if TYPE_CHECKING:
    from livesale.settings import Settings

__all__ = ["DemoOptions", "run"]


def run(settings: "Settings", options: DemoOptions) -> int:
    """Run the demo; returns the exit code. See livesale.demo.show."""
    # Imported here, because `livesale --help` does not need it.
    from livesale.demo.show import run as show

    return show(settings, options)
