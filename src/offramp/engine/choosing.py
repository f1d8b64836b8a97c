"""In which backend and precision a model folder runs, and whether it can: decided before PyTorch is imported.

PyTorch takes seconds to import, and what a user mistyped shall not take seconds to be told.
"""

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from offramp import environment
from offramp.backends import AUTO, AUTOMATIC, TORCH, Engine, Runtime, backend_names, backends, precisions_of
from offramp.calibration import Calibration, DefaultThreshold
from offramp.engine.exports import Export, exports_of, not_exported, read_export
from offramp.errors import OptionError
from offramp.extras import check_installed
from offramp.files import is_there
from offramp.folder import models_of
from offramp.model.folder import ModelFacts, check_folder
from offramp.policy import DEFAULT_THRESHOLD, ExitRule, OperatingPoints, check_threshold, read_operating_points
from offramp.progress import OnProgress, SpeedWarning, unheard

if TYPE_CHECKING:
    from offramp.engine.classifier import Classifier

DEFAULT_TOKEN_BUDGET = 2048
# Texts sorted and run together: enough for batches of one length, little enough to hold in memory.
WINDOW = 8192


def choose_engine(folder: Path, runtime: Runtime = AUTOMATIC) -> Engine:
    """Gives the engine that a model folder runs in; each model of a chain in the one that suits it.

    Raises:
        ModelFolderError: the folder is not exported to the backend, or what is there is damaged or out of date.
        OptionError: the backend has no such precision, or a value is out of range.
        MissingExtraError: the backend is not installed.
    """
    models = models_of(folder)
    engines = []
    for model, wanted in zip(models, runtime.of_models(len(models)), strict=True):
        check_engine(wanted.backend, wanted.precision, wanted.threads)
        engine = _choose(model, wanted.backend, wanted.precision, wanted.threads)
        if engine.exported:
            chosen = backends()[engine.backend]
            check_installed(f"the backend {chosen.name}", chosen.extra, *chosen.packages)
        engines.append(engine)
    return Engine.of_chain(engines)


def check_model(
    model: "str | Path | Classifier",
    runtime: Runtime = AUTOMATIC,
    *,
    threshold: float | None = None,
    at: str | None = None,
) -> "Classifier | ModelFacts":
    """Makes sure that a model can run as asked, as far as that shows without loading it; tells what is known of it.

    ``threshold`` and ``at`` are those of :meth:`offramp.Classifier.predict`.

    Raises:
        ModelFolderError, OptionError, MissingExtraError: as :func:`offramp.load`; threshold and at are both given, the
            threshold is out of range, or there is no such operating point; backend or precision is given for a
            classifier in memory.
    """
    check_one_given(threshold=threshold, at=at)
    if threshold is not None:
        check_threshold(threshold)
    check_unloaded(model, backend=runtime.backend, precision=runtime.precision)
    if not isinstance(model, str | Path):
        return model
    folder = path_named(model)
    described = check_folder(folder)
    engine = choose_engine(folder, runtime)
    if at is not None:
        read_operating_points(folder).at(at, engine)
    return described


def check_handing_over(
    model: "str | Path | Classifier",
    runtime: Runtime = AUTOMATIC,
    *,
    threshold: float | None = None,
    at: str | None = None,
    rule: ExitRule | None = None,
) -> None:
    """Makes sure that the rule in question may hand rows over; ``model`` and all options were checked before.

    ``threshold``, ``at`` and ``rule`` are those of :meth:`offramp.Classifier.predict`.

    Raises:
        OptionError: it never does.
    """
    if rule is None and threshold is None:
        points, engine = points_of(model, runtime)
        name = points.used(at)
        rule = None if name is None else points.at(name, engine).rule
    if rule is None or not rule.may_hand_over:
        raise OptionError(
            "no row is ever handed over here: that takes an operating point which abstains; choose one with  offramp "
            "tune --abstain  and name it with `at`, or leave `handed_over` out",
            option="handed_over",
        )


def points_of(model: "str | Path | Classifier", runtime: Runtime) -> tuple[OperatingPoints, Engine]:
    """The operating points of a model, and what it runs in."""
    if not isinstance(model, str | Path):
        return model.points, model.engine
    folder = path_named(model)
    return read_operating_points(folder), choose_engine(folder, runtime)


def path_named(model: str | Path) -> Path:
    """The folder of a name: one on this disk, or the copy of one on the hub."""
    if is_there(Path(model)):
        return Path(model)
    from offramp.engine.hub import folder_of

    return folder_of(model)


def open_model(
    model: "str | Path | Classifier", runtime: Runtime = AUTOMATIC, on_progress: OnProgress = unheard
) -> "Classifier":
    """Loads a model folder as :func:`offramp.load` does; a classifier in memory is given back as it is."""
    if not isinstance(model, str | Path):
        return model
    on_progress("loading the model", 0, None)
    from offramp.engine.loading import load

    return load(model, **asdict(runtime))


def path_of(model: "str | Path | Classifier") -> Path | None:
    """The folder of a model; None for a classifier that is in memory alone."""
    return Path(model) if isinstance(model, str | Path) else model.folder


def model_folder(model: "str | Path | Classifier", verb: str) -> Path:
    """The folder of a model, for a verb that cannot do without.

    Raises:
        OptionError: a classifier in memory has none.
    """
    folder = path_of(model)
    if folder is None:
        raise OptionError(
            f"{verb} works on a model folder, and this classifier has none: it is in memory alone; give a folder, or "
            "what offramp.load made of one"
        )
    return folder


def default_threshold_of(calibration: Calibration) -> float:
    """The confidence at which texts leave a model where nobody chose anything."""
    return DEFAULT_THRESHOLD if calibration.default is None else calibration.default.threshold


def warn_if_slow(default: DefaultThreshold | None, folder: Path | None) -> None:
    """Tells that early exit at a model's default is not expected to pay, if dev rows say so."""
    doubt = None if default is None else default.doubt("MODEL" if folder is None else str(folder))
    if doubt is not None:
        warnings.warn(doubt, SpeedWarning, stacklevel=4)


def processor_of(engine: Engine, device: str | None = None) -> str:
    """The name of what an engine computes on; ``device`` is PyTorch's, which takes a GPU by default if there is one."""
    return environment.processor_name("cpu" if engine.exported else device)


def check_engine(backend: str, precision: str, threads: int | None) -> None:
    """Refuses backends, precisions and numbers of threads that no model has."""
    if backend not in (AUTO, *backend_names()):
        valid = ", ".join((AUTO, *backend_names()))
        raise OptionError(f"backend {backend!r} is not known; valid: {valid}", option="backend", value=backend)
    known = precisions_of(backend)
    if precision not in (AUTO, *known):
        raise OptionError(
            f"precision {precision!r} is not one of {backend}'s; valid: {', '.join((AUTO, *known))}",
            option="precision",
            value=precision,
        )
    environment.check_threads(threads)


def check_unloaded(model: "str | Path | Classifier", **options: object) -> None:
    """Refuses options of loading for a classifier in memory, which they would do nothing to.

    Raises:
        OptionError: one is neither None nor "auto".
    """
    given = [f"{name} {value!r:.60}" for name, value in options.items() if value not in (None, AUTO)]
    if given and not isinstance(model, str | Path):
        raise OptionError(
            f"{' and '.join(given)} would do nothing to a classifier in memory, which runs in {model.engine} "
            "already; leave that out, or give the model folder"
        )


def check_one_given(**options: object) -> None:
    """Refuses several answers to the question when a text leaves.

    Raises:
        OptionError: more than one of the options is not None.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if len(given) > 1:
        named = " and ".join(f"`{name}` {value!r:.60}" for name, value in given.items())
        last = list(given)[-1]
        raise OptionError(f"{named} are given; give only one of them", option=last, value=given[last])


def _choose(folder: Path, backend: str, precision: str, threads: int | None) -> Engine:
    in_torch = Engine(TORCH, "fp32" if precision == AUTO else precision)
    if backend == TORCH:
        return in_torch
    if AUTO not in (backend, precision):
        return read_export(folder, Engine(backend, precision)).engine
    fitting = [
        export
        for export in exports_of(folder)
        if backend in (AUTO, export.engine.backend) and precision in (AUTO, export.engine.precision)
    ]
    fastest = max(fitting, key=lambda export: (export.doubt is None, _gain(export, threads)), default=None)
    # PyTorch in fp32 is what gains are measured against, and what runs where nothing was measured.
    shown = fastest is not None and fastest.doubt is None and _gain(fastest, threads) > 1
    if backend == AUTO and precision in (AUTO, *precisions_of(TORCH)) and not shown:
        return in_torch
    if fastest is None:
        names = [name for name in backends() if backend in (AUTO, name) and precision in (AUTO, *precisions_of(name))]
        raise not_exported(
            folder, *(Engine(name, precisions_of(name)[0] if precision == AUTO else precision) for name in names)
        )
    return fastest.engine


def _gain(export: Export, threads: int | None) -> float:
    """How many times faster than PyTorch an export was on this processor; 0 where that was not measured."""
    speeds = [speed for speed in export.speeds if speed.cpu == environment.cpu_name()]
    same = [speed for speed in speeds if speed.threads == threads] or speeds
    return max((speed.texts_per_second / speed.torch_texts_per_second for speed in same), default=0.0)
