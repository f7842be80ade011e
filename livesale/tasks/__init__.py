"""Background tasks: each one is supervised, counted, and named while it fails.

`Tasks` runs the tasks of one part of the service, `errand` runs a short one. Nothing else in the
service calls `create_task`: tests/livesale/tasks/test_bare_tasks.py checks this.
"""

from livesale.tasks.backoff import Backoff, wait_for
from livesale.tasks.supervised import Tasks, Works, errand, note_fault, report_unhandled
from livesale.tasks.table import TABLE, TASK_UP

__all__ = [
    "TABLE",
    "TASK_UP",
    "Backoff",
    "Tasks",
    "Works",
    "errand",
    "note_fault",
    "report_unhandled",
    "wait_for",
]
