"""The command line: one file a verb, no logic."""

from offramp.cli.app import main

__all__ = ["main"]
