"""The ``export`` verb: writes a model for another runtime, checks it against PyTorch and measures it."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from offramp import environment
from offramp.backends import Backend, Engine, Runtime, backends, imported
from offramp.calibration import LEAST_ROWS, Calibration
from offramp.data import (
    Columns,
    Data,
    LabeledTexts,
    SelfMade,
    Texts,
    check_untrained,
    distinct,
    read_any,
    remember,
    self_made,
    temperatures_of,
)
from offramp.engine import check_model, check_rows, targets_of
from offramp.engine.choosing import model_folder
from offramp.engine.exports import (
    Export,
    ExportSpeed,
    weights_fingerprint,
)
from offramp.errors import CheckFailed, MissingExtraError, OptionError
from offramp.evaluation.timing import interleave
from offramp.extras import check_installed
from offramp.files import check_folder_writable, replacing
from offramp.folder import export_folder, models_of
from offramp.model.folder import check_single
from offramp.policy import ExitAnswers, read_operating_points
from offramp.policy.bounds import hoeffding_bentkus, least_count
from offramp.progress import OnProgress, unheard

if TYPE_CHECKING:
    from offramp.engine import Classifier
    from offramp.model.folder import ModelFacts

# The largest difference from PyTorch's logits in fp32, and how often labels have to agree in each precision.
TOLERANCE = 1e-3
AGREEMENT = {"fp32": 0.999, "bf16": 0.97, "int8": 0.9}
# The confidence with which agreement has to be shown to be that high. In fp32 the logits show it, on any texts.
CONFIDENCE = 0.95
# For the check of an export without texts of the user: short and long, plain and odd.
_SENTENCES = (
    "Yes.",
    "No, thank you.",
    "The parcel arrived two days late.",
    "I would like to change my booking, please!",
    "Is there a train to the coast on Sunday morning?",
    "Shares of the company rose by 3.5 % after it reported its results for the second quarter.",
    "A quiet film with fine actors; the last half hour is far too long.",
    "Please cancel order no. 48-1137 and send the money back to my card ending in 0042.",
    "The committee met on Tuesday, but nobody could say when, or whether, a decision would be taken.",
    "WHY is nobody answering?? I have been waiting for 3 hours...",
    "Über den Wolken liegt eine dünne Schicht aus Eis.",
    "Le café ferme à 18 h; on peut encore y dîner.",
    "user@example.org wrote: see https://example.org/page?id=7 for the details",
    "42",
    "The new bridge, which took four years and twice the money that had been set aside for it, was opened by the mayor "
    "on a rainy afternoon in front of some two hundred people, most of whom had come for the free lunch.",
    "She opened the window. The street was empty. Somewhere a dog barked, then another, then all of them at once; and "
    "when it was quiet again she heard the sea, as she had heard it as a child, slow and even and without end.",
)
_CALIBRATION_TEXTS = 300
_TIMED_TEXTS = 128
_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Exported:
    """The written export, and the accuracy of every exit before and after.

    Attributes:
        folder: of the graphs.
        exits: their names.
        accuracy_before: of PyTorch in fp32, (exits,); empty without labels.
        accuracy_after: of the export, (exits,).
        refitted: whether its temperatures were refitted; otherwise they are PyTorch's.
        untuned: names of the model's operating points that do not hold in this engine.
        before: for a chain, the same for the models before the last, in order.
    """

    folder: Path
    export: Export
    exits: tuple[str, ...]
    accuracy_before: tuple[float, ...]
    accuracy_after: tuple[float, ...]
    refitted: bool
    untuned: tuple[str, ...] = ()
    before: "tuple[Exported, ...]" = ()


@dataclass(frozen=True, slots=True)
class _Unreal:
    """Texts that show what a network computes, and not how sure it may be; ``why`` says what they are instead."""

    texts: list[str]
    text_pairs: list[str] | None
    why: str


def export(
    model: "str | Path | Classifier",
    data: Data | None = None,
    *,
    backend: str,
    precision: str = "fp32",
    columns: Columns | None = None,
    threads: int | None = None,
    on_progress: OnProgress = unheard,
) -> Exported:
    """Writes a model for another backend into its folder, checks it against PyTorch and measures it.

    With labeled data the temperatures are refitted, since another precision changes confidences. With unlabeled texts
    they are refitted only if the model's were fitted to the predictions of its last exit. An exit keeps PyTorch's
    temperature if the data have no best one for it, and all exits do if there are no such data, or too few. In fp32
    that is right, since the logits are PyTorch's. In bf16 and int8 it may be wrong, so the export records a doubt
    (``export.doubt``) and is used only on request. The same happens if there are too few texts to show that its answers
    are close enough to PyTorch's.

    Of a chain every model is exported, or none if one of them cannot be.

    Args:
        model: a model folder, or a classifier that was loaded from one.
        data: texts that the model was not trained on, such as the dev data, preferably with labels, as a source or in
            memory, see :func:`offramp.data.read_rows`; int8 in openvino takes its ranges from them. With ``self`` the
            model makes texts itself, as long as those it was trained on, or with ``self:8-64`` of so many tokens: for
            ranges and the check, not for temperatures. By default a few built-in sentences are used for the check.
        backend: ``onnxruntime``, ``openvino`` or another of :func:`offramp.backends.backends`.
        precision: ``fp32``, ``bf16`` (openvino) or ``int8``.
        columns: names of the columns of the data.
        threads: processor threads to measure with; by default all.
        on_progress: called with the current step, the parts done and their number.

    Raises:
        OptionError: the backend has no such precision, data is missing, or the classifier has no folder.
        MissingExtraError: the runtime or its tools are not installed.
        CheckFailed: the export's answers are too far from PyTorch's; nothing is written.
        ModelFolderError: the folder is damaged or not an offramp model.
        DataError: the data cannot be read, has labels the model does not know, or the model was trained on it.
        StorageError: the folder cannot be written.

    Example::

        exported = offramp.export("model", "fresh.csv", backend="openvino", precision="int8")
        offramp.load("model", backend="openvino", precision="int8").predict(["a wonderful story"])
    """
    folder = model_folder(model, "export")
    to = _backend_for(backend, precision, data)
    known = check_model(folder, Runtime("torch", threads=threads))
    check_folder_writable(folder)
    check_installed(f"exporting to {backend}", to.extra, *to.packages, *to.tools)
    models, engine, wanted = models_of(folder), Engine(backend, precision), self_made(data)
    for one in models:
        _check_exportable(one)
    rows = None if data is None or wanted is not None else read_any(data, columns or Columns())
    if rows is not None:
        check_rows(known, rows)
        check_untrained(folder, rows, "it is surer of them than of any others, so the export would look too good")
    each: list[Exported] = []
    with ExitStack() as together:
        for number, one in enumerate(models, 1):
            new = together.enter_context(replacing(export_folder(one, engine)))
            try:
                texts = _texts(one, wanted, known) if rows is None else rows
                each.append(_export_model(one, new, engine, texts, threads, on_progress))
            except CheckFailed as error:
                if len(models) > 1:
                    error.add_note(f"so it is with model {number} of the chain; of the others none was exported either")
                raise
    for one, exported in zip(models, each, strict=True):
        if rows is not None and exported.refitted:
            remember(one, rows, temperatures_of(engine))
    return replace(each[-1], before=tuple(each[:-1]), untuned=_untuned(folder, engine))


def _export_model(
    folder: Path,
    new: Path,
    engine: Engine,
    given: LabeledTexts | Texts | _Unreal,
    threads: int | None,
    on_progress: OnProgress,
) -> Exported:
    """Exports one model into a new folder, which is to take its place; what was asked for is checked."""
    from offramp.engine.loading import classifier_of, open_stages, torch_classifier, words_of
    from offramp.model import load

    on_progress("loading the model", 0, None)
    to, precision = backends()[engine.backend], engine.precision
    rows = None if isinstance(given, _Unreal) else given
    texts, pairs = given.texts, given.text_pairs
    loaded = load(folder)
    words = words_of(folder, loaded.network.config)
    reference = torch_classifier(loaded, Calibration.load(folder), words=words, device="cpu")
    targets = targets_of(reference, rows) if isinstance(rows, LabeledTexts) else None
    new.mkdir()
    on_progress("writing graphs", 0, 3)
    encoder = reference.runner.cascade.last
    some = encoder.read(texts[:_CALIBRATION_TEXTS], None if pairs is None else pairs[:_CALIBRATION_TEXTS])
    try:
        imported(to.write)(loaded.network, new, precision, list(encoder.batches(some, reference.token_budget)))
    except ImportError as error:
        raise MissingExtraError(f"exporting to {to.name}", to.extra) from error
    stages = open_stages(new, engine, reference.stages.layers, threads=threads)
    exported = classifier_of(stages, reference.tokenizer, reference.config, reference.calibration, words=words)
    on_progress("comparing with PyTorch", 1, 3)
    answers = replace(exported.exit_answers(texts, pairs), targets=targets)
    as_made = replace(reference.exit_answers(texts, pairs), targets=targets)
    expected, exported_logits = as_made.logits, answers.logits
    different = np.arange(len(texts)) if rows is None else distinct(rows)
    agreement, difference = _check(reference, expected[:, different], exported_logits[:, different], precision)
    calibration = _refitted(reference, rows, answers, len(different))
    refitted = calibration is not reference.calibration
    doubts = (
        None if refitted else _doubt_of_temperatures(precision, given, len(different)),
        _doubt(agreement, precision, len(different)),
    )
    on_progress("measuring", 2, 3)
    written = Export(
        engine=engine,
        weights=weights_fingerprint(folder),
        max_length=int(reference.tokenizer.model_max_length),
        calibration=calibration,
        rows=len(texts),
        agreement=agreement,
        difference=difference,
        speeds=(_measure(reference, exported, texts, pairs, threads),),
        doubt="; ".join(doubt for doubt in doubts if doubt is not None) or None,
    )
    written.save(new)
    now = replace(answers, temperatures=calibration.temperatures, evidence=calibration.evidence)
    before, after = (() if targets is None else tuple(made.accuracies) for made in (as_made, now))
    return Exported(export_folder(folder, engine), written, reference.exit_names, before, after, refitted)


def _check_exportable(folder: Path) -> None:
    """Refuses models of experts: how many tokens each gets shows only as they come, and graphs have fixed ways."""
    if check_single(folder).experts:
        raise OptionError(
            f"{folder} has experts, among which tokens are dealt out as they come, and only PyTorch runs those; "
            "compress the model that it was made of without `experts`, and export that",
            path=folder,
        )


def _untuned(folder: Path, engine: Engine) -> tuple[str, ...]:
    """Names of operating points that do not hold where a model runs in an engine."""
    points = read_operating_points(folder)
    if not points.points:
        return ()
    from offramp.engine import load

    return tuple(points.names_without(engine, load(folder, **asdict(engine)).fingerprint))


def _backend_for(name: str, precision: str, data: Data | None) -> Backend:
    if (backend := backends().get(name)) is None:
        raise OptionError(f"a model cannot be exported to {name!r}; valid: {', '.join(backends())}")
    if precision not in backend.precisions:
        raise OptionError(f"{name} has no {precision!r}; valid: {', '.join(backend.precisions)}")
    if precision in backend.needs_texts and data is None:
        raise OptionError(
            f"{precision} in {name} takes its ranges from texts; give some as `data`, such as the dev data",
            option="data",
        )
    return backend


def _refitted(
    reference: "Classifier", rows: LabeledTexts | Texts | None, answers: ExitAnswers, different: int
) -> Calibration:
    """Temperatures for the export's answers: fitted to labels or, if the model's were, to its last exit."""
    fits = isinstance(rows, LabeledTexts) or reference.calibration.against == "model"
    if rows is None or different < LEAST_ROWS or not fits:
        return reference.calibration
    before = reference.calibration
    return answers.calibration(rows.fingerprint, otherwise=before.temperatures, miss_cost=before.miss_cost)


def _doubt_of_temperatures(precision: str, rows: LabeledTexts | Texts | _Unreal, different: int) -> str | None:
    """Why PyTorch's temperatures may be wrong for the export; None in fp32, where the logits are the same."""
    if precision == "fp32":
        return None
    if isinstance(rows, _Unreal):
        why = rows.why
    elif different < LEAST_ROWS:
        why = f"fitting them takes {LEAST_ROWS} different texts, and there are {different}"
    else:
        why = "fitting them takes labels, and the texts have none"
    return f"its temperatures are those of PyTorch, since {why}"


def _doubt(agreement: float, precision: str, different: int) -> str | None:
    """Why the agreement with PyTorch on some texts does not show that it is high enough on all; None if it does."""

    def shows(texts: int) -> bool:
        p_value = hoeffding_bentkus(np.array(1 - agreement), 1 - _least_agreement(precision), texts)
        return bool(p_value <= 1 - CONFIDENCE)

    if precision == "fp32" or shows(different):
        return None
    needed = least_count(shows)
    return (
        f"{agreement:.2%} of the labels agree with PyTorch on {different} different "
        f"{'text' if different == 1 else 'texts'}, which does not show that "
        f"{_least_agreement(precision):.0%} of all do; that takes {'more' if needed is None else needed} texts"
    )


def _texts(folder: Path, wanted: SelfMade | None, known: "Classifier | ModelFacts") -> _Unreal:
    """Texts for an export where no user gives any: those that the model makes itself, or the built-in ones."""
    if wanted is None:
        pairs = list(_SENTENCES[::-1]) if known.takes_pairs else None
        return _Unreal(list(_SENTENCES), pairs, "no texts were given to fit them to")
    from offramp.model.self_made import make_texts

    made = make_texts(folder, wanted, _CALIBRATION_TEXTS, pairs=known.takes_pairs, labels=known.labels)
    why = "fitting them takes real texts, and the model made these itself"
    return _Unreal(made.texts, made.text_pairs, why)


def _least_agreement(precision: str) -> float:
    """How often labels have to agree; precisions that only other backends have are judged like int8."""
    return AGREEMENT.get(precision, AGREEMENT["int8"])


def _check(
    classifier: "Classifier", expected: NDArray[np.float32], exported: NDArray[np.float32], precision: str
) -> tuple[float, float]:
    """Share of labels that agree over all exits, and the largest difference of a logit."""
    least = _least_agreement(precision)
    agreement = float(np.mean([classifier.problem.agree(*pair) for pair in zip(expected, exported, strict=True)]))
    difference = float(np.abs(expected - exported).max())
    if agreement < least or (precision == "fp32" and not difference <= TOLERANCE):
        raise CheckFailed(
            f"the export is too far from PyTorch: {agreement:.2%} of the labels agree over all exits (at least "
            f"{least:.1%} must), and logits differ by up to {difference:.2g}; nothing was written, "
            "try another precision"
        )
    return agreement, difference


def _measure(
    reference: "Classifier",
    exported: "Classifier",
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    threads: int | None,
) -> ExportSpeed:
    import torch

    some = np.random.default_rng(0).permutation(len(texts))[:_TIMED_TEXTS]
    sample = [texts[row] for row in some], None if pairs is None else [pairs[row] for row in some]
    used, before = threads or os.cpu_count() or 1, torch.get_num_threads()
    torch.set_num_threads(used)
    try:
        seconds = interleave(
            {
                "torch": lambda: reference.predict_full(*sample),
                "exported": lambda: exported.predict_full(*sample),
            },
            _REPEATS,
        )
    finally:
        torch.set_num_threads(before)
    rates = {name: len(some) / float(np.median(values)) for name, values in seconds.items()}
    return ExportSpeed(environment.cpu_name(), used, rates["exported"], rates["torch"])
