"""When to stop: exit rules and their replay over cached probabilities."""

from offramp.policy.replay import Replay, exit_shares, layers_run, replay
from offramp.policy.rules import ExitRule, MaximumProbability

__all__ = [
    "ExitRule",
    "MaximumProbability",
    "Replay",
    "exit_shares",
    "layers_run",
    "replay",
]
