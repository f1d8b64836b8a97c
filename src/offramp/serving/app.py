"""The application: routes, one form for all errors, and the guard in front."""

from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from offramp.serving import routes
from offramp.serving.adapters import decisions, hugging_face, open_inference, system_one, vllm
from offramp.serving.description import Head, describe
from offramp.serving.explaining import unreadable, wrong
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
        openapi_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service = service
    app.state.description = cache(partial(describe, app, keys=keys is not None))
    every = list(app.routes)
    for router in (
        routes.router,
        hugging_face.router,
        vllm.router,
        decisions.router,
        system_one.router,
        open_inference.router,
    ):
        app.include_router(router)
        every += router.routes
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(Head)
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
    return JSONResponse(refusal.content(request.url.path), refusal.status, refusal.headers)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return _reply(request, error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if isinstance(error.body, bytes):
        return _reply(request, invalid("the body was not sent as JSON; send Content-Type: application/json"))
    return _reply(request, wrong(error))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 400 and error.__cause__ is not None:  # FastAPI says no more of it than that it failed
        return _reply(request, unreadable(error.__cause__))
    kind = _KINDS.get(error.status_code, "http")
    headers = dict(error.headers or {})
    if error.status_code == 405:
        # Each of the two methods of "/" has a route of its own, and knows only itself.
        allowed = "GET, POST" if request.url.path == "/" else headers.get("Allow", "")
        headers["Allow"] = allowed.replace("GET", "GET, HEAD")
    return _reply(request, Refusal(error.status_code, kind, str(error.detail), headers=headers))


async def _failed(request: Request, error: Exception) -> JSONResponse:
    return _reply(request, failed())
