"""A whole deployment as a user starts it: `livesale up` on a folder of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp

from livesale.folders.run import run_folder
from livesale.settings import load_settings
from livesale.tokens.signing import TokenSigner

START_S = 60.0
SETTLE_S = 30.0


class Up:
    """`livesale up --port 0`; `environment` are settings besides."""

    def __init__(self, data_dir: Path, workers: int = 2, **environment: str) -> None:
        self.data_dir = data_dir
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("LIVESALE")},
            "LIVESALE__DATA_DIR": str(data_dir),
            **environment,
        }
        self.workers = workers
        self.seeds = False  # whether a shop is made in its empty stores
        self.url = ""
        self.said: list[str] = []
        self.errors = data_dir.parent / f"{data_dir.name}.err"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait for its banner."""
        workers = str(self.workers)
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "livesale", "up"),
                    "--seed" if self.seeds else "--no-seed",
                    *("--port", "0", "--workers", workers),
                ],
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            found = re.search(r"livesale is up at (http://[0-9.:]+)", line)
            if found:
                self.url = found[1]
            if "Ctrl-C" in line:
                return
        raise RuntimeError(f"it did not come up: {self.errors.read_text()[-3000:]}")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal the supervisor and wait for its end; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=SETTLE_S)

    def close(self) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def processes(self) -> set[int]:
        """Every living process of this data folder. Valkey overwrites its environment and works
        in its folder; its title may lack the folder, for a long path goes through /proc."""
        variable = f"LIVESALE__DATA_DIR={self.data_dir}\0".encode()
        folder = str(self.data_dir.resolve() / "redis")
        pids = map(int, filter(str.isdigit, os.listdir("/proc")))
        return {pid for pid in pids if _has(pid, variable, folder)}

    def socket_pids(self) -> dict[str, int]:
        """Process name → pid, by the sockets of the metrics."""
        paths = run_folder(self.data_dir).glob("*.*.sock")
        parts = (path.name.split(".") for path in paths)
        return {name: int(pid) for name, pid, _ in parts}

    def client(self) -> aiohttp.ClientSession:
        """Calls the API as an operator."""
        token = TokenSigner.from_settings(load_settings()).operator("test")
        return aiohttp.ClientSession(self.url, headers={"Authorization": f"Bearer {token}"})

    async def open_drop(self, units: int) -> str:
        """Put units on sale at once; the drop's id."""
        async with self.client() as http:
            now_ms = (await (await http.get("/v1/time")).json())["server_ms"]
            sku = await _post(http, "/v1/admin/skus", {"title": "Cup", "price_fen": 100})
            times = {"opens_ms": now_ms - 1000, "closes_ms": now_ms + 600_000}
            campaign = await _post(http, "/v1/admin/campaigns", {"title": "Now", **times})
            terms = {"price_fen": 100, "allotted": units, "buyer_limit": 5, "hold_ms": 300_000}
            names = {"campaign_id": campaign["campaign_id"], "sku_id": sku["sku_id"]}
            drop = await _post(http, "/v1/admin/drops", {**names, **terms})
            await _post(http, f"/v1/admin/drops/{drop['drop_id']}/open", None)
            return str(drop["drop_id"])


async def _post(http: aiohttp.ClientSession, path: str, body: object) -> dict[str, str]:
    kind = {"json": body} if body is not None else {}
    async with http.post(path, **kind) as answer:  # type: ignore[arg-type]
        assert answer.status in (200, 201), await answer.text()
        found: dict[str, str] = await answer.json()
        return found


def _has(pid: int, variable: bytes, folder: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        works_in = os.readlink(f"/proc/{pid}/cwd")
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z" and (variable in environment or works_in == folder)
