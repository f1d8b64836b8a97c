"""``POST /``: the form of Hugging Face's inference API, ``{"inputs": ..., "parameters": {...}}``.

Answers with a list of labels for each text, the most probable first; also for one text, as its clients expect.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from offramp.serving.refusals import invalid
from offramp.serving.schemas import REFUSALS, Body, FailFast, Knobs
from offramp.serving.service import refuse_truncated, reply, scores, service_of

router = APIRouter(tags=["Hugging Face inference"], responses=REFUSALS)

Positive = Annotated[int, Field(ge=1)]


class Pair(Body):
    """A pair of texts."""

    text: str
    text_pair: str


class Parameters(Knobs):
    """What the pipeline takes, and when a text leaves."""

    top_k: Positive | None = Field(default=None, description="How many labels come for each text; null for all.")
    function_to_apply: Literal["softmax", "sigmoid", "none"] | None = Field(
        default=None, description="What the model was trained with, softmax or sigmoid; none for calibrated logits."
    )
    truncation: bool | Literal["longest_first", "only_first", "only_second", "do_not_truncate"] | None = Field(
        default=True, description="false refuses texts that the model cannot read to the end."
    )
    max_length: Positive | None = Field(default=None, description="At least as many tokens as the model reads.")
    return_all_scores: bool | None = Field(default=None, description="An old form: false for one label a text.")
    padding: bool | str | None = Field(default=None, description="Of no effect.")
    batch_size: int | None = Field(default=None, description="Of no effect.")


class HuggingFaceRequest(Body):
    """Texts to classify."""

    inputs: str | Pair | Annotated[list[str], FailFast] | Annotated[list[Pair], FailFast]
    parameters: Parameters | None = None
    options: dict[str, Any] | None = Field(default=None, description="Of no effect.")


class Scored(Body):
    """A label with its calibrated probability."""

    label: str
    score: float


@router.post("/", response_model=list[list[Scored]])
async def inference(body: HuggingFaceRequest, request: Request) -> Response:
    """Classifies texts, in the form of Hugging Face's inference API."""
    service = service_of(request)
    parameters = body.parameters or Parameters()
    _check_function(parameters.function_to_apply, service.core.classifier.problem.type.name)
    service.check_length(parameters.max_length, "parameters.max_length")
    inputs = body.inputs if isinstance(body.inputs, list) else [body.inputs]
    texts = [item.text if isinstance(item, Pair) else item for item in inputs]
    pairs = [item.text_pair for item in inputs if isinstance(item, Pair)]
    top_k = 1 if parameters.top_k is None and parameters.return_all_scores is False else parameters.top_k
    answered = await service.answer(request, texts, pairs or None, parameters, top_k=top_k, field="inputs")
    if parameters.truncation in (False, "do_not_truncate"):
        refuse_truncated(answered.predictions, "inputs")
    return reply(scores(answered.predictions, raw=parameters.function_to_apply == "none"), answered)


def _check_function(wanted: str | None, problem: str) -> None:
    own = "sigmoid" if problem == "MULTI_LABEL" else "softmax"
    if wanted not in (None, "none", own):
        raise invalid(f"this model's probabilities come from {own}; leave it out", "parameters.function_to_apply")
