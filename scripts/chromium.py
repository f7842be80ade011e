"""The system's Chromium, which tests, screenshots and benchmarks open pages with."""

import shutil


def chromium() -> str:
    """Its path. Raises FileNotFoundError with what brings it."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise FileNotFoundError("chromium is missing: `make test` installs it")
    return found
