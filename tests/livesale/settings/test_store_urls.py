"""Options in the URLs of stores: each is known, or refused by its name."""

from pathlib import Path

import pytest

from livesale.errors import Refused
from livesale.settings import load_settings
from livesale.settings.checks import hide_password
from tests.certificates import Authority


@pytest.mark.parametrize(
    ("setting", "url", "said"),
    [
        ("redis__url", "redis://h?nonsense=5", "no option 'nonsense'; the options are db"),
        ("redis__url", "redis://h?password=hunter2", "user:password@host"),
        ("redis__url", "redis://h?ssl_ca_certs=/ca.pem", "without TLS; begin with rediss://"),
        ("redis__url", "rediss://h?ssl_cert_reqs=none", "always verified"),
        ("redis__url", "rediss://h?ssl_check_hostname=false", "always compared"),
        ("redis__url", "rediss://h?ssl_ca_cert=/ca.pem", "did you mean ssl_ca_certs?"),
        ("redis__url", "rediss://h?ssl_ca_certs=/no/such.pem", "/no/such.pem: No such file"),
        ("redis__url", "redis://h/shop", "give the number of a Redis database, not 'shop'"),
        ("redis__url", "redis://h?db=-1", "number of a Redis database"),
        ("redis__url", "redis://h?db=1&db=2", "db is given twice"),
        ("redis__url", "unix:///s?socket_timeout=3", "set TIMEOUT_MS"),
        ("redis__url", "sentinel://h/shop/x", "number of a"),
        ("redis__url", "sentinel://h/shop?nonsense=1", "no option 'nonsense'"),
        ("redis__url", "sentinel://h/a;redis://h", "after ; another sentinel://"),
        ("redis__url", "sentinel://h/a;sentinel://h/b?x=1", "no option 'x'"),
        ("redis__url", "cluster://h/1", "one database"),
        ("redis__url", "cluster://h?db=1", "no option 'db'"),
        ("redis__url", "cluster://h?ssl_ca_certs=/ca.pem", "begin with rediss://"),
        ("redis__loader_url", "redis://h?nonsense=5", "no option 'nonsense'"),
        ("sql__url", "mysql://u@h/d?ssl_mode=REQUIRED", "no option 'ssl_mode'; write ssl=true"),
        ("sql__url", "mysql://u@h/d?ssl=false", "ssl can only be true"),
        ("sql__url", "mysql://u@h/d?ssl_ca=/no/such.pem", "/no/such.pem: No such file"),
        ("sql__url", "mysql://u@h/d?ssl_ca=", "ssl_ca is empty"),
        ("sql__url", "mysql://u@h/d?ssl_key=/k.pem", "ssl_key needs ssl_cert"),
        ("sql__url", "mysql://u@h/d?charset=latin1", "charset is always utf8mb4"),
        ("sql__url", "mysql://u@h/d?init_command=DROP", "no option 'init_command'"),
        ("sql__url", "mysql://u@h/d?unix_socket=/s&ssl=true", "stays on this machine"),
        ("sql__url", "mariadb://u@h/d?pool_size=5", "set CONNECTIONS"),
        ("sql__url", "sqlite:///x.db?mode=ro", "no option 'mode', and no other"),
    ],
)
def test_an_option_that_nobody_knows_is_refused_by_name(setting: str, url: str, said: str) -> None:
    # given an address with such an option, when the settings are read, then it is named
    with pytest.raises(Refused) as caught:
        load_settings(**{setting: url})
    assert caught.value.setting == f"LIVESALE__{setting.upper()}"
    assert said in caught.value.problem


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("redis__url", "redis://:pass@h:1/2"),
        ("redis__url", "unix:///some/socket?db=3"),
        ("redis__url", "sentinel://a:1,b:2/shop/3"),
        ("redis__url", "sentinel://[::1]:1,[::2]:2/shop"),
        ("redis__url", "sentinels://[::1],b/shop/3"),
        ("redis__url", "rediss://h"),
        ("redis__url", "sentinel://a:1,b:2/x;sentinel://c/y"),
        ("redis__url", "cluster://u:p%40@a:1,[::1]:2"),
        ("redis__url", "clusters://a"),
        ("sql__url", "mysql://u:p%40@h/d?charset=utf8mb4"),
        ("sql__url", "mariadb://u@localhost/d?unix_socket=/run/mysqld/mysqld.sock"),
        ("sql__url", "mysql+aiomysql://u@h/d?ssl=true"),
    ],
)
def test_what_is_documented_is_taken(setting: str, url: str) -> None:
    # given an address as the docs write it, when the settings are read, then it stays as it is
    section, _, name = setting.partition("__")
    assert getattr(getattr(load_settings(**{setting: url}), section), name) == url


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("redis__url", "redis://:se/cret@h:1/0"),
        ("redis__url", "redis://:12/cret@h:1/0"),
        ("redis__url", "redis://:se#cret@h:1/0"),
        ("redis__url", "redis://:se[cret@h:1/0"),
        ("redis__url", "sentinel://u:se?cret@h:1/shop"),
        ("sql__url", "mysql://u:se/cret@h/d"),
    ],
)
def test_a_password_that_ends_the_host_is_refused_and_not_shown(setting: str, url: str) -> None:
    # given a password with a character that has a meaning in addresses
    # when the settings are read, then the refusal says how to write it, and shows no part of it
    with pytest.raises(Refused) as caught:
        load_settings(**{setting: url})
    assert "%2F" in caught.value.problem
    assert "cret" not in str(caught.value)
    assert "'se'" not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("redis__url", "redis://h:1/0?password=secret"),
        ("redis__url", "redis://h:1/0?pasword=secret&db=1"),
        ("sql__url", "mysql://h/d?ssl=true&passwd=secret"),
    ],
)
def test_a_password_among_the_options_is_not_shown(setting: str, url: str) -> None:
    # given a password as an option, when the settings are read, then the refusal hides it
    with pytest.raises(Refused) as caught:
        load_settings(**{setting: url})
    assert "no option 'pas" in caught.value.problem
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://h:1/0?db=2", "sqlite:////x@y/z", "unix:///a:b@c"])
def test_an_address_without_a_password_is_shown_whole(url: str) -> None:
    assert hide_password(url) == url


def test_files_of_tls_are_looked_at_before_the_start(tmp_path: Path) -> None:
    # given files that are no certificates, and a key that belongs to another one
    authority = Authority(tmp_path)
    cert, _ = authority.issue("client")
    _, other_key = authority.issue("other")
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    # when they are named, then the settings are refused, and the file is named
    for options, named in (
        (f"ssl_ca_certs={nothing}", nothing),
        (f"ssl_ca_certs={authority.ca}&ssl_certfile={nothing}", nothing),
        (f"ssl_certfile={cert}&ssl_keyfile={other_key}", cert),
    ):
        with pytest.raises(Refused, match=f"{named}: not a PEM file"):
            load_settings(redis__url=f"rediss://h?{options}")
