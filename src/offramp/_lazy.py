"""Names that are imported when they are first used, for packages that must stay quick to import."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Makes a module-level ``__getattr__`` (PEP 562).

    Args:
        package: the package whose names they are, as ``__name__``.
        homes: for each name the submodule that defines it.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        # Overwrites the submodule where it has the function's name.
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__
