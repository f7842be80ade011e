"""Faults of the service. Only `livesale/http/` turns them into status codes.

    LivesaleError
    ├── Refused           this process must not start: a setting or a store contradicts a promise
    ├── StartFailed       a child process ended, or hung, at its start (livesale.server)
    ├── StoreUnavailable  SQL does not answer (livesale.store.errors)
    ├── IdentityFault     a token or a login is refused (livesale.identity.errors)
    └── SalesFault        a use case refuses; its own tree is in livesale.sales.errors

Faults of the engine are in `stock.errors`.
"""


class LivesaleError(Exception):
    """Base of all faults of the service."""


class Refused(LivesaleError):
    """A start that would break a promise: names the setting, what is wrong, and the cure."""

    def __init__(self, setting: str, problem: str, cure: str) -> None:
        super().__init__(f"{setting}: {problem}. {cure}")
        self.setting = setting
        self.problem = problem
        self.cure = cure
