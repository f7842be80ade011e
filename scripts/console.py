"""`python -m scripts.console check|build`: types and the built files of the operator's console.

Built files are committed, so that nobody needs Node to run the service.
"""

import sys

from scripts.faces import (
    DIST,
    FACES,
    Failed,
    compress,
    files_in,
    hash_files,
    install,
    keep,
    make_types,
    npm,
)

CONSOLE = FACES / "console"
BUILT_FROM = DIST / "console" / ".from-sources"


def hash_sources() -> str:
    """What the built files depend on."""
    return hash_files([*files_in(CONSOLE), *files_in(FACES / "core")])


def check() -> None:
    """Check its types against the API as it is now."""
    make_types()
    install(CONSOLE)
    npm("run", "check", folder=CONSOLE)


def build() -> None:
    """Build it anew, compress it, and put it where the service finds it."""
    install(CONSOLE)
    npm("run", "build", folder=CONSOLE)
    keep(CONSOLE / "dist", "console")
    compress("console")
    BUILT_FROM.write_text(hash_sources() + "\n")


_COMMANDS = {"check": check, "build": build}

if __name__ == "__main__":
    try:
        _COMMANDS[sys.argv[1]]()
    except Failed as failed:
        sys.exit(str(failed))
