"""``POST /``: the form of Hugging Face's inference endpoints, ``{"inputs": ..., "parameters": {...}}``.

Answers as ``transformers.pipeline("text-classification")`` does: for one text a list of labels; for a list of texts a
list with one label each, or with a list of labels each where ``top_k`` is given.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from offramp.serving.refusals import invalid
from offramp.serving.schemas import REFUSALS, Body, FailFast, Knobs
from offramp.serving.service import reply, scores, service_of

router = APIRouter(tags=["Hugging Face inference"], responses=REFUSALS)


class Pair(Body):
    """A pair of texts."""

    text: str
    text_pair: str


class Parameters(Knobs):
    """What the pipeline takes, and when a text leaves."""

    top_k: Annotated[int, Field(ge=1)] | None = None
    function_to_apply: Literal["softmax", "sigmoid"] | None = Field(
        default=None, description="Only what the model was trained with: softmax or sigmoid."
    )
    truncation: bool = Field(default=True, description="Texts that are too long are always cut.")


class HuggingFaceRequest(Body):
    """Texts to classify."""

    inputs: str | Pair | Annotated[list[str], FailFast] | Annotated[list[Pair], FailFast]
    parameters: Parameters = Parameters()
    options: dict[str, Any] = Field(default_factory=dict, description="Of no effect.")


class Scored(Body):
    """A label with its calibrated probability."""

    label: str
    score: float


@router.post("/", response_model=list[Scored] | list[list[Scored]])
async def inference(body: HuggingFaceRequest, request: Request) -> Response:
    """Classifies texts, in the form of Hugging Face's inference endpoints."""
    service = service_of(request)
    parameters = body.parameters
    _check_function(parameters.function_to_apply, service.core.classifier.problem.name)
    inputs = body.inputs if isinstance(body.inputs, list) else [body.inputs]
    texts = [one.text if isinstance(one, Pair) else one for one in inputs]
    pairs = [one.text_pair for one in inputs if isinstance(one, Pair)]
    answered = await service.answer(
        request, texts, pairs or None, parameters, top_k=parameters.top_k or 1, field="inputs"
    )
    found = scores(answered.predictions)
    if not isinstance(body.inputs, list):
        return reply(found[0], answered)
    return reply(found if parameters.top_k is not None else [best for (best,) in found], answered)


def _check_function(wanted: str | None, problem: str) -> None:
    own = "sigmoid" if problem == "MULTI_LABEL" else "softmax"
    if wanted not in (None, own):
        raise invalid(f"this model's probabilities come from {own}; leave it out", "parameters.function_to_apply")
