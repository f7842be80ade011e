"""The naive design: one script call for each request.

The script takes one unit, once for each buyer, and queues the order, in one atomic step. It checks
nothing else, and Redis flushes once a second. The raw token is the buyer's id.
`python -m benchmarks.naive PORT REDIS_URL`; the stock is in `naive:<drop_id>:stock`.
"""

import sys

import uvloop
from aiohttp import web
from redis.asyncio import BlockingConnectionPool, Redis

CONNECTIONS = 128

SCRIPT = """
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return -2 end
local left = tonumber(redis.call('GET', KEYS[1]) or 0)
if left < 1 then return -1 end
redis.call('DECR', KEYS[1])
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('XADD', KEYS[3], '*', 'buyer', ARGV[1], 'quantity', ARGV[2])
return left - 1
"""
REFUSED = {-1: "sold_out", -2: "over_limit"}


def stock_key(drop_id: str) -> str:
    return f"naive:{drop_id}:stock"


def keys_of(drop_id: str) -> list[str]:
    """The keys of the script."""
    return [stock_key(drop_id), f"naive:{drop_id}:buyers", f"naive:{drop_id}:orders"]


def connect(url: str) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url, max_connections=CONNECTIONS, timeout=10, decode_responses=True
    )
    return Redis(connection_pool=pool)


def build(redis: Redis) -> web.Application:
    script = redis.register_script(SCRIPT)

    async def reserve(request: web.Request) -> web.Response:
        drop_id = request.match_info["drop_id"]
        body = await request.json()
        buyer = request.headers["Authorization"].removeprefix("Bearer ")
        left = int(await script(keys_of(drop_id), [buyer, body["quantity"]]))
        if left < 0:
            return web.json_response({"code": REFUSED[left]}, status=409)
        return web.json_response({"status": "held", "remaining": left}, status=201)

    app = web.Application()
    app.router.add_post("/v1/drops/{drop_id}/reservations", reserve)
    return app


def main() -> None:
    uvloop.install()
    web.run_app(
        build(connect(sys.argv[2])),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=None,
    )


if __name__ == "__main__":
    main()
