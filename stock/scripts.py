"""Loads the Lua scripts: inserts their includes, parses their headers, computes their SHA1.

A script is `lua/<feature>/<verb>.lua`; a line `--!include name` is replaced by
`lua/includes/name.lua`. A missing, repeated or circular include is refused when the process starts,
not during a sale. The header of a script names its keys and arguments; callers pass them by name,
so a wrong order is impossible.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from msgspec import Struct

from stock.errors import ScriptError

# The folders of the engine's scripts, which write the log of a partition; the others belong to
# features.
ENGINE = ("stock", "line")

_INCLUDE = re.compile(r"^--!include (\w+)$", re.MULTILINE)
_SECTION = re.compile(r"^-- (KEYS|ARGV|RETURNS|LOGS) {2,}(.*)$")
_NAME = re.compile(r"^(\d+) (\w+)(\.\.\.)?(?: {2,}\S.*)?$")


class Script(Struct, frozen=True):
    """One script, ready for EVALSHA. `repeats`: the last argument is a list."""

    name: str
    source: str
    sha: str
    keys: tuple[str, ...]
    args: tuple[str, ...]
    repeats: bool

    def arrange(
        self, keys: Mapping[str, str], args: Mapping[str, str | int], rest: Sequence[str | int] = ()
    ) -> list[str | int]:
        """The EVALSHA arguments, in the order of the header.

        Raises KeyError if the caller does not pass a key or argument of the header.
        """
        named = self.args[:-1] if self.repeats else self.args
        return [
            "EVALSHA",
            self.sha,
            len(self.keys),
            *[keys[name] for name in self.keys],
            *[args[name] for name in named],
            *rest,
        ]


def lua_folder() -> Path:
    """The folder of the scripts: in the installed package, or beside it in a checkout."""
    packaged = Path(str(files("stock"))) / "lua"
    return packaged if packaged.is_dir() else packaged.parent.parent / "lua"


def load(name: str, folder: Path | None = None, replace: Mapping[str, str] | None = None) -> Script:
    """One script; those of the package are read once. `replace` gives other text for an include:
    tests swap the clock with it.

    Raises ScriptError with the file and the reason.
    """
    if folder is None:
        return _of_the_package(name, tuple(sorted((replace or {}).items())))
    return _read(name, folder, replace or {})


def load_engine(
    folder: Path | None = None, replace: Mapping[str, str] | None = None
) -> dict[str, Script]:
    """The engine's scripts: those that move stock by verb, the others as `line/<verb>`.

    Raises ScriptError.
    """
    named = {name.removeprefix("stock/"): name for name in _names(folder) if _is_engine(name)}
    return {verb: load(name, folder, replace) for verb, name in named.items()}


def load_features(
    folder: Path | None = None, replace: Mapping[str, str] | None = None
) -> dict[str, Script]:
    """All other scripts, by `<feature>/<verb>`. Raises ScriptError."""
    kept = [name for name in _names(folder) if not _is_engine(name)]
    return {name: load(name, folder, replace) for name in kept}


def _is_engine(name: str) -> bool:
    return name.partition("/")[0] in ENGINE


def _names(folder: Path | None) -> tuple[str, ...]:
    return _list(folder) if folder else _list_of_the_package()


def _list(folder: Path) -> tuple[str, ...]:
    paths = sorted(folder.glob("*/*.lua"))
    return tuple(
        f"{path.parent.name}/{path.stem}" for path in paths if path.parent.name != "includes"
    )


@cache
def _list_of_the_package() -> tuple[str, ...]:
    return _list(lua_folder())


@cache
def _of_the_package(name: str, replace: tuple[tuple[str, str], ...]) -> Script:
    return _read(name, lua_folder(), dict(replace))


def _read(name: str, folder: Path, replace: Mapping[str, str]) -> Script:
    path = folder / f"{name}.lua"
    if not path.is_file():
        raise ScriptError(f"{path.name}: no such script")
    text = path.read_text(encoding="utf-8")
    keys, args, repeats = _header(path.name, text)
    source = _paste(text, path.name, folder / "includes", replace, set(), ())
    sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    return Script(name=name, source=source, sha=sha, keys=keys, args=args, repeats=repeats)


def _paste(
    text: str,
    origin: str,
    includes: Path,
    replace: Mapping[str, str],
    pasted: set[str],
    above: tuple[str, ...],
) -> str:
    def include(match: re.Match[str]) -> str:
        name = match[1]
        if name in above:
            raise ScriptError(f"{origin}: include {name} is circular")
        if name in pasted:
            raise ScriptError(f"{origin}: include {name} is repeated")
        path = includes / f"{name}.lua"
        if name not in replace and not path.is_file():
            raise ScriptError(f"{origin}: include {name} is missing")
        body = replace.get(name) or path.read_text(encoding="utf-8")
        pasted.add(name)
        return _paste(body, origin, includes, replace, pasted, (*above, name)).rstrip("\n")

    return _INCLUDE.sub(include, text)


def _header(origin: str, text: str) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """The names of KEYS and ARGV in the header, in order."""
    lines = text.split("\n")
    if not lines[0].startswith("#!lua"):
        raise ScriptError(f"{origin}: the first line must be #!lua, so that undeclared keys fail")
    names: dict[str, list[str]] = {}
    section, repeats = "", False
    for line in lines[1:]:
        if not line.startswith("--"):
            break
        start = _SECTION.match(line)
        if start:
            section = start[1]
            names[section] = []
        content = start[2] if start else line.removeprefix("--").strip()
        entry = _NAME.match(content.strip())
        if section in ("KEYS", "ARGV") and entry:
            if int(entry[1]) != len(names[section]) + 1:
                raise ScriptError(f"{origin}: {section} {entry[1]} is out of order in the header")
            names[section].append(entry[2])
            repeats = repeats or bool(entry[3])
    missing = {"KEYS", "ARGV", "RETURNS", "LOGS"} - names.keys()
    if missing:
        raise ScriptError(f"{origin}: the header lacks {', '.join(sorted(missing))}")
    return tuple(names["KEYS"]), tuple(names["ARGV"]), repeats
