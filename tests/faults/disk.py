"""Rows 2, 3, 4: power that fails, disks that are slow, broken or full, an AOF with a torn end."""

import asyncio
import errno
from pathlib import Path

from tests.faults.faults import Fault
from tests.faults.schedule import Kind

TORN = b"*3\r\n$3\r\nSET\r\n$12\r\nnobody-se"  # a record that was being written


class PowerLoss(Fault):
    """SIGKILL, and what was not synced is gone: the AOF ends where its last fsync found it."""

    kind = Kind("power loss", 2, ("valkey",), 1.2, 0.1, 1.0, kills=True)

    async def start(self) -> None:
        self.system.valkey.kill()
        self.world.kills["valkey"] += 1
        self.cut()

    def cut(self) -> None:
        inode, size = (self.system.shim.get(name) for name in ("synced_inode", "synced_bytes"))
        for file in self.files():
            if file.stat().st_ino == inode and file.stat().st_size > size:
                with file.open("r+b") as opened:
                    opened.truncate(size)

    def files(self) -> list[Path]:
        """The parts of the AOF that are appended to."""
        return sorted(self.system.disk.glob("appendonlydir/*.incr.aof"))

    async def heal(self) -> None:
        await self.system.restart(self.system.valkey)


class TornTail(PowerLoss):
    """The same, but a part of the record that was being written did reach the disk."""

    kind = Kind("torn AOF tail", 4, ("valkey",), 0.8, 0.1, 1.0, kills=True)

    def cut(self) -> None:
        inode, size = (self.system.shim.get(name) for name in ("synced_inode", "synced_bytes"))
        for file in self.files():
            if file.stat().st_ino != inode:
                continue
            unsynced = file.stat().st_size - size
            with file.open("r+b") as opened:
                if unsynced > 1:
                    opened.truncate(size + int(self.between(1, unsynced)))
                else:
                    opened.seek(0, 2)
                    opened.write(TORN)


class SlowDisk(Fault):
    """Each fsync of Valkey takes 20 to 400 ms."""

    kind = Kind("slow disk", 3, ("valkey",), 1.0, 1.0, 5.0)

    async def start(self) -> None:
        self.system.shim.set("sync_delay_us", int(self.between(20_000, 400_000)))

    async def heal(self) -> None:
        self.system.shim.set("sync_delay_us", 0)


class BrokenDisk(Fault):
    """An fsync, or a write, of Valkey fails. It may not acknowledge after that: it exits."""

    kind = Kind("failing disk", 3, ("valkey",), 0.8, 0.3, 1.5, kills=True)

    async def start(self) -> None:
        if self.pick(True, False):
            self.system.shim.set("sync_errno", errno.EIO)
        else:
            self.system.shim.set("write_errno", errno.EIO)

    async def heal(self) -> None:
        self.system.shim.heal()
        await self.system.restart(self.system.valkey)


class FullDisk(Fault):
    """The file system of the AOF is full."""

    kind = Kind("full disk", 3, ("valkey",), 0.8, 0.3, 1.5, kills=True)

    async def start(self) -> None:
        if not self.system.disk_is_small:  # no file system of our own: the shim plays it
            self.system.shim.set("write_errno", errno.ENOSPC)
            return
        await asyncio.to_thread(self._fill)

    def _fill(self) -> None:
        with (self.system.disk / "filler").open("wb", buffering=0) as filler:
            size = 2**20
            while size >= 1:
                try:
                    filler.write(bytes(size))
                except OSError:
                    size //= 4

    async def heal(self) -> None:
        self.system.shim.heal()
        (self.system.disk / "filler").unlink(missing_ok=True)
        await self.system.restart(self.system.valkey)


FAULTS: list[type[Fault]] = [PowerLoss, TornTail, SlowDisk, BrokenDisk, FullDisk]
