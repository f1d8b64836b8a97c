"""Calibrated confidence: what a prediction is, one temperature per exit, and how well both hold."""

from offramp.calibration.calibration import FEW_ROWS, Calibration, DefaultThreshold
from offramp.calibration.coming import LEAST_ROWS
from offramp.calibration.fitting import fit_agreement, fit_calibration
from offramp.calibration.metrics import (
    ExitCalibration,
    ReliabilityBin,
    auroc,
    expected_calibration_error,
    measure_exit,
    measure_exits,
    reliability,
)
from offramp.calibration.problem import Problem, ProblemType
from offramp.calibration.temperature import fit_temperature, fit_temperatures

__all__ = [
    "FEW_ROWS",
    "LEAST_ROWS",
    "Calibration",
    "DefaultThreshold",
    "ExitCalibration",
    "Problem",
    "ProblemType",
    "ReliabilityBin",
    "auroc",
    "expected_calibration_error",
    "fit_agreement",
    "fit_calibration",
    "fit_temperature",
    "fit_temperatures",
    "measure_exit",
    "measure_exits",
    "reliability",
]
