"""``POST /v1/decisions``: the form of OpenAI's Decisions API, typed questions that are answered with probabilities.

A classifier knows the questions that it was trained on, and no others: a ``choice`` among all of its labels, and
whether one label is right, a ``predicate`` of the label's name. What ``instructions`` say is for models that read them.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from offramp.engine import Classifier
from offramp.serving.adapters.questions import check_choice, check_label, label_probabilities
from offramp.serving.adapters.vllm import NO_MODEL, as_openai, check_model
from offramp.serving.schemas import REFUSALS, Body, Knobs
from offramp.serving.service import reply, service_of

router = APIRouter(tags=["OpenAI decisions"])


class TextPart(Body):
    """A part of a message."""

    type: Literal["input_text"]
    text: str


class UserMessage(Body):
    """A message of a user; its parts are read as lines of one text."""

    role: Literal["user"]
    type: Literal["message"] = "message"
    content: str | Annotated[list[TextPart], Field(min_length=1, fail_fast=True)]


class OfferedChoice(Body):
    """One of the answers that there are."""

    value: str
    description: str | None = Field(default=None, description="Of no effect.")


class ChoiceQuestion(Body):
    """Which of the labels is right."""

    type: Literal["choice"]
    choices: Annotated[list[OfferedChoice], Field(min_length=2, max_length=255, fail_fast=True)] = Field(
        description="All labels of the model, in any order."
    )
    name: str | None = None
    instructions: Any = Field(default=None, description="Of no effect.")


class PredicateQuestion(Body):
    """Whether a label is right."""

    type: Literal["predicate"]
    name: str = Field(description="The label.")
    instructions: Any = Field(default=None, description="Of no effect.")


Question = Annotated[ChoiceQuestion | PredicateQuestion, Field(discriminator="type")]


class DecisionRequest(Knobs):
    """A text, and questions about it."""

    input: str | Annotated[list[UserMessage], Field(min_length=1, fail_fast=True)]
    questions: Annotated[list[Question], Field(min_length=1, max_length=400, fail_fast=True)]
    model: str | None = Field(default=None, description="The name of the model served, or nothing.")
    safety_identifier: str | None = Field(default=None, description="Of no effect.")
    prompt_cache_key: str | None = Field(default=None, description="Of no effect.")
    prompt_cache_options: Any = Field(default=None, description="Of no effect.")


class ChoiceProbability(BaseModel):
    """How likely an answer is."""

    value: str
    probability: float


class DecisionAnswer(BaseModel):
    """The answer to a question; a ``refusal`` where the text is handed over."""

    type: Literal["choice", "predicate", "refusal"]
    name: str | None
    choice: str | None = Field(default=None, description="Of a choice.")
    confidence: float | None = Field(default=None, description="Of a choice: that it is right.")
    probabilities: list[ChoiceProbability] | None = Field(default=None, description="Of a choice.")
    probability: float | None = Field(default=None, description="Of a predicate.")


class DecisionReply(BaseModel):
    """Answers in the order of the questions."""

    model: str
    answers: list[DecisionAnswer]
    usage: dict[str, Any]


@router.post("/v1/decisions", response_model=DecisionReply, responses=as_openai(REFUSALS | NO_MODEL))
async def decide(body: DecisionRequest, request: Request) -> Response:
    """Answers typed questions about a text, in the form of OpenAI."""
    service = service_of(request)
    check_model(body.model, service, "model")
    classifier = service.core.classifier
    for place, question in enumerate(body.questions):
        _check(question, classifier, f"questions[{place}]")
    answered = await service.answer(request, [_text_of(body.input)], None, body, top_k=1, field="input")
    predictions = answered.predictions
    known = label_probabilities(classifier, predictions)
    over = predictions.may_hand_over and bool(predictions.handed_over[0])
    tokens = int(predictions.tokens.sum())
    return reply(
        {
            "model": service.name,
            "answers": [_refusal(one) if over else _answer(one, known) for one in body.questions],
            "usage": {
                "input_tokens": tokens,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": 0,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": tokens,
            },
        },
        answered,
    )


def _text_of(given: str | list[UserMessage]) -> str:
    if isinstance(given, str):
        return given
    contents = (message.content for message in given)
    return "\n".join(one if isinstance(one, str) else "\n".join(part.text for part in one) for one in contents)


def _check(question: Question, classifier: Classifier, field: str) -> None:
    if isinstance(question, PredicateQuestion):
        check_label(classifier, question.name, f"{field}.name")
    else:
        offered = [one.value for one in question.choices]
        check_choice(classifier, offered, field, part="choices", single="predicate")


def _refusal(question: Question) -> dict[str, Any]:
    return {"type": "refusal", "name": question.name}


def _answer(question: Question, known: dict[str, float]) -> dict[str, Any]:
    if isinstance(question, PredicateQuestion):
        return {"type": "predicate", "name": question.name, "probability": known[question.name]}
    values = [one.value for one in question.choices]
    best = max(values, key=known.__getitem__)
    return {
        "type": "choice",
        "name": question.name,
        "choice": best,
        "confidence": known[best],
        "probabilities": [{"value": value, "probability": known[value]} for value in values],
    }
