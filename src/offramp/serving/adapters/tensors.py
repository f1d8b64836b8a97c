"""Tensors of the Open Inference Protocol in binary: a body's JSON, and the bytes that follow it.

The header ``Inference-Header-Content-Length`` tells how long the JSON is; texts are written as their length in four
bytes, the lowest first, and their UTF-8.
"""

import re
import struct
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np
from fastapi import Request, Response
from fastapi.routing import APIRoute
from numpy.typing import NDArray

from offramp.serving.refusals import Refusal, invalid, too_large

JSON_LENGTH = "Inference-Header-Content-Length"
_LENGTH = struct.Struct("<I")


class TensorRequest(Request):
    """A request whose body is the JSON only, of whatever Content-Type it was sent.

    Attributes:
        binary: the bytes after it.
    """

    def __init__(self, request: Request, text: bytes, binary: bytes) -> None:
        headers = [header for header in request.scope["headers"] if header[0] != b"content-type"]
        super().__init__(
            {**request.scope, "headers": [*headers, (b"content-type", b"application/json")]}, request.receive
        )
        self._text = text
        self.binary = binary

    async def body(self) -> bytes:
        """The JSON."""
        return self._text


class TensorRoute(APIRoute):
    """A route that takes binary tensors after its JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See FastAPI."""
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            body = await request.body()
            length = _json_length(request.headers.get(JSON_LENGTH), len(body))
            return await answer(TensorRequest(request, body[:length], body[length:]))

        return handle


def packed(column: Sequence[str] | NDArray[Any]) -> bytes:
    """A tensor's values as bytes."""
    if isinstance(column, np.ndarray):
        return column.astype(column.dtype.newbyteorder("<")).tobytes()
    texts = [text.encode("utf-8", "replace") for text in column]
    return b"".join(_LENGTH.pack(len(text)) + text for text in texts)


def unpacked(binary: bytes, most: int, field: str) -> list[str]:
    """The texts of a tensor.

    Raises:
        Refusal: there are more than ``most``, the lengths do not fit, or a text is not UTF-8.
    """
    texts: list[str] = []
    start = 0
    while start < len(binary):
        if len(texts) == most:
            raise too_large(f"there are more than {most} texts; send fewer at once", field)
        after = start + _LENGTH.size
        end = after + _LENGTH.unpack_from(binary, start)[0] if after <= len(binary) else len(binary) + 1
        if end > len(binary):
            raise invalid(f"text {len(texts)} is longer than the bytes that were sent for this tensor", field)
        try:
            texts.append(binary[after:end].decode())
        except UnicodeDecodeError:
            raise invalid(f"text {len(texts)} is not UTF-8", field) from None
        start = end
    return texts


def _json_length(given: str | None, body: int) -> int:
    if given is None:
        return body
    if not re.fullmatch("[0-9]{1,18}", given) or int(given) > body:
        raise Refusal(400, "invalid_length", f"{JSON_LENGTH} is {given!r:.40}, but the body has {body} bytes")
    return int(given)
