"""The quickstart, as its reader plays it: all blocks of one shell, on a running system."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.system import System

PAGE = Path(__file__).parents[2] / "docs/quickstart.md"
HERE = "http://127.0.0.1:8080"  # where the page expects the service


@pytest.mark.skipif(shutil.which("jq") is None, reason="the quickstart needs jq")
async def test_the_quickstart_does_what_it_says(tmp_path: Path) -> None:
    # given a running system, and what stands between its start and the reader's own stores
    page = PAGE.read_text(encoding="utf-8")
    told = page.partition("In a second terminal")[2].partition("\n## Your own")[0]
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", told, re.MULTILINE | re.DOTALL))
    assert HERE in script
    system = System(tmp_path)
    system.start()
    try:
        await system.wait_until_ready()

        # when its blocks are pasted, one after the other
        done = await asyncio.to_thread(paste, script, system, tmp_path)
    finally:
        system.stop()

    # then each step works, and what is refused is what the page says
    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    assert re.findall(r'"code":"(\w+)"', said) == ["idempotency_conflict", "over_limit"]
    assert '"result": "sold"' in said
    heard = re.findall(r'^{"offset":\d+,"type":"([\w.]+)"', said, re.MULTILINE)
    assert {"drop.opening", "comment"} <= set(heard)
    assert "The draw holds" in said
    assert '"state": "claimed"' in said
    assert '"state":"ended"' in said


def paste(script: str, system: System, folder: Path) -> "subprocess.CompletedProcess[str]":
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=script.replace(HERE, system.url).replace("/tmp/", f"{folder}/"),
        env=system.environment | {"PATH": programs},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
