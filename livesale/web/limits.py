"""The rate limits of one API worker, and whose request it is."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from livesale.settings import Settings
from livesale.tasks.rates import RateLimit
from livesale.web.metrics import LIMITED
from livesale.web.problems import Problem

MAX_HOPS = 20
WIDE = 8  # times what a /64 of IPv6 may do is what its /48 may: a site is often given all of that
# Refusals of one address go out at this rate once there are many: the rest wait for their turn.
REFUSALS_PER_S = 100.0
REFUSALS_BURST = 100
REFUSAL_DELAY_S = 5.0  # at most
# Health and callbacks are never refused: what one address has too many of is answered later.
UNREFUSED_PER_S = 200.0
UNREFUSED_BURST = 400

_HERE = "127.0.0.1"  # a unix socket has no peer's name: whoever may open it is on this machine

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Clients:
    """Tells a client's address behind trusted proxies."""

    def __init__(self, trusted_proxies: Iterable[str]) -> None:
        self._trusted = [ipaddress.ip_network(text, strict=False) for text in trusted_proxies]
        self.keys = lru_cache(maxsize=8_192)(self._keys)

    def _keys(self, peer: str, forwarded: str) -> tuple[str, ...]:
        """The client's address, as keys to count it by; none for a trusted peer by itself.

        One for IPv4. Two for IPv6: the /64, which one household or server has, and the /48.
        `forwarded` is X-Forwarded-For, believed only as far as trusted proxies wrote it: from the
        right, up to the first address that is not one of them.
        """
        client = self._client(peer, forwarded)
        if client is None:
            return ()
        if isinstance(client, ipaddress.IPv6Address):
            return _network(client, 64), f"{_network(client, 48)}/48"
        return (str(client),)

    def source(self, peer: str, forwarded: str) -> str:
        """The address that a request came from: a trusted peer's own, if it speaks for itself."""
        return str(self._client(peer, forwarded) or _parse(peer) or peer)

    def _client(self, peer: str, forwarded: str) -> Address | None:
        address = _parse(peer)
        if address is not None and not self._is_trusted(address):
            return address
        client = None
        for hop in reversed(forwarded.split(",")[-MAX_HOPS:]) if forwarded else ():
            found = _parse(hop)
            if found is None:
                break
            client = found
            if not self._is_trusted(found):
                break
        return client

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


class Limits:
    """The limits of the settings. Raises Problem("slow_down") with Retry-After.

    `now_s` is that of `time.monotonic`.
    """

    def __init__(self, settings: Settings) -> None:
        limits = settings.limits
        self._buyers = RateLimit(limits.buyer_per_s, limits.buyer_burst)
        self._addresses = RateLimit(limits.address_per_s, limits.address_burst)
        self._networks = RateLimit(limits.address_per_s * WIDE, limits.address_burst * WIDE)
        self._refusals = RateLimit(REFUSALS_PER_S, REFUSALS_BURST)
        self._unrefused = RateLimit(UNREFUSED_PER_S, UNREFUSED_BURST)
        self._clients = Clients(settings.http.trusted_proxies)

    def keys(self, remote: str | None, forwarded: str | None) -> tuple[str, ...]:
        """What the address of a request is counted by; `remote` is the peer's."""
        return self._clients.keys(remote or _HERE, forwarded or "")

    def address_wait_s(self, remote: str | None, forwarded: str | None, now_s: float) -> float:
        """Count a request for its client's address: 0, or for how long it may not pass."""
        return self.wait_s(self._clients.keys(remote or _HERE, forwarded or ""), now_s)

    def wait_s(self, keys: tuple[str, ...], now_s: float) -> float:
        """The same, for the keys of an address."""
        if not keys:
            return 0.0
        wait_s = self._addresses.wait_s(keys[0], now_s)
        if not wait_s and len(keys) > 1:
            wait_s = self._networks.wait_s(keys[1], now_s)
        if wait_s:
            _LIMITED_ADDRESS.inc()
        return wait_s

    def address_would_wait_s(
        self, remote: str | None, forwarded: str | None, now_s: float
    ) -> float:
        """What `address_wait_s` would say, without counting."""
        keys = self._clients.keys(remote or _HERE, forwarded or "")
        if not keys:
            return 0.0
        wait_s = self._addresses.would_wait_s(keys[0], now_s)
        if not wait_s and len(keys) > 1:
            wait_s = self._networks.would_wait_s(keys[1], now_s)
        return wait_s

    def count_refusal(self) -> None:
        """A request was refused by what `address_would_wait_s` said."""
        _LIMITED_ADDRESS.inc()

    def check_address(self, remote: str | None, forwarded: str | None, now_s: float) -> None:
        """The same, raising Problem."""
        wait_s = self.address_wait_s(remote, forwarded, now_s)
        if wait_s:
            raise too_many_of_address(wait_s)

    def refusal_delay_s(
        self, remote: str | None, forwarded: str | None, now_s: float, *, waits: bool = False
    ) -> float:
        """For how long the refusal of a request that its address had too many of is held back.

        Nobody who keeps to Retry-After waits. Who goes on asking does, with its connection: so a
        flood of refusals costs little, whatever the flood is. A proxy's connections are for others
        as well: they are not all held, unless the client `waits` anyway.
        """
        keys = self.keys(remote, forwarded)
        if not keys:
            return 0.0
        delay_s = self._refusals.delay_s(keys[-1], now_s, REFUSAL_DELAY_S)
        if delay_s == REFUSAL_DELAY_S and not waits and not self.keys(remote, None):
            return 0.0
        return delay_s

    def unrefused_delay_s(self, remote: str | None, forwarded: str | None, now_s: float) -> float:
        """How long a call that is never refused waits: 0 within the rate, at most 5 s beyond it."""
        keys = self.keys(remote, forwarded)
        return self._unrefused.delay_s(keys[-1], now_s, REFUSAL_DELAY_S) if keys else 0.0

    def client(self, remote: str | None, forwarded: str | None) -> str:
        """Whose turn a request takes, as a key: that of its address budget."""
        return next(iter(self.keys(remote, forwarded)), "")

    def source(self, remote: str | None, forwarded: str | None) -> str:
        """The address that sent a request, as far as it can be told."""
        return self._clients.source(remote or _HERE, forwarded or "")

    def check_buyer(self, buyer_id: str, now_s: float) -> None:
        wait_s = self._buyers.wait_s(buyer_id, now_s)
        if wait_s:
            raise too_many_of_buyer(wait_s)


_LIMITED_ADDRESS = LIMITED.labels("address")


def too_many_of_address(wait_s: float) -> Problem:
    return Problem("slow_down", retry_after_s=int(wait_s) + 1, by="address")


def too_many_of_buyer(wait_s: float) -> Problem:
    LIMITED.labels("buyer").inc()
    return Problem("slow_down", retry_after_s=int(wait_s) + 1, by="buyer")


def _parse(text: str) -> Address | None:
    """An address as peers and proxies write it: with a port or in brackets, too."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _network(address: ipaddress.IPv6Address, bits: int) -> str:
    host = 128 - bits
    return str(ipaddress.IPv6Address(int(address) >> host << host))
