"""Faults of the engine. Expected answers are values in `stock.model`.

StockError
├── NotSent              nothing reached Redis; trying again is safe with any rid
│   ├── Overloaded       the queue of this drop is full
│   ├── DeadlinePassed   the attempt waited in the queue until its deadline
│   └── Unreachable      no connection to Redis
├── OutcomeUnknown       it was sent and no answer came; ask again with the same rid
├── BooksBroken          a script found I1 broken and changed nothing
├── ScriptRefused        Redis refused the script before its first write (wrong type …)
│   └── ServerRefuses    it refuses every script that writes, for now (memory, busy …)
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
    """The bounded queue in front of a drop is full."""


class DeadlinePassed(NotSent):
    """The attempt waited in the queue until its deadline and was taken out."""


class Unreachable(NotSent):
    """There is no connection to Redis."""


class OutcomeUnknown(StockError):
    """The call was on the wire and its answer did not come: the effect may or may not stand."""


class BooksBroken(StockError):
    """A script found `allotted ≠ available + held + sold + burned` and changed nothing."""


class ScriptRefused(StockError):
    """Redis refused a script before its first write: wrong type …"""


class ServerRefuses(ScriptRefused):
    """It would refuse any script that writes: out of memory, busy, read-only, no replicas."""


class FencedOff(StockError):
    """The partition has another epoch than this process: it must not write any more."""


class LogCorrupt(StockError):
    """A log entry that no version can have written: see `stock.entries`. It is put aside."""


class LogTooNew(StockError):
    """A log entry that a later version may have written: a reader stops in front of it."""


class ScriptError(StockError):
    """A script file is malformed."""
