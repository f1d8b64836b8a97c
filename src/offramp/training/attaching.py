"""From a classifier that is fine-tuned already to a model folder with exits."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from offramp.calibration.sets import Decide, decide_of
from offramp.data import Columns, Data, LabeledTexts, SelfMade, Texts, read_judging, read_taught, read_texts, self_made
from offramp.errors import OptionError, check_path
from offramp.model.finding import check_classifier, check_exits, outputs_of
from offramp.model.windows import LongTexts
from offramp.progress import OnProgress, unheard
from offramp.training.architecture import Architecture
from offramp.training.checks import (
    check_kinds,
    check_numbers,
    check_output,
    check_second_texts,
    check_self_made,
    check_targets,
)
from offramp.training.job import TrainingData, gathered
from offramp.training.recipe import ExitFit, Targets
from offramp.training.summaries import AttachSummary

SELF_MADE = 2000
"""Texts that a classifier makes itself for its exits to learn from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachJob:
    """All that ``attach`` was asked for.

    Attributes:
        model: the classifier: a folder or a hub id.
        labels: names of its outputs; None for its own.
        teacher_column: where the labels that are learnt stand, if another system gave them.
        decide: from which probability a label holds, where a text has any number of them.
        self_made: whether the classifier has made the texts itself that the exits learn from.
    """

    model: str
    data: TrainingData[LabeledTexts | Texts]
    labels: tuple[str, ...] | None
    architecture: Architecture
    long: LongTexts
    targets: Targets
    fit: ExitFit
    seed: int
    teacher_column: str | None
    decide: Decide
    self_made: bool
    on_progress: OnProgress

    def to_dict(self) -> dict[str, Any]:
        """What decides the model, for the folder's record."""
        return {
            "attached_to": self.model,
            "targets": self.targets,
            "fit": asdict(self.fit),
            "seed": self.seed,
            **self.long.to_dict(),
            "teacher_column": self.teacher_column,
            "label_thresholds": self.decide,
            "self_made": self.self_made,
            "data": self.data.fingerprints,
        }


def attach(
    model: str | Path,
    data: Data,
    *,
    output: str | Path,
    dev: Data | float = 0.1,
    columns: Columns | None = None,
    teacher_column: str | None = None,
    targets: Targets = "model",
    labels: Sequence[str] | None = None,
    architecture: Architecture | None = None,
    long: LongTexts | None = None,
    fit: ExitFit | None = None,
    label_thresholds: Decide | str = "half",
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
        data: texts: a csv, tsv, jsonl or parquet file, a folder, a hub id, or data in memory; see
            :func:`offramp.data.read_rows`. With ``self`` the classifier makes texts itself, of 8 to 128 tokens or, with
            ``self:8-64``, of so many; then ``dev`` has to name real ones, and the exits learn from the classifier.
        output: the model folder to write.
        dev: texts, as ``data``, to choose the best epoch and fit temperatures on; or the share of ``data`` that is
            split off for that.
        columns: names of the columns of all texts that have any.
        teacher_column: holds what another system said of the texts, as for :func:`offramp.train`, in place of the
            labels among the ``targets``; of probabilities the likeliest label counts.
        targets: what the exits learn: ``model``, what the classifier believes at full depth, which needs no labels
            (self-distillation: FastBERT, Liu et al., ACL 2020); ``labels``; or ``both``.
        labels: label names in the order of the classifier's outputs; by default those of its configuration.
        architecture: where exits sit, and what they are; the last is always the classifier's own head.
        long: what becomes of texts that are longer than the model reads at once; by default they are cut. The exits are
            fitted to their beginnings in any case.
        fit: optimization settings.
        label_thresholds: where a text has any number of labels, the probability from which each holds: ``half``, as
            before; or, fitted to labeled dev texts, ``f1`` for the best F1 of each, or how many times what a wrong
            label costs a missed one does. With these, sets at full depth change.
        seed: makes everything random repeatable.
        overwrite: replace an existing model folder.
        on_progress: is told what is being done, how many of how many parts.

    Raises:
        BackboneError: the checkpoint cannot be found or read, or is no classifier that can take exits.
        DataError: the data cannot be read, or have labels that the classifier lacks, or the dev texts are among the
            others or, as the classifier's folder says, among those that it was trained on.
        OptionError: an option is out of range, or the output exists.
        StorageError: the disk is full.

    Example:
        >>> architecture = offramp.Architecture(exits=(1, 2, 4))
        >>> summary = offramp.attach("classifier", "reviews.csv", output="new-model", architecture=architecture)
        >>> summary.exits, summary.targets, summary.rows, summary.dev_rows
        ((1, 2, 4), 'model', 432, 48)
    """
    check_path("model", model)
    check_kinds(columns=columns, architecture=architecture, long=long, fit=fit)
    folder, model = Path(output), str(model)
    columns, architecture = columns or Columns(), architecture or Architecture()
    check_numbers(dev, seed)
    check_targets(targets, teacher_column)
    if architecture.layers is not None:
        raise OptionError(
            f"layers is {architecture.layers}, but a classifier keeps all of its layers; leave that out",
            option="layers",
            value=architecture.layers,
        )
    check_output(folder, overwrite)
    declared = check_classifier(model, labels)
    check_exits(declared, architecture.layer_exits, own_head=True)
    outputs = outputs_of(declared) or {}

    def read(source: Data) -> LabeledTexts | Texts:
        rows = read_texts(source, columns) if targets == "model" else read_judging(source, columns, teacher_column)
        check_second_texts(source, rows, len(outputs))
        return rows

    judging: LabeledTexts | Texts | None = None
    if (made := self_made(data)) is not None:
        check_self_made(dev, targets)
        names = labels or list(map(str, outputs.values()))
        rows = _made_by(model, made, names, pairs=columns.text_pair is not None, seed=seed, on_progress=on_progress)
    elif teacher_column is None:
        rows = read(data)
    else:
        taught = read_taught(data, columns, teacher_column)
        rows, judging = taught.said, taught.judging
    texts = gathered(rows, dev, read, seed, models=[model], judging=judging, same_split=targets != "model")
    labeled = isinstance(texts.dev, LabeledTexts)
    several = not isinstance(texts.dev, LabeledTexts) or texts.dev.multi_label
    job = AttachJob(
        model=model,
        data=texts,
        labels=None if labels is None else tuple(labels),
        architecture=architecture,
        long=long or LongTexts(),
        targets=targets,
        fit=fit or ExitFit(),
        seed=seed,
        teacher_column=teacher_column,
        decide=decide_of(label_thresholds, multi_label=several, labeled=labeled),
        self_made=made is not None,
        on_progress=on_progress,
    )
    on_progress("loading the classifier", 0, None)
    from offramp.training.adopting import run

    run(job, folder)
    return AttachSummary.read(folder)


def _made_by(
    model: str, wanted: SelfMade, labels: Sequence[str], *, pairs: bool, seed: int, on_progress: OnProgress
) -> LabeledTexts | Texts:
    """Texts that the classifier makes itself for its exits to learn from."""
    from offramp.model.self_made import make_texts

    on_progress("making texts", 0, None)
    return make_texts(model, wanted, SELF_MADE, pairs=pairs, labels=labels, seed=seed)
