"""Between HTTP and the core: checks what a request asks for, and lets go of it when the client leaves."""

import asyncio
import json
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fastapi import Request, Response

from offramp.engine import Predictions
from offramp.engine.answering import check_texts
from offramp.errors import InputError
from offramp.serving.core import Answered, Ask, Core
from offramp.serving.metrics import Metrics
from offramp.serving.operating import NamedRule, default_point, full_depth
from offramp.serving.refusals import gone, invalid, too_large
from offramp.serving.schemas import Knobs
from offramp.serving.settings import Settings

logger = logging.getLogger("offramp.serving")

# Thresholds that requests asked for; equal ones share a rule, and so are decided together.
_REMEMBERED = 256


@dataclass(slots=True, eq=False)
class Service:
    """What every route works with.

    Attributes:
        name: of the model.
        core: computes.
        settings: limits.
        metrics: counts.
    """

    name: str
    core: Core
    settings: Settings
    metrics: Metrics
    _points: dict[float | str | None, NamedRule] = field(default_factory=dict)

    async def answer(
        self,
        request: Request,
        texts: Sequence[str],
        text_pairs: Sequence[str] | None,
        knobs: Knobs,
        *,
        top_k: int | None,
        timeout_ms: float | None = None,
        field: str = "texts",
    ) -> Answered:
        """Classifies the texts of a request.

        Args:
            field: what the texts are called there.

        Raises:
            Refusal: a limit is exceeded, a value is wrong, or see :meth:`Core.classify`.
        """
        self._check(texts, text_pairs, field)
        limit = self.settings.timeout_ms
        timeout = (limit if timeout_ms is None else min(limit, timeout_ms)) / 1000
        answered = await _unless_gone(
            request, self.core.classify(Ask(texts, text_pairs, self.point(knobs), top_k, timeout))
        )
        predictions = answered.predictions
        self.metrics.answered(
            answered.queued, int(predictions.truncated.sum()), len(predictions) if answered.degraded else 0
        )
        if self.settings.log_texts:
            logger.info("texts %s", json.dumps({"texts": list(texts), "labels": predictions.labels}))
        return answered

    def check_length(self, tokens: int | None, field: str) -> None:
        """Refuses to cut texts to fewer tokens than the model reads; None and -1 stand for as many as it reads.

        Raises:
            Refusal: fewer are wanted.
        """
        longest = self.core.classifier.max_tokens
        if tokens is not None and tokens != -1 and tokens < longest:
            raise invalid(
                f"texts are cut to the {longest} tokens that the model reads, not to fewer; leave it out", field
            )

    def point(self, knobs: Knobs) -> NamedRule | None:
        """Where a request wants its texts to leave; None for the operating point in force.

        Raises:
            Refusal: more than one is given, or there is no such operating point.
        """
        asked = {"threshold": knobs.threshold, "at": knobs.at, "full_depth": knobs.full_depth or None}
        given = [name for name, value in asked.items() if value is not None]
        if len(given) > 1:
            raise invalid(f"{' and '.join(given)} contradict each other; give one of them", given[1])
        if not given:
            return None
        key = None if knobs.full_depth else knobs.at if knobs.at is not None else knobs.threshold
        if key not in self._points:
            if len(self._points) >= _REMEMBERED:
                self._points.clear()
            self._points[key] = self._find(knobs)
        return self._points[key]

    def _find(self, knobs: Knobs) -> NamedRule:
        if knobs.full_depth:
            return full_depth(self.core.classifier.problem)
        try:
            return default_point(self.core.classifier, knobs.threshold, knobs.at)
        except InputError as error:
            raise invalid(str(error), error.option) from None

    def _check(self, texts: Sequence[str], text_pairs: Sequence[str] | None, field: str) -> None:
        most = self.settings.max_texts
        if len(texts) > most:
            raise too_large(f"there are {len(texts)} texts; send at most {most} at once", field)
        for name, column in ((field, texts), ("text_pairs", text_pairs or ())):
            for row, text in enumerate(column):
                if len(text) > self.settings.max_characters:
                    characters = f"{len(text)} characters, more than {self.settings.max_characters}"
                    raise too_large(f"the text has {characters}; shorten it", f"{name}[{row}]")
        try:
            check_texts(self.core.classifier, texts, text_pairs)
        except InputError as error:
            message, named = str(error), field if error.option == "texts" else error.option
            if error.option == "text_pairs" and field != "texts":
                message, named = message.replace("`text_pairs`", f"the second text in `{field}`"), field
            raise invalid(message, named) from None


def service_of(request: Request) -> Service:
    """The service of the application that a request was sent to."""
    service: Service = request.app.state.service
    return service


def reply(content: Any, answered: Answered | None = None) -> Response:
    """A result as JSON, with the times it took in headers."""
    headers = None if answered is None else times(answered)
    return Response(json.dumps(content, separators=(",", ":")), media_type="application/json", headers=headers)


def scores(predictions: Predictions, *, raw: bool = False) -> list[list[dict[str, Any]]]:
    """Labels with their probabilities, the most probable first, as many as were asked for.

    Args:
        raw: give calibrated logits instead, see :meth:`Problem.logits`.
    """
    rows = []
    for prediction in predictions:
        values = list(prediction.probabilities.values())
        if raw:
            values = predictions.problem.logits(np.asarray(values)).tolist()
        rows.append(
            [{"label": label, "score": value} for label, value in zip(prediction.probabilities, values, strict=True)]
        )
    return rows


def refuse_truncated(predictions: Predictions, field: str) -> None:
    """Refuses if a text was longer than the model reads.

    Raises:
        Refusal: one was.
    """
    if predictions.truncated.any():
        row = int(predictions.truncated.argmax())
        raise too_large("the text is longer than the model reads; allow its end to be cut", f"{field}[{row}]")


def times(answered: Answered) -> Mapping[str, str]:
    """How long an answer took in milliseconds, in the headers that text-embeddings-inference has.

    In a further one stand the positions of texts that are handed over: not every form of answer has a place for it.
    """
    handed_over = answered.predictions.handed_over.nonzero()[0].tolist()
    return {
        "x-total-time": f"{1000 * answered.total:.1f}",
        "x-tokenization-time": f"{1000 * answered.tokenizing:.1f}",
        "x-queue-time": f"{1000 * answered.queued:.1f}",
        "x-inference-time": f"{1000 * answered.computed:.1f}",
        "x-compute-tokens": str(int(answered.predictions.tokens.sum())),
        **({"x-handed-over": ",".join(map(str, handed_over))} if handed_over else {}),
    }


async def _unless_gone(request: Request, work: Coroutine[Any, Any, Answered]) -> Answered:
    """Waits for the answer, and drops the work if the client leaves before."""
    mine = asyncio.current_task()
    assert mine is not None
    left = asyncio.ensure_future(_left(request, mine))
    try:
        return await work
    except asyncio.CancelledError:
        if left.done() and not left.cancelled():
            mine.uncancel()
            raise gone() from None
        raise
    finally:
        left.cancel()


async def _left(request: Request, waiting: "asyncio.Task[Any]") -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    waiting.cancel()
