"""How often answers are wrong if only the surest are given: error over coverage."""

from collections.abc import Sequence

from markupsafe import Markup

from offramp.evaluation import EvaluatedPoint, RiskCoverage
from offramp.report.frame import Axis, Frame
from offramp.report.svg import CIRCLE, DIAMOND, picture, polyline
from offramp.report.words import percent

WIDTH, HEIGHT = 440.0, 280.0

# Of the curves, in their order.
_CLASSES = ("before", "early")


def draw_coverage(curves: Sequence[RiskCoverage], points: Sequence[EvaluatedPoint], name: str) -> Markup:
    """Draws curves of settings, and the operating points that hand texts over."""
    marked = [
        (entry, 100 * entry.handing_over.coverage, 100 * (1.0 - entry.handing_over.accuracy.value))
        for entry in points
        if entry.handing_over is not None and entry.handing_over.accuracy is not None
    ]
    highest = max(
        [0.5, *(100 * error for curve in curves for error in curve.errors), *(error for _, _, error in marked)]
    )
    frame = Frame(
        WIDTH, HEIGHT, Axis("Texts answered (%)", 0.0, 100.0), Axis("Wrong among them (%)", 0.0, 1.08 * highest)
    )
    drawn = []
    for curve, class_ in zip(curves, _CLASSES, strict=False):
        places = list(zip(curve.coverages, curve.errors, strict=True))
        drawn.append(polyline([(frame.x(100 * coverage), frame.y(100 * error)) for coverage, error in places], class_))
        coverage, error = places[-1]
        label = f"{curve.setting}: {percent(error)} wrong if all are answered, best guesses included"
        drawn.append(CIRCLE.at(frame.x(100 * coverage), frame.y(100 * error), label))
    drawn += [
        DIAMOND.at(
            frame.x(coverage),
            frame.y(error),
            f"{entry.point.name}: {percent(coverage / 100, 1)} answered, {percent(error / 100)} of them wrong",
        )
        for entry, coverage, error in marked
    ]
    described = "; ".join(
        f"{curve.setting}: {percent(error)} wrong of the surest {percent(coverage, 0)}"
        for curve in curves
        for coverage, error in _some(curve)
    )
    return picture(
        WIDTH, HEIGHT, "Errors among the texts that are answered", described, frame.draw(), *drawn, name=name
    )


def _some(curve: RiskCoverage) -> list[tuple[float, float]]:
    """A few of a curve's points, for those who do not see it."""
    places = list(zip(curve.coverages, curve.errors, strict=True))
    return [min(places, key=lambda place: abs(place[0] - share)) for share in (0.5, 0.8, 1.0)]
