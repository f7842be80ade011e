"""A Galera cluster of MariaDB servers on this machine, each with a copy of all data."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port
from tests.servers import MariaDB

SYNC_S = 15.0
# How a node that joins gets the data of another one. It has it already: only the name of its state
# is handed over, and what was written since then nodes send by themselves.
_TRANSFER = """#!/bin/bash
while [ $# -gt 0 ]; do
  case $1 in
    --role) role=$2; shift 2 ;;
    --gtid) state=$2; shift 2 ;;
    *) shift ;;
  esac
done
cd "$(dirname "$0")"
if [ "$role" = joiner ]; then
  rm -f state
  echo "ready 127.0.0.1"
  while [ ! -s state ]; do sleep 0.02; done
  cat state
else
  echo "$state" >new && mv new state
  echo "done $state"
fi
"""
PROVIDERS = [
    Path("/usr/lib/galera/libgalera_smm.so"),
    Path("/usr/lib/libgalera_smm.so"),
]


class Node(MariaDB):
    """One server. Its data folder is a copy of the first one's: nothing needs to be sent to it."""

    def __init__(self, seed: MariaDB, ports: list[tuple[int, int]], number: int) -> None:
        super().__init__()
        shutil.rmtree(self.folder / "data")
        shutil.copytree(seed.folder / "data", self.folder / "data")
        own, transfer = ports[number]
        everybody = ",".join(f"127.0.0.1:{port}" for port, _ in ports)
        provider = next(path for path in PROVIDERS if path.exists())
        self.options = (
            "--wsrep-on=ON",
            f"--wsrep-provider={provider}",
            f"--wsrep-cluster-address=gcomm://{everybody if number else ''}",
            *(["--wsrep-new-cluster"] if not number else []),
            "--wsrep-node-address=127.0.0.1",
            f"--wsrep-node-name=node{number}",
            "--wsrep-sst-method=copied",
            "--wsrep-provider-options="
            f"gmcast.listen_addr=tcp://127.0.0.1:{own};ist.recv_addr=127.0.0.1:{transfer};"
            "gcache.size=32M;evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S",
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
        )

    def is_synced(self) -> bool:
        try:
            return "Synced" in self.execute("SHOW STATUS LIKE 'wsrep_local_state_comment'")
        except subprocess.CalledProcessError:
            return False

    def wait_until_synced(self) -> None:
        ends_s = time.monotonic() + SYNC_S
        while not self.is_synced():
            if time.monotonic() > ends_s:
                raise RuntimeError((self.folder / "server.log").read_text()[-3000:])
            time.sleep(0.05)

    def stop(self) -> None:
        """In order, so that its state has a name."""
        assert self.process is not None
        self.execute("SHUTDOWN")
        self.process.wait(60)

    def status(self, name: str) -> int:
        """A counter of this node, such as wsrep_local_cert_failures."""
        return int(self.execute(f"SHOW STATUS LIKE '{name}'").split()[-1])


@contextmanager
def galera(nodes: int = 3) -> Iterator[list[Node]]:
    """The nodes, when all of them are in sync."""
    seed = MariaDB()
    made: list[Node] = []
    script = seed.folder / "wsrep_sst_copied"
    script.write_text(_TRANSFER)
    script.chmod(0o755)
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{seed.folder}:{path}"
    try:
        # Once a cluster of one: then all copies are of one state, and need nothing but what
        # is written later, which nodes send by themselves.
        first = Node(seed, [(free_port(), free_port())], 0)
        made.append(first)
        first.start()
        first.wait_until_synced()
        first.stop()
        ports = [(free_port(), free_port()) for _ in range(nodes)]
        for number in range(nodes):
            node = Node(first, ports, number)
            made.append(node)
            node.start()
            node.wait_until_synced()
        yield made[1:]
    finally:
        os.environ["PATH"] = path
        for node in made:
            node.remove()
        seed.remove()
