"""The preload shim: compiled by the tests, steered through a page of shared memory."""

import mmap
import os
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
# The fields of `struct control` in shim.c, in order; each is 8 bytes.
FIELDS = (
    "sync_delay_us",
    "sync_errno",
    "write_errno",
    "clock_offset_us",
    "syncs",
    "synced_inode",
    "synced_bytes",
)


def compile_shim(folder: Path) -> Path:
    """The shared object. Raises CalledProcessError without a C compiler."""
    target = folder / "shim.so"
    command = ["cc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(target), str(SOURCE)]
    subprocess.run([*command, "-ldl"], check=True)
    return target


class Shim:
    """One process's shim: what it is told to do, and what it has seen."""

    def __init__(self, folder: Path, name: str, library: Path) -> None:
        path = folder / f"{name}.control"
        path.write_bytes(bytes(8 * len(FIELDS)))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 8 * len(FIELDS))
        self.environment = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "FAULTS_CONTROL": str(path),
        }

    def get(self, field: str) -> int:
        at = 8 * FIELDS.index(field)
        return int.from_bytes(self._page[at : at + 8], "little", signed=True)

    def set(self, field: str, value: int) -> None:
        at = 8 * FIELDS.index(field)
        self._page[at : at + 8] = value.to_bytes(8, "little", signed=True)

    def heal(self) -> None:
        """Everything as it should be."""
        for field in ("sync_delay_us", "sync_errno", "write_errno", "clock_offset_us"):
            self.set(field, 0)
