"""Metrics: one registry per process; any API worker shows all of them together.

Every process serves its own samples on a unix socket in the run folder, and a brief of them: see
`livesale.telemetry.briefs`. `exposition()` asks all siblings at once, adds the label
`process="api-0"` and renders everything: there are no wrong sums, and a dead process leaves nothing
behind. (prometheus_client's own multiprocess mode keeps the files of dead processes.)
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from livesale.folders.run import open_run_folder
from livesale.settings import Settings
from livesale.tasks import TABLE, Tasks, Works
from livesale.telemetry import briefs
from livesale.telemetry.briefs import SILENT, Brief

__all__ = [
    "CONTENT_TYPE",
    "REGISTRY",
    "exposition",
    "sample_own",
    "serve",
    "siblings_down",
    "take_briefs",
]

REGISTRY = CollectorRegistry(auto_describe=False)
ProcessCollector(registry=REGISTRY)
REGISTRY.register(TABLE)

FAST_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)

BUILD = Gauge("livesale_build_info", "The version of livesale", ["version"], registry=REGISTRY)
LOOP_LAG_S = Gauge(
    "livesale_event_loop_lag_seconds",
    "The longest delay of the event loop in the last seconds",
    registry=REGISTRY,
)
LOG_REPEATED = Counter(
    "livesale_log_repeated_total",
    "Log lines that were counted but not printed: too many of one event in a second",
    ["level"],
    registry=REGISTRY,
)

_ANSWER_TIMEOUT_S = 1.0
_MAX_ANSWER_BYTES = 8 * 1024 * 1024
_ALL, _BRIEF = b"all\n", b"brief\n"  # what one process asks the other for
_QUESTION_S = 0.05  # an earlier release asks nothing, and gets all
_LAG_TICK_S = 0.1
_LAG_WINDOW_TICKS = 50


class Sample(msgspec.Struct, array_like=True, frozen=True):
    name: str
    labels: dict[str, str]
    value: float


class Family(msgspec.Struct, array_like=True, frozen=True):
    name: str
    documentation: str
    type: str
    samples: list[Sample]


_decoder = msgspec.msgpack.Decoder(list[Family])
_place: tuple[Path, str] | None = None  # the run folder and the name of this process


@asynccontextmanager
async def serve(settings: Settings, process: str) -> AsyncIterator[None]:
    """Serve this process's samples to its siblings and watch its event loop, while open."""
    global _place
    BUILD.labels(version("livesale")).set(1)
    folder = open_run_folder(settings.data_dir).path
    # With the pid in the name, removing a dead file never hits that of a restarted process.
    path = folder / f"{process}.{os.getpid()}.sock"
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(_answer, path)
    _place = (folder, process)
    try:
        async with Tasks() as tasks:
            tasks.keep("metrics: loop lag", _watch_loop)
            yield
    finally:
        _place = None
        server.close()
        path.unlink(missing_ok=True)


async def exposition() -> bytes:
    """All families of all living processes of this deployment on this machine, as Prometheus text.

    A sibling that does not answer within a second is left out and shows as
    `livesale_process_up 0`; a dead one is removed.
    """
    if _place is None:
        return generate_latest(_Merged([("local", sample_own())]))
    shown = await take_all()
    merged = _Merged(shown.items())
    merged.add_up({name: 1.0 if families else 0.0 for name, families in shown.items()})
    return generate_latest(merged)


async def take_all() -> dict[str, list[Family]]:
    """The families of all living processes here; none of one that does not answer in a second."""
    own = "local" if _place is None else _place[1]
    answers = await _ask_siblings(_ALL)
    return {own: sample_own()} | {name: _families(found) for name, found in answers.items()}


async def take_briefs() -> dict[str, Brief]:
    """The briefs of all living processes here, this one first."""
    own = "local" if _place is None else _place[1]
    answers = await _ask_siblings(_BRIEF)
    return {own: briefs.own()} | {
        name: briefs.decode(found) if found else SILENT for name, found in answers.items()
    }


def siblings_down(found: Mapping[str, Brief]) -> list[str]:
    """Faults of the other processes on this machine: failing background tasks, and processes that
    do not answer within a second."""
    down = []
    for process, brief in list(found.items())[1:]:
        if not brief.answers:
            down.append(f"{process} does not answer")
        down += [f"{process}: {task}" for task in brief.down]
    return down


async def _ask_siblings(question: bytes) -> dict[str, bytes]:
    """The answers of the other processes by name; empty for one that does not answer."""
    if _place is None:
        return {}
    folder, process = _place
    own = f"{process}.{os.getpid()}.sock"
    paths = sorted(path for path in folder.glob("*.*.sock") if path.name != own)
    answers = await asyncio.gather(*(_ask(path, question) for path in paths))
    found: dict[str, bytes] = {}
    for path, answer in zip(paths, answers, strict=True):
        if answer is None:
            continue
        name, pid, _ = path.name.rsplit(".", 2)
        if name == process or name in found:
            name = f"{name}-{pid}"
        found[name] = answer
    return found


def _families(answer: bytes) -> list[Family]:
    try:
        return _decoder.decode(answer)
    except msgspec.DecodeError:
        return []


def sample_own() -> list[Family]:
    """The families of this process."""
    return [
        Family(
            metric.name,
            metric.documentation,
            metric.type,
            [Sample(s.name, s.labels, s.value) for s in metric.samples],
        )
        for metric in REGISTRY.collect()
    ]


class _Merged(Collector):
    """The families of several processes, each sample labelled with its process."""

    def __init__(self, shown: Iterable[tuple[str, list[Family]]]) -> None:
        self._metrics: dict[str, Metric] = {}
        for process, families in shown:
            for family in families:
                metric = self._metrics.get(family.name)
                if metric is None:
                    metric = Metric(family.name, family.documentation, family.type)
                    self._metrics[family.name] = metric
                for sample in family.samples:
                    labels = {**sample.labels, "process": process}
                    metric.add_sample(sample.name, labels, sample.value)

    def add_up(self, up: dict[str, float]) -> None:
        metric = Metric("livesale_process_up", "Whether a process answered this scrape", "gauge")
        for process, value in up.items():
            metric.add_sample("livesale_process_up", {"process": process}, value)
        self._metrics[metric.name] = metric

    def collect(self) -> Iterable[Metric]:
        return self._metrics.values()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        question = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(_QUESTION_S):
                question = await reader.readline()
        is_brief = question == _BRIEF
        writer.write(briefs.encode() if is_brief else msgspec.msgpack.encode(sample_own()))
        await writer.drain()
    except (ConnectionError, ValueError):
        pass  # the sibling closed the connection, or asks what nobody knows
    finally:
        writer.close()


async def _ask(path: Path, question: bytes) -> bytes | None:
    """A sibling's answer; empty if it does not answer in time; None if it is gone."""
    answer = bytearray()
    try:
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(question)
                while chunk := await reader.read(65_536):
                    answer += chunk
                    if len(answer) > _MAX_ANSWER_BYTES:
                        return b""
                return bytes(answer)
            finally:
                writer.close()
    except (ConnectionRefusedError, FileNotFoundError):
        _forget(path)
        return None
    except ConnectionResetError:  # an earlier release, which has not read the question
        return bytes(answer)
    except (TimeoutError, OSError):
        return b""


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _watch_loop(works: Works) -> None:
    """Measure how late the loop wakes up, and show the worst of the last window."""
    worst = 0.0
    while True:
        for _ in range(_LAG_WINDOW_TICKS):
            asked = time.monotonic()
            await asyncio.sleep(_LAG_TICK_S)
            late = time.monotonic() - asked - _LAG_TICK_S
            worst = max(worst, late)
            LOOP_LAG_S.set(worst)
            works()
        worst = 0.0
