"""What texts pass, one after the other: stages that read raw texts, and encoders cut into stages at their exits.

An exit need not come after layers. Anything that says what the answer is, at a known cost, is one; what lies between
two exits is a stage. Members of a cascade differ in what they read, and nothing outside of them asks what that is.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from offramp.backends import Engine
from offramp.calibration import Problem
from offramp.calibration.evidence import combined
from offramp.engine.encoder import Encoder
from offramp.engine.sources import members_adding, sources_of
from offramp.engine.text_stages import TextMember
from offramp.engine.windows import goes_on
from offramp.errors import OptionError
from offramp.exit_names import names_in_chain
from offramp.model.windows import ReadOn
from offramp.policy import ExitRule

Member: TypeAlias = TextMember | Encoder
"""A part of a cascade that reads texts in its own way and has one exit or several."""

Place: TypeAlias = tuple[int, int]
"""Which member of a cascade an exit belongs to, and which of its stages ends there."""


@dataclass(frozen=True)
class Cascade:
    """Members that texts pass one after the other until they leave at an exit; the last is an encoder.

    Of an encoder that reads long texts window by window there is a member for each window, and a text leaves at the
    last exit of its last window: that is its full depth.

    Exits are counted through all members. What a member has worked out is of no use to the next, which reads the texts
    anew; what exits have answered is known to the rules at all later ones.

    Attributes:
        members: in the order in which texts pass them.
        problem: one label or a set of labels, with what was fitted to decide and to judge sets.
        temperatures: one for each exit.
        labels: label names in the order of the logits.
        evidence: weights by which exits add what the stage of texts before their encoder said, one for each exit;
            empty if none does.

    Raises:
        OptionError: the last member is no encoder, there are not as many temperatures or weights as exits, or two exits
            have one name.
    """

    members: tuple[Member, ...]
    problem: Problem
    temperatures: tuple[float, ...]
    labels: tuple[str, ...]
    evidence: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.members or not isinstance(self.members[-1], Encoder):
            raise OptionError("the last member of a cascade has to be an encoder: its last exit is full depth")
        if len(self.places) != len(self.temperatures):
            raise OptionError(f"there are {len(self.temperatures)} temperatures for {len(self.places)} exits")
        if twice := next((name for name, times in Counter(self.names).items() if times > 1), None):
            raise OptionError(f"two exits are called {twice!r}; give each stage a name of its own")
        if len(self.problem.curves) not in {0, len(self.places)}:
            raise OptionError(f"there are {len(self.problem.curves)} curves of sets for {len(self.places)} exits")
        if len(self.problem.thresholds) not in {0, len(self.labels)}:
            raise OptionError(f"there are {len(self.problem.thresholds)} thresholds for {len(self.labels)} labels")
        if len(self.evidence) not in {0, len(self.places)}:
            raise OptionError(f"there are {len(self.evidence)} weights of evidence for {len(self.places)} exits")

    @property
    def last(self) -> Encoder:
        """The member whose last exit is full depth."""
        assert isinstance(self.members[-1], Encoder)
        return self.members[-1]

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Where each exit is."""
        members = enumerate(self.members)
        return tuple((number, stage) for number, member in members for stage in range(len(member.layers)))

    @cached_property
    def first_exits(self) -> tuple[int, ...]:
        """The index of each member's first exit."""
        return tuple(exit_index for exit_index, (_, stage) in enumerate(self.places) if stage == 0)

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """Number of layers run before each exit, those of the members before included."""
        before, layers = 0, []
        for member in self.members:
            layers += [before + own for own in member.layers]
            before = layers[-1]
        return tuple(layers)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each exit is called; no two alike. In a chain exits after layers name their model, by its number."""
        models: list[list[str]] = [[]]
        for member in self.members:
            models[-1] += member.names
            if isinstance(member, Encoder) and member is not self.last and member.read_on is None:
                models.append([])
        return names_in_chain(models)

    @property
    def encoders(self) -> tuple[Encoder, ...]:
        """The encoders among its members, each by its first window; several in a chain of models."""
        return tuple(member for member in self.members if isinstance(member, Encoder) and member.window == 1)

    @property
    def read_on(self) -> ReadOn | None:
        """How long texts are read window by window; None where they are cut."""
        return self.last.read_on

    @property
    def engine(self) -> Engine:
        """What its encoders run in."""
        return Engine.of_chain([encoder.stages.engine for encoder in self.encoders])

    @property
    def backbone(self) -> str:
        """Of what families its encoders are."""
        return " then ".join(encoder.config.backbone_config.model_type for encoder in self.encoders)

    @cached_property
    def sources(self) -> tuple[int, ...]:
        """Of each exit of an encoder, the index of the exit that reads its texts right before it; -1 if none does."""
        return sources_of(self.members)

    def source(self, exit_index: int) -> int | None:
        """The exit whose answer an exit adds to its own; None if it adds none."""
        return self.sources[exit_index] if self.evidence and self.evidence[exit_index] else None

    def probabilities(
        self, exit_index: int, logits: NDArray[np.float32], passed: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The calibrated answers of an exit, (rows, labels).

        Args:
            logits: of the exit, (rows, labels).
            passed: calibrated probabilities at the exits passed, (exits, rows, labels); only those of its
                :meth:`source` are looked at.
        """
        source = self.source(exit_index)
        weight, first = (0.0, None) if source is None else (self.evidence[exit_index], passed[source])
        return combined(self.problem, logits, self.temperatures[exit_index], weight, first)

    def full_depth(self, exit_index: int) -> bool:
        """Whether an exit is the last."""
        return exit_index == len(self.places) - 1

    def matters(self, member: int, rule: ExitRule) -> bool:
        """Whether texts pass a member: it is the last, a rule asks it, or a later member adds what it says.

        What a window says goes into all that is said later.
        """
        if member == len(self.members) - 1 or goes_on(self.members, member + 1):
            return True
        asked = any(rule.asks(index) for index, place in enumerate(self.places) if place[0] == member)
        return asked or any(self.matters(one, rule) for one in members_adding(self, member))

    def fingerprint(self) -> str:
        """Names all that the answers depend on, but for the temperatures and the words of the tokenizers."""
        anew = [member for place, member in enumerate(self.members) if not goes_on(self.members, place)]
        return "\n".join(member.fingerprint() for member in anew)
