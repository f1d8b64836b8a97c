"""What stands in front of every request: keys, the size and the time of its body, and counting."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offramp.serving.decoding import decoded
from offramp.serving.journal import Journal, request_in_words
from offramp.serving.keys import Keys
from offramp.serving.metrics import Metrics
from offramp.serving.refusals import Refusal, crowded, gone, slow, too_large
from offramp.serving.settings import Settings

logger = logging.getLogger("offramp.serving")

# Open to all, at all times: what an orchestrator asks, and pages and a description that hold nothing of the model.
OPEN = frozenset({"/", "/docs", "/openapi.json", "/health", "/ready", "/v2/health/live", "/v2/health/ready"})
# Bytes of a body that such a request may have; nobody reads it.
_OPEN_BODY = 65_536


class Guard:
    """ASGI middleware; it reads a request's body before the application sees any of it.

    Args:
        app: what is guarded.
        settings: limits.
        keys: who may pass; None for everybody.
        metrics: counts requests.
        connections: tells how many there are.
        routes: what requests are counted by.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        keys: Keys | None,
        metrics: Metrics,
        connections: Callable[[], int],
        routes: Sequence[BaseRoute],
    ) -> None:
        self._app = app
        self._settings = settings
        self._keys = keys
        self._metrics = metrics
        self._connections = connections
        self._routes = routes
        self._journal = Journal()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 499, time.monotonic()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if not _is_open(scope):
                self._check_connections()
                self._check_key(scope)
            body = decoded(await self._body(scope, receive), _coding(scope), self._most(scope))
            began = time.monotonic()
            await self._app(scope, _Body(body, receive), watched)
        except Refusal as refusal:
            status, scope["refusal"] = refusal.status, refusal
            if status != 499:
                await _refuse(scope, refusal, send)
        except Exception:
            status = 500
            raise
        finally:
            seconds = time.monotonic() - began
            self._metrics.request(self._route(scope), status, seconds)
            if status != 499 and (reason := scope.get("refusal")) is not None:
                self._journal.refused(scope, reason)
            if self._settings.log_requests or self._settings.log_texts:
                logger.info("%s %d %.1f ms", request_in_words(scope), status, 1000 * seconds)

    def _route(self, scope: Scope) -> str:
        """The path of the route that a request goes to, also if it was refused before it came there; else ``other``."""
        route = scope.get("route")
        if route is None:
            route = next((known for known in self._routes if known.matches(scope)[0] is not Match.NONE), None)
        return getattr(route, "path", "other")

    def _check_connections(self) -> None:
        most = self._settings.max_connections
        if self._connections() > most:
            raise crowded(most)

    def _check_key(self, scope: Scope) -> None:
        if self._keys is None:
            return
        header = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        if not self._keys.allow(None if header is None else header.decode("latin-1")):
            message = "give one of the server's keys as  Authorization: Bearer KEY"
            raise Refusal(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})

    def _most(self, scope: Scope) -> int:
        """Bytes that a request's body may have."""
        most = self._settings.max_body_bytes
        return min(most, _OPEN_BODY) if _is_open(scope) else most

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body.

        Raises:
            Refusal: it is too large, came too slowly, or the client left.
        """
        most = self._most(scope)
        size = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not size.isdigit() or int(size) > most:
            raise too_large(f"the request's body is longer than {most} bytes")
        parts, length = [], 0
        try:
            async with asyncio.timeout(self._settings.body_timeout_ms / 1000):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise gone()
                    parts.append(message.get("body", b""))
                    length += len(parts[-1])
                    if length > most:
                        raise too_large(f"the request's body is longer than {most} bytes")
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise slow(self._settings.body_timeout_ms) from None


def _is_open(scope: Scope) -> bool:
    return scope["path"] in OPEN and scope["method"] in ("GET", "HEAD")


def _coding(scope: Scope) -> str:
    return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"content-encoding")


class _Body:
    """Gives the application the body at once, and then what comes after it: that the client left."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def _refuse(scope: Scope, refusal: Refusal, send: Send) -> None:
    """Refuses, and ends the connection: the rest of the body is not read."""
    headers, body = refusal.last_answer(scope["path"])
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
