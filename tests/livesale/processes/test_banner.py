"""What `livesale up` says: commands that can be typed as they stand."""

import sys
from pathlib import Path

import pytest

from livesale.processes.banner import banner, program
from livesale.settings import load_settings


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with an environment of its own, which is not on PATH; we are in it."""
    bin_folder = tmp_path / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "livesale").write_text("#!/bin/sh\n")
    (bin_folder / "livesale").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bin_folder / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_program_on_path_goes_by_its_name(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(house / ".venv/bin"))
    assert program() == "livesale"


def test_a_program_beside_path_goes_by_its_path(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert program() == ".venv/bin/livesale"
    monkeypatch.chdir(house / ".venv/bin")
    assert program() == "./livesale"
    (house / "elsewhere").mkdir()
    monkeypatch.chdir(house / "elsewhere")
    assert program() == str(house / ".venv/bin/livesale")


def test_another_livesale_on_path_is_not_ours(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = house / "other"
    other.mkdir()
    (other / "livesale").write_text("#!/bin/sh\n")
    (other / "livesale").chmod(0o755)
    monkeypatch.setenv("PATH", str(other))
    assert program() == ".venv/bin/livesale"


def test_the_banner_names_stores_and_commands(house: Path) -> None:
    shown = banner(load_settings(data_dir=house), {"api", "writer", "keeper"}, 1, 1.23)
    assert "1 API worker + writer + keeper" in shown
    assert "embedded Valkey and SQLite" in shown
    assert ".venv/bin/livesale token --buyer alice" in shown
    assert "on stores of its own" in shown


def test_the_banner_opens_the_shop_and_the_console(house: Path) -> None:
    settings = load_settings(data_dir=house, http__port=8_123)
    shown = banner(settings, {"api", "writer", "keeper"}, 1, 1.23, "s3cret").split()
    assert "http://127.0.0.1:8123/shop" in shown
    assert "http://127.0.0.1:8123/console#login=s3cret" in shown
    # Without a link, as outside dev, the console's address stands by itself
    assert "http://127.0.0.1:8123/console" in banner(settings, {"api"}, 1, 1.23).split()
