"""`livesale recover`: rebuilds what Redis lost, from SQL and the rest of the log.

diagnosis   finds the faults of a partition and plans the recovery; changes nothing
salvage     writes the rest of the log into SQL
refit       merges sales on a wrong copy of Redis into the stock that is left
rebuild     writes the drops of a partition into Redis, from SQL
repair      the steps in order; each may be interrupted and repeated
"""

from livesale.operations.recovery.diagnosis import Diagnosis, diagnose
from livesale.operations.recovery.opened import open_for_recovery
from livesale.operations.recovery.repair import Progress, Repaired, repair

__all__ = ["Diagnosis", "Progress", "Repaired", "diagnose", "open_for_recovery", "repair"]
