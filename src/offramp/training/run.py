"""From labelled text to a calibrated model folder."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from transformers import set_seed

from offramp import environment
from offramp.calibration import Calibration, Problem, fit_calibration
from offramp.data import (
    Columns,
    LabelledTexts,
    Split,
    Texts,
    check_disjoint,
    check_trainable,
    encode_labels,
    read_labelled,
    read_texts,
    split_off_dev,
)
from offramp.data.seen import SeenRows
from offramp.errors import OptionError
from offramp.files import link_target, read_json, replacing, storage_errors, write_json
from offramp.model import LoadedModel, build
from offramp.model.encoding import encode
from offramp.training.card import model_card
from offramp.training.checks import (
    TRAINING,
    check_distillation,
    check_layers,
    check_numbers,
    check_output,
    check_trackers,
    fitted_before,
)
from offramp.training.course import Course, run
from offramp.training.folder import write_folder
from offramp.training.phases import phases_of
from offramp.training.recipe import DEFAULT, ExitFit, Recipe
from offramp.training.regimes import Regime
from offramp.training.rows import Rows, with_unlabelled
from offramp.training.teacher import Teacher
from offramp.training.trainer import Epoch, Fit, Listener
from offramp.training.unfinished import SETTINGS, check_unfinished, discard, kept

SCHEMA = 1

BELIEFS = "teacher.npy"

# For the slowest teacher of the most texts; PyTorch would give up after 10 minutes on GPUs.
LONGEST_WAIT = timedelta(days=2)


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


@dataclass(frozen=True, slots=True)
class _Trial:
    number: int
    learning_rate: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What all trials of a run share.

    Attributes:
        build: makes a network that is not trained yet.
        before: what the model that training starts from, and the teacher, were fitted to.
        settings: what has to be the same for a run to be resumed.
    """

    build: Callable[[], LoadedModel]
    split: Split
    unlabelled: Texts | None
    before: list[SeenRows]
    teacher: Teacher | None
    names: list[str]
    recipe: Recipe
    regime: Regime
    settings: dict[str, Any]
    resume: bool
    report_to: str
    listener: Listener

    @property
    def fitted(self) -> list[LabelledTexts | Texts]:
        """What the network is fitted to: the labelled rows, and then those without labels."""
        return [self.split.train, *([] if self.unlabelled is None else [self.unlabelled])]


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
    # The first to ask for the state of several processes says how long they wait for each other: here for a teacher.
    PartialState(timeout=LONGEST_WAIT)
    check_output(folder, overwrite)
    regime = regime or Regime()
    check_distillation(regime, unlabeled, teacher)
    split, names = _read(data, dev, dev_fraction, columns, seed)
    sources = dict.fromkeys(name for name in (model, teacher) if name is not None)
    before = [rows for name in sources for rows in fitted_before(name, split.train, split.dev, same_split=True)]
    more = None if unlabeled is None else read_texts(unlabeled, columns)
    # Rows that were split off may repeat what is left: that is how such texts come.
    check_disjoint(split.dev, [*([] if dev is None else [split.train]), *([] if more is None else [more])])
    problem = Problem.MULTI_LABEL if split.train.multi_label else Problem.SINGLE_LABEL
    expert = None if teacher is None else Teacher.open(teacher, names, problem, max_length)
    if expert is not None:
        expert.check(split.train)
    exits = (layers,) if exits is None and layers is not None else exits
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
    place = link_target(folder)  # the model is moved there from the workplace, so both have to be on one disk
    workplace = place.with_name(place.name + ".checkpoints")
    check_unfinished(workplace, settings, resume)
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
    work = _Work(
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
        listener=listener or Listener(),
    )
    with kept(workplace):
        planned = _plan(recipe, trials, seed)
        finished = [_finished(trial, workplace / f"trial-{trial.number}", work) for trial in planned]
    if environment.is_main_process():
        _keep_best(finished, folder)
        discard(workplace)
    PartialState().wait_for_everyone()
    return _summary(folder)


def _finished(trial: _Trial, place: Path, work: _Work) -> Path:
    """The model folder of a trial, which is run unless it was before an interruption."""
    made = place / "model"
    if not (made / TRAINING).is_file():
        _run_trial(trial, place, work)
    return made


def _keep_best(finished: list[Path], folder: Path) -> None:
    best = max(finished, key=lambda made: read_json(made / TRAINING)["best"]["mean_accuracy"])
    with replacing(folder) as new:
        best.replace(new)


def _run_trial(trial: _Trial, place: Path, work: _Work) -> None:
    """Trains and calibrates one model and leaves it as a whole model folder in ``place / "model"``."""
    set_seed(trial.seed)
    model = work.build()
    check_layers(model, work.regime)
    phases = phases_of(work.regime, model.network.config.exits, taught=work.teacher is not None)
    if trial.number == 0:
        counts = work.split.train.label_counts()
        work.listener.on_labels({name: counts.get(name, 0) for name in work.names})
    work.listener.on_trial(trial.number, work.settings["trials"], trial.learning_rate)
    course = _course(trial, model, place, work)
    if environment.is_main_process():
        # Not before all input has been checked: what is refused leaves nothing behind.
        write_json(place.parent / SETTINGS, work.settings)
    config, dev = model.network.config, work.split.dev
    with storage_errors(place):
        if work.teacher is not None:
            # All trials share it, also after a resumption.
            beliefs = work.teacher.kept_logits(
                work.fitted,
                place.parent / BELIEFS,
                bf16=work.recipe.bf16,
                on_rows=work.listener.on_teacher,
            )
            course = replace(course, taught=replace(course.taught, beliefs=beliefs))
        result = run(model, course, phases)
    PartialState().wait_for_everyone()  # no file of another process is in use any more
    problem = Problem(model.network.problem_type)
    calibration = fit_calibration(result.dev_logits, result.dev_targets, problem, config.exits, dev.fingerprint)
    record = _record(trial, model, course, result, work)
    if environment.is_main_process():
        with replacing(place / "model") as new:
            new.mkdir()
            card = model_card(config, calibration, record, [rows.source for rows in (*work.fitted, dev)])
            write_folder(new, model, calibration, record, card, fitted=[*work.fitted, *work.before], dev=dev)
        # With the optimiser's state they are several times as large as the model.
        for phase in place.glob("phase-*"):
            shutil.rmtree(phase, ignore_errors=True)


def _course(trial: _Trial, model: LoadedModel, place: Path, work: _Work) -> Course:
    """What a trial trains on, as token ids, and how."""
    several, more = model.network.problem_type == Problem.MULTI_LABEL, work.unlabelled

    def labelled(rows: LabelledTexts) -> Rows:
        encoded = encode(model.tokenizer, rows.texts, rows.text_pairs)
        return Rows(encoded, encode_labels(rows, work.names, multi_label=several))

    train = taught = labelled(work.split.train)
    if more is not None:
        taught = with_unlabelled(train, encode(model.tokenizer, more.texts, more.text_pairs))
    return Course(
        train=train,
        dev=labelled(work.split.dev),
        taught=taught,
        recipe=work.recipe,
        exit_fit=ExitFit(),
        learning_rate=trial.learning_rate,
        seed=trial.seed,
        place=place,
        resume=work.resume,
        report_to=work.report_to,
        listener=work.listener,
    )


def _record(trial: _Trial, model: LoadedModel, course: Course, result: Fit, work: _Work) -> dict[str, Any]:
    """What ``training.json`` holds."""
    rows = {"train": len(course.train.encoded), "dev": len(course.dev.encoded)}
    more = {} if work.unlabelled is None else {"unlabelled": len(work.unlabelled)}
    return {
        "schema": SCHEMA,
        "environment": environment.describe(),
        **work.settings,
        "max_length": model.tokenizer.model_max_length,
        **({"fit": asdict(course.exit_fit)} if work.regime.name == "frozen" else {}),
        "trial": asdict(trial),
        "rows": rows | more,
        "truncated": int(course.train.encoded.truncated.sum()),
        "blank": work.split.train.blank,
        "epochs": [_epoch_record(epoch) for epoch in result.epochs],
        "best": _epoch_record(result.best),
        "seconds": result.seconds,
        "parameters": {
            "total": model.network.num_parameters(),
            "exits": sum(parameter.numel() for parameter in model.network.heads.parameters()),
        },
    }


def _read(data: str, dev: str | None, fraction: float, columns: Columns, seed: int) -> tuple[Split, list[str]]:
    """The rows and the names of the labels; a rare label whose only rows are split off is known to the model, too."""
    rows = read_labelled(data, columns)
    check_trainable(rows)
    names = rows.label_names()
    if dev is not None:
        return Split(rows, read_labelled(dev, columns)), names
    return split_off_dev(rows, fraction, seed), names


def _plan(recipe: Recipe, trials: int, seed: int) -> list[_Trial]:
    """Random search as in the paper: each trial has its own seed and draws its learning rate."""
    draws = np.random.default_rng(seed).choice(recipe.learning_rates, size=trials)
    return [_Trial(number, float(rate), seed + number) for number, rate in enumerate(draws)]


def _summary(folder: Path) -> TrainingSummary:
    record, calibration = read_json(folder / TRAINING), Calibration.load(folder)
    return TrainingSummary(
        folder=folder,
        exits=tuple(one.layers for one in calibration.exits),
        epochs=tuple(Epoch.from_dict(entry) for entry in record["epochs"]),
        best=Epoch.from_dict(record["best"]),
        calibration=calibration,
        seconds=record["seconds"],
        exit_parameters=record["parameters"]["exits"],
        total_parameters=record["parameters"]["total"],
        truncated=record["truncated"],
        blank=record["blank"],
    )


def _epoch_record(epoch: Epoch) -> dict[str, Any]:
    return asdict(epoch) | {"mean_accuracy": epoch.mean_accuracy}
