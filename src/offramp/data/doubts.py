"""Warnings about data that can be used, but may not be what they were meant to be."""

import warnings


class DataWarning(UserWarning):
    """Data are used in a way that may not be the one that was meant."""


def doubt(message: str) -> None:
    """Warns of data."""
    warnings.warn(message, DataWarning, stacklevel=2)
