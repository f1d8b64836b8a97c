"""``POST /predict`` with ``inputs``: the form of text-embeddings-inference.

There a list of two strings is a pair, and a list of lists a batch.
"""

from typing import Annotated, Any, Literal

from fastapi import Request, Response
from pydantic import Field

from offramp.serving.schemas import Body, FailFast, Knobs
from offramp.serving.service import refuse_truncated, reply, scores, service_of

Sequence = Annotated[list[str], Field(min_length=1, max_length=2, fail_fast=True)]


class EmbeddingsInferenceRequest(Body):
    """A text, a pair of texts, or a batch of either."""

    inputs: str | Sequence | Annotated[list[Sequence], FailFast]
    raw_scores: bool = Field(default=False, description="Scores are calibrated logits instead of probabilities.")
    truncate: bool | None = Field(
        default=None, description="false refuses texts that the model cannot read to the end."
    )
    truncation_direction: Literal["Right", "right"] = Field(default="Right", description="The end is cut.")


class Ranked(Body):
    """A label with its calibrated probability."""

    score: float
    label: str


async def predict(body: EmbeddingsInferenceRequest, request: Request) -> Response:
    """Classifies texts; every label of each, the most probable first."""
    batch = isinstance(body.inputs, list) and not any(isinstance(text, str) for text in body.inputs)
    inputs: list[Any] = list(body.inputs) if batch else [[body.inputs] if isinstance(body.inputs, str) else body.inputs]
    pairs = [texts[1] for texts in inputs if len(texts) == 2]
    answered = await service_of(request).answer(
        request, [texts[0] for texts in inputs], pairs or None, Knobs(), top_k=None, field="inputs"
    )
    if body.truncate is False:
        refuse_truncated(answered.predictions, "inputs")
    scored = scores(answered.predictions, raw=body.raw_scores)
    return reply(scored if batch else scored[0], answered)
