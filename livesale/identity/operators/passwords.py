"""Hashes of passwords: argon2id, beside the event loop, one at a time in each worker.

A hash takes 64 MiB and about 150 ms of a core. So a worker makes one at a time, and only a few
wait: strangers who try passwords cannot take its memory or its cores.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from livesale.validation.refusals import TooOften

T = TypeVar("T")

MIN_LENGTH = 12  # characters
MAX_LENGTH = 200
MAX_WAITING = 8
_WAIT_MS = 1_000

# RFC 9106, the choice for little memory, but on one core: the others serve buyers.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)


class Passwords:
    """One per process. Raises TooOften if too many already wait."""

    def __init__(self, hasher: PasswordHasher = _HASHER) -> None:
        self._hasher = hasher
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._waiting = 0
        self._nobodys = ""

    async def hash(self, password: str) -> str:
        """The hash with its parameters and salt, about 100 characters."""
        return await self._run(lambda: self._hasher.hash(password))

    async def fits(self, password: str, known: str | None) -> bool:
        """Whether it is the password of a hash. With None it takes as long, and is False."""
        return await self._run(lambda: self._fits(password, known))

    def is_weak(self, known: str) -> bool:
        """Whether the hash has older parameters than a new one."""
        return self._hasher.check_needs_rehash(known)

    def _fits(self, password: str, known: str | None) -> bool:
        if known is None and not self._nobodys:
            self._nobodys = self._hasher.hash("nobody's")
        try:
            return self._hasher.verify(known or self._nobodys, password) and known is not None
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise TooOften("address", _WAIT_MS)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1
