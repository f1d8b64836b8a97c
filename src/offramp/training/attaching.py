"""From a classifier that is fine-tuned already to a model folder with exits."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from offramp import environment
from offramp.calibration import Calibration, Problem, fit_agreement, fit_calibration
from offramp.data import (
    Columns,
    LabelledTexts,
    Texts,
    check_disjoint,
    encode_labels,
    read_labelled,
    read_texts,
    split_off_dev,
)
from offramp.data.unlabelled import split_off_texts
from offramp.errors import DataError, OptionError
from offramp.files import replacing
from offramp.model.exits import check_new_exits
from offramp.model.finding import check_classifier, check_exits
from offramp.progress import OnProgress, unheard
from offramp.training.checks import check_numbers, check_output, fitted_before
from offramp.training.recipe import ExitFit

if TYPE_CHECKING:
    from offramp.model import LoadedModel
    from offramp.model.encoding import Encoded
    from offramp.training.frozen import KeptStates

Targets = Literal["labels", "model", "both"]


@dataclass(frozen=True, slots=True)
class AttachSummary:
    """What was made of a classifier; the same stands in the folder's ``training.json``.

    Attributes:
        folder: the model folder.
        exits: layers run before each exit; the last is the classifier's own head.
        targets: what the exits were fitted to.
        calibration: temperatures and dev metrics of each exit; against the model itself where there were no labels.
        rows, dev_rows: texts that the exits were fitted to, and those that they were chosen and calibrated on.
        encoder_seconds: time of the one pass through the whole classifier.
        exit_seconds: time of fitting the exits.
        exit_parameters: parameters of the new exits.
        total_parameters: parameters of the whole network.
        truncated: texts that were longer than the classifier takes.
        blank: texts that were empty.
    """

    folder: Path
    exits: tuple[int, ...]
    targets: Targets
    calibration: Calibration
    rows: int
    dev_rows: int
    encoder_seconds: float
    exit_seconds: float
    exit_parameters: int
    total_parameters: int
    truncated: int
    blank: int


@dataclass(frozen=True, slots=True)
class _Teaching:
    """How the exits are taught."""

    targets: Targets
    fit: ExitFit
    seed: int


@dataclass(frozen=True, slots=True)
class _Part:
    """The texts to fit to, or the dev texts: their tokens, and targets as ``fit_exits`` wants them."""

    texts: LabelledTexts | Texts
    encoded: "Encoded"
    targets: NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Logits of all exits on the dev texts, (exits, rows, labels), and how long it took to get there."""

    dev_logits: NDArray[np.float32]
    encoder_seconds: float
    exit_seconds: float


def attach(
    model: str,
    *,
    data: str,
    output: str | Path,
    dev: str | None = None,
    dev_fraction: float = 0.1,
    columns: Columns | None = None,
    targets: Targets = "model",
    labels: Sequence[str] | None = None,
    exits: Sequence[int] | str | None = None,
    pooling: str | None = None,
    head: str | None = None,
    max_length: int | None = None,
    fit: ExitFit | None = None,
    seed: int = 0,
    overwrite: bool = False,
    on_progress: OnProgress = unheard,
) -> AttachSummary:
    """Puts exits on a fine-tuned classifier and leaves everything else as it is.

    Encoder and head stay frozen, so the logits at full depth are those of the classifier, to the last bit. The texts
    run through it once; what the exits would see of them is kept in a file beside the output, of 4 bytes a text, layer
    before the last exit but one and unit of width, and the exits are fitted to that.

    Texts that the classifier was trained on are poor material: it is surer of them than of others, and so will the
    exits be. Any others of the same kind will do, since no labels are needed.

    A model that has exits already keeps its last; the others are replaced.

    Args:
        model: a checkpoint for ``AutoModelForSequenceClassification``: a folder or a hub id.
        data: texts: a csv, tsv, jsonl or parquet file, a folder, or a hub id.
        output: the model folder to write.
        dev: texts to choose the best epoch and fit temperatures on; by default split off ``data``.
        dev_fraction: share of ``data`` that is split off where no ``dev`` is given.
        targets: what the exits learn: ``model``, what the classifier believes at full depth, which needs no labels
            (self-distillation: FastBERT, Liu et al., ACL 2020); ``labels``; or ``both``.
        labels: label names in the order of the classifier's outputs; by default those of its configuration.
        exits: layers after which exits sit, as numbers or text; ``"all"``; None for four, spread as in the paper. The
            last is always the classifier's own head.
        pooling: ``pooler``, ``cls`` or ``mean``, for the new exits; by default as the exits there are, or ``mean``.
        head: ``linear``, or ``mlp`` with a hidden layer; by default as the exits there are, or ``linear``.
        max_length: tokens at which texts are cut; by default, and at most, what the encoder can take.
        fit: optimisation settings.
        seed: makes everything random repeatable.
        overwrite: replace an existing model folder.
        on_progress: is told what is being done, how many of how many parts.

    Raises:
        BackboneError: the checkpoint cannot be found or read, or is no classifier that can take exits.
        DataError: the data cannot be read, or have labels that the classifier lacks, or the dev texts are among the
            others or, as the classifier's folder says, among those that it was trained on.
        OptionError: an option is out of range, or the output exists.
        StorageError: the disk is full.
    """
    folder, columns, teaching = Path(output), columns or Columns(), _Teaching(targets, fit or ExitFit(), seed)
    check_numbers(dev_fraction, max_length, seed)
    check_output(folder, overwrite)
    check_exits(check_classifier(model, labels), exits, own_head=True)
    train_texts, dev_texts = _read(data, dev, dev_fraction, columns, targets, seed)
    if dev is not None:
        check_disjoint(dev_texts, [train_texts])
    before = fitted_before(model, train_texts, dev_texts, same_split=targets != "model")
    on_progress("loading the classifier", 0, None)
    # With these comes PyTorch, which takes seconds.
    import torch

    from offramp.model import adopt
    from offramp.training.card import attached_card
    from offramp.training.folder import write_folder

    loaded = adopt(
        model,
        exits=exits,
        labels=labels,
        pooling=pooling,
        head=head,
        text_pair=columns.text_pair is not None,
        max_length=max_length,
    )
    layers = loaded.network.config.exits
    check_new_exits(layers)
    loaded.network.to("cuda" if torch.cuda.is_available() else "cpu")
    train, dev_part = (_Part(texts, *_encoded(loaded, texts)) for texts in (train_texts, dev_texts))
    with replacing(folder) as new:
        new.mkdir()
        fitted = _fit(loaded, train, dev_part, teaching, new.parent, on_progress)
        calibration = _calibration(loaded, dev_part, fitted.dev_logits)
        record = _record(model, loaded, train, dev_part, teaching, fitted)
        sources = [train_texts.source, dev_texts.source]
        card = attached_card(loaded.network.config, calibration, record, sources)
        write_folder(new, loaded, calibration, record, card, fitted=[train_texts, *before], dev=dev_texts)
    return AttachSummary(
        folder=folder,
        exits=tuple(layers),
        targets=targets,
        calibration=calibration,
        rows=len(train.encoded),
        dev_rows=len(dev_part.encoded),
        encoder_seconds=fitted.encoder_seconds,
        exit_seconds=fitted.exit_seconds,
        exit_parameters=record["parameters"]["exits"],
        total_parameters=record["parameters"]["total"],
        truncated=record["truncated"],
        blank=record["blank"],
    )


def _read(
    data: str, dev: str | None, fraction: float, columns: Columns, targets: str, seed: int
) -> tuple[LabelledTexts, LabelledTexts] | tuple[Texts, Texts]:
    if targets not in get_args(Targets):
        raise OptionError(f"targets {targets!r} are not known; valid: {', '.join(get_args(Targets))}")
    if targets == "model":
        texts = read_texts(data, columns)
        return split_off_texts(texts, fraction, seed) if dev is None else (texts, read_texts(dev, columns))
    rows = read_labelled(data, columns)
    if dev is not None:
        return rows, read_labelled(dev, columns)
    split = split_off_dev(rows, fraction, seed)
    return split.train, split.dev


def _encoded(model: "LoadedModel", texts: LabelledTexts | Texts) -> "tuple[Encoded, NDArray[Any]]":
    from offramp.model.encoding import encode
    from offramp.model.losses import UNLABELLED

    config = model.network.config
    several = model.network.problem_type == Problem.MULTI_LABEL
    encoded = encode(model.tokenizer, texts.texts, texts.text_pairs)
    if isinstance(texts, Texts):
        shape = (len(texts), config.num_labels) if several else (len(texts),)
        return encoded, np.full(shape, UNLABELLED)
    try:
        return encoded, encode_labels(texts, config.labels, multi_label=several)
    except DataError as error:
        error.add_note("or name the classifier's outputs as the data do, with --labels")
        raise


def _fit(
    model: "LoadedModel", train: _Part, dev: _Part, teaching: _Teaching, folder: Path, on_progress: OnProgress
) -> _Fitted:
    from offramp.training.frozen import exit_logits_of, fit_exits, keep_states
    from offramp.training.phases import exits_alone

    rows, started = len(train.encoded) + len(dev.encoded), time.monotonic()

    def keep(part: _Part, name: str, before: int) -> "KeptStates":
        return keep_states(
            model, part.encoded, folder / name, lambda done: on_progress("running texts", before + done, rows)
        )

    train_states, dev_states = keep(train, "train.npy", 0), keep(dev, "dev.npy", len(train.encoded))
    kept = time.monotonic()
    fit_exits(
        model.network,
        (train_states, train.targets),
        (dev_states, dev.targets),
        exits_alone(
            len(model.network.heads),
            labelled=float(teaching.targets in ("labels", "both")),
            distill=float(teaching.targets in ("model", "both")),
        ),
        teaching.fit,
        seed=teaching.seed,
        on_step=lambda done, total: on_progress("fitting exits", done, total),
    )
    return _Fitted(exit_logits_of(model.network, dev_states), kept - started, time.monotonic() - kept)


def _calibration(model: "LoadedModel", dev: _Part, logits: NDArray[np.float32]) -> Calibration:
    problem, layers = Problem(model.network.problem_type), model.network.config.exits
    if isinstance(dev.texts, Texts):
        return fit_agreement(logits, problem, layers, dev.texts.fingerprint)
    return fit_calibration(logits, dev.targets, problem, layers, dev.texts.fingerprint)


def _record(
    name: str, model: "LoadedModel", train: _Part, dev: _Part, teaching: _Teaching, fitted: _Fitted
) -> dict[str, Any]:
    """What ``training.json`` holds."""
    network = model.network
    return {
        "environment": environment.describe(),
        "attached_to": name,
        "targets": teaching.targets,
        "exits": network.config.exits,
        "pooling": network.config.pooling,
        "head": network.config.head,
        "max_length": model.tokenizer.model_max_length,
        "fit": asdict(teaching.fit),
        "seed": teaching.seed,
        "data": {"train": train.texts.fingerprint, "dev": dev.texts.fingerprint},
        "rows": {"train": len(train.encoded), "dev": len(dev.encoded)},
        "truncated": int(train.encoded.truncated.sum()),
        "blank": train.texts.blank,
        "seconds": {"encoder": fitted.encoder_seconds, "exits": fitted.exit_seconds},
        "parameters": {
            "total": network.num_parameters(),
            "exits": sum(parameter.numel() for parameter in network.heads[:-1].parameters()),
        },
    }
