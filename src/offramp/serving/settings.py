"""What can be set about the server: every option once, with its default and its meaning."""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any

from offramp.errors import OptionError

# As browsers send it: a scheme and a host, perhaps a port, and no path.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]+")


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of ``offramp serve``; each field's annotation says what it is.

    Raises:
        OptionError: a value is out of range, or two contradict each other.
    """

    host: Annotated[str, "address to listen on; 0.0.0.0 for every one of the machine"] = "127.0.0.1"
    port: Annotated[int, "port; 0 for a free one"] = 8000
    api_keys: Annotated[str | None, "file of accepted Bearer keys, one a line; read again when it changes"] = None
    allow_origin: Annotated[tuple[str, ...], "web origin whose pages may call the server; can be repeated"] = ()
    compute_threads: Annotated[
        int, "threads of this one process that run stages, each on a copy of the model of its own"
    ] = 1
    threads: Annotated[
        int | None, "processor threads for each of them; by default all but one, which the network needs, shared out"
    ] = None
    token_budget: Annotated[int | None, "tokens of a batch at most; by default the model's"] = None
    step_ms: Annotated[float, "a batch is no larger than a stage computes in this time"] = 20.0
    max_wait_ms: Annotated[float, "a text waits for company at most this long; never while the server is idle"] = 10.0
    timeout_ms: Annotated[float, "answer within this time or with 503; a request may ask for less"] = 10_000.0
    max_queue: Annotated[int, "texts in the server at once; beyond that 429"] = 2_000
    max_queue_ms: Annotated[float, "429 for a request that would wait longer than this before it is begun"] = 1_000.0
    max_texts: Annotated[int, "texts of a request"] = 1_000
    max_characters: Annotated[int, "characters of a text"] = 100_000
    max_body_bytes: Annotated[int, "bytes of a request"] = 10_000_000
    body_timeout_ms: Annotated[float, "time in which a request has to arrive"] = 10_000.0
    max_connections: Annotated[int, "connections at once; beyond that 503, beyond twice as many no answer"] = 4_000
    degrade_to: Annotated[str | None, "under load leave as at this operating point or threshold"] = None
    degrade_above_ms: Annotated[float, "under load: the oldest text waits longer than this to be begun"] = 50.0
    audit_share: Annotated[float, "share of texts whose early answer is compared with full depth, in idle time"] = 0.01
    expected_disagreement: Annotated[
        float | None, "share of answers that may differ from full depth; by default the operating point's"
    ] = None
    fall_back_to: Annotated[str | None, "once a promise is at risk leave as at this operating point or threshold"] = (
        None
    )
    warm_up_seconds: Annotated[float, "time to prepare for the lengths to be expected, before the first request"] = 10.0
    drain_seconds: Annotated[float, "time for open requests to end after SIGTERM"] = 30.0
    log_requests: Annotated[bool, "log a line for each request"] = False
    log_texts: Annotated[bool, "log the texts of each request, too"] = False

    def __post_init__(self) -> None:
        positive = ("compute_threads", "max_queue", "max_texts", "max_characters", "max_body_bytes", "max_connections")
        for name in (*positive, "threads", "token_budget"):
            self._check(name, lambda value: value >= 1, "a whole number from 1 on")
        for name in [field.name for field in fields(self) if field.name.endswith(("_ms", "_seconds"))]:
            self._check(name, lambda value: 0 <= value < float("inf"), "a number from 0 on")
        self._check("max_queue_ms", lambda value: value >= 1, "a number from 1 on")
        for name in ("audit_share", "expected_disagreement"):
            self._check(name, lambda value: 0 <= value <= 1, "a share from 0 to 1")
        self._check("port", lambda value: 0 <= value < 65536, "a port from 0 to 65535")
        for origin in self.allow_origin:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise OptionError(
                    f"allow_origin is {origin!r}; use one such as https://example.org, or * for every one",
                    option="allow_origin",
                    value=origin,
                )
        if self.max_texts > self.max_queue:
            raise OptionError(
                f"max_texts is {self.max_texts} and `max_queue` {self.max_queue}; a request must fit into the queue",
                option="max_texts",
                value=self.max_texts,
            )

    def _check(self, name: str, valid: Callable[[Any], bool], wanted: str) -> None:
        value = getattr(self, name)
        if value is not None and not valid(value):
            raise OptionError(f"{name} is {value}; use {wanted}", option=name, value=value)


def is_threshold(name: str) -> bool:
    """Whether an option that takes an operating point or a threshold holds the latter."""
    try:
        float(name)
    except ValueError:
        return False
    return True
