"""A finished model for other runtimes: the ``export`` verb."""

from offramp.exporting.run import Exported, export

__all__ = ["Exported", "export"]
