"""Runs `livesale audit` after a round: the figures count only if every promise held."""

import json
import os
import subprocess
import sys

from livesale.settings import Settings, as_environment

SETTLE_S = 300


def audit(settings: Settings) -> str:
    """Wait for the writer, then check every promise. Raises RuntimeError if one is broken."""
    done = subprocess.run(  # noqa: S603  ours
        [sys.executable, "-m", "livesale", "audit", "--json", "--settle", str(SETTLE_S)],
        env=os.environ | as_environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the audit found something:\n{done.stdout}{done.stderr[-2000:]}")
    checks = json.loads(done.stdout)
    seen = next(check["detail"] for check in checks if check["invariant"] == "I4")
    return f"{len(checks)} checks hold: {seen}"
