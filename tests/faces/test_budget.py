"""What a phone loads before it shows a first screen, from the built files."""

import re
from pathlib import Path

import pytest

from scripts.faces import DIST

H5 = DIST / "h5"
MOST_BYTES = 200_000


@pytest.mark.parametrize("page", ["home", "room"])
def test_the_first_screen_is_light(page: str) -> None:
    """Whoever comes by a link begins in a room. `pytest -s` says the sizes."""
    sizes = {path.name: packed(path) for path in first_screen(page)}
    total = sum(sizes.values())
    print(f"first screen, {page}: {total:,} bytes in {len(sizes)} files")
    assert total <= MOST_BYTES, sizes
    # And hls.js is not in it: it is loaded when a picture needs it
    assert not any("hls" in name for name in sizes)
    assert any("hls" in path.name for path in (H5 / "assets").glob("*.js"))


def first_screen(page: str) -> set[Path]:
    """The document, its entry, and what the entry loads for this page."""
    document = (H5 / "index.html").read_text()
    names = re.findall(r'(?:src|href)="/shop/(assets/[^"]+)"', document)
    [entry] = [name for name in names if name.endswith(".js")]
    text = (H5 / entry).read_text()
    listed = re.search(r"viteFileDeps\s*=\s*\[([^\]]*)\]", text)
    found = re.search(rf'import\("\./pages-{page}-[^)]*\),__vite__mapDeps\(\[([\d,]+)\]', text)
    assert listed and found
    paths = re.findall(r'"([^"]+)"', listed[1])
    names += [paths[int(at)] for at in found[1].split(",")]
    return {H5 / "index.html", *(H5 / name for name in names)}


def packed(path: Path) -> int:
    """As it is sent: Chromium asks for gzip where there is no TLS, and Brotli is smaller."""
    small = path.with_name(path.name + ".gz")
    return (small if small.is_file() else path).stat().st_size
