"""The system's Chromium, with which tests, screenshots and benchmarks open pages."""

import shutil


def chromium() -> str:
    """Its path. Raises FileNotFoundError with what brings it."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser")  # the first starts quickest
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise FileNotFoundError("chromium is missing: `make test` installs it")
    return found
