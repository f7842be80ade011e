"""`livesale recover`: rebuilds what Redis lost, from SQL and the rest of the log.

diagnosis   what is wrong with a partition, and what would be done; changes nothing
salvage     takes the rest of the log into SQL
refit       fits what was sold on a wrong copy of Redis into the stock that is left
rebuild     writes the drops of a partition into Redis, from SQL
repair      the steps in their order; each may be interrupted and started again
"""

from livesale.operations.recovery.diagnosis import Diagnosis, diagnose
from livesale.operations.recovery.opened import open_for_recovery
from livesale.operations.recovery.repair import Progress, Repaired, repair

__all__ = ["Diagnosis", "Progress", "Repaired", "diagnose", "open_for_recovery", "repair"]
