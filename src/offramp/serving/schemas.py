"""What goes in and out of the server's own interface; the adapters' forms are in :mod:`offramp.serving.adapters`."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

# Of a name that the client chose, no more characters than this are repeated.
_NAME = 60


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

# A million wrong elements are one error, not a million.
FailFast = Field(fail_fast=True)

Texts = Annotated[list[str], FailFast, BeforeValidator(_listed), WithJsonSchema(_TEXTS)]
"""A list of texts, or one text."""

AtLeastZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Body(BaseModel):
    """Something that a client sends: unknown fields are refused, so that a slip of the pen is noticed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, value: Any) -> Any:
        """Refuses the first unknown field; pydantic itself makes an error of each, however many there are."""
        unknown = next((name for name in value if name not in cls.model_fields), None) if type(value) is dict else None
        if unknown is not None:
            context = {"name": quoted(unknown), "known": ", ".join(cls.model_fields)}
            raise PydanticCustomError("unknown_field", "there is no field of this name; there are {known}", context)
        return value


def quoted(name: str) -> str:
    """A field's name as errors write it: in quotation marks, and cut, where it is none that a field could have."""
    return name[:_NAME] if name.isidentifier() else json.dumps(name[:_NAME])


class Knobs(Body):
    """When a text leaves; at most one of the three, and without any the server's operating point."""

    threshold: AtLeastZero | None = Field(
        default=None,
        description="Leave at the first exit at least this confident: 0 = first exit, above 1 = full depth.",
    )
    at: str | None = Field(default=None, description="Leave as at this operating point of the model folder.")
    full_depth: bool = Field(default=False, description="Run every layer.")


class PredictRequest(Knobs):
    """Texts to classify."""

    texts: Texts = Field(description="A text, or a list of texts.")
    text_pairs: Texts | None = Field(
        default=None, description="The second texts, as many, for models trained on pairs."
    )
    top_k: Annotated[int, Field(ge=1)] | None = Field(
        default=1, description="How many labels' probabilities each prediction holds; null for all."
    )
    timeout_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="RowAnswer within this time or not at all; the server's own limit still holds."
    )


class PredictedText(BaseModel):
    """The prediction for one text."""

    label: str | None = Field(
        description="The label; null where a multi-label model predicts none or several, or the text is handed over."
    )
    labels: list[str] = Field(description="All labels predicted; none where the text is handed over.")
    score: float = Field(description="Calibrated probability that this, or the best guess, is right.")
    exit: str = Field(description="Name of the exit taken, one of the exit_names of /info.")
    truncated: bool = Field(description="Whether the text was longer than the model reads.")
    probabilities: dict[str, float] = Field(description="Calibrated probability by label, the most probable first.")
    handed_over: bool | None = Field(
        default=None, description="Whether another model or a person is to answer; not there where no text could be."
    )
    best_guess: str | list[str] | None = Field(
        default=None, description="What would have been answered, as label, or as labels of a multi-label model."
    )


class PredictReply(BaseModel):
    """Predictions in the order of the texts."""

    model: str
    predictions: list[PredictedText]
    point: str = Field(description="Where the texts left: an operating point or a threshold.")
    rule: str = Field(description="The same in words.")
    degraded: bool = Field(description="Whether some left earlier than they would have without load.")


class ErrorReply(BaseModel):
    """Every error has this form."""

    error: str = Field(description="What is wrong, for people.")
    error_type: str = Field(description="What is wrong, for programs.")
    field: str | None = Field(description="The field that is wrong, such as texts[3].")


class PromiseInfo(BaseModel):
    """What an operating point was chosen to keep, on texts like the calibration texts."""

    risk: str = Field(description="disagreement, accuracy drop, error, precision or recall.")
    target: float = Field(description="What it is at most; for precision and recall, what they are at least.")
    label: str | None = Field(description="Of a precision or a recall.")
    exit: str | None = Field(description="Only texts that leave up to this exit count; null for all texts.")
    reference: str | None = Field(description="Whose answers count instead of full depth's; null for full depth.")
    answered: bool = Field(description="Whether only texts that are answered count, since others are handed over.")
    confidence: float | None = Field(description="How sure that is; null where nothing is said of it.")


class PointInfo(BaseModel):
    """An operating point of the model folder."""

    name: str
    rule: str
    promises: list[PromiseInfo] = Field(
        description="All at once; none where only a threshold or a speed was asked for."
    )
    disagreement: float = Field(description="Share of calibration texts whose answer differs from full depth.")
    handed_over: float = Field(description="Share of calibration texts handed over; the other shares leave these out.")
    accuracy: float | None
    speedup: float = Field(description="Expected over full depth, from measured times of the stages.")


class Info(BaseModel):
    """What is served, and how."""

    model: str
    fingerprint: str
    version: str = Field(description="Version of offramp.")
    backend: str
    precision: str
    labels: list[str]
    problem: str
    text_pairs: bool = Field(description="Whether the model takes pairs of texts.")
    exits: list[int] = Field(description="Layers run before each exit.")
    exit_names: list[str] = Field(description="What each exit is called.")
    costs: list[float] = Field(description="Time to each exit as a share of full depth, as measured in this server.")
    point: str
    rule: str
    mode: str = Field(description="normal, degraded (under load) or safe (once the promise is at risk).")
    points: list[PointInfo]
    max_tokens: int
    limits: dict[str, float]
    drift: "DriftInfo"


class AuditInfo(BaseModel):
    """The alarm "promise at risk": early answers against full depth."""

    alarm: bool
    audits: int = Field(description="Texts compared with full depth.")
    disagreement: float | None = Field(description="Share of the last thousand of them whose answer differed.")
    low: float
    high: float
    expected: float | None = Field(description="What it may be at most.")
    log_evidence: float
    log_needed: float


class DetectorInfo(BaseModel):
    """What one detector has found."""

    detector: str
    seen: float | None = Field(description="Share of the last texts it looked at in which it was so.")
    expected: float | None = Field(description="What that was expected to be at most.")
    log_evidence: float
    log_needed: float


class ChangeInfo(BaseModel):
    """The alarm "texts have changed": answers and texts against those of the calibration texts."""

    alarm: bool
    texts: int = Field(description="Texts looked at.")
    raised: int | None = Field(description="The number of the text that raised the alarm, from 1.")
    cause: str | None = Field(description="What was found then.")
    detectors: list[DetectorInfo]


class DriftInfo(BaseModel):
    """What the drift monitor has found."""

    standing: str = Field(description="What the promise of the operating point is worth now, in words.")
    promise_at_risk: AuditInfo
    texts_have_changed: ChangeInfo | None = Field(
        description="null where nothing is known of the calibration texts; offramp tune looks at them."
    )


class State(BaseModel):
    """Whether the server is alive, or takes requests."""

    status: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorReply, "description": description}
    for status, description in {
        400: "The body is not valid JSON, or cannot be decoded.",
        401: "The key is missing or wrong.",
        408: "The body came too slowly.",
        413: "A limit is exceeded.",
        415: "The body's Content-Encoding is unknown.",
        422: "A field is wrong.",
        429: "Overloaded; see Retry-After.",
        503: "Stopping, too many connections, or no answer in time.",
    }.items()
}
"""What every route that computes may answer instead of a result."""

GUARDED: dict[int | str, dict[str, Any]] = {status: REFUSALS[status] for status in (401, 503)}
"""What the others may answer instead, unless they are open to all."""

NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": ErrorReply, "description": "It takes no requests now."}}
