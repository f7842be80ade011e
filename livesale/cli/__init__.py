"""The command line. Each command imports what it needs when it runs, so `--help` is fast."""

import os
import sys


def main() -> None:
    """Run one command. Every fault has a stable exit code; an expected one prints its cause."""
    from livesale.cli import faults
    from livesale.cli.streams import open_streams

    if os.getpid() == 1:
        from livesale.cli.init import fork_from_init

        fork_from_init()
    open_streams()
    try:
        from livesale.cli.app import app

        code = app(standalone_mode=False)
        sys.stdout.flush()
    except SystemExit:
        raise
    except BaseException as fault:  # the outermost frame: the only place that knows the exit code
        code = faults.explain(fault)
    sys.exit(code if isinstance(code, int) else 0)
