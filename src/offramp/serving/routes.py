"""The server's own interface."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import Discriminator, Tag

from offramp.engine import Prediction, Predictions
from offramp.serving.adapters import embeddings_inference
from offramp.serving.adapters.embeddings_inference import EmbeddingsInferenceRequest, Ranked
from offramp.serving.information import information
from offramp.serving.refusals import Refusal
from offramp.serving.schemas import GUARDED, NOT_READY, REFUSALS, Info, PredictReply, PredictRequest, State
from offramp.serving.service import Service, reply, service_of

router = APIRouter()

# Not names of fields, so that they are told from those where an error says where it stands.
NATIVE, TEI = "form of offramp", "form of text-embeddings-inference"


def _form(body: Any) -> str:
    """Tells the two forms of ``POST /predict`` apart."""
    if isinstance(body, EmbeddingsInferenceRequest):
        return TEI
    return TEI if isinstance(body, dict) and "inputs" in body and "texts" not in body else NATIVE


Either = Annotated[
    Annotated[PredictRequest, Tag(NATIVE)] | Annotated[EmbeddingsInferenceRequest, Tag(TEI)], Discriminator(_form)
]


@router.post("/predict", response_model=PredictReply | list[Ranked] | list[list[Ranked]], responses=REFUSALS)
async def predict(body: Either, request: Request) -> Response:
    """Classifies texts; with ``inputs`` instead of ``texts``, in the form of text-embeddings-inference."""
    if isinstance(body, EmbeddingsInferenceRequest):
        return await embeddings_inference.predict(body, request)
    service = service_of(request)
    answered = await service.answer(
        request, body.texts, body.text_pairs, body, top_k=body.top_k, timeout_ms=body.timeout_ms
    )
    return reply(
        {
            "model": service.name,
            "predictions": [
                _predicted(prediction) | _handed_over(prediction, answered.predictions)
                for prediction in answered.predictions
            ],
            "point": answered.point.name,
            "rule": answered.point.words,
            "degraded": answered.degraded,
        },
        answered,
    )


@router.get("/health")
async def health() -> State:
    """Tells that the server is alive."""
    return State(status="ok")


@router.get("/ready", responses=NOT_READY)
async def ready(request: Request) -> State:
    """Tells whether the server takes requests."""
    check_ready(service_of(request))
    return State(status="ready")


def check_ready(service: Service) -> None:
    """Refuses if a server takes no requests now.

    Raises:
        Refusal: it is stopping, or it does not compute.
    """
    core = service.core
    if core.draining or not core.alive:
        raise Refusal(503, "not_ready", "the server is stopping" if core.draining else "the server does not compute")


@router.get("/info", responses=GUARDED)
async def info(request: Request) -> Info:
    """Tells what is served, and how."""
    return information(service_of(request))


@router.get("/metrics", response_class=Response, responses=GUARDED | {200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Gives what the server has counted, for Prometheus."""
    return Response(service_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/", response_class=HTMLResponse)
async def page() -> HTMLResponse:
    """Gives a page to try the server."""
    return _page("page.html")


@router.get("/docs", response_class=HTMLResponse)
async def docs() -> HTMLResponse:
    """Gives a page that tells of every route and field."""
    return _page("docs.html")


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> JSONResponse:
    """Gives the description that the page at /docs shows, for programs."""
    return JSONResponse(request.app.state.description())


@cache
def _page(name: str) -> HTMLResponse:
    """A page, which may run its own script and style, and talk to this server only."""
    content = (Path(__file__).parent / name).read_text("utf-8")
    own = {tag: _hash(content, tag) for tag in ("script", "style")}
    policy = (
        f"default-src 'none'; script-src {own['script']}; style-src {own['style']}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return HTMLResponse(content, headers=headers)


def _hash(content: str, tag: str) -> str:
    """What a Content-Security-Policy calls the one script or style of a page."""
    inner = content.split(f"<{tag}>", 1)[1].split(f"</{tag}>", 1)[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()}'"


def _predicted(prediction: Prediction) -> dict[str, Any]:
    labels = prediction.labels
    return {
        "label": labels[0] if len(labels) == 1 else None,
        "labels": labels,
        "score": prediction.confidence,
        "exit": prediction.exit,
        "truncated": prediction.truncated,
        "probabilities": prediction.probabilities,
    }


def _handed_over(prediction: Prediction, among: Predictions) -> dict[str, Any]:
    """Whether a text is handed over, and the best guess; nothing where no text could be."""
    if not among.may_hand_over:
        return {}
    guess: Any = prediction.guessed_labels if among.multi_label else prediction.best_guess
    return {"handed_over": prediction.handed_over, "best_guess": guess}
