"""Answers that are no result: what is wrong, in one shape, or in the one that OpenAI's clients read."""

import json
import math
from typing import Any


class Refusal(Exception):
    """A request that gets no result.

    Attributes:
        status: HTTP status.
        kind: for programs.
        message: for people.
        field: path of the field that is wrong, such as ``texts[3]``.
        headers: of the reply.
    """

    def __init__(
        self, status: int, kind: str, message: str, field: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.field = field
        self.headers = headers or {}

    def content(self, path: str) -> dict[str, Any]:
        """The reply's body; beneath ``/v1/``, where OpenAI's clients look for its message, in their form."""
        if path.startswith("/v1/"):
            return {"error": {"message": self.message, "type": self.kind, "param": self.field, "code": self.status}}
        return {"error": self.message, "error_type": self.kind, "field": self.field}

    def last_answer(self, path: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Headers and body of a reply after which the connection ends."""
        body = json.dumps(self.content(path)).encode()
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            **self.headers,
        }
        return [(name.lower().encode(), value.encode()) for name, value in headers.items()], body


def overloaded(wait: float) -> Refusal:
    """The server has as much to do as it can in time; ``wait`` is how many seconds that will take."""
    return Refusal(
        429,
        "overloaded",
        "the server has more to do than it can answer in time; try again later",
        headers={"Retry-After": str(max(1, math.ceil(wait)))},
    )


def crowded(most: int) -> Refusal:
    """There are more connections than the server keeps."""
    message = f"the server has more than {most} connections; try again later"
    return Refusal(503, "too_many_connections", message, headers={"Retry-After": "1"})


def late(seconds: float) -> Refusal:
    """The answer was not there in time."""
    return Refusal(503, "timeout", f"no answer within {1000 * seconds:g} ms", headers={"Retry-After": "1"})


def slow(limit_ms: float) -> Refusal:
    """The request took too long to arrive."""
    return Refusal(408, "slow_request", f"the request did not arrive within {limit_ms:g} ms")


def stopping() -> Refusal:
    """The server ends."""
    return Refusal(503, "stopping", "the server is stopping; ask another", headers={"Retry-After": "1"})


def failed() -> Refusal:
    """Computing failed; the log says why."""
    return Refusal(500, "internal", "something went wrong in the server; its log says what")


def broken() -> Refusal:
    """The network cannot be run; the log says why."""
    message = "the server cannot compute now, its log says why; ask another"
    return Refusal(503, "not_computing", message, headers={"Retry-After": "1"})


def gone() -> Refusal:
    """The client left; nobody reads this but the metrics."""
    return Refusal(499, "client_gone", "the client closed the connection")


def invalid(message: str, field: str | None = None) -> Refusal:
    """The request is understood, but something in it is wrong."""
    return Refusal(422, "validation", message, field)


def too_large(message: str, field: str | None = None) -> Refusal:
    """The request exceeds a limit."""
    return Refusal(413, "too_large", message, field)
