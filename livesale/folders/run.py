"""The folder of a deployment's unix sockets: `run` in its data folder.

Only its owner can enter it. All processes meet there, whatever name of the data folder and whatever
temporary folder each was given: nothing is in a shared folder. The path of a unix socket has at
most 107 bytes, and data folders can be deep: a process for which the path is too long holds the
folder open and reaches it through /proc/self/fd.
"""

import os
from pathlib import Path
from typing import NamedTuple

from livesale.errors import Refused
from livesale.folders.private import DATA_DIR, make_data_folder, make_private_folder, real_path

MAX_SOCKET_PATH_BYTES = 100
_LONGEST_NAME = "keeper.4194304.sock"

_held: dict[Path, int] = {}  # folders with a long path → descriptor, for the life of the process


class Reach(NamedTuple):
    """A path to the folder that is short enough. A child must inherit `fd` to use the path."""

    path: Path
    fd: int | None = None


def run_folder(data_dir: Path) -> Path:
    """The folder, by its whole path. Nothing is made. Raises Refused."""
    return real_path(data_dir) / "run"


def open_run_folder(data_dir: Path) -> Reach:
    """Make the folder, or check that it is ours, and say how to reach it. Raises Refused."""
    folder = run_folder(data_dir)
    make_data_folder(folder.parent)
    make_private_folder(folder)
    if _fits(folder):
        return Reach(folder)
    fd = _held.get(folder)
    if fd is None or not os.path.samestat(os.fstat(fd), folder.stat()):
        fd = _held[folder] = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    short = Path(f"/proc/self/fd/{fd}")
    if not short.exists():
        problem = f"{folder} is too long for the path of a socket, and there is no /proc"
        raise Refused(DATA_DIR, problem, "Name a data folder with a shorter path.")
    return Reach(short, fd)


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / _LONGEST_NAME)) <= MAX_SOCKET_PATH_BYTES
