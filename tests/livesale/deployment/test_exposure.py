"""What dev leaves open stays on this machine, unless somebody says otherwise."""

import os
from pathlib import Path

import pytest

from livesale.deployment.exposure import check_exposure
from livesale.errors import Refused
from livesale.settings import load_settings
from tests.forks import run_livesale

SECRET = "0123456789abcdef0123456789ABCDEF"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "::ffff:192.0.2.7", "fe80::1"])
def test_dev_is_not_shown_to_other_machines(host: str) -> None:
    with pytest.raises(Refused) as caught:
        check_exposure(load_settings(http__host=host))
    assert caught.value.setting == "LIVESALE__HTTP__HOST"
    for door in ("sign an operator's token", "log in as any buyer", "pay without money"):
        assert door in caught.value.problem
    assert len(check_exposure(load_settings(http__host=host, http__expose_dev=True))) == 3


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1"])
def test_dev_is_for_this_machine(host: str) -> None:
    assert check_exposure(load_settings(http__host=host)) == []


def test_one_open_door_is_enough() -> None:
    safe = {"http__host": "0.0.0.0", "auth__secret": SECRET, "auth__dev_login": False}
    with pytest.raises(Refused, match="pay without money"):
        check_exposure(load_settings(**safe))


def test_prod_is_for_everybody() -> None:
    prod = {"env": "prod", "auth__secret": SECRET, "payments__allow_simulated": True}
    assert check_exposure(load_settings(**prod, http__host="0.0.0.0")) == []


@pytest.mark.parametrize("way", ["flag", "environment"])
def test_serve_and_up_refuse(tmp_path: Path, way: str) -> None:
    command = ["serve", "--port", "0"]
    environment = {**os.environ, "LIVESALE__DATA_DIR": str(tmp_path)}
    if way == "flag":
        command = ["up", *command[1:], "--host", "0.0.0.0"]
    else:
        environment["LIVESALE__HTTP__HOST"] = "::"
    done = run_livesale(*command, env=environment)
    assert done.returncode == 2
    assert "LIVESALE__HTTP__HOST: other machines can reach" in done.stderr
    assert "--expose-dev" in done.stderr
