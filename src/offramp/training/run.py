"""From labelled text to a calibrated model folder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from offramp.calibration import Calibration, Problem
from offramp.data import (
    Columns,
    Split,
    check_disjoint,
    check_trainable,
    encode_labels,
    read_labelled,
    read_texts,
    split_off_dev,
)
from offramp.errors import OptionError
from offramp.files import link_target
from offramp.folder import TRAINING
from offramp.model.finding import check_checkpoint, check_classifier, check_exits
from offramp.records import from_json
from offramp.training.checks import (
    check_distillation,
    check_numbers,
    check_output,
    check_trackers,
    fitted_before,
)
from offramp.training.listening import Epoch, Listener
from offramp.training.recipe import DEFAULT, Recipe
from offramp.training.regimes import Regime
from offramp.training.unfinished import check_unfinished, check_workplace

if TYPE_CHECKING:
    from offramp.training.trials import Trial


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """What a training run produced; the same stands in the folder's ``training.json``.

    Attributes:
        folder: the model folder.
        exits: layers run before each exit.
        epochs: dev accuracies after each epoch of the best trial.
        best: the epoch whose weights were kept.
        calibration: temperatures and dev metrics of each exit.
        seconds: time in the training loop of the best trial, dev passes included; of a phase that was resumed, the time
            since then.
        exit_parameters: parameters of all exits.
        total_parameters: parameters of the whole network.
        truncated: training texts that were longer than the model takes.
        blank: training texts that were empty.
    """

    folder: Path
    exits: tuple[int, ...]
    epochs: tuple[Epoch, ...]
    best: Epoch
    calibration: Calibration
    seconds: float
    exit_parameters: int
    total_parameters: int
    truncated: int
    blank: int


def train(
    data: str,
    *,
    model: str,
    output: str | Path,
    dev: str | None = None,
    dev_fraction: float = 0.1,
    columns: Columns | None = None,
    unlabeled: str | None = None,
    teacher: str | None = None,
    exits: Sequence[int] | str | None = None,
    layers: int | None = None,
    pooling: str | None = None,
    head: str = "linear",
    max_length: int | None = None,
    recipe: Recipe = DEFAULT,
    regime: Regime | None = None,
    trials: int = 1,
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    report_to: str = "none",
    listener: Listener | None = None,
) -> TrainingSummary:
    """Fine-tunes an encoder with exits on labelled texts, calibrates it on dev data and writes the model folder.

    By default all exits are trained jointly (Schwartz et al. 2020, §3). The epoch and the trial with the best dev
    accuracy, mean over exits, are kept. Until the folder is complete, everything needed to go on after an interruption
    lies beside it in ``OUTPUT.checkpoints``.

    Args:
        data: labelled texts: a csv, tsv, jsonl or parquet file, a folder, or a hub id.
        model: the encoder, or a model whose encoder training starts from: a folder or a hub id.
        output: the model folder to write.
        dev: labelled texts to choose the best epoch and fit temperatures on; by default split off ``data``.
        dev_fraction: share of ``data`` that is split off, stratified and seeded, where no ``dev`` is given.
        unlabeled: more texts, whose target is what the teacher or the last exit believes; ``regime.distill`` has to be
            above 0.
        teacher: a fine-tuned classifier of the same labels, of any architecture: a checkpoint for
            ``AutoModelForSequenceClassification`` or a folder of ours. What it believes is the target of all exits in
            the place of what the last exit believes (Hinton et al. 2015); ``regime.distill`` has to be above 0.
        exits: layers after which exits sit, as numbers or text; ``"all"``; None for four, spread as in the paper. The
            encoder's depth alone makes the standard classifier with one exit.
        layers: cuts the encoder off after so many layers; then the default is one exit, at its end.
        pooling: ``pooler``, ``cls`` or ``mean``; by default what the encoder was pre-trained with.
        head: ``linear`` (the paper's), or ``mlp`` with a hidden layer.
        max_length: tokens at which texts are cut; by default, and at most, what the encoder can take. The default of a
            model of ours is what it was trained with.
        recipe: optimisation settings; in regime ``frozen`` those of the encoder and its last exit, while the others are
            fitted by an :class:`~offramp.training.ExitFit`.
        regime: how the exits are taught; by default jointly. With one exit only a teacher's ``distill`` has a meaning.
        trials: runs with different seeds, and learning rates where the recipe has several; the best one is kept.
        seed: makes everything random repeatable.
        resume: go on with the unfinished run of the same command.
        overwrite: replace an existing model folder.
        report_to: experiment trackers, as ``TrainingArguments.report_to`` names them.
        listener: is told about labels, steps and epochs.

    Raises:
        DataError: the data cannot be read, or has one class only, or dev has labels that training lacks, or rows that
            the model was or would be fitted to.
        OptionError: an option is out of range or would do nothing, the output exists, or the teacher knows other
            labels.
        BackboneError: the encoder cannot be found, read or given exits; or there is no such teacher, or it cannot
            classify the texts.
        StorageError: the disk is full.
    """
    folder, columns = Path(output), columns or Columns()
    check_numbers(dev_fraction, max_length, seed)
    if not 1 <= trials <= 2**32 - seed:
        raise OptionError(f"trials is {trials}; use a whole number from 1 to {2**32 - seed}")
    check_trackers(report_to)
    check_output(folder, overwrite)
    regime = regime or Regime()
    check_distillation(regime, unlabeled, teacher)
    exits = (layers,) if exits is None and layers is not None else exits
    check_exits(check_checkpoint(model), exits, layers=layers)
    if teacher is not None:
        check_classifier(teacher)
    place = link_target(folder)  # the model is moved there from the workplace, so both have to be on one disk
    workplace = place.with_name(place.name + ".checkpoints")
    check_workplace(workplace, resume)
    listener = listener or Listener()
    listener.on_progress("reading texts", 0, None)
    split, names = _read(data, dev, dev_fraction, columns, seed)
    sources = dict.fromkeys(name for name in (model, teacher) if name is not None)
    before = [rows for name in sources for rows in fitted_before(name, split.train, split.dev, same_split=True)]
    more = None if unlabeled is None else read_texts(unlabeled, columns)
    # Rows that were split off may repeat what is left: that is how such texts come.
    check_disjoint(split.dev, [*([] if dev is None else [split.train]), *([] if more is None else [more])])
    encode_labels(split.dev, names, multi_label=split.train.multi_label)  # refuses labels that training lacks
    problem = Problem.MULTI_LABEL if split.train.multi_label else Problem.SINGLE_LABEL
    fingerprints = {"train": split.train.fingerprint, "dev": split.dev.fingerprint}
    settings = {
        "backbone": model,
        "exits": exits if isinstance(exits, str) or exits is None else list(exits),
        "layers": layers,
        "pooling": pooling,
        "head": head,
        "max_length": max_length,
        "regime": asdict(regime),
        "teacher": teacher,
        "recipe": asdict(recipe) | {"learning_rates": list(recipe.learning_rates)},
        "trials": trials,
        "seed": seed,
        "data": fingerprints | ({} if more is None else {"unlabelled": more.fingerprint}),
    }
    check_unfinished(workplace, settings, resume)
    listener.on_progress("loading PyTorch", 0, None)
    from offramp.model import build
    from offramp.training.teacher import Teacher
    from offramp.training.trials import Work, begin, run_trials

    begin()
    expert = None if teacher is None else Teacher.open(teacher, names, problem, max_length)
    if expert is not None:
        expert.check(split.train)
    new_network = partial(
        build,
        model,
        exits=exits,
        layers=layers,
        head=head,
        labels=names,
        problem_type=problem,
        pooling=pooling,
        text_pair=columns.text_pair is not None,
        max_length=max_length,
    )
    work = Work(
        build=new_network,
        split=split,
        unlabelled=more,
        before=before,
        teacher=expert,
        names=names,
        recipe=recipe,
        regime=regime,
        settings=settings,
        resume=resume,
        report_to=report_to,
        listener=listener,
    )
    run_trials(_plan(recipe, trials, seed), work, workplace, folder)
    return _summary(folder)


def _read(data: str, dev: str | None, fraction: float, columns: Columns, seed: int) -> tuple[Split, list[str]]:
    """The rows and the names of the labels; a rare label whose only rows are split off is known to the model, too."""
    rows = read_labelled(data, columns)
    check_trainable(rows)
    names = rows.label_names()
    if dev is not None:
        return Split(rows, read_labelled(dev, columns)), names
    return split_off_dev(rows, fraction, seed), names


def _plan(recipe: Recipe, trials: int, seed: int) -> "list[Trial]":
    """Random search as in the paper: each trial has its own seed and draws its learning rate."""
    from offramp.training.trials import Trial

    draws = np.random.default_rng(seed).choice(recipe.learning_rates, size=trials)
    return [Trial(number, float(rate), seed + number) for number, rate in enumerate(draws)]


def _summary(folder: Path) -> TrainingSummary:
    record, calibration = TRAINING.read(folder, dict[str, Any]), Calibration.load(folder)
    return TrainingSummary(
        folder=folder,
        exits=tuple(one.layers for one in calibration.exits),
        epochs=tuple(from_json(Epoch, entry) for entry in record["epochs"]),
        best=from_json(Epoch, record["best"]),
        calibration=calibration,
        seconds=record["seconds"],
        exit_parameters=record["parameters"]["exits"],
        total_parameters=record["parameters"]["total"],
        truncated=record["truncated"],
        blank=record["blank"],
    )
