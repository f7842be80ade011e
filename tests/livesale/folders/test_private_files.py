"""Nobody else on the machine can read the books, whichever command made them."""

import os
import stat
from pathlib import Path

import pytest
from sqlalchemy import text

from livesale.database import engine as database
from livesale.errors import Refused
from livesale.folders import private as private_files
from livesale.folders.private import make_data_folder, make_private_folder, real_path, too_open
from livesale.folders.run import open_run_folder


def modes(folder: Path) -> dict[str, int]:
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    return {".": stat.S_IMODE(folder.stat().st_mode), **found}


@pytest.fixture(autouse=True)
def _usual_umask() -> object:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize("url", ["embedded", "sqlite:///{}/livesale.sqlite3"])
@pytest.mark.parametrize("made", ["fresh", "too open"])
async def test_a_database_is_its_users_alone(tmp_path: Path, url: str, made: str) -> None:
    # given no folder, or one as an older version, or a hand, left it
    data = tmp_path / "var"
    if made == "too open":
        data.mkdir(mode=0o755)
        for name in ("livesale.sqlite3", "livesale.sqlite3-wal"):
            (data / name).touch(mode=0o644)
    # when the tables are made
    engine = database.connect(url.format(data), data)
    async with database.transaction(engine) as connection:
        await connection.execute(text("CREATE TABLE t (a)"))
        # then
        assert modes(data) == {
            ".": 0o700,
            "livesale.sqlite3": 0o600,
            "livesale.sqlite3-wal": 0o600,
            "livesale.sqlite3-shm": 0o600,
        }
    await engine.dispose()


async def test_locks_stay_when_a_second_session_is_opened(tmp_path: Path) -> None:
    # given a session that writes: POSIX drops all locks of a process at any close of the file
    engine = database.connect("embedded", tmp_path, timeout_ms=4_000)
    async with database.transaction(engine) as writer:
        await writer.execute(text("CREATE TABLE t (a)"))
        # when another session is opened, then the lock is still there
        async with database.transaction(engine, write=False) as reader:
            await reader.execute(text("SELECT 1"))
        other = database.connect("embedded", tmp_path, timeout_ms=4_000)
        with pytest.raises(Exception, match="locked"):
            async with database.transaction(other):
                pass
        await other.dispose()
    await engine.dispose()


def test_a_folder_with_other_things_in_it_keeps_its_mode(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    (home / "letters").touch()
    make_data_folder(home)
    assert modes(home)["."] == 0o755
    run = open_run_folder(home)
    assert (stat.S_IMODE(run.path.stat().st_mode), too_open([home])) == (0o700, [home])


def test_a_folder_that_everybody_may_write_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given another user's
    open_to_all = tmp_path / "shared"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with monkeypatch.context() as patch:
        patch.setattr(private_files.os, "geteuid", lambda: os.getuid() + 1)
        with pytest.raises(Refused, match="every user of this machine may write"):
            make_data_folder(open_to_all)
        # a temp dir is another thing: nobody can replace what is ours there
        open_to_all.chmod(0o1777)
        make_data_folder(open_to_all)
    # given our own, then it is closed
    open_to_all.chmod(0o777)
    make_data_folder(open_to_all)
    assert modes(open_to_all)["."] == 0o700


def test_what_is_another_users_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setattr(private_files.os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(Refused, match="belongs to another user"):
        make_private_folder(tmp_path / "run")


def test_links_in_a_circle_are_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(Refused) as caught:
        open_run_folder(tmp_path / "a")
    assert caught.value.setting == "LIVESALE__DATA_DIR"


@pytest.mark.parametrize("url", ["embedded", "sqlite:///{}/livesale.sqlite3"])
async def test_a_link_and_dots_lead_sql_where_they_lead_redis(tmp_path: Path, url: str) -> None:
    # given a folder whose text, shortened, would name another one that exists
    for name in ("far/data", "data"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "data")
    data = tmp_path / "link" / ".." / "data"
    # when the tables are made
    engine = database.connect(url.format(data), data)
    async with database.transaction(engine) as connection:
        await connection.execute(text("CREATE TABLE books (fen INTEGER)"))
    await engine.dispose()
    # then they are where the embedded Redis has its files
    assert (real_path(data) / "livesale.sqlite3").exists()
    assert not list((tmp_path / "data").iterdir())
