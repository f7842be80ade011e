"""The command line. Each command imports what it needs when it runs: `--help` must be quick."""

import sys


def main() -> None:
    """Run one command. Every expected fault is a clear paragraph and a stable exit code."""
    from livesale.cli.app import app
    from livesale.cli.faults import explain

    try:
        app()
    except Exception as fault:  # the outermost frame: what `explain` knows is for people to read
        code = explain(fault)
        if code is None:
            raise
        sys.exit(code)
