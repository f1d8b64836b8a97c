"""When to stop: exit rules, their replay on cached probabilities, and thresholds chosen with a guarantee."""

from offramp.policy.answers import ExitAnswers, StageCosts
from offramp.policy.candidates import (
    FITTED,
    FITTING_SHARE,
    Swept,
    compare_rules,
    make_criterion,
    sweep,
    sweep_gate,
)
from offramp.policy.choosing import Chosen, Missed, choose_rule
from offramp.policy.comparison import AtCost, Interval, Outcomes, compare, interval, resample_weights
from offramp.policy.criteria import (
    FIRST_EXIT,
    Certainty,
    Confidence,
    Criterion,
    Knob,
    Lead,
    Patience,
    PatientCertainty,
)
from offramp.policy.default import DEFAULT_THRESHOLD, threshold_grid
from offramp.policy.ensembles import Agreement, GeometricMean
from offramp.policy.frontier import PerExit, search_thresholds
from offramp.policy.gate import Gate, fit_gate
from offramp.policy.goals import AtLeast, AtMost, Exactly, Goal, enough_to_fit, enough_to_judge
from offramp.policy.limits import Limit, Reference, Risk
from offramp.policy.points import (
    OperatingPoint,
    OperatingPoints,
    Promise,
    Seen,
    read_operating_points,
    save_operating_points,
)
from offramp.policy.replay import Replay, exit_shares, layers_run, replay
from offramp.policy.risk import Choice, Loss, Method, Needed, choose
from offramp.policy.rules import ExitRule, Threshold, check_threshold
from offramp.policy.selecting import Selected, select, select_all
from offramp.policy.stored import CRITERIA, criterion_name, register, rule_in_words
from offramp.policy.sweep import (
    ExitScores,
    accuracy_drop,
    at_exits,
    disagreement,
    exits_taken,
    repeated,
    row_costs,
    score_exits,
)

__all__ = [
    "CRITERIA",
    "DEFAULT_THRESHOLD",
    "FIRST_EXIT",
    "FITTED",
    "FITTING_SHARE",
    "Agreement",
    "AtCost",
    "AtLeast",
    "AtMost",
    "Certainty",
    "Choice",
    "Chosen",
    "Confidence",
    "Criterion",
    "Exactly",
    "ExitAnswers",
    "ExitRule",
    "ExitScores",
    "Gate",
    "GeometricMean",
    "Goal",
    "Interval",
    "Knob",
    "Lead",
    "Limit",
    "Loss",
    "Method",
    "Missed",
    "Needed",
    "OperatingPoint",
    "OperatingPoints",
    "Outcomes",
    "Patience",
    "PatientCertainty",
    "PerExit",
    "Promise",
    "Reference",
    "Replay",
    "Risk",
    "Seen",
    "Selected",
    "StageCosts",
    "Swept",
    "Threshold",
    "accuracy_drop",
    "at_exits",
    "check_threshold",
    "choose",
    "choose_rule",
    "compare",
    "compare_rules",
    "criterion_name",
    "disagreement",
    "enough_to_fit",
    "enough_to_judge",
    "exit_shares",
    "exits_taken",
    "fit_gate",
    "interval",
    "layers_run",
    "make_criterion",
    "read_operating_points",
    "register",
    "repeated",
    "replay",
    "resample_weights",
    "row_costs",
    "rule_in_words",
    "save_operating_points",
    "score_exits",
    "search_thresholds",
    "select",
    "select_all",
    "sweep",
    "sweep_gate",
    "threshold_grid",
]
