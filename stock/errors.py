"""Faults of the engine. Expected answers are values in `stock.model`.

StockError
├── NotSent              nothing reached Redis; a retry is safe with any rid
│   ├── Overloaded       the queue of this drop is full
│   ├── DeadlinePassed   the attempt waited in the queue until its deadline
│   └── Unreachable      no connection to Redis, or it said that it has not run
├── OutcomeUnknown       it was sent, and no answer came; retry with the same rid
├── BooksBroken          a script found I1 broken and changed nothing
├── ScriptRefused        Redis refused the script before its first write (wrong type …)
│   └── ServerRefuses    it refuses every writing script at present (memory, busy …)
├── FencedOff            this process's epoch is not the partition's
├── LogCorrupt           a log entry that no version can have written
├── LogTooNew            a log entry that a later version may have written
└── ScriptError          a script file is malformed (include, header); found at start
"""


class StockError(Exception):
    """Base of all faults of the engine."""


class NotSent(StockError):
    """Nothing reached Redis."""


class Overloaded(NotSent):
    """The queue of a drop is full."""


class DeadlinePassed(NotSent):
    """The attempt waited in the queue until its deadline and was removed."""


class Unreachable(NotSent):
    """There is no connection to Redis."""


class OutcomeUnknown(StockError):
    """The call was sent and no answer came: it may or may not have taken effect."""


class BooksBroken(StockError):
    """A script found `allotted ≠ available + held + sold + burned` and changed nothing."""


class ScriptRefused(StockError):
    """Redis refused a script before its first write: wrong type …"""


class ServerRefuses(ScriptRefused):
    """Redis refuses any writing script: out of memory, busy, read-only, no replicas."""


class FencedOff(StockError):
    """The partition's epoch differs from this process's: it must not write any more."""


class LogCorrupt(StockError):
    """A log entry that no version can have written: see `stock.entries`. Quarantine it."""


class LogTooNew(StockError):
    """A log entry that a later version may have written: a reader stops before it."""


class ScriptError(StockError):
    """A script file is malformed."""
