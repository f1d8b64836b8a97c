"""Whose answers count instead of those at full depth: another model's, or those in a column of the data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from offramp.backends import AUTOMATIC, REFERENCE, Runtime
from offramp.data import Columns, Data, LabeledTexts, Texts, read_labeled, source_identity
from offramp.data.wording import listing
from offramp.engine import check_model, open_model
from offramp.engine.answering import targets_of
from offramp.engine.choosing import check_one_given, path_of
from offramp.errors import InputError, OptionError
from offramp.files import is_there
from offramp.policy import OperatingPoint, Reference
from offramp.progress import OnProgress

if TYPE_CHECKING:
    from offramp.engine import Classifier
    from offramp.model.folder import ModelFacts

# A folder answers as it was made, not as it was exported: its exports may be what is to be compared with it.
_AS_MADE = Runtime(REFERENCE.backend, REFERENCE.precision)


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What the answers to some rows are compared with.

    Attributes:
        reference: whose predictions; None for full depth.
        predictions: int (rows,) or 0/1 (rows, labels), as the model counts labels; None without a reference.
    """

    reference: Reference | None = None
    predictions: NDArray[Any] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """The reference that was asked for: a model, a column, or none.

    Attributes:
        model: a folder, or a classifier in memory.
        column: of the data, written as labels are.

    Raises:
        OptionError: both are given.
    """

    model: "str | Path | Classifier | None" = None
    column: str | None = None

    def __post_init__(self) -> None:
        check_one_given(reference=self.model, reference_column=self.column)

    @property
    def named(self) -> Reference | None:
        """The reference, without the fingerprint of a model that is not loaded yet."""
        if self.model is None:
            return None if self.column is None else Reference(self.column)
        return Reference(_name(self.model))

    def check(self, model: "Classifier | ModelFacts") -> None:
        """Makes sure, before anything is loaded, that a reference model answers what the model does.

        Raises:
            ModelFolderError: its folder is damaged or not an offramp model.
            OptionError: its labels are others, or it reads or gives something else.
        """
        if self.model is None:
            return
        known = check_model(self.model, self._runtime)
        for ours, theirs, what in (
            (model.takes_pairs, known.takes_pairs, ("single texts", "pairs of texts")),
            (model.multi_label, known.multi_label, ("one label", "any number of labels")),
        ):
            if ours != theirs:
                raise self._unfit(f"is a model of {what[theirs]}, and the model one of {what[ours]}")
        if set(known.labels) != set(model.labels):
            extra = [label for label in known.labels if label not in model.labels]
            lacking = [label for label in model.labels if label not in known.labels]
            differing = [f"has {listing(extra)}"] * bool(extra) + [f"lacks {listing(lacking)}"] * bool(lacking)
            raise self._unfit(f"does not have the labels of the model: it {' and '.join(differing)}")

    def compared(
        self,
        model: "Classifier | ModelFacts",
        rows: LabeledTexts | Texts,
        data: Data,
        columns: Columns,
        on_progress: OnProgress,
    ) -> Compared:
        """The reference with its predictions for some rows.

        Args:
            model: whose answers are compared; it was checked before.
            rows: as read from the data.
            data: with the column, if that is the reference.
            columns: names of the others.
            on_progress: is told what is being done.

        Raises:
            DataError: the column is missing, or names a label that the model does not have.
            ModelFolderError: the folder of a reference model is damaged.
            OptionError: the data is a stream, which is read only once, or a list without columns.
        """
        if self.model is not None:
            return self._answers(model, rows, on_progress)
        if self.column is None:
            return Compared()
        if isinstance(data, str | Path) and source_identity(str(data)) is None:
            raise OptionError(
                f"{data} is a stream, which is read only once, and the reference is a second column of labels; give a "
                "file",
                option="reference_column",
                value=self.column,
            )
        try:
            column = read_labeled(data, replace(columns, label=self.column))
        except InputError as error:
            if error.option == "label":
                error.option = "reference_column"
                error.__notes__ = [f"`{error.option}` says which it is"]
            raise
        return Compared(Reference(self.column), targets_of(model, column))

    def _answers(
        self, model: "Classifier | ModelFacts", rows: LabeledTexts | Texts, on_progress: OnProgress
    ) -> Compared:
        """What the reference model says of rows at full depth."""
        assert self.model is not None
        reference = open_model(self.model, self._runtime, on_progress)
        on_progress("asking the reference", 0, None)
        probabilities = reference.predict_full(rows.texts, rows.text_pairs).probabilities
        # Labels go by their names; their order may be another.
        order = [reference.labels.index(label) for label in model.labels]
        predicted = reference.problem.predicted(probabilities)
        predictions = predicted[:, order] if reference.multi_label else np.argsort(order)[predicted]
        return Compared(Reference(_name(self.model), reference.fingerprint), predictions)

    @property
    def _runtime(self) -> Runtime:
        return _AS_MADE if isinstance(self.model, str | Path) else AUTOMATIC

    def _unfit(self, why: str) -> OptionError:
        assert self.model is not None
        name = _name(self.model)
        return OptionError(
            f"the reference {name!r} {why}; give a model that was made for the same task",
            option="reference",
            value=name,
        )


def check_promised(reference: Reference | None, points: Sequence[OperatingPoint]) -> None:
    """Makes sure that a reference is good for something: that an operating point promises something about it.

    Raises:
        OptionError: none does.
    """
    promised = [promise.limit.reference for point in points for promise in point.promises]
    others = dict.fromkeys(str(other) for other in promised if other is not None)
    if reference is None or any(other is not None and other.is_same(reference) for other in promised):
        return
    raise OptionError(
        f"no operating point promises anything about {reference}; "
        + (f"what is promised is about {' and '.join(others)}: give that" if others else "leave the reference out")
        + ", or run  offramp tune  with this reference",
        option="reference_column" if reference.model is None else "reference",
        value=reference.name,
    )


def _name(model: "str | Path | Classifier") -> str:
    """What a model is called: by its folder without the path, or by its name on the hub."""
    folder = path_of(model)
    if folder is None:
        return "in memory"
    return folder.resolve().name if is_there(folder) else str(model)
