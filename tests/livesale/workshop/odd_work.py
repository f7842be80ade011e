"""Work that goes wrong in each way: run by a Workshop in tests."""

import os
import sys
import time
from collections.abc import Sequence

from livesale.workshop.bench import WorkRefused, serve


def _work(raw: bytes, arguments: Sequence[str]) -> bytes:
    match arguments[0]:
        case "hang":
            time.sleep(3_600)
        case "crash":
            os.abort()
        case "eat":
            return bytes(4 << 30)
        case "write":
            with open("/dev/shm/odd-work", "wb") as file:
                file.write(raw)
        case "flood":
            return bytes(2_000)
        case "refuse":
            raise WorkRefused("odd", "because")
    return raw[::-1]


if __name__ == "__main__":
    serve(_work)
    sys.exit(1)
