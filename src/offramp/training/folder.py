"""What every new model folder holds, and what its record tells."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from offramp import environment
from offramp.backends import REFERENCE
from offramp.calibration import Calibration, Problem, fit_agreement, fit_calibration
from offramp.data import Texts, remember, temperatures_of
from offramp.data.seen import EPOCH, FITTING
from offramp.folder import CARD, TRAINING
from offramp.model import LoadedModel, save
from offramp.training.attaching import AttachJob
from offramp.training.card import model_card
from offramp.training.job import TrainingJob
from offramp.training.rows import Rows


def calibrated(
    model: LoadedModel, job: TrainingJob | AttachJob, logits: NDArray[np.float32], targets: NDArray[Any]
) -> Calibration:
    """Temperatures by what the exits say of the dev rows, (exits, rows, labels), and by their targets if there are any.

    Without labels they are those at which an exit's confidence says how likely the last exit is to agree.
    """
    problem, exits, dev = Problem(model.network.problem_type), model.network.config.exits, job.data.dev
    if isinstance(dev, Texts):
        return fit_agreement(logits, problem, exits, dev.fingerprint)
    return fit_calibration(logits, targets, problem, exits, dev.fingerprint)


def write_folder(
    new: Path,
    model: LoadedModel,
    job: TrainingJob | AttachJob,
    calibration: Calibration,
    train: Rows,
    *,
    heads: nn.ModuleList,
    told: dict[str, Any],
) -> None:
    """Writes a model with all that belongs to it into an empty folder.

    Args:
        train: the rows that it was fitted to, with labels or, where it has a teacher, without.
        heads: the exits that are new.
        told: what its record tells beside what those of all models do.
    """
    data, network = job.data, model.network
    config = network.config
    record = {
        "environment": environment.describe(),
        **job.to_dict(),
        "exits": config.exits,
        "pooling": config.pooling,
        "head": config.head,
        "max_length": model.tokenizer.model_max_length,
        "rows": {name: len(rows) for name, rows in data.parts.items()},
        "truncated": int(train.encoded.truncated.sum()),
        "blank": data.train.blank,
        "parameters": {
            "total": network.num_parameters(),
            "exits": sum(parameter.numel() for parameter in heads.parameters()),
        },
        **told,
    }
    save(model, new)
    calibration.save(new)
    TRAINING.write(new, record)
    for rows in (*data.fitted, *data.before):
        remember(new, rows, FITTING)
    remember(new, data.dev, EPOCH, temperatures_of(REFERENCE))
    card = model_card(config, calibration, record, [rows.source for rows in data.parts.values()])
    (new / CARD).write_text(card, encoding="utf-8")
