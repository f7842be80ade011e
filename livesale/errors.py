"""Faults of the service. Only `livesale/web/` turns them into status codes.

    LivesaleError
    ├── Refused            this process must not start: a setting or a store contradicts a promise
    ├── StartFailed        a child process ended or hung at its start (processes.supervisor)
    ├── StoreUnavailable   SQL does not answer (livesale.database.errors)
    ├── SchemaTooNew       the tables are of a later version (livesale.database.errors)
    ├── SchemaDiffers      a migration finds a table that is not its own (livesale.database.errors)
    ├── Contradiction      a log entry does not follow from what SQL holds (livesale.ledger.plan)
    │   └── BooksDiffer    it does not continue from the books in SQL (livesale.ledger.rows)
    ├── Halted             a partition is not this writer's any more (livesale.ledger)
    ├── Overtaken          another writer has moved the offset (livesale.ledger)
    ├── CannotCheck        a check of the audit could not be made (livesale.ledger.check)
    ├── LogTrimmed         the log behind SQL went away while it was read (livesale.ledger.unread)
    ├── TailTooLong        SQL is too far behind to be compared (livesale.ledger.unread)
    ├── IdentityFault      a token or a login is refused (livesale.tokens.errors)
    ├── SalesFault         a use case refuses; its own tree is in livesale.validation.refusals
    ├── Problem            a request that is refused before a use case (livesale.web.problems)
    └── DemoFailed         the demo could not be played (livesale.demo.play)

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
