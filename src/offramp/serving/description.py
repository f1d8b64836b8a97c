"""The OpenAPI description of the server, and HEAD, which is answered wherever GET is."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offramp.serving.guard import OPEN

_KEY = "key"


def describe(app: FastAPI, *, keys: bool) -> dict[str, Any]:
    """Makes the OpenAPI description of an application.

    Args:
        keys: whether one of the server's keys has to be sent.
    """
    schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    scheme = {"type": "http", "scheme": "bearer", "description": "One of the server's keys."}
    schema.setdefault("components", {})["securitySchemes"] = {_KEY: scheme}
    schema["security"] = [{_KEY: []}] if keys else [{}, {_KEY: []}]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            summary, _, rest = operation.get("description", "").replace("``", "").partition("\n")
            operation["summary"] = summary.rstrip(".")
            operation["description"] = rest.strip()
            if method == "get" and path in OPEN:
                operation["security"] = []
    return schema


class Head:
    """ASGI middleware that answers HEAD as GET, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, receive, send_head)
        finally:
            scope.update(asked | {"method": "HEAD"})  # what it found, such as the route, is counted by the guard
