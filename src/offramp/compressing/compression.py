"""From a model folder and unlabeled texts to the same model with narrower layers."""

from dataclasses import dataclass
from pathlib import Path

from offramp.backends import REFERENCE
from offramp.compressing.summary import Compressed
from offramp.data import (
    Columns,
    Data,
    LabeledTexts,
    Texts,
    check_dev_fraction,
    check_disjoint,
    check_untrained,
    read_any,
)
from offramp.data.unlabeled import split_off
from offramp.engine import check_rows
from offramp.engine.choosing import path_named
from offramp.errors import DataError, OptionError, check_path, check_type, is_count
from offramp.model.folder import check_single
from offramp.policy import read_operating_points
from offramp.policy.risk import check_shares
from offramp.progress import OnProgress, unheard
from offramp.training.checks import check_numbers, check_output

DEFAULT_FLOPS = 0.75
LEAST_HELD_OUT = 20
MOST_EXPERTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """How narrow the layers are to become; exactly one is given.

    Attributes:
        flops: share of the multiply-adds of the encoder's layers that is left.
        speedup: over the original at full depth, as measured.
        max_disagreement: as narrow as possible with at most this share of answers at full depth that differ.

    Raises:
        OptionError: a value is out of range, or several are given.
    """

    flops: float | None = None
    speedup: float | None = None
    max_disagreement: float | None = None

    def __post_init__(self) -> None:
        given = {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}
        if len(given) > 1:
            raise OptionError(f"{' and '.join(given)} are given; choose one goal at a time", option=next(iter(given)))
        if self.flops is not None and not 0 < self.flops <= 1:
            raise OptionError(
                f"flops is {self.flops}; it is the share of the work that is left, above 0 and at most 1",
                option="flops",
                value=self.flops,
            )
        if self.speedup is not None and not 1 < self.speedup < 100:
            raise OptionError(
                f"speedup is {self.speedup}; use a number above 1, such as 1.5", option="speedup", value=self.speedup
            )
        if self.max_disagreement is not None:
            check_shares(self.max_disagreement, name="max_disagreement")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressJob:
    """All that ``compress`` was asked for.

    Attributes:
        model: the folder of the original.
        fitting: texts that neurons are ranked and matrices refitted on.
        held_out: texts that the result is compared and calibrated on.
        experts: of how many narrow blocks in each layer a token runs through one; None for one block.
        at: the operating point that tells how many rows reach each layer; None for the default.
    """

    model: Path
    fitting: LabeledTexts | Texts
    held_out: LabeledTexts | Texts
    goal: Goal
    experts: int | None
    at: str | None
    seed: int
    on_progress: OnProgress


def compress(
    model: str | Path,
    data: Data,
    *,
    output: str | Path,
    flops: float | None = None,
    speedup: float | None = None,
    max_disagreement: float | None = None,
    experts: int | None = None,
    dev: Data | float = 0.2,
    columns: Columns | None = None,
    at: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    on_progress: OnProgress = unheard,
) -> Compressed:
    """Takes neurons out of a model's feed-forward blocks and makes up for them, without labels.

    A pass over some texts tells which neurons matter: the energy of each one's activation times the squared norm of
    what the layer's output makes of it. One order over all layers, in which a layer counts by the share of the texts
    that reach it, says how many each layer keeps. With ``experts`` each layer gets several blocks of that width, and
    each token runs through the one that was made for tokens like it. Then the second matrix of each block is refitted
    in closed form, layer after layer, to what the original gives, and the exits to what it says at full depth. The head
    that a fine-tuned classifier came with stays as it is.

    The folder that is written is a model folder like any other; without exports and operating points, for those were
    the original's.

    Args:
        model: a model folder, or a hub id; of a chain give one of its models.
        data: texts, a thousand or more: a csv, tsv, jsonl or parquet file, a folder, a hub id, or data in memory; see
            :func:`offramp.data.read_rows`. Labels, where there are any, calibrate and judge; nothing else needs them.
        output: the model folder to write.
        flops: share of the multiply-adds of the encoder's layers, attention included, that is left for a text of the
            mean length; 0.75 where no goal is given.
        speedup: of full depth in PyTorch, as measured here; the widest layers that are so much faster.
        max_disagreement: the narrowest layers whose answers at full depth differ from the original's on at most this
            share of such texts, with 95 % confidence.
        experts: of how many blocks in each layer a token runs through one, 2 to 64; None for one block. Only PyTorch
            runs such a model. What it is worth beside one block, and when, stands in the documentation.
        dev: texts, as ``data``, to compare and calibrate the result on; or the share of ``data`` that is split off.
        columns: names of the columns of all texts that have any.
        at: operating point by which texts leave, to tell how many reach each layer; by default as ``predict`` does.
        seed: makes everything random repeatable.
        overwrite: replace an existing model folder.
        on_progress: is told what is being done, how many of how many parts.

    Raises:
        BackboneError: the encoder's feed-forward blocks are not found, or its layers share their parameters.
        CheckFailed: no width meets the goal; nothing is written.
        DataError: the data cannot be read, do not fit the model, or the model was trained on them.
        ModelFolderError: the folder is damaged, not an offramp model, or a chain.
        OptionError: an option is out of range, or the output exists.
        StorageError: the disk is full.

    Example:
        >>> made = offramp.compress("model", "fresh.csv", output="narrow-model", flops=0.9)
        >>> made.widths_before, len(made.widths)
        ((64, 64, 64, 64), 4)
    """
    check_path("model", model)
    check_type("columns", columns, Columns)
    goal = Goal(flops=flops, speedup=speedup, max_disagreement=max_disagreement)
    if goal == Goal():
        goal = Goal(flops=DEFAULT_FLOPS)
    _check_experts(experts)
    check_numbers(dev, seed)
    output, columns = Path(output), columns or Columns()
    check_output(output, overwrite)
    folder = path_named(model)
    known = check_single(folder)
    if at is not None:
        read_operating_points(folder).at(at, REFERENCE)
    rows = read_any(data, columns)
    if isinstance(dev, float | int):
        check_dev_fraction(dev)
        fitting, held_out = split_off(rows, dev, seed)
    else:
        fitting, held_out = rows, read_any(dev, columns)
        check_disjoint(held_out, [fitting])
    for part in (fitting, held_out):
        check_rows(known, part)
    if len(held_out) < LEAST_HELD_OUT:
        raise DataError(
            f"{len(held_out)} texts are held out to compare the result with the original; give {LEAST_HELD_OUT} or "
            "more",
            option="data",
        )
    check_untrained(folder, held_out, "it is surer of them than of any others, so the result would look too good")
    on_progress("loading the model", 0, None)
    from offramp.compressing.run import run

    job = CompressJob(
        model=folder,
        fitting=fitting,
        held_out=held_out,
        goal=goal,
        experts=experts,
        at=at,
        seed=seed,
        on_progress=on_progress,
    )
    return run(job, output)


def _check_experts(experts: int | None) -> None:
    if experts is not None and not (is_count(experts) and 2 <= experts <= MOST_EXPERTS):
        raise OptionError(
            f"experts is {experts!r}; use a whole number from 2 to {MOST_EXPERTS}, or leave it out for one block "
            "in each layer",
            option="experts",
            value=experts,
        )
