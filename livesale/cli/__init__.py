"""The command line. Each command imports what it needs when it runs: `--help` must be quick."""

import os
import sys


def main() -> None:
    """Run one command. Every fault is a stable exit code, an expected one a clear paragraph too."""
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
    except BaseException as fault:  # the outermost frame: only here is the exit code known
        code = faults.explain(fault)
    sys.exit(code if isinstance(code, int) else 0)
