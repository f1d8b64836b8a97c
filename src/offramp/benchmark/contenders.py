"""What runs against what: early exit, and what a user would pick instead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from offramp import environment
from offramp.backends import REFERENCE, TORCH, Engine
from offramp.engine import exports_of
from offramp.errors import OptionError
from offramp.policy import Threshold


class Kind(StrEnum):
    """How the network is used."""

    PIPELINE = "pipeline"
    FULL = "full depth"
    TRUNCATED = "truncated"
    EARLY_EXIT = "early exit"


_BF16 = Engine(TORCH, "bf16")


@dataclass(frozen=True, slots=True)
class Contender:
    """One configuration to measure.

    Attributes:
        kind: how the network is used. ``pipeline`` is ``transformers.pipeline("text-classification")`` as people use
            it: fp32, 32 texts a batch, in the order in which they come. It runs the network at full depth with every
            exit's head; those cost a thousandth of a layer.
        engine: what computes it.
        end: name of the exit that a truncated network ends after.
        rule: of early exit.
        at: the operating point that the rule comes from, if any.
    """

    kind: Kind
    engine: Engine
    end: str | None = None
    rule: Threshold | None = None
    at: str | None = None

    @property
    def name(self) -> str:
        """What tables and messages call it."""
        match self.kind:
            case Kind.PIPELINE:
                return "transformers.pipeline"
            case Kind.FULL:
                return f"{self.engine}, full depth"
            case Kind.TRUNCATED:
                return f"{self.engine}, cut after {self.end}"
            case Kind.EARLY_EXIT:
                assert self.rule is not None
                return f"{self.engine}, exits at {self.at or f'{self.rule.threshold:g}'}"


def engines_of(model: Path, backends: Sequence[str] = (), precisions: Sequence[str] = ()) -> list[Engine]:
    """Every engine in which a model folder can run here; PyTorch in fp32 comes first.

    Args:
        model: the folder.
        backends, precisions: take only these; by default all.

    Raises:
        ModelFolderError: the folder is not an offramp model, or an export in it is damaged or out of date.
        OptionError: none is left.
    """
    there = [REFERENCE, _BF16, *(export.engine for export in exports_of(model))]

    def runs(engine: Engine) -> bool:
        return engine != _BF16 or environment.fast_bf16()  # asked for it, PyTorch is imported, which takes seconds

    taken = [
        engine
        for engine in there
        if (not backends or engine.backend in backends)
        and (not precisions or engine.precision in precisions)
        and runs(engine)
    ]
    if not taken:
        wanted = " ".join((*backends, *precisions))
        others = ", ".join(f"{engine}{' where that is fast' if engine == _BF16 else ''}" for engine in there)
        raise OptionError(
            f"{model} cannot run in {wanted} here; there is {others}: choose one of them, or export it with "
            "'offramp export'"
        )
    return taken


def entries(
    engines: Sequence[Engine],
    exits: Sequence[str],
    rules: Sequence[Threshold],
    points: Mapping[Engine, Mapping[str, Threshold]],
) -> list[Contender]:
    """Everything to measure.

    Args:
        engines: what computes, each in its turn.
        exits: their names, (exits,).
        rules: of early exit, in all engines.
        points: the rules of operating points by name, for the engines that have them.
    """
    entered = [Contender(Kind.PIPELINE, REFERENCE)]
    if REFERENCE not in engines:
        entered.append(Contender(Kind.FULL, REFERENCE))  # what the pipeline is held against
    for engine in engines:
        entered.append(Contender(Kind.FULL, engine))
        entered += [Contender(Kind.TRUNCATED, engine, end=name) for name in exits[:-1]]
        entered += [Contender(Kind.EARLY_EXIT, engine, rule=rule) for rule in dict.fromkeys(rules)]
        named = points.get(engine, {})
        entered += [Contender(Kind.EARLY_EXIT, engine, rule=rule, at=name) for name, rule in named.items()]
    return entered
