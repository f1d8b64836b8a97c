"""The configurations to compare: early exit, and the alternatives a user has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from offramp import environment
from offramp.backends import REFERENCE, TORCH, Engine
from offramp.engine import choose_engine, exports_of
from offramp.errors import OptionError
from offramp.exit_names import alone, is_rival, stands_alone
from offramp.folder import models_of
from offramp.policy import Threshold


class Kind(StrEnum):
    """How the network is used."""

    PIPELINE = "pipeline"
    FULL = "full depth"
    ALONE = "alone"
    TRUNCATED = "truncated"
    EARLY_EXIT = "early exit"


_BF16 = Engine(TORCH, "bf16")


@dataclass(frozen=True, slots=True)
class Contender:
    """One configuration to measure.

    Attributes:
        kind: how the network is used. ``pipeline`` is ``transformers.pipeline("text-classification")`` as people use
            it: fp32, 32 texts a batch, in their given order. It runs the network at full depth with every exit's head;
            those cost a thousandth of a layer.
        engine: backend and precision.
        end: name of the exit that everything ends after, in a truncated network and where something is alone.
        rule: of early exit.
        at: name of the rule's operating point, if it comes from one.
    """

    kind: Kind
    engine: Engine
    end: str | None = None
    rule: Threshold | None = None
    at: str | None = None

    @property
    def name(self) -> str:
        """Its name in tables and messages."""
        match self.kind:
            case Kind.PIPELINE:
                return "transformers.pipeline"
            case Kind.FULL:
                return f"{self.engine}, full depth"
            case Kind.ALONE:
                return f"{self.engine}, {alone(self.end or '')}"
            case Kind.TRUNCATED:
                return f"{self.engine}, cut after {self.end}"
            case Kind.EARLY_EXIT:
                assert self.rule is not None
                return f"{self.engine}, exits at {self.at or f'{self.rule.threshold:g}'}"


def engines_of(model: Path, backends: Sequence[str] = (), precisions: Sequence[str] = ()) -> list[Engine]:
    """Every engine in which a model folder can run here; PyTorch in fp32 comes first.

    Args:
        model: the folder.
        backends, precisions: use only these; by default all.

    Raises:
        ModelFolderError: the folder is not an offramp model, or an export in it is damaged or out of date.
        OptionError: none is left.
    """
    exports = [[export.engine for export in exports_of(one)] for one in models_of(model)]
    in_all = [engine for engine in exports[-1] if all(engine in others for others in exports)]
    # A chain's own choice may be another engine for each of its models.
    automatic = [choose_engine(model)] if len(exports) > 1 else []
    available = list(dict.fromkeys([REFERENCE, _BF16, *in_all, *automatic]))

    def runs(engine: Engine) -> bool:
        return engine != _BF16 or environment.fast_bf16()  # imports PyTorch, which takes seconds

    chosen = [
        engine
        for engine in available
        if (not backends or engine.backend in backends)
        and (not precisions or engine.precision in precisions)
        and runs(engine)
    ]
    if not chosen:
        requested = " ".join((*backends, *precisions))
        choices = ", ".join(f"{engine}{' where that is fast' if engine == _BF16 else ''}" for engine in available)
        raise OptionError(
            f"{model} cannot run in {requested} here, only in {choices}: choose one of these, or export it with "
            "'offramp export'"
        )
    return chosen


def entries(
    engines: Sequence[Engine],
    exits: Sequence[str],
    rules: Sequence[Threshold],
    points: Mapping[Engine, Mapping[str, Threshold]],
) -> list[Contender]:
    """Everything to measure.

    Args:
        engines: backends and precisions, in order.
        exits: names of the exits, (exits,).
        rules: of early exit, in all engines.
        points: the rules of operating points by name, for the engines that have them.
    """
    entered = [Contender(Kind.PIPELINE, REFERENCE)]
    if REFERENCE not in engines:
        entered.append(Contender(Kind.FULL, REFERENCE))  # the pipeline is compared with it
    for engine in engines:
        entered.append(Contender(Kind.FULL, engine))
        entered += [
            Contender(Kind.ALONE if stands_alone(exits, place) else Kind.TRUNCATED, engine, end=name)
            for place, name in enumerate(exits[:-1])
            if is_rival(exits, place)
        ]
        entered += [Contender(Kind.EARLY_EXIT, engine, rule=rule) for rule in dict.fromkeys(rules)]
        named = points.get(engine, {})
        entered += [Contender(Kind.EARLY_EXIT, engine, rule=rule, at=name) for name, rule in named.items()]
    return entered
