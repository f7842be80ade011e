"""The built files of a face, in memory: only what is there when the process starts is ever sent.

The build has compressed them beside each file, as `.br` and `.gz`. A file under `assets/` has a
hash of its content in its name, so caches keep it for ever; the page that names it is asked for
anew each time.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from msgspec import Struct

from livesale.web.problems import Problem
from livesale.web.routes import Answer

PAGE = "index.html"
ASSETS = "assets"
_FOREVER = "public, max-age=31536000, immutable"
_ASK_ANEW = "no-cache"
_ENCODINGS = {"br": ".br", "gzip": ".gz"}  # the best one first
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}


def built_folder(face: str) -> Path:
    """The built files of a face: in the installed package, or beside it in a checkout."""
    packaged = Path(str(files("livesale"))) / "faces" / "dist" / face
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "faces" / "dist" / face


def page_headers(hosts: Iterable[str]) -> dict[str, str]:
    """The headers of a page: its own scripts only, and pictures and video of `hosts`, if any."""
    others = " ".join(sorted(hosts))
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "worker-src": "'self'",
        "style-src": "'self' 'unsafe-inline'",  # of elements: widths of bars, places of a swiper
        "img-src": "'self' data: https:",  # avatars and covers come from anywhere
        "font-src": "'self' data:",  # uni-app has its icons in its styles
        "media-src": f"'self' blob: {others}".rstrip(),
        "connect-src": f"'self' {others}".rstrip(),
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Referrer-Policy": "same-origin",
    }


class _File(Struct, frozen=True):
    """One file: its answers by encoding, and by the tag that a client has already."""

    tag: str
    answers: Mapping[str, Answer]
    same: Answer


class FaceFiles:
    """The files of one face; empty if it is not built."""

    def __init__(self, folder: Path, headers: Mapping[str, str]) -> None:
        self._files: dict[str, _File] = {}
        paths = folder.rglob("*") if folder.is_dir() else []
        for path in sorted(paths):
            if path.suffix in _TYPES and path.is_file():
                name = path.relative_to(folder).as_posix()
                self._files[name] = _read(path, headers if name == PAGE else {}, name)

    @property
    def names(self) -> list[str]:
        return list(self._files)

    def answer(self, name: str, asked: Mapping[str, str]) -> Answer:
        """The file, or 304. Raises Problem("unknown_file")."""
        found = self._files.get(name)
        if found is None:
            raise Problem("unknown_file")
        if found.tag in asked.get("If-None-Match", ""):
            return found.same
        accepted = _accepted(asked.get("Accept-Encoding", ""))
        for encoding in _ENCODINGS:
            if encoding in accepted and encoding in found.answers:
                return found.answers[encoding]
        return found.answers[""]


def _read(path: Path, headers: Mapping[str, str], name: str) -> _File:
    raw = path.read_bytes()
    tag = f'"{sha256(raw).hexdigest()[:24]}"'
    kept = _FOREVER if name.startswith(f"{ASSETS}/") else _ASK_ANEW
    common = {"Cache-Control": kept, "ETag": tag, "Vary": "Accept-Encoding", **headers}
    kind = _TYPES[path.suffix]
    answers = {"": Answer(200, raw, kind, common)}
    for encoding, suffix in _ENCODINGS.items():
        packed = path.with_name(path.name + suffix)
        if packed.is_file():
            weak = {**common, "ETag": f"W/{tag}", "Content-Encoding": encoding}
            answers[encoding] = Answer(200, packed.read_bytes(), kind, weak)
    return _File(tag, answers, Answer(304, b"", kind, common))


def _accepted(header: str) -> set[str]:
    """The encodings that an Accept-Encoding names, without those that it refuses."""
    found = set()
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            found.add(name.strip())
    return found
