"""`livesale mini-program`: a folder for WeChat's devtools, or nothing."""

import json
import os
from pathlib import Path

import pytest

from livesale.faces.files import built_folder
from livesale.faces.mini_program import (
    ADDRESS_FILE,
    LIST_FILE,
    PROJECT_FILE,
    FolderRefused,
    WrittenFolder,
    write_folder,
)
from tests.command import Run, refused, succeeded

APPID, API = "wx0123456789abcdef", "https://shop.example.com"
BUILT = built_folder("mp-weixin")


def write(out: Path, api: str = API, *, dev: bool = False) -> WrittenFolder:
    return write_folder(BUILT, out, appid=APPID, address=api, dev=dev)


def state_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_folder_is_the_build_with_an_appid_and_an_address(
    livesale: Run, tmp_path: Path
) -> None:
    # When an operator writes it
    out = tmp_path / "shops" / "mine"
    flags = ["--appid", APPID, "--api", f"{API}/", "--out", str(out)]
    said = succeeded(livesale("mini-program", *flags))
    # Then it is the build, but for two files
    found, built = state_of(out), state_of(BUILT)
    differs = {name for name in found.keys() | built.keys() if found.get(name) != built.get(name)}
    assert differs == {ADDRESS_FILE, PROJECT_FILE, LIST_FILE}
    # And it has the appid and the address, once
    project = json.loads(found[PROJECT_FILE])
    assert (project["appid"], project["setting"]["urlCheck"]) == (APPID, True)
    assert f'exports.API_ADDRESS = "{API}";' in found[ADDRESS_FILE].decode()
    assert not [name for name, content in found.items() if b".invalid" in content]
    # And it says which domains WeChat must allow
    assert f"request       {API}" in said
    assert "socket        wss://shop.example.com" in said
    # And nothing is left beside it
    assert os.listdir(out.parent) == ["mine"]


def test_a_second_time_writes_it_anew_and_keeps_what_devtools_wrote(tmp_path: Path) -> None:
    # Given a folder that devtools have used
    out = tmp_path / "mine"
    write(out)
    (out / "project.private.config.json").write_text('{"private": 1}')
    project = json.loads((out / PROJECT_FILE).read_bytes()) | {"libVersion": "3.9.0"}
    (out / PROJECT_FILE).write_text(json.dumps(project))
    # When it is written again, for another service
    write(out, "https://other.example.com:8443")
    # Then the address is new, and the settings of devtools are there
    assert b"https://other.example.com:8443" in (out / ADDRESS_FILE).read_bytes()
    assert (out / "project.private.config.json").read_text() == '{"private": 1}'
    assert json.loads((out / PROJECT_FILE).read_bytes())["libVersion"] == "3.9.0"
    assert os.listdir(tmp_path) == ["mine"]


@pytest.mark.parametrize(
    ("name", "code"),
    [("notes.txt", "files_added"), ("pages/mine.js", "files_added"), ("app.js", "files_changed")],
)
def test_what_somebody_wrote_is_never_lost(tmp_path: Path, name: str, code: str) -> None:
    out = tmp_path / "mine"
    write(out)
    (out / name).write_text("mine")
    before = state_of(out)
    with pytest.raises(FolderRefused) as refusal:
        write(out)
    assert refusal.value.code == code
    assert name in refusal.value.problem
    assert state_of(out) == before


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    for out, code in [(tmp_path, "not_ours"), (tmp_path / "letter.txt", "bad_out")]:
        with pytest.raises(FolderRefused) as refusal:
            write(out)
        assert refusal.value.code == code
    with pytest.raises(FolderRefused, match="bad_out"):
        write(Path("."))
    assert state_of(tmp_path) == {"letter.txt": b"dear"}


@pytest.mark.parametrize(
    "appid", ["", "wx123", "WX0123456789ABCDEF", "wx0123456789abcdeg", "wx0123456789abcdef\n"]
)
def test_only_an_appid_is_an_appid(livesale: Run, tmp_path: Path, appid: str) -> None:
    flags = ["--api", API, "--out", str(tmp_path / "x")]
    refused(livesale("mini-program", "--appid", appid, *flags), 2, "bad_appid", "mp.weixin.qq.com")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "api",
    [
        "http://shop.example.com",
        "https://",
        "https://10.0.0.1",
        "https://[::1]",
        "https://localhost",
        "https://shop.example.com/api",
        "https://shop.example.com?x=1",
        "https://ann:secret@shop.example.com",
        "https://shop_1.example.com",
        "https://店.example.com",
        "https://shop.example.com:99999",
        'https://shop.example.com";alert(1)//',
        "wss://shop.example.com",
        "shop.example.com",
    ],
)
def test_only_an_https_origin_is_an_address(tmp_path: Path, api: str) -> None:
    with pytest.raises(FolderRefused) as refusal:
        write(tmp_path / "x", api)
    assert refusal.value.code == "bad_api"
    assert os.listdir(tmp_path) == []


def test_the_usual_port_is_left_out_because_wechat_takes_it_for_another_domain(
    tmp_path: Path,
) -> None:
    assert write(tmp_path / "x", "https://Shop.Example.com:443/").api == API


def test_dev_allows_this_machine_and_nothing_else(tmp_path: Path) -> None:
    written = write(tmp_path / "x", "http://127.0.0.1:8000", dev=True)
    assert written.domains["socket"] == "ws://127.0.0.1:8000"
    assert json.loads((tmp_path / "x" / PROJECT_FILE).read_bytes())["setting"]["urlCheck"] is False
    with pytest.raises(FolderRefused, match="bad_api"):
        write(tmp_path / "y", "http://shop.example.com", dev=True)


def test_a_disk_that_refuses_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a folder, and a disk on which the second rename fails
    out = tmp_path / "mine"
    write(out)
    before = state_of(out)
    rename, calls = os.rename, 0

    def fail(source: Path, target: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    # When it is written anew
    with pytest.raises(FolderRefused, match="not_writable"):
        write(out, "https://other.example.com")
    # Then it is as it was, and nothing is left beside it
    assert state_of(out) == before
    assert os.listdir(tmp_path) == ["mine"]


def test_without_a_build_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "built").mkdir()
    with pytest.raises(FolderRefused, match="no_build"):
        write_folder(tmp_path / "built", tmp_path / "x", appid=APPID, address=API)
