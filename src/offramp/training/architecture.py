"""What the network is to look like: where exits sit, and what they are."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from offramp.errors import OptionError
from offramp.exit_names import WORDS

Pooling = Literal["pooler", "cls", "mean"]
Head = Literal["linear", "mlp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What is put on an encoder or a classifier; what is left out is as the model has it already.

    ``exits`` of ``words`` alone are words before the exits that there are by default. With ``layers`` and no ``exits``
    there is one exit, at the encoder's end: the standard classifier. ``max_length`` is
    at most, and by default, what the encoder can take; of a model of ours, what it was trained with.

    Raises:
        OptionError: a value is out of range.
    """

    exits: Annotated[
        Sequence[int | str] | str | None,
        "layers after which exits sit, as 1,2,4, or 'all'; with words before them, as words,1,2,4 (words alone: "
        "before the default ones); default: four, spread, and words where they pay",
    ] = None
    layers: Annotated[int | None, "cut the encoder off after so many layers; then with one exit by default"] = None
    pooling: Annotated[Pooling | None, "pooler, cls or mean, for new exits; default: as the model has it"] = None
    head: Annotated[
        Head | None, "linear, or mlp: with a hidden layer; default: as the model's exits have, or linear"
    ] = None
    max_length: Annotated[int | None, "tokens at which texts are cut; default: what the encoder takes"] = None

    def __post_init__(self) -> None:
        if self.max_length is not None and self.max_length < 8:
            raise OptionError(
                f"max_length is {self.max_length}; use at least 8 tokens", option="max_length", value=self.max_length
            )
        exits = (self.layers,) if self.exits is None and self.layers is not None else self.exits
        # One spelling of each: architectures are compared, and written as JSON.
        object.__setattr__(self, "exits", exits if isinstance(exits, str | None) else tuple(exits))

    @property
    def words(self) -> bool | None:
        """Whether a model of words is to stand before the encoder; None where it is to be there if it pays."""
        return None if self.exits is None else WORDS in _names(self.exits)

    @property
    def layer_exits(self) -> Sequence[int | str] | str | None:
        """The exits after layers; None for four that are spread."""
        if self.exits is None:
            return None
        layers = [name for name in _names(self.exits) if name != WORDS]
        return (",".join(map(str, layers)) if isinstance(self.exits, str) else tuple(layers)) or None

    @property
    def network(self) -> dict[str, Any]:
        """What is put on the encoder, by the names of the arguments of :func:`offramp.model.building.build`."""
        return {**asdict(self), "exits": self.layer_exits}


def _names(exits: Sequence[int | str] | str) -> Sequence[int | str]:
    return [name.strip() for name in exits.split(",")] if isinstance(exits, str) else exits
