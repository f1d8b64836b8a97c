"""How operating points are selected."""

from dataclasses import dataclass
from typing import Annotated, Literal

from offramp.errors import OptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """How operating points are selected, and on which of the rows; the command line makes its options of the fields.

    Attributes:
        rule: what is compared with thresholds, of :data:`offramp.policy.CRITERIA`; by default ``per-exit``, confidence
            with a threshold of its own at each exit (and ``confidence`` with a plain ``threshold``). ``per-exit`` and
            ``gate`` are fitted to a random quarter of the rows, and the others decide; ``confidence`` leaves all of
            them to decide, and is the default where the others would be too few for a promise.
        method: see :class:`offramp.policy.Method`; by default the one that keeps most speed: ``ltt`` for disagreement,
            ``ucb`` for an accuracy drop.
        default: name of the point that predictions use from now on where nothing else is asked for.
        split: fit the temperatures anew to one random half of the rows and choose on the other: for rows that have
            served for the temperatures.
        compare_rules: compare the accuracy of all rules at equal cost, too.
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
    default: Annotated[str | None, "point to use from now on where nothing else is asked for", "NAME"] = None
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
