"""Where operating points are kept: in the model folder, in the classifier in memory, or in both."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offramp.backends import Engine, Runtime
from offramp.data import LabeledTexts, Texts, point_of, remember, uses_of
from offramp.data.wording import DataWarning
from offramp.drift import CalibrationSummaries, read_summaries, save_summaries
from offramp.engine import choose_engine, save_calibration
from offramp.errors import OptionError
from offramp.files import check_folder_writable
from offramp.policy import OperatingPoint, OperatingPoints, read_operating_points, save_operating_points
from offramp.tuning.rows import Refitted
from offramp.tuning.summing import Summed

if TYPE_CHECKING:
    from offramp.engine import Classifier


@dataclass(frozen=True, slots=True)
class Store:
    """Where the points of a model are kept.

    Attributes:
        folder: of the model; None if it is only in memory.
        classifier: the classifier in memory, if one was given.
        engine: backend and precision that run the model.
    """

    folder: Path | None
    classifier: "Classifier | None"
    engine: Engine

    @classmethod
    def of(cls, model: "Path | Classifier", runtime: Runtime) -> "Store":
        """The store of a model that has been checked.

        Raises:
            StorageError: its folder cannot be written.
        """
        if isinstance(model, Path):
            store = cls(model, None, choose_engine(model, runtime))
        else:
            store = cls(model.folder, model, model.engine)
        if store.folder is not None:
            check_folder_writable(store.folder)
        return store

    def points(self) -> OperatingPoints:
        """The points that are kept.

        Raises:
            ModelFolderError: ``operating_points.json`` is damaged.
        """
        if self.folder is not None:
            return read_operating_points(self.folder)
        return OperatingPoints() if self.classifier is None else self.classifier.points

    def summaries(self) -> CalibrationSummaries:
        """What is kept of the calibration texts of points.

        Raises:
            ModelFolderError: ``monitoring.json`` is damaged.
        """
        if self.folder is not None:
            return read_summaries(self.folder)
        return CalibrationSummaries() if self.classifier is None else self.classifier.summaries

    def uses_of(self, rows: LabeledTexts | Texts) -> dict[str, float]:
        """What rows were used for before, as far as the folder knows."""
        return {} if self.folder is None else uses_of(self.folder, rows)

    def check_default(self, default: str | None, new: Iterable[str]) -> None:
        """Refuses a default that neither is a point nor will be one.

        Raises:
            OptionError: it is neither.
        """
        names = list(dict.fromkeys([*new, *self.points().of(self.engine)]))
        if default is not None and default not in names:
            raise OptionError(
                f"the default {default!r} is not an operating point; use one of {', '.join(names)}",
                option="default",
                value=default,
            )

    def keep(
        self,
        points: tuple[OperatingPoint, ...],
        default: str | None,
        rows: LabeledTexts | Texts,
        refitted: Refitted | None,
        summed: Summed,
    ) -> tuple[str, ...]:
        """Stores new points, and drops those of this engine that no longer hold.

        Args:
            points: at least one, all for the model as it is now.
            default: name of the new default point, if it changes.
            rows: the rows they were chosen on.
            refitted: new temperatures, if there are any.
            summed: what the rows looked like at the new points.

        Returns:
            The names of the dropped points.
        """
        stored = self.points()
        _warn_of_fewer_rows(stored.of(self.engine), points)
        void = [point for point in stored.of(self.engine).values() if point.model != points[0].model]
        now = OperatingPoints(tuple(point for point in stored.points if point not in void)).with_points(points)
        names = [name for name in (default, stored.default) if name is not None and now.named(name)]
        now = OperatingPoints(now.points, names[0] if names else None)
        kept = [(point.name, point.engine, point.model) for point in now.points]
        summaries = self.summaries().with_summaries(summed.summaries, summed.vocabulary, kept)
        if self.folder is not None:
            if refitted is not None:
                save_calibration(self.folder, self.engine, refitted.classifier.calibration, refitted.fitted)
            save_summaries(self.folder, summaries)
            save_operating_points(self.folder, now)
            remember(self.folder, rows, *(point_of(point.name, self.engine) for point in points))
        if self.classifier is not None:
            if refitted is not None:
                self.classifier.recalibrate(refitted.classifier.calibration)
            self.classifier.points = now
            self.classifier.summaries = summaries
        return tuple(point.name for point in void if point.name not in now.of(self.engine))


def _warn_of_fewer_rows(stored: Mapping[str, OperatingPoint], new: Iterable[OperatingPoint]) -> None:
    """Tells where a point takes the place of one that holds as well and was judged on far more rows.

    A quarter less is no matter: that is what a gate is fitted to.
    """
    for point in new:
        before = stored.get(point.name)
        if before is not None and before.model == point.model and before.seen.rows > 2 * point.seen.rows:
            warnings.warn(
                f"the new operating point {point.name!r} was judged on {point.seen.rows} rows, and replaces one that "
                f"was judged on {before.seen.rows}; give another name to keep both",
                DataWarning,
                stacklevel=4,
            )
