"""Limits: what may be lost, of which rows, and how much at most."""

from dataclasses import dataclass
from enum import StrEnum

from offramp.errors import OptionError
from offramp.policy.risk import Loss, Method, check_shares


class Risk(StrEnum):
    """What can be lost, as a share of the rows that count.

    Members:
        DISAGREEMENT: the share of predictions that differ from full depth, or from another reference. Needs no labels.
        ACCURACY_DROP: the accuracy of full depth, or of another reference, minus that of early exit.
        LABELS_CHANGED: the share of a row's labels, of all that the model knows, on which its set differs from that at
            full depth, or of another reference (the Hamming loss); mean over rows. Needs no labels.
        ERROR: the share of predictions that are wrong.
        PRECISION: of the rows that are predicted as a label, the share that do not have it: one minus the precision.
        RECALL: of the rows that have a label, the share that are not predicted as it: one minus the recall.
    """

    DISAGREEMENT = "disagreement"
    ACCURACY_DROP = "accuracy drop"
    LABELS_CHANGED = "labels changed"
    ERROR = "error"
    PRECISION = "precision"
    RECALL = "recall"

    @property
    def loss(self) -> Loss:
        """The values that a row's loss can take."""
        if self is Risk.LABELS_CHANGED:
            return Loss.UNIT
        return Loss.SIGNED if self is Risk.ACCURACY_DROP else Loss.BINARY

    @property
    def best_method(self) -> Method:
        """The method that kept the most speed on real logits, see ``benchmarks/guarantees.py``."""
        return Method.LTT if self.loss is Loss.BINARY else Method.UCB

    @property
    def compares(self) -> bool:
        """Whether answers are compared with those of full depth, or of another reference."""
        return self in {Risk.DISAGREEMENT, Risk.ACCURACY_DROP, Risk.LABELS_CHANGED}

    @property
    def of_a_label(self) -> bool:
        """Whether it is a risk of one label, which decides which rows count."""
        return self in {Risk.PRECISION, Risk.RECALL}

    @property
    def needs_labels(self) -> bool:
        """Whether the rows have to be labeled."""
        return self not in {Risk.DISAGREEMENT, Risk.LABELS_CHANGED}


@dataclass(frozen=True, slots=True)
class Reference:
    """Whose predictions answers are compared with, instead of those of full depth.

    Attributes:
        name: of a column of the data, or of a model.
        model: fingerprint of the model; None for a column.
    """

    name: str
    model: str | None = None

    def __str__(self) -> str:
        return self.name if self.model is None else f"the model {self.name} ({self.model})"

    def is_same(self, other: "Reference") -> bool:
        """Whether both are one: columns go by their names, models by their fingerprints, wherever they lie."""
        return self.model == other.model and (self.model is not None or self.name == other.name)


@dataclass(frozen=True, slots=True)
class Limit:
    """A risk that is to be at most ``target``, over the rows that count.

    Attributes:
        risk: what can be lost.
        target: greatest risk allowed; a precision of 0.98 is a target of 0.02.
        label: the label of a precision or a recall; None for other risks.
        exit: only rows that leave at or before the exit of this name count; None for all rows.
        reference: what predictions are compared with; None for full depth.
        answered: whether only rows that are answered count, since others may be handed over.

    Raises:
        OptionError: the target is out of range, or label and risk do not fit.
    """

    risk: Risk
    target: float
    label: str | None = None
    exit: str | None = None
    reference: Reference | None = None
    answered: bool = False

    def __post_init__(self) -> None:
        check_shares(self.target, name=f"max_{self.risk.replace(' ', '_')}")
        if (self.label is not None) != self.risk.of_a_label:
            raise OptionError(
                f"the label of a limit on the {self.risk} is {self.label!r}; precision and recall have one"
            )
        if self.reference is not None and not self.risk.compares:
            raise OptionError(
                f"a limit on the {self.risk} has the reference {self.reference.name!r}, but compares with nothing"
            )

    @property
    def kept_at_full_depth(self) -> bool:
        """Whether full depth keeps it by definition, because the risk compares with it."""
        return self.risk.compares and self.reference is None

    @property
    def conditional(self) -> bool:
        """Whether which rows count depends on labels, predictions or exits taken."""
        return self.label is not None or self.exit is not None or self.answered

    @property
    def at_least(self) -> bool:
        """Whether people state it the other way around: a precision or a recall is *at least* something."""
        return self.risk.of_a_label

    @property
    def what(self) -> str:
        """What is bounded, such as ``disagreement`` or ``precision of 'spam'``."""
        label = "" if self.label is None else f" of {self.label!r}"
        compared = "with" if self.risk is Risk.DISAGREEMENT else "against"
        reference = "" if self.reference is None else f" {compared} {self.reference}"
        leaving = "" if self.exit is None else f" up to {self.exit}"
        answered = " among the answered" if self.answered else ""
        return f"{self.risk}{label}{reference}{leaving}{answered}"

    def stated(self, risk: float) -> float:
        """A value of the risk as people state it: a precision or a recall instead of what it lacks."""
        return 1.0 - risk if self.at_least else risk
