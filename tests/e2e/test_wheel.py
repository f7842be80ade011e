"""The wheel: installed into an empty environment, far from the repository, it sells."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from livesale.settings import PREFIX
from tests.e2e.test_demo import SMALL

REPOSITORY = Path(__file__).parents[2]
ALL_PROMISES = {f"I{number}" for number in range(1, 12)}
UV = REPOSITORY / "scripts" / "uv.sh"


def run(*command: str | Path, cwd: Path) -> str:
    """Its output; fails with what it said on stderr."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        outside.pop(name, None)
    done = subprocess.run(command, cwd=cwd, env=outside, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel and what it depends on, as locked."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=REPOSITORY)
    [wheel] = folder.glob("*.whl")
    locked = folder / "locked.txt"
    run(
        *(UV, "export", "--locked", "--quiet", "--no-dev", "--no-emit-project", "--no-hashes"),
        *("--output-file", locked),
        cwd=REPOSITORY,
    )
    python = folder / "venv" / "bin" / "python"
    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
    run(
        *(UV, "pip", "install", "--quiet", "--python", python, "--constraint", locked, wheel),
        cwd=folder,
    )
    return python.parent


@pytest.mark.timeout(300)
def test_the_wheel_works_outside_the_repository(installed: Path, tmp_path: Path) -> None:
    livesale = installed / "livesale"
    # given an installation that does not borrow from the repository
    where = run(installed / "python", "-c", "import stock; print(stock.__file__)", cwd=tmp_path)
    assert str(REPOSITORY) not in where
    # then it has its scripts, its configuration and its migrations
    assert run(livesale, "--version", cwd=tmp_path).startswith("livesale ")
    findings = json.loads(run(livesale, "doctor", "--json", cwd=tmp_path))
    assert {finding["topic"] for finding in findings if finding["verdict"] == "good"} >= {
        "redis",
        "durability",
        "sql",
        "tables",
        "partitions",
    }
    # and it knows the load tests, and what they need
    assert "flash_spike" in run(livesale, "load", "--list", cwd=tmp_path)
    bare = subprocess.run(
        [livesale, "load", "soak"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (bare.returncode, bare.stdout) == (2, "")
    assert bare.stderr.splitlines() == [
        "livesale: load tests need Locust. Install it: pip install 'livesale[load]'"
    ]
    # and its demo sells all, and every promise holds
    shown = json.loads(run(livesale, "demo", *SMALL, "--json", cwd=tmp_path))
    assert shown["ok"] is True
    assert [check for check in shown["checks"] if check["wrong"]] == []
    figures = shown["figures"]
    assert (figures["sold"], figures["people"]) == (40, 400)
    assert figures["answers"]["201 held"] == figures["orders"] >= figures["buyers_served"] > 0
    assert {check["invariant"] for check in shown["audit"] if check["ok"]} >= ALL_PROMISES
    assert figures["samples"] > 20
