"""Connections that died while nobody used them: in every pool the next user notices nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text

from livesale.database import engine as database
from livesale.wechat.client import open_session
from stock.connection import connect, next_message
from stock.gateway import RedisEngine
from stock.ids import random_rid
from stock.keyspace import Keyspace
from stock.model import Attempt, DropTerms, ReserveCode
from tests.faults.proxy import Ending, Proxy
from tests.ports import free_port
from tests.servers import MariaDB, Valkey

DROPS = [f"drop{number}" for number in range(8)]
CONNECTIONS = 16
ALL = pytest.mark.parametrize("ending", list(Ending))


@pytest.fixture
async def proxy(redis_server: Valkey) -> AsyncIterator[Proxy]:
    """In front of Redis, on a port."""
    proxy = Proxy(free_port(), redis_server.socket)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def client(proxy: Proxy, redis: Redis) -> AsyncIterator[Redis]:
    """An empty Redis by way of the proxy."""
    client = connect(f"redis://127.0.0.1:{proxy.address}", connections=CONNECTIONS, timeout_s=5)
    yield client
    await client.aclose()


@pytest.fixture
async def selling(client: Redis) -> RedisEngine:
    """An engine with eight drops on sale."""
    keyspace = Keyspace(1)
    await client.set(keyspace.epoch(0), 1)
    engine = RedisEngine(client, keyspace, {0: 1})
    await engine.load_scripts()
    now = await engine.now_ms()
    terms = DropTerms(now, now + 10**7, 60_000, 5, 100, 1_000)
    await asyncio.gather(*(engine.open_drop(drop_id, terms) for drop_id in DROPS))
    return engine


async def seen(proxy: Proxy) -> None:
    """Let the loop see what became of the sockets."""
    for _ in range(3):
        await asyncio.sleep(0.01)


@ALL
async def test_a_sale_that_opens_after_a_quiet_time(
    selling: RedisEngine, proxy: Proxy, ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: spare connections and those of the pool, all quiet, all dead
    async def buy(drop_id: str, buyer: str) -> str:
        attempts = [Attempt(random_rid(drop_id), buyer)]
        return (await selling.reserve(drop_id, attempts)).outcomes[0].code

    await asyncio.gather(*(buy(drop_id, f"a{n}") for drop_id in DROPS for n in range(2)))
    monkeypatch.setattr("stock.connection.QUIET_S", 0.0)
    proxy.end_all(ending)
    ended = proxy.ended
    await seen(proxy)
    # when
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    codes = await asyncio.gather(*(buy(drop_id, f"b{n}") for drop_id in DROPS for n in range(2)))
    # then: nobody is told, and the wait for silent ones is paid once
    assert set(codes) == {ReserveCode.HELD}
    assert ended > 4  # more than the engine's spare ones
    assert loop.time() - began_s < 3.0


@ALL
async def test_a_client_of_redis(
    client: Redis, proxy: Proxy, ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    await asyncio.gather(*(client.set(f"k{n}", n) for n in range(CONNECTIONS)))
    monkeypatch.setattr("stock.connection.QUIET_S", 0.0)
    proxy.end_all(ending)
    await seen(proxy)
    # when
    found = await asyncio.gather(*(client.get(f"k{n}") for n in range(CONNECTIONS)))
    # then
    assert found == [str(n) for n in range(CONNECTIONS)]


async def test_a_connection_in_use_is_not_asked(selling: RedisEngine, redis: Redis) -> None:
    # given
    await redis.config_resetstat()
    # when
    for number in range(100):
        await selling.reserve(DROPS[0], [Attempt(random_rid(DROPS[0]), f"b{number}")])
        await selling.redis.get("k")
    # then
    assert "cmdstat_ping" not in await redis.info("commandstats")


@ALL
async def test_a_subscription(
    client: Redis, proxy: Proxy, ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr("stock.connection.LISTEN_S", 0.05)
    pubsub = client.pubsub()
    await pubsub.ssubscribe("news")
    assert (await next_message(pubsub))["type"] == "ssubscribe"
    hearing = asyncio.create_task(next_message(pubsub))
    # when: it is silent for a while, and then there is a message
    await asyncio.sleep(0.2)
    await client.spublish("news", "one")
    # then
    assert (await asyncio.wait_for(hearing, 5))["data"] == "one"
    # when
    proxy.end_all(ending)
    # then: whoever listens is told, and subscribes again
    with pytest.raises(RedisError):
        await asyncio.wait_for(next_message(pubsub), 5)
    await pubsub.aclose()


@ALL
async def test_a_pool_of_sql(
    mariadb_server: MariaDB, mariadb_url: str, tmp_path: str, ending: Ending
) -> None:
    # given
    proxy = Proxy(free_port(), mariadb_server.socket)
    await proxy.start()
    name = mariadb_url.partition("?")[0].rpartition("/")[2]
    sql = database.connect(f"mysql://root@127.0.0.1:{proxy.address}/{name}", tmp_path, 5)

    async def ask() -> int:
        async with database.transaction(sql, write=False) as connection:
            return (await connection.execute(text("SELECT SLEEP(0.01) + 7"))).scalar_one()

    try:
        await asyncio.gather(*(ask() for _ in range(5)))
        proxy.end_all(ending)
        ended = proxy.ended
        await seen(proxy)
        # when
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        found = await asyncio.gather(*(ask() for _ in range(20)))
        # then
        assert found == [7] * 20
        assert ended == 5
        assert loop.time() - began_s < 5.0
    finally:
        await sql.dispose()
        await proxy.stop()


@ALL
async def test_a_client_of_a_service_outside(
    ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr("livesale.wechat.client.QUIET_S", 0.05)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="paid")

    app = web.Application()
    app.router.add_post("/pay", answer)
    runner, port = web.AppRunner(app), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    proxy = Proxy(free_port(), port)
    await proxy.start()
    async with open_session() as session:

        async def pay() -> str:
            async with session.post(f"http://127.0.0.1:{proxy.address}/pay") as reply:
                return await reply.text()

        try:
            await asyncio.wait_for(pay(), 5)
            await asyncio.sleep(0.1)
            proxy.end_all(ending)
            await seen(proxy)
            # when
            found = await asyncio.wait_for(pay(), 5)
            # then
            assert found == "paid"
            assert proxy.opened == 2
        finally:
            await proxy.stop()
            await runner.cleanup()


async def test_the_kernel_watches_every_tcp_connection(selling: RedisEngine) -> None:
    import socket

    connection = await selling.redis.connection_pool.get_connection()
    sock = connection._writer.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
    await selling.redis.connection_pool.release(connection)
