"""The release before this one, as it was: what runs beside this one during an upgrade.

It is taken from the history of this repository and not kept as a wheel: so it is exactly what was
released, nothing binary lies in the tree, and it runs on the packages of this environment.
"""

import subprocess
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
PREVIOUS = "c9bce724786a49488d5d34757627aab0ebb17b1f"
PARTS = ("livesale", "stock", "lua", "config", "pyproject.toml")


def export_previous(folder: Path) -> Path:
    """Write the previous release into a folder that PYTHONPATH may name; the folder."""
    if _git("cat-file", "-e", f"{PREVIOUS}^{{commit}}").returncode:
        pytest.fail(
            f"the history here does not reach back to {PREVIOUS}, the release before this one: "
            "run `git fetch --unshallow`, or check out with the full history"
        )
    return export(PREVIOUS, folder / "previous", *PARTS)


def export(revision: str, folder: Path, *parts: str) -> Path:
    """Write a revision of this repository, or parts of it, into a new folder; the folder.

    Raises CalledProcessError.
    """
    folder.mkdir()
    packed = folder.with_suffix(".tar")
    _git("archive", f"--output={packed}", revision, *parts).check_returncode()
    # Not tarfile: Python has its safe `filter` only since 3.11.4.
    subprocess.run(["tar", "-xf", str(packed), "-C", str(folder)], check=True)
    packed.unlink()
    return folder


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-c", f"safe.directory={HOUSE}", "-C", str(HOUSE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
