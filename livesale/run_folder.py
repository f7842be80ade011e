"""Where the unix sockets of a deployment are. No I/O.

A unix socket's path has at most 107 bytes, and data folders are sometimes deep: then a short
folder in the temp dir, named by a hash of the data folder, takes its place; in /tmp where the temp
dir is deep itself.
"""

import hashlib
import os
import tempfile
from pathlib import Path

MAX_SOCKET_PATH_BYTES = 100
_LONGEST_NAME = "keeper.4194304.sock"


def run_folder(data_dir: Path) -> Path:
    """`data_dir`/run, or its short stand-in: the same one for every process of the deployment."""
    folder = data_dir.absolute() / "run"
    if _fits(folder):
        return folder
    digest = hashlib.blake2b(os.fsencode(data_dir.absolute()), digest_size=8).hexdigest()
    name = f"livesale-{os.getuid()}-{digest}"
    short = Path(tempfile.gettempdir()) / name
    return short if _fits(short) else Path("/tmp") / name  # noqa: S108  only its owner can enter it


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / _LONGEST_NAME)) <= MAX_SOCKET_PATH_BYTES
