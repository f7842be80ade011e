"""The naive design on FastAPI and uvicorn: what most would write first in Python today.

The same script as benchmarks.naive, one call for each request, with the library's own reading of
the body; uvloop and httptools, no access log.
`python -m benchmarks.naive_fastapi PORT REDIS_URL`
"""

import sys
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from redis.asyncio import Redis

from benchmarks.naive import REFUSED, SCRIPT, connect, keys_of


class NewReservation(BaseModel):
    quantity: int


def build(redis: Redis) -> FastAPI:
    script = redis.register_script(SCRIPT)
    app = FastAPI(openapi_url=None)

    @app.post("/v1/drops/{drop_id}/reservations", status_code=201)
    async def reserve(
        drop_id: str, wanted: NewReservation, authorization: Annotated[str, Header()]
    ) -> Any:
        buyer = authorization.removeprefix("Bearer ")
        left = int(await script(keys_of(drop_id), [buyer, wanted.quantity]))
        if left < 0:
            return JSONResponse({"code": REFUSED[left]}, status_code=409)
        return {"status": "held", "remaining": left}

    return app


def main() -> None:
    uvicorn.run(
        build(connect(sys.argv[2])),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )


if __name__ == "__main__":
    main()
