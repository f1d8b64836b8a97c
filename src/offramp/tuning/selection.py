"""How operating points are selected."""

from dataclasses import dataclass
from typing import Annotated, Literal

from offramp.errors import OptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """How operating points are selected, and on which rows; the command line makes its options from the fields.

    Attributes:
        rule: what is compared with thresholds, one of :data:`offramp.policy.CRITERIA`; by default ``gate``, how likely
            an exit is to agree with full depth (and ``confidence`` with a plain ``threshold``). For a promise, ``gate``
            and ``per-exit`` are fitted to a random quarter of the rows and judged on the rest; ``confidence`` is judged
            on all rows, and is the default if the quarter or the rest would be too few. Without a promise, a gate is
            fitted to all rows, and each row is judged by a gate that has not seen it.
        method: see :class:`offramp.policy.Method`; by default the one that keeps the most speed: ``ltt`` for
            disagreement, ``ucb`` for an accuracy drop.
        default: name of the point that predictions use by default from now on.
        split: refit the temperatures on one random half of the rows and choose on the other: for rows that the
            temperatures were fitted to.
        compare_rules: also compare the accuracy of all rules at equal cost.
        seconds: about how long the timed runs may take.
        seed: of the halves and of the comparison's resamples.

    Raises:
        OptionError: seconds or seed is out of range.
    """

    rule: Annotated[str | None, "what is compared with thresholds"] = None
    method: Annotated[
        Literal["empirical", "crc", "ltt", "ucb"] | None,
        "empirical, crc, ltt or ucb; default: ltt for disagreement, ucb for an accuracy drop",
    ] = None
    default: Annotated[str | None, "point that predictions use by default from now on", "NAME"] = None
    split: Annotated[bool, "refit the temperatures on one half of the rows, choose on the other"] = False
    compare_rules: Annotated[bool, "also compare the accuracy of all rules at equal cost"] = False
    seconds: Annotated[float, "about how long the timed runs may take"] = 10.0
    seed: Annotated[int, "seed of random halves and resamples"] = 0

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise OptionError(f"seconds is {self.seconds}; it must be above 0", option="seconds", value=self.seconds)
        if self.seed < 0:
            raise OptionError(f"seed is {self.seed}; use a whole number from 0 on", option="seed", value=self.seed)


DEFAULT_SELECTION = Selection()
