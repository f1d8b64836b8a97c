"""Makes the Auto classes read offramp folders, without importing transformers for it.

Importing transformers takes seconds, so ``import offramp`` waits for somebody else to do it: a finder in front of the
others notices when the modules with the Auto classes are loaded, and registers then.
"""

import importlib
import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

# For each module with Auto classes, the one of ours that registers with them.
_REGISTERS = {
    "transformers.models.auto.configuration_auto": "offramp.model.config",
    "transformers.models.auto.modeling_auto": "offramp.model.network",
}


def register_with_transformers() -> None:
    """Registers with the Auto classes that are loaded already, and with the others as soon as they are."""
    sys.meta_path.insert(0, _Finder())
    for theirs, ours in _REGISTERS.items():
        if theirs in sys.modules:
            importlib.import_module(ours)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _REGISTERS:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """The module's own loader, and then the registration."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__loader__ = module.__spec__.loader = self._loader  # it shall look as if nobody had been here
        self._loader.exec_module(module)
        importlib.import_module(_REGISTERS[module.__name__])
