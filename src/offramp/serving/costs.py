"""How long a stage takes, learned while serving: a fixed part and a part for each token."""

from dataclasses import dataclass, field

# Before anything was measured: half a millisecond to begin, and ten microseconds a token.
_FIXED, _PER_TOKEN = 5e-4, 1e-5
_FORGET = 0.98
# What a pause of the machine or a new kernel costs says nothing about the next batch.
_OUTLIER = 4.0


@dataclass(slots=True)
class Line:
    """A line through points, the later ones counting more; least squares with exponential forgetting."""

    weight: float = 0.0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def __post_init__(self) -> None:
        for tokens in (0.0, 1000.0):
            self._add(tokens, _FIXED + _PER_TOKEN * tokens, 0.01)

    def add(self, x: float, y: float) -> None:
        """Takes a measurement."""
        fixed, slope = self.fit()
        if self.weight > 5:
            y = min(y, _OUTLIER * (fixed + slope * x))
        for name in ("weight", "x", "y", "xx", "xy"):
            setattr(self, name, getattr(self, name) * _FORGET)
        self._add(x, y, 1.0)

    def fit(self) -> tuple[float, float]:
        """The value at 0 and the slope; neither is negative."""
        spread = self.weight * self.xx - self.x**2
        slope = max(1e-9, (self.weight * self.xy - self.x * self.y) / spread) if spread > 1e-9 else _PER_TOKEN
        fixed = (self.y - slope * self.x) / self.weight
        return (fixed, slope) if fixed > 0 else (1e-6, max(1e-9, self.y / max(self.x, 1e-9)))

    def _add(self, x: float, y: float, weight: float) -> None:
        self.weight += weight
        self.x += weight * x
        self.y += weight * y
        self.xx += weight * x * x
        self.xy += weight * x * y


@dataclass(slots=True)
class Costs:
    """What each stage costs, in seconds.

    Attributes:
        lines: one for each stage.
        token_budget: tokens of a batch at most.
    """

    lines: list[Line]
    token_budget: int
    _fits: list[tuple[float, float]] = field(init=False)

    def __post_init__(self) -> None:
        self._fits = [line.fit() for line in self.lines]

    def learn(self, stage: int, tokens: int, seconds: float) -> None:
        """Takes the time of a batch of so many tokens, padding included."""
        self.lines[stage].add(tokens, seconds)
        self._fits[stage] = self.lines[stage].fit()

    def fixed(self, stage: int) -> float:
        """What a batch costs beside its tokens: what is saved where two batches become one."""
        return self._fits[stage][0]

    def per_token(self, stage: int) -> float:
        """What each token adds."""
        return self._fits[stage][1]

    def seconds(self, stage: int, tokens: int) -> float:
        """What a batch of so many tokens takes."""
        fixed, per_token = self._fits[stage]
        return fixed + per_token * min(tokens, self.token_budget)

    def rate(self, stage: int, seconds: float) -> float:
        """What a token takes, in seconds, in a batch that takes so long."""
        tokens = self.capacity(stage, seconds)
        return self.seconds(stage, tokens) / tokens

    def capacity(self, stage: int, seconds: float) -> int:
        """Tokens of a batch that takes so long; more where the fixed part would be above a tenth of it."""
        fixed, per_token = self._fits[stage]
        return max(1, min(self.token_budget, int((max(seconds, 10 * fixed) - fixed) / per_token)))


def costs_of(stages: int, token_budget: int) -> Costs:
    """Costs of so many stages of which nothing is known yet."""
    return Costs([Line() for _ in range(stages)], token_budget)
