"""`python -m loadtests.openloop`: what it refuses, what it prints, what it writes."""

import asyncio
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from loadtests import openloop
from loadtests.open_loop.logins import log_in
from loadtests.tokens import NoTokens
from tests.loadtests.answering import answering, response
from tests.ports import free_port


@pytest.mark.parametrize("url", ["http://192.0.2.1:8080", "http://203.0.113.9", "ftp://127.0.0.1"])
def test_a_target_that_is_not_ours_is_refused_in_one_line(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert openloop.main([url, "--rate", "10"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1
    assert said.err.startswith("openloop: ")


@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_unreachable_target_ends_in_one_line(
    processes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert openloop.main([url, "--rate", "10", "--processes", processes]) == 2
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1
    assert f"{url} cannot be reached" in said.err


def test_a_file_without_tokens_ends_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tokens").touch()
    rest = ["--rate", "10", "--drop", "d", "--tokens", str(tmp_path / "tokens")]
    assert openloop.main(["http://127.0.0.1:9", *rest]) == 2
    assert capsys.readouterr().err == f"openloop: {tmp_path / 'tokens'} has no tokens.\n"


async def test_a_sweep_prints_writes_and_draws(tmp_path: Path) -> None:
    # Given a shop that knows its buyers by their tokens
    buyers: list[bytes] = []

    async def sell(request: bytes) -> bytes:
        buyers.append(request.split(b"Bearer ")[1].split(b"\r\n")[0])
        return response(201)

    (tmp_path / "tokens").write_text("\n".join(f"t{number}" for number in range(100)))

    # When two processes drive it at two rates
    async with answering(sell) as target:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loadtests.openloop", target.url, "--sweep", "100,200"),
            *("--seconds", "0.2", "--processes", "2", "--connections", "4"),
            *("--drop", "d1", "--tokens", str(tmp_path / "tokens")),
            *("--json", str(tmp_path / "figures.json"), "--svg", str(tmp_path / "curve.svg")),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()

    # Then each request was another buyer's, over both runs
    assert process.returncode == 0
    assert len(buyers) == len(set(buyers)) == 60

    # And the figures are printed, written and drawn
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [(run["rate"], run["due"], run["answered"]) for run in figures] == [
        (100, 20, 20),
        (200, 40, 40),
    ]
    assert b"offered/s" in out and b"201" in out
    picture = (tmp_path / "curve.svg").read_text()
    assert "<script" not in picture and 'xlink:href="http' not in picture
    assert ElementTree.fromstring(picture).tag.endswith("svg")


async def test_without_tokens_buyers_log_in_first() -> None:
    async def give_token(request: bytes) -> bytes:
        name = json.loads(request.split(b"\r\n\r\n")[1])["code"]
        return response(201, json.dumps({"token": f"token-of-{name}"}).encode())

    async with answering(give_token) as target:
        tokens = await log_in(target, 50)
    assert len(set(tokens)) == 50
    assert all(token.startswith("token-of-load-") for token in tokens)


async def test_without_a_dev_login_tokens_must_come_from_a_file() -> None:
    async def refuse(_: bytes) -> bytes:
        return response(403, b'{"code":"provider_off"}')

    async with answering(refuse) as target:
        with pytest.raises(NoTokens, match=r"provider_off.*livesale token --buyers 50.*--tokens"):
            await log_in(target, 50)
