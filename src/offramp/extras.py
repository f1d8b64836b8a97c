"""Optional dependencies: whether they are there, told before anything is imported."""

import importlib.util

from offramp.errors import MissingExtraError


def check_installed(feature: str, extra: str, *packages: str) -> None:
    """Makes sure that the packages of an extra are there.

    Args:
        feature: what needs them.
        extra: of this package, which brings them.
        packages: names to import.

    Raises:
        MissingExtraError: one is not installed.
    """
    if any(importlib.util.find_spec(package) is None for package in packages):
        raise MissingExtraError(feature, extra)
