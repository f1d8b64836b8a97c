"""``POST /classify``: the form of vLLM, ``{"input": ...}``."""

import time
import uuid

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from offramp.serving.refusals import Refusal
from offramp.serving.schemas import REFUSALS, ErrorReply, Knobs, Texts
from offramp.serving.service import reply, service_of

router = APIRouter(tags=["vLLM"], responses={**REFUSALS, 404: {"model": ErrorReply, "description": "No such model."}})


class ClassifyRequest(Knobs):
    """Texts to classify."""

    input: Texts
    model: str | None = Field(default=None, description="The name of the model served, or nothing.")
    user: str | None = Field(default=None, description="Of no effect.")


class ClassifiedText(BaseModel):
    """The prediction for one text; ``probs`` in the order of the model's labels."""

    index: int
    label: str | None
    probs: list[float]
    num_classes: int


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


@router.post("/classify", response_model=ClassifyReply)
@router.post("/v1/classify", response_model=ClassifyReply, include_in_schema=False)
async def classify(body: ClassifyRequest, request: Request) -> Response:
    """Classifies texts, in the form of vLLM."""
    service = service_of(request)
    if body.model not in (None, service.name):
        raise Refusal(404, "not_found", f"there is no model {body.model!r:.60}; this is {service.name}", "model")
    answered = await service.answer(request, body.input, None, body, top_k=1, field="input")
    predictions = answered.predictions
    tokens = int(predictions.tokens.sum())
    data = [
        {"index": index, "label": labels[0] if len(labels) == 1 else None, "probs": row, "num_classes": len(row)}
        for index, (labels, row) in enumerate(zip(predictions.labels, predictions.probabilities.tolist(), strict=True))
    ]
    return reply(
        {
            "id": f"classify-{uuid.uuid4().hex}",
            "object": "list",
            "created": int(time.time()),
            "model": service.name,
            "data": data,
            "usage": Usage(prompt_tokens=tokens, total_tokens=tokens).model_dump(),
        },
        answered,
    )
