"""From numbers to pictures."""

from offramp.report.curve import Curve, check_picture, curve, curve_picture

__all__ = ["Curve", "check_picture", "curve", "curve_picture"]
