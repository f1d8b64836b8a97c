"""Why a body was not understood, in the one shape that every error has."""

import sys
from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError

from offramp.serving.refusals import Refusal


def wrong(error: RequestValidationError) -> Refusal:
    """Tells what is wrong with a body; what was sent is not repeated, but for the names of fields.

    Of the forms that a field may have, the one is meant that was followed the furthest.
    """
    every = error.errors()
    first = every[0]
    if first["type"] == "json_invalid":
        why = f"{first['ctx']['error']} (character {first['loc'][1]})"
        return Refusal(400, "invalid_json", f"the body is not valid JSON: {why}")
    steps, deepest = max(((_steps(flaw, error.body), flaw) for flaw in every), key=lambda pair: len(pair[0]))
    message = deepest["msg"]
    if deepest["type"] == "missing":
        message = "this field is missing" if steps else "there is no body; send JSON"
    return Refusal(422, "validation", message, path(steps))


def unreadable(reason: BaseException) -> Refusal:
    """Tells why a body could not be read as JSON, given what reading it raised."""
    if isinstance(reason, UnicodeDecodeError):
        byte = f"byte 0x{reason.object[reason.start]:02x} at position {reason.start}"
        why = f"it is not {reason.encoding.upper()}: {byte}; send it as UTF-8"
    elif isinstance(reason, RecursionError):
        why = "its lists and objects are nested too deeply"
    elif isinstance(reason, ValueError):
        why = f"it holds a whole number of more than {sys.get_int_max_str_digits()} digits"
    else:
        why = type(reason).__name__
    return Refusal(400, "invalid_json", f"the body cannot be read as JSON: {why}")


def path(steps: Sequence[str | int]) -> str | None:
    """Writes where a value stands, such as ``texts[3]`` or ``parameters.top_k``."""
    written = ""
    for step in steps:
        written += f"[{step}]" if isinstance(step, int) else f".{step}" if written else step
    return written or None


def _steps(error: dict[str, Any], body: Any) -> list[str | int]:
    """Where an error is, in what was sent: pydantic puts names of the forms that it tried between."""
    steps: list[str | int] = []
    _, *location = error["loc"]
    for number, part in enumerate(location, 1):
        missing = error["type"] == "missing" and number == len(location)
        if isinstance(part, int) and isinstance(body, list):
            steps.append(part)
            body = body[part]
        elif isinstance(body, dict) and (part in body or missing):
            steps.append(part)
            body = body.get(part)
    return [*steps, error["ctx"]["name"]] if error["type"] == "unknown_field" else steps
