"""The yardstick for HTTP: aiohttp, uvloop, and a route that answers constant JSON.

A second route reads the body of a reservation and answers the same: the cost of aiohttp alone.

`python -m benchmarks.hello PORT`
"""

import sys

import uvloop
from aiohttp import web

BODY = b'{"hello":"world"}'


async def hello(_request: web.Request) -> web.Response:
    return web.Response(body=BODY, content_type="application/json")


async def read(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=BODY, content_type="application/json")


def main() -> None:
    uvloop.install()
    app = web.Application()
    app.router.add_get("/", hello)
    app.router.add_post("/v1/drops/{drop_id}/reservations", read)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
