"""Folders and files that only the user of the service may open: they hold the books.

livesale creates folders with 0700 and databases with 0600. If an existing one is more open,
livesale corrects it if it is certainly ours, and refuses it otherwise: a folder that others can
write to is no place for books.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from livesale.errors import Refused

DATA_DIR = "LIVESALE__DATA_DIR"
OTHERS = 0o077  # rights of group and world
EMBEDDED_FILE = "livesale.sqlite3"
COMPANIONS = ("-wal", "-shm", "-journal")  # of an SQLite database
_OURS = {"redis", "run", "media", EMBEDDED_FILE, *(EMBEDDED_FILE + each for each in COMPANIONS)}
_CURE = "Name another data folder."


def real_path(data_dir: Path) -> Path:
    """The data folder without links and `..`: one name for it in all processes. Raises Refused."""
    try:
        return data_dir.resolve()
    except (OSError, RuntimeError) as error:  # links that lead in a circle
        raise Refused(DATA_DIR, f"cannot use {data_dir}: {error}", _CURE) from None


def make_data_folder(folder: Path, setting: str = DATA_DIR) -> None:
    """Make the folder of a deployment, or check the one that exists. Raises Refused.

    A mounted volume may belong to somebody else, or hold other things: its mode stays as it is. A
    folder that holds nothing but our files is tightened to 0700.
    """
    _make(folder, setting)
    found = folder.stat()
    everybody_writes = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
    if everybody_writes and found.st_uid != os.geteuid():
        cure = f"Run `chmod o-w {folder}` as its owner, or name another."
        raise Refused(setting, f"every user of this machine may write to {folder}", cure)
    if found.st_mode & OTHERS and found.st_uid == os.geteuid():
        only_ours = set(os.listdir(folder)) <= _OURS
        with suppress(OSError):  # a file system without modes: the doctor says what is open
            if only_ours:
                folder.chmod(0o700)
            elif everybody_writes:
                folder.chmod(found.st_mode & ~stat.S_IWOTH)


def make_private_folder(folder: Path, setting: str = DATA_DIR) -> None:
    """Make a folder of our own, 0700, or tighten ours. Raises Refused for a link or another's."""
    _make(folder, setting)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise Refused(setting, f"{folder} is a link or a file, not a folder of ours", _CURE)
    if found.st_uid != os.geteuid():
        raise Refused(setting, f"{folder} belongs to another user", _CURE)
    if found.st_mode & OTHERS:
        try:
            folder.chmod(0o700)
        except OSError as error:
            problem = f"{folder} cannot be closed to other users: {error.strerror}"
            raise Refused(setting, problem, _CURE) from None


def make_private_database(path: Path, setting: str) -> None:
    """Make an SQLite file that only we can read, or tighten it, before SQLite opens it.

    SQLite gives its companions the mode of the file. An existing file is never opened here: closing
    it again would drop the locks that this process has on it. Raises Refused.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        cure = "Name another file, or correct the rights."
        raise Refused(setting, f"cannot write {path}: {error.strerror}", cure) from None
    for each in database_files(path):
        try:
            if each.stat().st_mode & OTHERS:
                each.chmod(0o600)
        except FileNotFoundError:
            continue
        except OSError:
            if each.stat().st_mode & stat.S_IRWXO:
                problem = f"every user of this machine may read {each}, which is another user's"
                raise Refused(setting, problem, f"Run `chmod 600 {each}` as its owner.") from None


def database_files(path: Path) -> list[Path]:
    """An SQLite file and what SQLite keeps beside it."""
    return [path, *(path.with_name(path.name + each) for each in COMPANIONS)]


def too_open(paths: list[Path]) -> list[Path]:
    """Those that group or world can use in some way. Missing ones are left out."""
    return [path for path in paths if path.exists() and path.stat().st_mode & OTHERS]


def _make(folder: Path, setting: str) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.stat()
    except OSError as error:
        raise Refused(setting, f"cannot use {folder}: {error.strerror}", _CURE) from None
