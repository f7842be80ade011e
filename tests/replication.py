"""A primary with replicas on ports of 127.0.0.1: with three Sentinels, or in cluster mode."""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.ports import free_port
from tests.servers import START_TIMEOUT_S, die_with_parent, valkey_binary

PRIMARY = "shop"
QUORUM = 2


def ask(port: int, *command: str) -> str:
    """One command, its raw answer; empty where nobody listens."""
    packed = f"*{len(command)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in command)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as link:
            link.sendall(packed.encode())
            return link.recv(65_536).decode(errors="replace")
    except OSError:
        return ""


class Node:
    """One Valkey on a TCP port, durable by its file as well."""

    def __init__(
        self, folder: Path, replica_of: int | None = None, *options: str, clustered: bool = False
    ) -> None:
        self.port = free_port()
        self.options = options
        if clustered:
            self.options += ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
        self.folder = folder / f"node-{self.port}"
        self.folder.mkdir()
        self.replica_of = replica_of
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        options += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
        options += ["--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0"]
        if self.replica_of is not None:
            options += ["--replicaof", f"127.0.0.1 {self.replica_of}"]
        self.process = _spawn([valkey_binary(), *options, *self.options], self.folder)
        wait_for(lambda: ask(self.port, "PING").startswith("+PONG"))

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


class Cluster:
    """`url` is what settings take. `primary` is the node that was it at the start."""

    def __init__(self, replicas: int = 2) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="livesale-"))
        self.primary = Node(self.folder)
        self.replicas = [Node(self.folder, self.primary.port) for _ in range(replicas)]
        self.sentinels = [free_port() for _ in range(3)]
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"sentinel://{hosts}/{PRIMARY}"

    def start(self) -> None:
        for node in (self.primary, *self.replicas):
            node.start()
        wait_for(lambda: f"connected_slaves:{len(self.replicas)}" in self._replication())
        for port in self.sentinels:
            self._processes.append(self._start_sentinel(port))
        wait_for(lambda: all(self._is_known_by(port) for port in self.sentinels))

    def remove(self) -> None:
        processes = [node.process for node in (self.primary, *self.replicas)] + self._processes
        for process in processes:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_sentinel(self, port: int) -> subprocess.Popen[bytes]:
        folder = self.folder / f"sentinel-{port}"
        folder.mkdir()
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {PRIMARY} 127.0.0.1 {self.primary.port} {QUORUM}\n"
            f"sentinel down-after-milliseconds {PRIMARY} 1000\n"
            f"sentinel failover-timeout {PRIMARY} 5000\n"
        )
        return _spawn([valkey_binary(), str(config), "--sentinel"], folder)

    def _replication(self) -> str:
        return ask(self.primary.port, "INFO", "replication")

    def _is_known_by(self, port: int) -> bool:
        """Whether a Sentinel knows all replicas and both other Sentinels."""
        told = ask(port, "SENTINEL", "MASTER", PRIMARY).split("\r\n")
        facts = dict(zip(told, told[2:], strict=False))
        wanted = {"num-slaves": str(len(self.replicas)), "num-other-sentinels": "2"}
        return all(facts.get(name) == value for name, value in wanted.items())


class ClusterMode:
    """A cluster of one shard: a primary that has every slot, and its replica."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="livesale-"))
        self.primary = Node(self.folder, clustered=True)
        self.replicas = [Node(self.folder, clustered=True)]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.primary.port}"

    def start(self) -> None:
        primary, (replica,) = self.primary.port, self.replicas
        self.primary.start()
        replica.start()
        ask(primary, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        name = ask(primary, "CLUSTER", "MYID").split("\r\n")[1]
        bus = self.primary.options[-1]
        ask(replica.port, "CLUSTER", "MEET", "127.0.0.1", str(primary), bus)
        wait_for(lambda: ask(replica.port, "CLUSTER", "REPLICATE", name).startswith("+OK"))
        wait_for(lambda: "connected_slaves:1" in ask(primary, "INFO", "replication"))
        wait_for(lambda: "state=online" in ask(primary, "INFO", "replication"))
        wait_for(lambda: "cluster_state:ok" in ask(primary, "CLUSTER", "INFO"))

    def remove(self) -> None:
        for node in (self.primary, *self.replicas):
            if node.process is not None and node.process.poll() is None:
                node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _spawn(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent)


def wait_for(condition: object) -> None:
    deadline = time.monotonic() + 2 * START_TIMEOUT_S
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise RuntimeError("the servers do not come together")
        time.sleep(0.05)
