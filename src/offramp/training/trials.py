"""The trials of a training job: each makes and calibrates one model, which needs PyTorch."""

import shutil
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import set_seed

from offramp import environment
from offramp.files import replacing, storage_errors, write_json
from offramp.folder import TRAINING
from offramp.model import LoadedModel, build
from offramp.training.checks import check_layers, check_reading
from offramp.training.course import EXIT_FIT, Course, run
from offramp.training.folder import write_folder
from offramp.training.job import TrainingJob, Trial
from offramp.training.phases import believing, phases_of
from offramp.training.rows import beliefs_of_rows, rows_of, with_unlabeled
from offramp.training.summaries import TrainedRecord
from offramp.training.teacher import Teacher
from offramp.training.trainer import Fit
from offramp.training.unfinished import AGAIN, SETTINGS, discard, kept
from offramp.training.words_exit import calibrated

BELIEFS = "teacher.npy"

# For the slowest teacher of the most texts; PyTorch would give up after 10 minutes on GPUs.
LONGEST_WAIT = timedelta(days=2)


def run_trials(job: TrainingJob, workplace: Path, folder: Path) -> None:
    """Runs all trials that are not finished yet in ``workplace``, and leaves the best model in ``folder``."""
    # Lets several processes find each other. The first to ask says how long they wait: here for a teacher.
    PartialState(timeout=LONGEST_WAIT)
    teacher = _teacher(job)
    places = [workplace / f"trial-{trial.number}" for trial in job.trials]
    with kept(workplace, f"with `resume` {AGAIN}"):
        for trial, place in zip(job.trials, places, strict=True):
            if not (place / "model" / TRAINING.name).is_file():
                _run_trial(trial, job, teacher, place)
    if environment.is_main_process():
        _keep_best([place / "model" for place in places], folder)
        discard(workplace)
    PartialState().wait_for_everyone()


def _teacher(job: TrainingJob) -> Teacher | None:
    if job.regime.teacher is None:
        return None
    teacher = Teacher.open(job.regime.teacher, job.labels, job.problem, job.architecture.max_length)
    teacher.check(job.data.train)
    return teacher


def _keep_best(finished: list[Path], folder: Path) -> None:
    def accuracy(made: Path) -> float:
        return TRAINING.read(made, TrainedRecord, whole=False).best.mean_accuracy

    best = max(finished, key=accuracy)
    with replacing(folder) as new:
        best.replace(new)


def _run_trial(trial: Trial, job: TrainingJob, teacher: Teacher | None, place: Path) -> None:
    """Trains and calibrates one model and leaves it as a whole model folder in ``place / "model"``."""
    set_seed(trial.seed)
    listener = job.listener
    listener.on_progress("loading the encoder", 0, None)
    model = build(
        job.model,
        **job.architecture.network,
        labels=job.labels,
        problem_type=job.problem.type,
        text_pair=job.data.text_pair,
    )
    check_layers(model, job.regime)
    check_reading(model, job.long, pairs=job.data.text_pair)
    phases = phases_of(job.regime, model.network.config.exits)
    if job.data.train.beliefs is not None:
        phases = believing(phases)
    listener.on_trial(trial.number, job.recipe.trials, trial.learning_rate)
    listener.on_progress("tokenizing", 0, None)
    course = _course(trial, job, model, place)
    if trial.number == 0:
        counts = job.data.train.label_counts()
        listener.on_labels({name: counts.get(name, 0) for name in job.labels})
    if environment.is_main_process():
        # Not before all input has been checked: what is refused leaves nothing behind.
        write_json(place.parent / SETTINGS, job.to_dict())
    with storage_errors(place):
        if teacher is not None:
            # All trials share it, also after a resumption.
            beliefs = teacher.kept_logits(
                job.data.fitted,
                place.parent / BELIEFS,
                bf16=job.recipe.bf16,
                on_rows=partial(listener.on_progress, "asking the teacher"),
            )
            course = replace(course, taught=replace(course.taught, beliefs=beliefs))
        result = run(model, course, phases)
    PartialState().wait_for_everyone()  # no file of another process is in use any more
    if environment.is_main_process():
        listener.on_progress("calibrating", 0, None)
        said = course.train.beliefs
        targets = course.train.targets if said is None else job.problem.probabilities(said)
        front = calibrated(model, job, targets, course.dev, full_depth_may_change=True)
        with replacing(place / "model") as new:
            new.mkdir()
            told = _told(trial, job, result)
            write_folder(new, model, job, front, course.train, heads=model.network.heads, told=told)
        # With the optimizer's state they are several times as large as the model.
        for phase in place.glob("phase-*"):
            shutil.rmtree(phase, ignore_errors=True)


def _course(trial: Trial, job: TrainingJob, model: LoadedModel, place: Path) -> Course:
    """What a trial trains on, as token ids."""
    data, unlabeled = job.data, job.data.unlabeled
    train = rows_of(model, data.train)
    train = replace(train, beliefs=beliefs_of_rows(data.train, job.labels))
    taught = train if unlabeled is None else with_unlabeled(train, rows_of(model, unlabeled).encoded)
    return Course(job=job, trial=trial, train=train, dev=rows_of(model, data.dev), taught=taught, place=place)


def _told(trial: Trial, job: TrainingJob, result: Fit) -> dict[str, Any]:
    """What the record of a trained model tells beside what all do."""
    return {
        **({"fit": asdict(EXIT_FIT)} if job.regime.name == "frozen" else {}),
        "trial": asdict(trial),
        "epochs": [asdict(epoch) for epoch in result.epochs],
        "best": asdict(result.best),
        "seconds": result.seconds,
    }
