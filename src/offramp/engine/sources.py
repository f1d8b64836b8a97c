"""Which exits add what was said of their texts before: by a stage that reads raw texts, right before their encoder."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from offramp.calibration.evidence import NO_SOURCE
from offramp.engine.encoder import Encoder
from offramp.engine.windows import goes_on

if TYPE_CHECKING:
    from offramp.engine.cascade import Cascade, Member


def sources_of(members: Sequence["Member"]) -> tuple[int, ...]:
    """Of each exit of an encoder, the index of the exit that reads its texts right before it; -1 if none does."""
    sources: list[int] = []
    for place, member in enumerate(members):
        after_texts = isinstance(member, Encoder) and place and not isinstance(members[place - 1], Encoder)
        source = sources[-1] if goes_on(members, place) else len(sources) - 1 if after_texts else NO_SOURCE
        sources += [source] * len(member.layers)
    return tuple(sources)


def members_adding(cascade: "Cascade", member: int) -> set[int]:
    """The members whose exits add what a member says to their own answers, all by index."""
    exits = [(index, cascade.source(index)) for index in range(len(cascade.places))]
    return {
        cascade.places[index][0]
        for index, source in exits
        if source is not None and cascade.places[source][0] == member
    }
