"""The temperatures of models in a row, taken together and apart: each model keeps its own."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from offramp.calibration.calibration import Calibration, DefaultThreshold
from offramp.calibration.metrics import ExitCalibration
from offramp.calibration.sets import AS_IT_IS, Curve
from offramp.exit_names import name_in_model, names_in_chain


def joined(models: Sequence[Calibration]) -> Calibration:
    """The temperatures of all exits of a chain, given those of its models.

    It is as good as the worst of them: fitted to the fewest rows, and to what a model says if one of them was. Labels
    hold from the probabilities at which they do in the last model, whichever model says so.
    """
    if len(models) == 1:
        return models[0]
    exits: list[ExitCalibration] = []
    if all(one.exits for one in models):
        names = iter(names_in_chain([[one.name for one in model.exits] for model in models]))
        for model in models:
            before = exits[-1].layers if exits else 0
            exits += [
                replace(one, exit=index, name=next(names), layers=before + one.layers)
                for index, one in enumerate(model.exits, len(exits))
            ]
    return Calibration(
        temperatures=tuple(temperature for model in models for temperature in model.temperatures),
        fitted_on=", ".join(dict.fromkeys(model.fitted_on for model in models if model.fitted_on)),
        rows=min(model.rows for model in models),
        exits=tuple(exits),
        against="model" if any(model.against == "model" for model in models) else "labels",
        evidence=tuple(weight for model in models for weight in model.evidence or (0.0,) * len(model.temperatures)),
        thresholds=models[-1].thresholds,
        miss_cost=models[-1].miss_cost,
        curves=_curves(models),
        default=_default(models[-1].default),
    )


def _default(last: DefaultThreshold | None) -> DefaultThreshold | None:
    """The default threshold, which suits the last model; where texts leave in the chain is not known."""
    return None if last is None else DefaultThreshold(last.threshold)


def _curves(models: Sequence[Calibration]) -> tuple[Curve, ...]:
    """The curves of all exits; none if no model has any."""
    if not any(model.curves for model in models):
        return ()
    return tuple(curve for model in models for curve in model.curves or (AS_IT_IS,) * len(model.temperatures))


def parted(chain: Calibration, exits: Sequence[int]) -> list[Calibration]:
    """The temperatures of each model of a chain, as its folder keeps them.

    Args:
        exits: how many each model has.
    """
    return [_part(chain, stop - count, stop) for count, stop in zip(exits, accumulate(exits), strict=True)]


def _part(chain: Calibration, start: int, stop: int) -> Calibration:
    before = chain.exits[start - 1].layers if chain.exits and start else 0
    measured = tuple(
        replace(one, exit=index, name=name_in_model(one.name), layers=one.layers - before)
        for index, one in enumerate(chain.exits[start:stop])
    )
    return replace(
        chain,
        temperatures=chain.temperatures[start:stop],
        exits=measured,
        evidence=chain.evidence[start:stop],
        # The chain's thresholds are those of its last model, in the order of its labels.
        thresholds=chain.thresholds if stop == len(chain.temperatures) else (),
        curves=chain.curves[start:stop],
        default=None,
    )
