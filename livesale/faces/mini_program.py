"""Writes the folder that WeChat's devtools open: the built mini-program, with an appid and an API.

The folder is written beside its place and renamed, so devtools that watch it never see half of it.
A list of its files is kept in it: a file that is not on the list, or that somebody has changed, is
not ours, and nothing is written then.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from livesale.errors import Refused

ADDRESS_FILE = "config.js"
PROJECT_FILE = "project.config.json"
LIST_FILE = ".livesale-files.json"
THEIRS = {"project.private.config.json"}  # devtools write it: it is kept
DEV_HOSTS = {"localhost", "127.0.0.1"}

_NEEDED = {"app.js", "app.json", ADDRESS_FILE, PROJECT_FILE}
_APPID = re.compile(r"wx[0-9a-f]{16}").fullmatch
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*").fullmatch
_BUILT_ADDRESS = re.compile(r'exports\.API_ADDRESS\s*=\s*"(https://[a-z.]+\.invalid)"').search
_WRITTEN = """\
// Written by `livesale mini-program`: where the service is.
"use strict";
exports.API_ADDRESS = {address};
"""


class FolderRefused(Refused):
    """Nothing was written. `code` is stable: scripts may depend on it."""

    def __init__(self, code: str, problem: str, cure: str) -> None:
        super().__init__(code, problem, cure)
        self.code = code


class WrittenFolder(Struct, frozen=True):
    """What the command prints. `domains` go into the settings of the mini-program."""

    folder: str
    appid: str
    api: str
    files: int
    bytes: int
    domains: Mapping[str, str]


def check_appid(appid: str) -> str:
    """Raises FolderRefused("bad_appid")."""
    if not _APPID(appid):
        cure = "It is `wx` and 16 digits or letters a to f: mp.weixin.qq.com shows it in Settings."
        raise FolderRefused("bad_appid", f"{appid[:40]!r} is no AppID of a mini-program", cure)
    return appid


def check_address(address: str, *, dev: bool = False) -> str:
    """The origin of the service, without a slash at its end. Raises FolderRefused("bad_api").

    `dev` also allows http, and this machine.
    """
    cure = "Give the origin of your service, such as https://shop.example.com."

    def refuse(problem: str, cure: str = cure) -> FolderRefused:
        return FolderRefused("bad_api", f"{address[:80]!r} {problem}", cure)

    try:
        url = urlsplit(address)
        host, port = (url.hostname or ""), url.port
    except ValueError:
        raise refuse("is no address") from None
    if dev and url.scheme == "http" and host in DEV_HOSTS:
        pass
    elif url.scheme != "https":
        more = " For a try on this machine use --dev." if host in DEV_HOSTS else ""
        raise refuse("does not begin with https://", cure + more)
    elif _is_ip(host) or not _HOST(host):
        raise refuse("names no domain", "WeChat takes domains only: no IP address, no localhost.")
    if url.username is not None or url.path not in ("", "/") or url.query or url.fragment:
        raise refuse("is more than an origin")
    # WeChat takes an address with `:443` for another domain.
    named = port is not None and (url.scheme, port) != ("https", 443)
    return f"{url.scheme}://{host}" + (f":{port}" if named else "")


def write_folder(
    built: Path, out: Path, *, appid: str, address: str, dev: bool = False
) -> WrittenFolder:
    """Write the mini-program that was built in `built` to `out`.

    Checks everything before it writes. Raises FolderRefused.
    """
    check_appid(appid)
    address = check_address(address, dev=dev)
    files = _read_build(built)
    out = _place_of(out)
    kept = _check_ours(out)
    files[ADDRESS_FILE] = _WRITTEN.format(address=json.dumps(address)).encode()
    files[PROJECT_FILE] = _project(files[PROJECT_FILE], kept.get(PROJECT_FILE), appid, dev)
    listed = {name: sha256(content).hexdigest() for name, content in sorted(files.items())}
    kept_as_it_is = {name: kept[name] for name in THEIRS & kept.keys()}
    whole = files | kept_as_it_is | {LIST_FILE: _json({"files": listed})}
    try:
        _put(out, whole)
    except OSError as fault:
        raise FolderRefused(
            "not_writable",
            f"cannot write {out}: {fault.strerror}",
            "Correct the rights, or name another folder with --out.",
        ) from None
    socket = re.sub("^http", "ws", address)
    domains = {
        "request": address,
        "socket": socket,
        "uploadFile": address,
        "downloadFile": address,
    }
    size = sum(len(content) for content in files.values())
    return WrittenFolder(str(out), appid, address, len(files), size, domains)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _read_build(built: Path) -> dict[str, bytes]:
    """The built files, by name. Raises FolderRefused("no_build")."""
    files = dict(_read(built)) if built.is_dir() else {}
    missing = sorted(_NEEDED - files.keys())
    if missing:
        raise FolderRefused(
            "no_build",
            f"{built} has no {missing[0]}",
            "Install livesale again, or run `make faces` in a checkout.",
        )
    if not _BUILT_ADDRESS(files[ADDRESS_FILE].decode(errors="replace")):
        raise FolderRefused(
            "no_build", f"{built / ADDRESS_FILE} has no place for the address", "Run `make faces`."
        )
    return files


def _read(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _place_of(out: Path) -> Path:
    """Where the folder is, without links. Raises FolderRefused("bad_out")."""
    cure = "Name a new folder with --out."
    try:
        place = out.expanduser().resolve()
    except (OSError, RuntimeError) as fault:
        raise FolderRefused("bad_out", f"cannot use {out}: {fault}", cure) from None
    if place.exists() and not place.is_dir():
        raise FolderRefused("bad_out", f"{place} is a file", cure)
    if place == Path.cwd() or place in Path.cwd().parents:
        raise FolderRefused("bad_out", f"{place} is the folder in which you work", cure)
    return place


def _check_ours(out: Path) -> dict[str, bytes]:
    """What we may take over from a folder of an earlier run. Raises FolderRefused."""
    if not out.is_dir() or not any(out.iterdir()):
        return {}
    try:
        found = dict(_read(out))
        strange = [path for path in out.rglob("*") if not (path.is_dir() or path.is_file())]
        strange += [path for path in out.rglob("*") if path.is_symlink()]
    except OSError as fault:
        problem = f"cannot read {out}: {fault.strerror}"
        raise FolderRefused("not_ours", problem, "Name another folder with --out.") from None
    listed = _listed(found.get(LIST_FILE))
    if listed is None:
        raise FolderRefused(
            "not_ours",
            f"{out} is not empty, and `livesale mini-program` has not written it",
            "Name another folder with --out.",
        )
    added = [name for name in found if name not in {*listed, LIST_FILE, *THEIRS}]
    added += [path.relative_to(out).as_posix() for path in strange]
    if added:
        raise FolderRefused(
            "files_added",
            f"somebody put {_some(added)} into {out}",
            "Take them out, or name another folder with --out.",
        )
    changed = [
        name
        for name, content in found.items()
        if name in listed and name != PROJECT_FILE and sha256(content).hexdigest() != listed[name]
    ]
    if changed:
        raise FolderRefused(
            "files_changed",
            f"somebody has changed {_some(changed)} in {out}",
            "Changes belong into faces/buyer: delete the folder, or name another with --out.",
        )
    return {name: found[name] for name in {PROJECT_FILE, *THEIRS} & found.keys()}


def _listed(raw: bytes | None) -> dict[str, str] | None:
    try:
        return msgspec.json.decode(raw or b"", type=dict[str, dict[str, str]])["files"]
    except (msgspec.MsgspecError, KeyError):
        return None


def _project(built: bytes, own: bytes | None, appid: str, dev: bool) -> bytes:
    """The project file: what devtools made of it stays, but for what this command decides."""
    try:
        project: dict[str, Any] = json.loads(own if own is not None else built)
        setting = dict(project.get("setting") or {})
    except (ValueError, TypeError, AttributeError):
        raise FolderRefused(
            "files_changed", f"{PROJECT_FILE} of the folder is no JSON any more", "Delete it."
        ) from None
    setting["urlCheck"] = not dev
    unpacked = [{"type": "file", "value": LIST_FILE}]
    pack = {**(project.get("packOptions") or {}), "ignore": unpacked}
    return _json(project | {"appid": appid, "setting": setting, "packOptions": pack})


def _put(out: Path, files: Mapping[str, bytes]) -> None:
    """Write all files beside the folder, and put them in its place."""
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        new, old = work / "new", work / "old"
        for name, content in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if out.exists():
            os.rename(out, old)
        try:
            os.rename(new, out)
        except OSError:
            if old.exists():
                os.rename(old, out)
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"


def _some(names: list[str]) -> str:
    rest = len(names) - 3
    return ", ".join(sorted(names)[:3]) + (f" and {rest} more" if rest > 0 else "")
