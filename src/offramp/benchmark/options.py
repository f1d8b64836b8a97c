"""What is benchmarked: the options of users, and the options that a result records."""

from dataclasses import dataclass
from typing import Annotated

from offramp import environment
from offramp.errors import OptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Contenders:
    """The configurations to compare; the command line makes its options from the fields.

    Attributes:
        thresholds: of early exit, in every backend and precision; by default the model's own, or none if there
            are points.
        points: names of operating points for early exit, in the backends and precisions that have them.
        threads: numbers of processor threads, perhaps as text (``"1,2"``); by default 1 and 2, if there are as many
            cores.
        backends, precisions: measure only these; by default all that the folder can run in.
        token_budgets: tokens per batch to choose from, for each contender separately.
    """

    thresholds: Annotated[
        tuple[float, ...] | None, "threshold of early exit; may be given several times; default: the model's own"
    ] = None
    points: Annotated[tuple[str, ...], "operating point of early exit; may be given several times", "NAME"] = ()
    threads: Annotated[str | tuple[int, ...] | None, "numbers of processor threads; default: 1,2", "N,N,..."] = None
    backends: Annotated[tuple[str, ...], "only this backend; may be given several times", "BACKEND"] = ()
    precisions: Annotated[tuple[str, ...], "only this precision; may be given several times", "PRECISION"] = ()
    token_budgets: Annotated[tuple[int, ...], "tokens of a batch to choose from; may be given several times"] = (
        *(512, 1024, 2048),
        *(4096, 8192, 16384),
    )


EVERYTHING = Contenders()


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a benchmark; two benchmarks with the same options can be compared.

    Raises:
        OptionError: a value is out of range.
    """

    thresholds: tuple[float, ...]
    points: tuple[str, ...]
    threads: tuple[int, ...]
    token_budgets: tuple[int, ...]
    seconds: float
    seed: int

    @classmethod
    def of(cls, contenders: Contenders, seconds: float, seed: int, threshold: float) -> "Options":
        """The given options, without duplicates, and defaults for this machine; ``threshold`` is the model's own."""
        thresholds, threads = contenders.thresholds, contenders.threads
        if thresholds is None:
            thresholds = () if contenders.points else (threshold,)
        if threads is None:
            threads = tuple(number for number in (1, 2) if number <= environment.cores())
        return cls(
            tuple(dict.fromkeys(thresholds)),
            tuple(dict.fromkeys(contenders.points)),
            tuple(dict.fromkeys(_numbers(threads) if isinstance(threads, str) else threads)),
            tuple(sorted(set(contenders.token_budgets))),
            seconds,
            seed,
        )

    def __post_init__(self) -> None:
        cores = environment.cores()
        if not self.thresholds and not self.points:
            raise OptionError("there are no thresholds; give at least one, such as 0.9, or an operating point")
        if not self.threads or not all(1 <= number <= cores for number in self.threads):
            raise OptionError(f"threads are {list(self.threads)}; use numbers from 1 to {cores}, this machine's cores")
        if not self.token_budgets or min(self.token_budgets) < 1:
            raise OptionError(f"token budgets are {list(self.token_budgets)}; use numbers from 1 on")
        if not self.seconds > 0:
            raise OptionError(f"seconds is {self.seconds}; it must be above 0", option="seconds", value=self.seconds)
        if self.seed < 0:
            raise OptionError(f"seed is {self.seed}; use a whole number from 0 on", option="seed", value=self.seed)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise OptionError(f"threads {text!r} are not numbers; write them as 1,2") from None
