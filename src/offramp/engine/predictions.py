"""What a user gets back: one prediction a text, held as columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Problem
from offramp.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas

    from offramp.engine.cascade import Cascade

_COLUMNS = ("label", "confidence", "exit", "truncated")
# Those that there are only where a rule may hand texts over.
_OF_HANDING_OVER = ("handed_over", "best_guess")
# Fields of predictions with a value for each row.
_BY_ROW = ("probabilities", "exits", "layers", "truncated", "tokens", "handed_over")


def column_names(labels: Sequence[str], probabilities: bool, may_hand_over: bool = False) -> list[str]:
    """What the columns of predictions are called.

    With ``probabilities`` there is one more for every label; two more where a rule may hand texts over.
    """
    more = _OF_HANDING_OVER if may_hand_over else ()
    return [*_COLUMNS, *more, *(f"probability_{label}" for label in labels if probabilities)]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one text.

    Attributes:
        labels: the predicted label; for a multi-label model every label that holds, perhaps none; empty if handed over.
        confidence: calibrated probability that ``guessed_labels`` is right, from 0 to 1.
        exit: name of the exit taken, one of the classifier's ``exit_names``.
        exit_index: its index among them, from 0.
        layers: number of layers that were run.
        truncated: whether the text was longer than the model takes, so that its end was not read.
        probabilities: calibrated probability by label, the most probable first; as many as ``top_k`` asked for.
        handed_over: whether the text is handed over instead of answered, see :class:`offramp.policy.Threshold`.
        guessed_labels: what ``labels`` is where the text is answered, and would be where it is handed over.
    """

    labels: tuple[str, ...]
    confidence: float
    exit: str
    exit_index: int
    layers: int
    truncated: bool
    probabilities: dict[str, float]
    handed_over: bool
    guessed_labels: tuple[str, ...]

    @property
    def label(self) -> str | None:
        """The one label of a single-label prediction; None if the text is handed over.

        Raises:
            ValueError: the model is multi-label and did not predict exactly one.
        """
        return None if self.handed_over else self.best_guess

    @property
    def best_guess(self) -> str:
        """The one label that a single-label prediction has, or would have if the text were not handed over.

        Raises:
            ValueError: the model is multi-label and did not predict exactly one.
        """
        if len(self.guessed_labels) != 1:
            raise ValueError(f"the prediction holds {len(self.guessed_labels)} labels; read .labels instead of .label")
        return self.guessed_labels[0]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions(Sequence[Prediction]):
    """Predictions in input order, as arrays; indexing and iterating give :class:`Prediction` objects.

    Attributes:
        names: label names in the order of ``probabilities``.
        exit_names: what each exit of the model is called.
        problem: one label or a set of labels.
        probabilities: calibrated, at the exit each row took, (rows, labels).
        exits: index of the exit taken, (rows,).
        layers: number of layers run, (rows,).
        truncated: (rows,).
        tokens: tokens read, (rows,).
        handed_over: whether the row is handed over instead of answered, (rows,).
        may_hand_over: whether rows could be; only then files and data frames have columns for it.
        top_k: labels in each prediction's ``probabilities``; None for all.

    Example:
        >>> predictions = offramp.load("model").predict(["a wonderful story", "the plot was dull"])
        >>> predictions
        <2 predictions>
        >>> predictions[1].label, [prediction.label for prediction in predictions]
        ('bad', ['good', 'bad'])
        >>> predictions.probabilities.shape
        (2, 2)
    """

    names: tuple[str, ...]
    exit_names: tuple[str, ...]
    problem: Problem
    probabilities: NDArray[np.float64]
    exits: NDArray[np.int64]
    layers: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    tokens: NDArray[np.int64]
    handed_over: NDArray[np.bool_]
    may_hand_over: bool = False
    top_k: int | None = None

    @property
    def multi_label(self) -> bool:
        """Whether a row may have any number of labels."""
        return self.problem.multi_label

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Calibrated probability that the predicted label (or set, or best guess) is right, (rows,)."""
        return self.problem.confidence(self.probabilities, self.exits)

    @property
    def labels(self) -> list[tuple[str, ...]]:
        """Predicted labels of each row; exactly one a row for single-label models, none where it is handed over."""
        guessed = self.guessed_labels
        if not self.handed_over.any():
            return guessed
        return [() if over else labels for over, labels in zip(self.handed_over.tolist(), guessed, strict=True)]

    @property
    def guessed_labels(self) -> list[tuple[str, ...]]:
        """The same, with the best guesses where rows are handed over."""
        predicted = self.problem.predicted(self.probabilities)
        if not self.multi_label:
            single = [(name,) for name in self.names]
            return [single[index] for index in predicted.tolist()]
        return [tuple(self.names[index] for index in np.flatnonzero(row)) for row in predicted]

    @property
    def label(self) -> list[str | None]:
        """The one label of each row of a single-label model; None where it is handed over.

        Raises:
            ValueError: the model is multi-label.

        Example:
            >>> offramp.load("model").predict(["a wonderful story", "the plot was dull"]).label
            ['good', 'bad']
        """
        return [None if over else name for over, name in zip(self.handed_over.tolist(), self.best_guess, strict=True)]

    @property
    def best_guess(self) -> list[str]:
        """The one label that each row of a single-label model has, or would have if it were not handed over.

        Raises:
            ValueError: the model is multi-label.
        """
        if self.multi_label:
            raise ValueError("the model is multi-label, a row has any number of labels; read .labels instead of .label")
        return [name for (name,) in self.guessed_labels]

    @property
    def exit(self) -> list[str]:
        """The name of the exit that each row took."""
        return [self.exit_names[index] for index in self.exits.tolist()]

    def columns(self, *, probabilities: bool = False) -> dict[str, list[Any] | NDArray[Any]]:
        """The predictions by column, named as in the files that ``offramp predict`` writes.

        Args:
            probabilities: with one more for every label, ``probability_LABEL``.

        Returns:
            ``label`` (lists for multi-label models), ``confidence``, ``exit``, by its name, and ``truncated``;
            (rows,) each. Where rows may be handed over, ``handed_over`` and ``best_guess`` as well, and ``label`` is
            None for those.

        Example:
            >>> predictions = offramp.load("model").predict(["a wonderful story"], threshold=0)
            >>> predictions.columns(probabilities=True)
            {'label': ['good'], 'confidence': array([0...]), 'exit': ['layer 1'], 'truncated': array([False]),
             'probability_bad': array([0...]), 'probability_good': array([0...])}
        """
        guesses: list[Any] = list(map(list, self.guessed_labels)) if self.multi_label else self.best_guess
        over = self.handed_over.tolist()
        columns = (
            [None if handed else guess for handed, guess in zip(over, guesses, strict=True)],
            self.confidence,
            self.exit,
            self.truncated,
            *((self.handed_over, guesses) if self.may_hand_over else ()),
            *(self.probabilities.T if probabilities else ()),
        )
        return dict(zip(column_names(self.names, probabilities, self.may_hand_over), columns, strict=True))

    def to_pandas(self, *, probabilities: bool = False) -> "pandas.DataFrame":
        """The predictions as a data frame, one row a text; see :meth:`columns`.

        Raises:
            MissingExtraError: pandas is not installed.

        Example:
            >>> predictions = offramp.load("model").predict(["a wonderful story", "the plot was dull"], threshold=0)
            >>> predictions.to_pandas()
              label  confidence     exit  truncated
            0  good    0...  layer 1      False
            1   bad    0...  layer 1      False
        """
        try:
            import pandas
        except ImportError:
            raise MissingExtraError("a data frame", "pandas") from None
        return pandas.DataFrame(self.columns(probabilities=probabilities))

    def __len__(self) -> int:
        return len(self.exits)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...

    @overload
    def __getitem__(self, index: slice) -> "Predictions": ...

    def __getitem__(self, index: int | slice) -> "Prediction | Predictions":
        if isinstance(index, slice):
            return self._rows(index)
        return (
            next(iter(self._rows(slice(index, index + 1 or None)))) if -len(self) <= index < len(self) else _out(index)
        )

    def __iter__(self) -> Iterator[Prediction]:
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, : self.top_k]
        sorted_probabilities = np.take_along_axis(self.probabilities, order, axis=1).tolist()
        columns = zip(
            self.labels,
            self.confidence.tolist(),
            self.exit,
            self.exits.tolist(),
            self.layers.tolist(),
            self.truncated.tolist(),
            order.tolist(),
            sorted_probabilities,
            self.handed_over.tolist(),
            self.guessed_labels,
            strict=True,
        )
        for labels, confidence, exit_name, exit_index, layers, truncated, best, values, over, guessed in columns:
            scores = {self.names[label]: value for label, value in zip(best, values, strict=True)}
            yield Prediction(labels, confidence, exit_name, exit_index, layers, truncated, scores, over, guessed)

    def __repr__(self) -> str:
        return f"<{len(self)} predictions>"

    def _rows(self, rows: slice) -> "Predictions":
        return replace(self, **{name: getattr(self, name)[rows] for name in _BY_ROW})


def predictions_of(
    cascade: "Cascade",
    probabilities: NDArray[np.float64],
    exits: NDArray[np.int64],
    tokens: NDArray[np.int64],
    truncated: NDArray[np.bool_],
    top_k: int | None,
    handed_over: NDArray[np.bool_] | None = None,
) -> Predictions:
    """Puts together what is known of texts that have left; each (rows,), the probabilities (rows, labels).

    Args:
        cascade: that they have passed.
        handed_over: None where the rule hands nothing over.
    """
    return Predictions(
        names=cascade.labels,
        exit_names=cascade.names,
        problem=cascade.problem,
        probabilities=probabilities,
        exits=exits,
        layers=np.asarray(cascade.layers)[exits],
        truncated=truncated,
        tokens=tokens,
        handed_over=np.zeros(len(exits), np.bool_) if handed_over is None else handed_over,
        may_hand_over=handed_over is not None,
        top_k=top_k,
    )


def concatenated(parts: Sequence[Predictions]) -> Predictions:
    """The rows of all predictions of one model, one after the other."""
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _BY_ROW}
    return replace(parts[0], **columns)


def _out(index: int) -> Prediction:
    raise IndexError(f"there is no prediction {index}")
