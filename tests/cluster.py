"""A cluster of three primaries and three replicas on ports of 127.0.0.1, which tests can break."""

import shutil
import signal
import tempfile
from pathlib import Path

from stock.topology.slots import SLOTS
from tests.replication import Node, ask, wait_for

NODE_TIMEOUT_MS = 1_000  # a primary that is silent for so long is replaced


class ShardedCluster:
    """At the start `primaries[i]` has the i-th third of the slots, and `replicas[i]` follows it."""

    def __init__(self, shards: int = 3, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="livesale-"))
        options += ("--cluster-node-timeout", str(NODE_TIMEOUT_MS))
        options += ("--cluster-require-full-coverage", "no")
        made = [Node(self.folder, None, *options, clustered=True) for _ in range(2 * shards)]
        self.primaries, self.replicas = made[:shards], made[shards:]

    @property
    def nodes(self) -> list[Node]:
        return self.primaries + self.replicas

    @property
    def url(self) -> str:
        return "cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        count = len(self.primaries)
        for number, node in enumerate(self.primaries):
            first, last = number * SLOTS // count, (number + 1) * SLOTS // count - 1
            ask(node.port, "CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
            ask(node.port, "CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for node in self.nodes[1:]:
            first_node = self.primaries[0]
            bus = first_node.options[-1]
            ask(node.port, "CLUSTER", "MEET", "127.0.0.1", str(first_node.port), bus)
        for primary, replica in zip(self.primaries, self.replicas, strict=True):
            name = id_of(primary)
            wait_for(lambda r=replica, n=name: _follows(r, n))
        wait_for(lambda: all(self._is_whole(node) for node in self.nodes))
        for node in self.primaries:
            wait_for(lambda n=node: "state=online" in ask(n.port, "INFO", "replication"))

    def _is_whole(self, node: Node) -> bool:
        told = ask(node.port, "CLUSTER", "INFO")
        return "cluster_state:ok" in told and f"cluster_known_nodes:{len(self.nodes)}" in told

    def remove(self) -> None:
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.process.send_signal(signal.SIGCONT)
                node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def primary_of(self, slot: int) -> Node:
        """The node that has a slot, as most nodes that answer see it; waits while none says."""
        found: list[int] = []

        def is_known() -> bool:
            told = [_owner(ask(node.port, "CLUSTER", "NODES"), slot) for node in self.nodes]
            found[:] = [port for port in told if port]
            return bool(found)

        wait_for(is_known)
        most = max(found, key=found.count)
        return next(node for node in self.nodes if node.port == most)

    def begin_move(self, slot: int, to: Node) -> None:
        """From now on keys of the slot are on their way: see `move_keys`."""
        source = self.primary_of(slot)
        ask(to.port, "CLUSTER", "SETSLOT", str(slot), "IMPORTING", id_of(source))
        ask(source.port, "CLUSTER", "SETSLOT", str(slot), "MIGRATING", id_of(to))

    def move_keys(self, slot: int, to: Node, count: int = 1_000) -> int:
        """Move up to `count` keys; how many there were to move."""
        source = self.primary_of(slot)
        keys = ask(source.port, "CLUSTER", "GETKEYSINSLOT", str(slot), str(count)).split("\r\n")
        names = keys[2::2]
        for name in names:
            moved = ask(source.port, "MIGRATE", "127.0.0.1", str(to.port), name, "0", "5000")
            assert moved.startswith(("+OK", "+NOKEY")), moved
        return len(names)

    def end_move(self, slot: int, to: Node) -> None:
        name = id_of(to)
        source = self.primary_of(slot)
        for node in (to, source, *self.primaries):
            ask(node.port, "CLUSTER", "SETSLOT", str(slot), "NODE", name)

    def move(self, slot: int, to: Node) -> None:
        self.begin_move(slot, to)
        while self.move_keys(slot, to):
            pass
        self.end_move(slot, to)

    def move_at_once(self, slot: int, to: Node) -> None:
        """Begin a move after which the other primary has all keys of the slot in one step."""
        span = (str(slot), str(slot))
        begun = ask(
            self.primary_of(slot).port,
            *("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", *span, "NODE", id_of(to)),
        )
        assert begun.startswith("+OK"), begun


def id_of(node: Node) -> str:
    return ask(node.port, "CLUSTER", "MYID").split("\r\n")[1]


def _follows(replica: Node, name: str) -> bool:
    return ask(replica.port, "CLUSTER", "REPLICATE", name).startswith("+OK")


def _owner(told: str, slot: int) -> int:
    """The port of the node with a slot, by CLUSTER NODES; 0 if the answer does not say."""
    for row in told.split("\n"):
        words = row.split()
        if len(words) < 9 or "master" not in words[2] or "fail" in words[2].split(","):
            continue
        for span in words[8:]:
            first, _, last = span.partition("-")
            if first.isdecimal() and int(first) <= slot <= int(last or first):
                return int(words[1].partition("@")[0].rpartition(":")[2])
    return 0
