"""Each Python that the package declares gets a wheel of every library: no compiler is needed."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import parse_wheel_filename

HOUSE = Path(__file__).parent.parent
PROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
DECLARED = [
    text.rpartition(" ")[2]
    for text in PROJECT["classifiers"]
    if text.startswith("Programming Language :: Python :: 3.")
]
PACKAGES: Mapping[str, Any] = {
    package["name"]: package
    for package in tomllib.loads((HOUSE / "uv.lock").read_text())["package"]
}


def needed(name: str, seen: set[str]) -> Iterator[str]:
    """The libraries that a package needs to run on Linux, and what these need."""
    for dependency in PACKAGES[name].get("dependencies", ()):
        found = dependency["name"]
        marker = dependency.get("marker", "")
        if found in seen or ("win32" in marker and "!=" not in marker):
            continue
        seen.add(found)
        yield found
        yield from needed(found, seen)


def has_wheel(name: str, python: str) -> bool:
    """Whether a wheel of a package fits this Python on 64-bit Linux."""
    minor = int(python.partition(".")[2])
    for wheel in PACKAGES[name].get("wheels", ()):
        *_, tags = parse_wheel_filename(wheel["url"].rpartition("/")[2])
        for tag in tags:
            here = tag.platform == "any" or tag.platform.endswith("linux_x86_64")
            here |= tag.platform.startswith("manylinux") and tag.platform.endswith("_x86_64")
            exact = tag.interpreter == f"cp3{minor}" and tag.abi in (f"cp3{minor}", "abi3", "none")
            stable = tag.abi == "abi3" and int(tag.interpreter.removeprefix("cp3") or 0) <= minor
            pure = tag.interpreter in ("py3", f"py3{minor}") and tag.abi == "none"
            if here and (exact or stable or pure):
                return True
    return False


def test_it_declares_every_python_from_the_oldest_on() -> None:
    assert PROJECT["requires-python"] == f">={DECLARED[0]}"
    assert [f"3.{minor}" for minor in range(11, 11 + len(DECLARED))] == DECLARED


@pytest.mark.parametrize("python", DECLARED)
def test_every_library_has_a_wheel_for_a_python(python: str) -> None:
    libraries = sorted(needed(PROJECT["name"], set()))
    assert len(libraries) > 20
    assert [name for name in libraries if not has_wheel(name, python)] == []
