"""From numbers to pictures."""

from offramp.report.curve import Curve, curve, curve_picture
from offramp.report.pictures import check_picture
from offramp.report.speed import speed_picture

__all__ = ["Curve", "check_picture", "curve", "curve_picture", "speed_picture"]
