"""A checkout runs wherever it is made."""

import shutil
import subprocess
from pathlib import Path

HOUSE = Path(__file__).parent.parent


def test_a_clone_that_is_told_to_write_crlf_runs(tmp_path: Path) -> None:
    # given a repository with our attributes and all that make and the service read
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    origin.mkdir()
    for name in ("scripts", "lua", "config"):
        shutil.copytree(HOUSE / name, origin / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".gitattributes", "Makefile"):
        shutil.copy(HOUSE / name, origin / name)
    git(origin, "init", "-q")
    git(origin, "add", "-A")
    git(origin, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "all")
    # when it is cloned as on Windows
    git(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", str(origin), str(clone))
    # then no file has another line end
    made = [path for path in clone.rglob("*") if path.is_file() and ".git" not in path.parts]
    assert made
    assert [path for path in made if b"\r\n" in path.read_bytes()] == []
    done = subprocess.run(["make", "-n", "help"], cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)
