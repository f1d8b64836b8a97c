"""From labeled text to a calibrated model folder."""

from functools import partial
from pathlib import Path

from offramp.calibration.sets import Decide, decide_of
from offramp.data import (
    Columns,
    Data,
    check_trainable,
    encode_labels,
    read_judging,
    read_labeled,
    read_taught,
    read_texts,
)
from offramp.errors import check_path
from offramp.model.finding import check_checkpoint, check_classifier, check_exits
from offramp.model.windows import LongTexts
from offramp.training.architecture import Architecture
from offramp.training.checks import check_kinds, check_numbers, check_output, check_taught, check_trackers
from offramp.training.job import TrainingJob, gathered
from offramp.training.listening import Listener
from offramp.training.recipe import DEFAULT, Recipe
from offramp.training.regimes import Regime
from offramp.training.summaries import TrainingSummary
from offramp.training.unfinished import check_unfinished, check_workplace, workplace_of


def train(
    model: str | Path,
    data: Data,
    *,
    output: str | Path,
    dev: Data | float = 0.1,
    columns: Columns | None = None,
    teacher_column: str | None = None,
    architecture: Architecture | None = None,
    long: LongTexts | None = None,
    regime: Regime | None = None,
    recipe: Recipe = DEFAULT,
    label_thresholds: Decide | str = "auto",
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    listener: Listener | None = None,
) -> TrainingSummary:
    """Fine-tunes an encoder with exits on labeled texts, calibrates it on dev data and writes the model folder.

    By default all exits are trained jointly (Schwartz et al. 2020, §3). The epoch and the trial with the best dev
    accuracy, mean over exits, are kept. Until the folder is complete, everything needed to go on after an interruption
    lies beside it in ``OUTPUT.checkpoints``.

    Args:
        model: the encoder, or a model whose encoder training starts from: a folder or a hub id.
        data: labeled texts: a csv, tsv, jsonl or parquet file, a folder, a hub id, or data in memory; see
            :func:`offramp.data.read_rows`.
        output: the model folder to write.
        dev: labeled texts, as ``data``, to choose the best epoch and fit temperatures on; or the share of ``data``
            that is split off for that, stratified and seeded.
        columns: names of the columns of all texts that have any.
        teacher_column: holds what another system, such as a large language model, said of the training texts: a label,
            or an object with the probability of each label. The exits learn that in place of the labels; if there is a
            column of labels, too, the dev rows are judged by these, and their labels are all that are known.
        architecture: where exits sit, and what they are; by default four linear ones.
        long: what becomes of texts that are longer than the model reads at once; by default they are cut. It learns
            from their beginnings in any case.
        regime: how the exits are taught; by default jointly, by the labels alone.
        recipe: optimization settings; in regime ``frozen`` those of the encoder and its last exit, while the others are
            fitted by an :class:`~offramp.training.ExitFit`.
        label_thresholds: where a text has any number of labels, the probability from which each holds, fitted to the
            dev data: ``f1`` for the best F1 of each, ``auto`` for that where it raises their mean F1 on rows that it
            was not fitted to, ``half`` for 0.5; or how many times what a wrong label costs a missed one does.
        seed: makes everything random repeatable.
        resume: go on with the unfinished run of the same command.
        overwrite: replace an existing model folder.
        listener: is told about labels, steps and epochs.

    Raises:
        DataError: the data cannot be read, or has one class only, or dev has labels that training lacks, or rows that
            the model was or would be fitted to.
        OptionError: an option is out of range or would do nothing, the output exists, or the teacher knows other
            labels.
        BackboneError: the encoder cannot be found, read or given exits; or there is no such teacher, or it cannot
            classify the texts.
        StorageError: the disk is full.

    Example:
        >>> recipe = offramp.Recipe(epochs=2, batch_size=16)
        >>> summary = offramp.train("encoder", "reviews.csv", output="new-model", recipe=recipe)
        >>> summary.exits, summary.epochs[-1].number
        ((1, 2, 3, 4), 2.0)
        >>> offramp.load("new-model").labels
        ('bad', 'good')
    """
    check_path("model", model)
    check_kinds(columns=columns, architecture=architecture, long=long, regime=regime, recipe=recipe)
    folder, columns, listener, model = Path(output), columns or Columns(), listener or Listener(), str(model)
    architecture, regime = architecture or Architecture(), regime or Regime()
    check_numbers(dev, seed, recipe.trials)
    check_trackers(listener.report_to)
    check_output(folder, overwrite)
    check_exits(check_checkpoint(model), architecture.layer_exits, layers=architecture.layers)
    if regime.teacher is not None:
        check_classifier(regime.teacher)
    workplace = workplace_of(folder)
    check_workplace(workplace, resume)
    listener.on_progress("reading texts", 0, None)
    taught = None if teacher_column is None else read_taught(data, columns, teacher_column)
    rows, judging = (read_labeled(data, columns), None) if taught is None else (taught.said, taught.judging)
    check_trainable(rows)
    check_taught(rows, regime, teacher_column)
    texts = gathered(
        rows,
        dev,
        partial(read_judging, columns=columns, column=teacher_column),
        seed,
        models=[model, *([] if regime.teacher in (None, model) else [regime.teacher])],
        unlabeled=None if regime.unlabeled is None else read_texts(regime.unlabeled, columns),
        judging=judging,
        same_split=True,
    )
    labels = (rows if judging is None else judging).label_names()
    decide = decide_of(label_thresholds, multi_label=rows.multi_label)
    encode_labels(texts.dev, labels, multi_label=rows.multi_label)  # refuses labels that training lacks
    job = TrainingJob(
        model=model,
        data=texts,
        labels=tuple(labels),
        architecture=architecture,
        long=long or LongTexts(),
        regime=regime,
        recipe=recipe,
        seed=seed,
        teacher_column=teacher_column,
        decide=decide,
        resume=resume,
        listener=listener,
    )
    check_unfinished(workplace, job.to_dict(), resume)
    listener.on_progress("loading PyTorch", 0, None)
    from offramp.training.trials import run_trials

    run_trials(job, workplace, folder)
    return TrainingSummary.read(folder)
