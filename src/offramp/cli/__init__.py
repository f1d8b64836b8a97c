"""The command line: one file a verb, no logic."""

import sys


def main() -> None:
    """Runs the command line; an interruption gives no traceback, even while the commands are being imported."""
    try:
        from offramp.cli.app import app
        from offramp.cli.terminal import replace_unprintable

        replace_unprintable()
        app()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
