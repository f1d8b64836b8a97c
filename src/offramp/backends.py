"""Backends and engines: an engine is a backend in a precision, and one table holds all backends.

    from offramp.backends import Backend, register_backend

    register_backend(Backend("mine", ("fp32",), open="my_package.stages:MyStages", write="my_package.export:write"))

From then on, in this process, ``offramp.export(model, backend="mine")`` writes a model for it, and
``offramp.load(model, backend="mine")`` runs it. The command line and the processes that offramp starts know the
backends of installed packages, each a :class:`Backend` in the entry point group ``offramp.backends``.
"""

import pkgutil
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Annotated, Any

from offramp.errors import OptionError, first_line

AUTO = "auto"
TORCH = "torch"
_GROUP = "offramp.backends"

Function = str | Callable[..., Any]
"""A function, or its place as ``package.module:name``, imported when it is first called."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A backend in a precision; confidences differ between engines, so each has its own operating points.

    The models of a chain may have different ones. Then each field names one for every model, in order, separated by
    commas: ``openvino,torch`` and ``int8,fp32``. A name that all models share stands once.
    """

    backend: str
    precision: str

    def __str__(self) -> str:
        return " then ".join(f"{one.backend} {one.precision}" for one in self.parts)

    @classmethod
    def of_chain(cls, engines: Sequence["Engine"]) -> "Engine":
        """What a chain runs in, given what each of its models does."""
        fields = ([one.backend for one in engines], [one.precision for one in engines])
        return cls(*(names[0] if len(set(names)) == 1 else ",".join(names) for names in fields))

    @property
    def parts(self) -> tuple["Engine", ...]:
        """What each model of a chain runs in, or just one where all are alike."""
        return self.of_models(max(self.backend.count(","), self.precision.count(",")) + 1)

    def of_models(self, models: int) -> tuple["Engine", ...]:
        """What each of so many models runs in.

        Raises:
            OptionError: it names engines for another number of models.
        """
        fields = _for_each("backend", self.backend, models), _for_each("precision", self.precision, models)
        return tuple(map(Engine, *fields))

    @property
    def exported(self) -> bool:
        """Whether it runs exports alone; PyTorch runs the model folder itself."""
        return all(one.backend != TORCH for one in self.parts)


def _for_each(field: str, names: str, models: int) -> list[str]:
    """The names for each of some models, where one stands for all."""
    each = names.split(",")
    if len(each) not in (1, models):
        chain = "this is one model" if models == 1 else f"this is a chain of {models} models"
        raise OptionError(
            f"{field} {names!r} names {len(each)}, but {chain}; name one for all, or one for each of a chain's models",
            option=field,
            value=names,
        )
    return each * models if len(each) == 1 else each


REFERENCE = Engine(TORCH, "fp32")
"""The engine that all others are compared with."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """How to run a model folder, as for :func:`offramp.load`; a classifier in memory already has an engine.

    For a chain, backend and precision may name one for each model, as in :class:`Engine`: ``openvino,torch``.
    """

    backend: Annotated[str, "torch, or an exported one"] = AUTO
    precision: Annotated[str, "of the backend's"] = AUTO
    threads: Annotated[int | None, "processor threads; default: the backend's choice"] = None

    def of_models(self, models: int) -> tuple["Runtime", ...]:
        """What each of so many models is to run on.

        Raises:
            OptionError: it names backends or precisions for another number of models.
        """
        engines = Engine(self.backend, self.precision).of_models(models)
        return tuple(Runtime(one.backend, one.precision, self.threads) for one in engines)


AUTOMATIC = Runtime()
"""The fastest measured engine that a model folder was exported to, with the backend's own choice of threads."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A runtime that models are exported to. PyTorch, which runs the model folder itself, is not in the table.

    Attributes:
        name: as users write it; also the name of the folder with its exports in the model folder.
        precisions: that it can compute in; the first is the default.
        open: ``open(folder, layers, *, precision, threads, few_shapes)`` makes
            :class:`offramp.engine.stages.Stages` from the files that ``write`` wrote. ``layers`` are run before each
            exit, ``threads`` is None for the backend's choice, and ``few_shapes`` is as for :func:`offramp.load`.
        write: ``write(network, folder, precision, batches)`` writes a PyTorch network on the CPU for ``open``;
            ``batches`` are texts of the user, for instance to take ranges from.
        needs_texts: precisions that it cannot write without texts of the user.
        extra: the extra of offramp that installs the packages; empty if there is none.
        packages: import names of the packages needed to compute.
        tools: import names of the packages also needed to write.
    """

    name: str
    precisions: tuple[str, ...]
    open: Function
    write: Function
    needs_texts: tuple[str, ...] = ()
    extra: str = ""
    packages: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


_TORCH_PRECISIONS = ("fp32", "bf16")
_OURS = (
    Backend(
        "onnxruntime",
        ("fp32", "int8"),
        open="offramp.engine.onnxruntime_stages:OnnxRuntimeStages",
        write="offramp.exporting.writing:write_for_onnxruntime",
        extra="onnx",
        packages=("onnxruntime",),
        tools=("onnx", "onnxscript"),
    ),
    Backend(
        "openvino",
        ("fp32", "bf16", "int8"),
        open="offramp.engine.openvino_stages:OpenVinoStages",
        write="offramp.exporting.writing:write_for_openvino",
        needs_texts=("int8",),
        extra="openvino",
        packages=("openvino",),
        tools=("onnx", "onnxscript", "nncf"),
    ),
)


@cache
def _table() -> dict[str, Backend]:
    """Our backends and those of installed packages; registered ones are added later."""
    table = {backend.name: backend for backend in _OURS}
    for point in entry_points(group=_GROUP):
        try:
            _add(point.load(), table)
        except Exception as error:  # a faulty package must not make the other backends unusable
            warnings.warn(f"the backend {point.name!r} ({point.value}) is left out: {first_line(error)}", stacklevel=2)
    return table


def register_backend(backend: Backend) -> None:
    """Adds a backend to the table, for this process; registering it again changes nothing.

    Raises:
        OptionError: its name is taken or not a plain word, or it has no precision.
    """
    _add(backend, _table())


def _add(backend: Backend, table: dict[str, Backend]) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", backend.name):
        raise OptionError(f"a backend cannot be called {backend.name!r}; use small letters, digits, - and _")
    if backend.name in (AUTO, TORCH) or table.get(backend.name, backend) != backend:
        raise OptionError(f"there is already a backend {backend.name!r}; give yours another name")
    if not backend.precisions:
        raise OptionError(f"the backend {backend.name!r} has no precision; give it at least one, such as fp32")
    table[backend.name] = backend


def backends() -> Mapping[str, Backend]:
    """All backends that models can be exported to, by name, in the order they were registered."""
    return MappingProxyType(_table())


def backend_names() -> tuple[str, ...]:
    """The names of all backends that a model can run in; PyTorch comes first."""
    return (TORCH, *_table())


def precisions_of(backend: str) -> tuple[str, ...]:
    """The precisions of a backend; of all backends if it is "auto"."""
    if backend == AUTO:
        return tuple(dict.fromkeys(precision for name in backend_names() for precision in precisions_of(name)))
    return _TORCH_PRECISIONS if backend == TORCH else _table()[backend].precisions


def imported(function: Function) -> Callable[..., Any]:
    """The function itself, imported if necessary."""
    return pkgutil.resolve_name(function) if isinstance(function, str) else function
