"""The work of an attach job: exits are fitted to what a classifier makes of texts, which needs PyTorch."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from offramp.calibration import Problem, ProblemType
from offramp.data import LabeledTexts, Texts
from offramp.errors import DataError
from offramp.files import replacing
from offramp.model import LoadedModel, adopt
from offramp.model.exits import check_new_exits
from offramp.training.attaching import AttachJob
from offramp.training.checks import check_reading
from offramp.training.folder import write_folder
from offramp.training.frozen import fit_on_states
from offramp.training.phases import exits_alone
from offramp.training.recipe import Targets
from offramp.training.rows import Rows, rows_of
from offramp.training.words_exit import calibrated


def run(job: AttachJob, folder: Path) -> None:
    """Puts exits on the classifier, fits and calibrates them and leaves the model in ``folder``."""
    shape = job.architecture.network
    del shape["layers"]  # there are as many as before
    model = adopt(job.model, **shape, labels=job.labels, text_pair=job.data.text_pair)
    network = model.network
    check_new_exits(network.config.exits)
    check_reading(model, job.long, pairs=job.data.text_pair)
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    train, dev = (_rows(model, texts) for texts in (job.data.train, job.data.dev))
    weights = {"labeled": float(job.targets != "model"), "distill": float(job.targets != "labels")}
    with replacing(folder) as new:
        new.mkdir()
        fitted = fit_on_states(
            model,
            train,
            dev,
            exits_alone(len(network.heads), **weights),
            job.fit,
            seed=job.seed,
            folder=new.parent,
            on_rows=partial(job.on_progress, "running texts"),
            on_step=partial(job.on_progress, "fitting exits"),
        )
        job.on_progress("calibrating", 0, None)
        targets = _targets(train, Problem(ProblemType(network.problem_type)), job.targets, fitted.beliefs)
        front = calibrated(model, job, targets, dev, full_depth_may_change=False)
        told = {"seconds": {"encoder": fitted.encoder_seconds, "exits": fitted.exit_seconds}}
        write_folder(new, model, job, front, train, heads=network.heads[:-1], told=told)


def _rows(model: LoadedModel, texts: LabeledTexts | Texts) -> Rows:
    try:
        return rows_of(model, texts)
    except DataError as error:
        error.add_note("or name the classifier's outputs as the data do, in `labels`")
        raise


def _targets(rows: Rows, problem: Problem, targets: Targets, beliefs: NDArray[np.float32]) -> NDArray[Any]:
    """What words learn: labels, what the classifier believes, (rows, labels) of logits, or the mean of both."""
    if targets == "labels":
        return rows.targets
    believed = problem.probabilities(beliefs)
    if targets == "model":
        return believed
    labels = rows.targets if problem.multi_label else np.eye(believed.shape[1])[rows.targets]
    return np.asarray((believed + labels) / 2)
