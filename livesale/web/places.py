"""The connections of one worker: how many, of which address, and which one goes first.

There are `max_connections` places. A share of them is for HTTP: sockets of rooms cannot take it.
When all are taken, a newcomer gets the place of a viewer without a token, else that of an idle
connection of the address that has most; else it gets one of a few spare places, which answer only
health checks.

An address counts with its connections and sockets; behind a trusted proxy with its sockets and its
requests that are being answered, because the proxy shares its connections.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Protocol

from livesale.settings import HttpSettings
from livesale.web.limits import WIDE, Clients
from livesale.web.problems import Problem

KEPT_FOR_HTTP = 0.2  # of max_connections: sockets of rooms have the rest
SPARE = 64  # places beyond max_connections, for requests for health
OWED_BYTES = 8 * 1024 * 1024  # of answers that one address has not read
OWED_BYTES_ALL = 256 * 1024 * 1024  # and all together
LOOK_AT = 16  # of the connections of an address, for one that is idle

Keys = tuple[str, ...]  # of an address, as livesale.web.limits.Clients tells them


class Holder(Protocol):
    """A connection, or the socket of a viewer."""

    def give_way(self) -> bool:
        """End it in favour of a newcomer; False when something would be lost by that."""

    def cut_debtor(self) -> None:
        """End it at once: too many bytes wait to be read at its address."""

    def look(self, now: float, head_s: float) -> None:
        """Cut it off if it takes too long."""


class Crowd:
    """Holders by address. The address that has most of them is known at once."""

    def __init__(self) -> None:
        self._of: dict[str, dict[Holder, None]] = {}
        self._sizes: dict[int, dict[str, None]] = {}
        self._most = 0

    def size(self, key: str) -> int:
        return len(self._of.get(key, ()))

    @property
    def most(self) -> int:
        """How many the address has that has most."""
        return self._most

    def add(self, key: str, holder: Holder) -> None:
        before = self.size(key)
        self._of.setdefault(key, {})[holder] = None
        self._resize(key, before)

    def remove(self, key: str, holder: Holder) -> None:
        before = self.size(key)
        if before and self._of[key].pop(holder, holder) is None:
            self._resize(key, before)

    def largest(self) -> tuple[str, Iterable[Holder]]:
        """The address that has most, and some of its holders, the oldest first."""
        if not self._most:
            return "", ()
        key = next(iter(self._sizes[self._most]))
        return key, list(islice(self._of[key], LOOK_AT))

    def _resize(self, key: str, before: int) -> None:
        after = self.size(key)
        if before:
            del self._sizes[before][key]
            if not self._sizes[before]:
                del self._sizes[before]
        if after:
            self._sizes.setdefault(after, {})[key] = None
        else:
            del self._of[key]
        if after > self._most:
            self._most = after
        elif before == self._most and before not in self._sizes:
            self._most = after  # it has one less than it had, and no other had as many


class Places:
    """One per worker."""

    def __init__(self, http: HttpSettings) -> None:
        self._clients = Clients(http.trusted_proxies)
        self._most = http.max_connections
        self._most_sockets = int(http.max_connections * (1 - KEPT_FOR_HTTP))
        self._per_address = http.max_connections_per_address
        self._keys: dict[Holder, Keys] = {}
        self._used: Counter[str] = Counter()
        self._direct = Crowd()  # connections, but for those of trusted proxies
        self._nameless = Crowd()  # sockets whose viewers have not said who they are
        self._sockets = 0
        self._spare: dict[Holder, None] = {}
        self._working: dict[Any, Keys] = {}
        self._owed: dict[Holder, tuple[int, Keys]] = {}
        self._owed_by: Counter[str] = Counter()
        self._owed_all = 0

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Holder]:
        return iter(list(self._keys))

    @property
    def owed_bytes(self) -> int:
        """What waits to be read by clients that have been given more than they take at once."""
        return self._owed_all

    # Connections.

    def admit(self, connection: Any, peer: str | None) -> bool:
        """Count a new connection; False when there are too many, of all or of its address."""
        keys = self._clients.keys(peer, "") if peer is not None else ()
        self._keys[connection] = keys
        if keys:
            self._direct.add(keys[0], connection)
        if not self._count(keys):
            return False
        if len(self._keys) - len(self._spare) <= self._most or self._make_way(keys):
            return True
        return self._take_spare(connection)

    def leave(self, holder: Any) -> None:
        """This connection or socket is gone."""
        keys = self._keys.pop(holder, None)
        if keys is None:
            return
        self._uncount(keys)
        if keys:
            self._direct.remove(keys[0], holder)
        self._spare.pop(holder, None)
        self.end(holder)
        self.settle(holder)

    def is_spare(self, connection: Any) -> bool:
        """Whether this connection may only ask for health: until there are places again."""
        if connection in self._spare and len(self._keys) - len(self._spare) < self._most:
            del self._spare[connection]
        return connection in self._spare

    # Sockets of rooms.

    def check_socket(self, keys: Keys, *, nameless: bool) -> None:
        """Raises Problem where no more sockets may be opened, or none by this client."""
        if self._sockets < self._most_sockets:
            return
        own = self._nameless.size(keys[0] if keys else "")
        if nameless and self._nameless.most <= own + 1:
            raise Problem("overloaded")
        if not self._send_nameless_away():
            raise Problem("overloaded")

    def hand_over(self, connection: Any, socket: Any, keys: Keys, *, nameless: bool) -> None:
        """A socket has this connection from now on."""
        self.leave(connection)
        self._keys[socket] = keys
        self._sockets += 1
        self._count(keys)
        if nameless:
            self._nameless.add(keys[0] if keys else "", socket)

    def leave_socket(self, socket: Any) -> None:
        keys = self._keys.get(socket)
        if keys is not None:
            self._sockets -= 1
            self._nameless.remove(keys[0] if keys else "", socket)
            self.leave(socket)

    # Requests that a trusted proxy has passed on.

    def begin(self, connection: Any, keys: Keys) -> None:
        """Count a request of this client while it is answered, where its connection is not.

        Raises Problem when its address has too many.
        """
        if not keys or self._keys.get(connection):
            return
        self.end(connection)  # of the request before it
        self._working[connection] = keys
        if not self._count(keys):
            raise Problem("overloaded")

    def end(self, connection: Any) -> None:
        keys = self._working.pop(connection, None)
        if keys is not None:
            self._uncount(keys)

    # What is owed.

    def owe(self, holder: Any, size: int) -> None:
        """So many bytes wait for this client to read; cuts it where that is too much."""
        self.settle(holder)
        keys = self._working.get(holder) or self._keys.get(holder) or ()
        self._owed[holder] = size, keys
        self._owed_all += size
        too_much = self._owed_all > OWED_BYTES_ALL
        most = OWED_BYTES
        for key in keys:
            self._owed_by[key] += size
            too_much = too_much or self._owed_by[key] > most
            most *= WIDE
        if too_much:
            holder.cut_debtor()

    def settle(self, holder: Any) -> None:
        """It has read enough of it."""
        size, keys = self._owed.pop(holder, (0, ()))
        self._owed_all -= size
        for key in keys:
            self._owed_by[key] -= size
            if not self._owed_by[key]:
                del self._owed_by[key]

    def _count(self, keys: Keys) -> bool:
        within, most = True, self._per_address
        for key in keys:
            self._used[key] += 1
            within = within and self._used[key] <= most
            most *= WIDE
        return within

    def _uncount(self, keys: Keys) -> None:
        for key in keys:
            self._used[key] -= 1
            if not self._used[key]:
                del self._used[key]

    def _make_way(self, keys: Keys) -> bool:
        """Whether somebody has gone for a newcomer."""
        if self._send_nameless_away():
            return True
        own = self._direct.size(keys[0]) if keys else 0
        if self._direct.most <= own + 1:
            return False
        return any(holder.give_way() for holder in self._direct.largest()[1])

    def _send_nameless_away(self) -> bool:
        while True:
            key, found = self._nameless.largest()
            for socket in found:
                self._nameless.remove(key, socket)  # it goes, or it has a name by now
                if socket.give_way():
                    return True
            if not found:
                return False

    def _take_spare(self, connection: Any) -> bool:
        if len(self._spare) >= SPARE:
            for other in list(islice(self._spare, LOOK_AT)):
                if other.give_way():
                    self._spare.pop(other, None)
                    break
            else:
                return False
        self._spare[connection] = None
        return True
