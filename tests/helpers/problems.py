"""One label a row, and sets of them."""

from offramp.calibration import Problem

PROBLEMS = (Problem.SINGLE_LABEL, Problem.MULTI_LABEL)
