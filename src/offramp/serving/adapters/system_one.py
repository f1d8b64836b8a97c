"""``POST /v1/systemone``: the form of TypeSafe's System One API, typed questions about a state.

The state is the text. A classifier knows the questions that it was trained on, and no others: a ``choice`` among all of
its labels, a ``score`` whose levels are all of them in their order, and whether one label is right, a ``noul`` by the
label's name. What ``instructions`` say is for models that read them.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from offramp.engine import Classifier
from offramp.serving.adapters.hugging_face import Pair
from offramp.serving.adapters.questions import check_choice, check_label, label_probabilities
from offramp.serving.adapters.vllm import NO_MODEL, as_openai, check_model
from offramp.serving.schemas import REFUSALS, Body, FailFast, Knobs
from offramp.serving.service import reply, service_of

router = APIRouter(tags=["TypeSafe System One"])


class SystemOneNoul(Body):
    """Whether the label that the question is named after is right."""

    type: Literal["noul"]
    instructions: Any = Field(default=None, description="Of no effect.")
    criteria: Any = Field(default=None, description="Of no effect.")


class SystemOneChoice(Body):
    """Which of the labels is right."""

    type: Literal["choice"]
    criteria: dict[str, Any] = Field(description="All labels of the model; what they are described by has no effect.")
    instructions: Any = Field(default=None, description="Of no effect.")


class SystemOneScore(Body):
    """Which level is right, where the labels are levels."""

    type: Literal["score"]
    criteria: Annotated[list[str], FailFast] = Field(description="All labels of the model, from the lowest level up.")
    instructions: Any = Field(default=None, description="Of no effect.")


Question = Annotated[SystemOneNoul | SystemOneChoice | SystemOneScore, Field(discriminator="type")]


class SystemOneRequest(Knobs):
    """A text, and questions about it by their names."""

    state: str | Pair | Annotated[list[str], Field(min_length=1, fail_fast=True)] = Field(
        description="The text; several are read as lines of one."
    )
    questions: dict[str, Question] = Field(min_length=1, max_length=400)
    model: str | None = Field(default=None, description="The name of the model served, or nothing.")


class SystemOneAnswer(BaseModel):
    """The answer to a question, with the fields of its type."""

    type: Literal["noul", "choice", "score"]
    noul: float | None = Field(default=None, description="Of a noul: the probability that the label is right.")
    choice: str | None = Field(default=None, description="Of a choice.")
    score: float | None = Field(default=None, description="Of a score: the mean level, the lowest being 0.")
    confidence: float | None = Field(default=None, description="Of the choice or the level: that it is right.")
    legend: dict[str, str] | None = Field(default=None, description="Of a score: the levels.")
    probabilities: dict[str, float] | None = Field(default=None, description="Of a choice or a score.")


class SystemOneUsage(BaseModel):
    """Tokens that were read."""

    input_tokens: int
    output_tokens: Literal[0] = 0


class SystemOneReply(BaseModel):
    """Answers by the names of their questions."""

    model: str
    answers: dict[str, SystemOneAnswer]
    usage: SystemOneUsage


@router.post("/v1/systemone", response_model=SystemOneReply, responses=as_openai(REFUSALS | NO_MODEL))
async def system_one(body: SystemOneRequest, request: Request) -> Response:
    """Answers typed questions about a text, in the form of TypeSafe."""
    service = service_of(request)
    check_model(body.model, service, "model")
    classifier = service.core.classifier
    for name, question in body.questions.items():
        _check(name, question, classifier)
    text, pairs = _texts_of(body.state)
    answered = await service.answer(request, [text], pairs, body, top_k=1, field="state")
    known = label_probabilities(classifier, answered.predictions)
    usage = SystemOneUsage(input_tokens=int(answered.predictions.tokens.sum()))
    answers = {name: _answer(name, question, known) for name, question in body.questions.items()}
    return reply({"model": service.name, "answers": answers, "usage": usage.model_dump()}, answered)


def _texts_of(state: str | Pair | list[str]) -> tuple[str, list[str] | None]:
    if isinstance(state, Pair):
        return state.text, [state.text_pair]
    return state if isinstance(state, str) else "\n".join(state), None


def _check(name: str, question: Question, classifier: Classifier) -> None:
    field = f"questions.{name}"
    if isinstance(question, SystemOneNoul):
        check_label(classifier, name, field)
    else:
        check_choice(classifier, list(question.criteria), field, part="criteria", single="noul")


def _answer(name: str, question: Question, known: dict[str, float]) -> dict[str, Any]:
    if isinstance(question, SystemOneNoul):
        return {"type": "noul", "noul": known[name]}
    probabilities = {label: known[label] for label in question.criteria}
    best = max(probabilities, key=probabilities.__getitem__)
    if isinstance(question, SystemOneChoice):
        return {"type": "choice", "choice": best, "confidence": known[best], "probabilities": probabilities}
    levels = {str(level): label for level, label in enumerate(question.criteria)}
    return {
        "type": "score",
        "score": sum(int(level) * known[label] for level, label in levels.items()),
        "confidence": known[best],
        "legend": levels,
        "probabilities": {level: known[label] for level, label in levels.items()},
    }
