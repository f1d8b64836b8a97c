"""What ``offramp monitor --json`` found of other texts, as far as a report tells of it."""

from dataclasses import asdict, dataclass
from pathlib import Path

from offramp.backends import Runtime
from offramp.data.wording import count
from offramp.errors import OptionError
from offramp.monitoring import SCHEMA, Monitored
from offramp.records import from_json, read_result
from offramp.report import words

_CURE = "run  offramp monitor MODEL --data FILE --json MONITORED"


@dataclass(frozen=True, slots=True)
class MonitoredTexts:
    """Other texts that were watched at an operating point.

    Attributes:
        source: of the texts.
        rows: how many there were.
        point: the operating point at which they were classified.
        alarms: what was raised, such as ``texts have changed``, with the row that raised it; none if all is well.
        standing: what the point's promise is worth on these texts, in words.
    """

    source: str
    rows: int
    point: str
    alarms: dict[str, int]
    standing: str

    @property
    def sentence(self) -> str:
        """What was found, with the rows that raised alarms."""
        where = f"{count(self.rows, 'text')} of {words.data_name(self.source)} at {self.point}"
        raised = " and ".join(f"{name}, at row {row:,}" for name, row in self.alarms.items())
        return f"{f'Alarm on {where}: {raised}' if raised else f'No alarm on {where}'}. In full: {self.standing}."


def read_monitored(path: Path, model: Path, runtime: Runtime) -> MonitoredTexts:
    """Reads what was found with a model in the backend and precision that it is evaluated in.

    Raises:
        DataError: the file is missing or not what the monitor writes.
        OptionError: it is about another model.
        ModelFolderError: the model folder is damaged.
    """
    fingerprint, watched = read_result(path, Monitored, SCHEMA, _watched, "result of the monitor", "monitor", _CURE)
    from offramp.engine import load  # with it comes PyTorch, which takes seconds

    expected = load(model, **asdict(runtime)).fingerprint
    if fingerprint != expected:
        raise OptionError(
            f"{path} is about another model ({fingerprint}; {model} is {expected}), or about this one in another "
            f"backend or before it was recalibrated; {_CURE}",
            option="monitored",
            value=str(path),
        )
    return watched


def _watched(monitored: Monitored) -> tuple[str, MonitoredTexts]:
    """The model's fingerprint, and what is told."""
    alarms = {alarm.name: alarm.row for alarm in monitored.alarms if alarm.row is not None}
    told = MonitoredTexts(monitored.source, monitored.rows, monitored.point, alarms, monitored.standing)
    return from_json(str, monitored.model["fingerprint"]), told
