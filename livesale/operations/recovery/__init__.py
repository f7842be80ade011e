"""`livesale recover`: rebuilds what Redis lost from SQL, and from what is left of the log.

diagnosis   what is wrong with a partition, and what would be done; changes nothing
salvage     takes what is left of the log into SQL
refit       gives what was sold on a wrong copy of Redis the place that is left for it
rebuild     writes the drops of a partition into Redis, from SQL
repair      the steps in their order, each of which may be torn and begun again
"""

from livesale.operations.recovery.diagnosis import Diagnosis, diagnose
from livesale.operations.recovery.opened import open_for_recovery
from livesale.operations.recovery.repair import Progress, Repaired, repair

__all__ = ["Diagnosis", "Progress", "Repaired", "diagnose", "open_for_recovery", "repair"]
