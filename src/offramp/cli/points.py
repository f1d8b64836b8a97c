"""``offramp points``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offramp.cli.options import JsonFile, ModelFolder
from offramp.cli.terminal import say, show, table

if TYPE_CHECKING:
    from offramp.policy import OperatingPoint, OperatingPoints

EXAMPLES = (
    "offramp points reviews-model",
    "offramp points reviews-model --default safe --delete three",
)


def command(
    model: ModelFolder,
    default: Annotated[
        str | None, typer.Option(metavar="NAME", help="Make this point the default.", show_default=False)
    ] = None,
    delete: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Delete this point, of all backends; may be repeated.", show_default=False),
    ] = None,
    json: JsonFile = None,
) -> None:
    """List the operating points of a model folder, choose the default, or delete some; no data and no model is read."""
    from offramp.files import check_writable, write_json
    from offramp.folder import POINTS
    from offramp.model.folder import check_folder
    from offramp.policy import read_operating_points, save_operating_points

    folder = Path(model)
    check_folder(folder)
    points = before = read_operating_points(folder)
    for name in delete or ():
        points = points.without(name)
    if default is not None:
        points = points.with_default(default)
    if json is not None:
        check_writable(Path(json))
    if points != before:
        save_operating_points(folder, points)
    show(_listed(points))
    if points != before:
        say(f"wrote {folder / POINTS.name}")
    if json is not None:
        write_json(Path(json), POINTS.content(points))
        say(f"wrote {json}")


def _listed(points: "OperatingPoints") -> str:
    if not points.points:
        return "no operating points; choose some with  offramp tune"
    header = ["point", "backend", "promise", "rows", "handed over", "expected speed-up"]
    return table(header, [line for point in points.points for line in _lines(point, points.default)])


def _lines(point: "OperatingPoint", default: str | None) -> list[list[str]]:
    """A line for each promise; what is true of the point stands in its first."""
    name = f"{point.name} (default)" if point.name == default else point.name
    first, *others = [str(promise) for promise in point.promises] or ["none"]
    handed_over = f"{point.seen.handed_over:.1%}" if point.rule.may_hand_over else "-"
    seen = [f"{point.seen.rows}", handed_over, f"{point.seen.speedup:.2f}x"]
    return [[name, str(point.engine), first, *seen], *(["", "", other, "", "", ""] for other in others)]
