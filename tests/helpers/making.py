"""Making models in next to no time."""

from offramp.evaluation import speed
from offramp.making import run
from offramp.policy import StageCosts
from offramp.tuning.rows import Measured


def make_quickly(patched):
    """Patches ``make``: it times next to nothing, and exports to nothing."""
    patched.setattr(run, "_TIMING", 0.05)
    patched.setattr(run, "_ENGINES", ())
    patched.setattr(speed, "REPEATS", 1)
    patched.setattr("offramp.tuning.run.measure", _at_equal_costs)


def _at_equal_costs(classifier, rows, answers, seconds):
    """What a tiny encoder takes for a stage would be all noise."""
    stages = (1e-3,) * len(answers.layers)
    return Measured(StageCosts(stages, sum(stages)), len(rows))
