"""The application: routes, one form for all errors, and the guard in front."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from offramp.serving import routes
from offramp.serving.adapters import hugging_face, open_inference, vllm
from offramp.serving.guard import Guard
from offramp.serving.keys import Keys
from offramp.serving.refusals import Refusal, failed, invalid
from offramp.serving.service import Service

_NO_TELEMETRY: Any = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
_KINDS = {400: "bad_request", 404: "not_found", 405: "method_not_allowed"}


def create_app(service: Service, keys: Keys | None = None, connections: Callable[[], int] = lambda: 0) -> FastAPI:
    """Makes the ASGI application of a service.

    Args:
        service: what answers.
        keys: only those who have one of them may use it, if there are any.
        connections: tells how many the server has, for the limit on them.
    """
    app = FastAPI(
        title="offramp",
        version=version("offramp"),
        description="Text classification with early exits.",
        telemetry=_NO_TELEMETRY,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    every = list(app.routes)
    for router in (routes.router, hugging_face.router, vllm.router, open_inference.router):
        app.include_router(router)
        every += router.routes
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(
        Guard, settings=service.settings, keys=keys, metrics=service.metrics, connections=connections, routes=every
    )
    if service.settings.allow_origin:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.settings.allow_origin,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    return app


def _reply(request: Request, refusal: Refusal) -> JSONResponse:
    request.scope["refusal"] = refusal  # for the guard, which logs it
    return JSONResponse(refusal.content, refusal.status, refusal.headers)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return _reply(request, error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """The first thing that is wrong; what was sent is not repeated."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return _reply(request, Refusal(400, "invalid_json", f"the body is no JSON: {first['ctx']['error']}"))
    if request.method == "POST" and "json" not in request.headers.get("content-type", ""):
        return _reply(request, invalid("the body was not sent as JSON; send Content-Type: application/json"))
    return _reply(request, Refusal(422, "validation", first["msg"], path(first["loc"])))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = _KINDS.get(error.status_code, "http")
    headers = dict(error.headers or {})
    if error.status_code == 405 and request.url.path == "/":
        headers["Allow"] = "GET, POST"  # each of them has a route of its own, and knows only itself
    return _reply(request, Refusal(error.status_code, kind, str(error.detail), headers=headers))


async def _failed(request: Request, error: Exception) -> JSONResponse:
    return _reply(request, failed())


def path(location: Sequence[str | int]) -> str | None:
    """Writes where a value stands, such as ``texts[3]``.

    What is left out: ``body``, and what pydantic puts between to tell which of several forms it tried.
    """
    written = ""
    for part in location[1:]:
        if isinstance(part, int):
            written += f"[{part}]"
        elif part.isidentifier() and part not in ("str", "Pair"):
            written += f".{part}" if written else part
    return written or None
