"""``POST /classify`` and ``GET /v1/models``: the forms of vLLM, which OpenAI's clients can call."""

import time
import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from offramp.serving.refusals import Refusal
from offramp.serving.schemas import GUARDED, REFUSALS, ErrorReply, Knobs, Texts
from offramp.serving.service import Service, reply, service_of

_BEGAN = int(time.time())

router = APIRouter(tags=["vLLM"])


class ErrorInfo(BaseModel):
    """What is wrong."""

    message: str = Field(description="For people.")
    type: str = Field(description="For programs.")
    param: str | None = Field(description="The field that is wrong.")
    code: int = Field(description="The HTTP status.")


class OpenAIErrorReply(BaseModel):
    """Errors beneath /v1/ have this form."""

    error: ErrorInfo


NO_MODEL: dict[int | str, dict[str, Any]] = {404: {"model": ErrorReply, "description": "No such model."}}


def as_openai(replies: dict[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """Descriptions of refusals, with the form that they have beneath /v1/."""
    return {status: reply | {"model": OpenAIErrorReply} for status, reply in replies.items()}


_ERRORS = as_openai(GUARDED | NO_MODEL)


class ClassifyRequest(Knobs):
    """Texts to classify."""

    input: Texts
    model: str | None = Field(default=None, description="The name of the model served, or nothing.")
    use_activation: bool | None = Field(default=None, description="false for calibrated logits.")
    activation: bool | None = Field(default=None, description="The same, by an older name.")
    softmax: bool | None = Field(default=None, description="The same, by the oldest name.")
    truncate_prompt_tokens: Annotated[int, Field(ge=-1)] | None = Field(
        default=None, description="-1, or at least as many tokens as the model reads."
    )
    truncation_side: Literal["right"] | None = Field(default=None, description="The end is cut.")
    add_special_tokens: Literal[True] = Field(default=True, description="The model was trained with them.")
    request_id: str | None = Field(default=None, description="Comes back in the reply's id.")
    priority: int = Field(default=0, description="Of no effect.")
    user: str | None = Field(default=None, description="Of no effect.")


class ClassifiedText(BaseModel):
    """The prediction for one text; ``probs`` in the order of the model's labels."""

    index: int
    label: str | None
    probs: list[float]
    num_classes: int
    handed_over: bool | None = Field(
        default=None, description="Whether the label is but a best guess; not there where no text could be handed over."
    )


class Usage(BaseModel):
    """Tokens read."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int = 0
    prompt_tokens_details: None = None


class ClassifyReply(BaseModel):
    """Predictions in the order of the texts."""

    id: str
    object: str
    created: int
    model: str
    data: list[ClassifiedText]
    usage: Usage


class Model(BaseModel):
    """The model that is served."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(default=_BEGAN, description="When the server began, in seconds of Unix time.")
    owned_by: str = "offramp"
    root: str
    parent: None = None
    max_model_len: int = Field(description="Tokens that the model reads of a text.")


class Models(BaseModel):
    """All models that are served: one."""

    object: Literal["list"] = "list"
    data: list[Model]


@router.get("/v1/models", responses={401: _ERRORS[401], 503: _ERRORS[503]})
async def models(request: Request) -> Models:
    """Lists the model that is served."""
    return Models(data=[_described(service_of(request))])


@router.get("/v1/models/{name}", responses=_ERRORS)
async def model(name: str, request: Request) -> Model:
    """Tells of the model that is served."""
    service = service_of(request)
    check_model(name, service, "name")
    return _described(service)


@router.post("/classify", response_model=ClassifyReply, responses=REFUSALS | NO_MODEL)
@router.post("/v1/classify", include_in_schema=False)
async def classify(body: ClassifyRequest, request: Request) -> Response:
    """Classifies texts, in the form of vLLM."""
    service = service_of(request)
    check_model(body.model, service, "model")
    service.check_length(body.truncate_prompt_tokens, "truncate_prompt_tokens")
    answered = await service.answer(request, body.input, None, body, top_k=1, field="input")
    predictions = answered.predictions
    tokens = int(predictions.tokens.sum())
    values = predictions.probabilities if _activated(body) else predictions.problem.logits(predictions.probabilities)
    data = [
        {"index": index, "label": labels[0] if len(labels) == 1 else None, "probs": row, "num_classes": len(row)}
        for index, (labels, row) in enumerate(zip(predictions.guessed_labels, values.tolist(), strict=True))
    ]
    if predictions.may_hand_over:
        for entry, over in zip(data, predictions.handed_over.tolist(), strict=True):
            entry["handed_over"] = over
    return reply(
        {
            "id": f"classify-{body.request_id or uuid.uuid4().hex}",
            "object": "list",
            "created": int(time.time()),
            "model": service.name,
            "data": data,
            "usage": Usage(prompt_tokens=tokens, total_tokens=tokens).model_dump(),
        },
        answered,
    )


def _described(service: Service) -> Model:
    longest = service.core.classifier.max_tokens
    return Model(id=service.name, root=service.name, max_model_len=longest)


def check_model(wanted: str | None, service: Service, field: str) -> None:
    """Refuses another model than the one that is served.

    Raises:
        Refusal: another is wanted.
    """
    if wanted not in (None, service.name):
        raise Refusal(404, "not_found", f"there is no model {wanted!r:.60}; this is {service.name}", field)


def _activated(body: ClassifyRequest) -> bool:
    """Whether probabilities are wanted; of the three names of this field the newest counts."""
    given = [value for value in (body.use_activation, body.activation, body.softmax) if value is not None]
    return given[0] if given else True
