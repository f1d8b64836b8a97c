"""``offramp serve``: a model folder becomes an HTTP server, until a signal ends it."""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from offramp import environment
from offramp.engine import Classifier, load
from offramp.errors import MissingExtraError, OptionError

try:
    import fastapi as _fastapi  # noqa: F401
    import prometheus_client as _prometheus_client  # noqa: F401
    import uvicorn
except ImportError:
    raise MissingExtraError("offramp serve", "serve") from None

from offramp.serving.app import create_app
from offramp.serving.audits import Auditor, expected_disagreement
from offramp.serving.core import Core
from offramp.serving.information import add_gauges, started_in_words
from offramp.serving.keys import Keys
from offramp.serving.metrics import Metrics
from offramp.serving.operating import InForce, check_floor, default_point, named_point
from offramp.serving.service import Service
from offramp.serving.settings import Settings

logger = logging.getLogger("offramp.serving")

# Seconds that a connection stays open without a request.
_KEEP_ALIVE = 30
# Files and connections that a process may have open, if the system allows it.
_FILES = 65_536


def serve(
    model: str | Path,
    settings: Settings | None = None,
    *,
    threshold: float | None = None,
    at: str | None = None,
    backend: str = "auto",
    precision: str = "auto",
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serves a model over HTTP until SIGTERM or SIGINT, and then lets open requests end.

    Args:
        model: the model folder.
        settings: see there.
        threshold, at: where texts leave that ask for nothing; as for :meth:`offramp.Classifier.predict`.
        backend, precision: as for :func:`offramp.load`.
        on_ready: called with the server's address when it takes requests.

    Raises:
        OptionError: a value is out of range, the API keys cannot be read, or the address cannot be used.
        ModelFolderError: as :func:`offramp.load`.
    """
    settings = settings or Settings()
    keys = open_keys(settings)
    with _bound(settings.host, settings.port) as listening:
        _allow_files()
        service = start_service(model, settings, threshold=threshold, at=at, backend=backend, precision=precision)
        try:
            _Server(service, keys, on_ready).run([listening])
        finally:
            service.core.stop()


def open_keys(settings: Settings) -> Keys | None:
    """The keys of those who may use a server; None for everybody.

    Raises:
        OptionError: they cannot be read.
    """
    return None if settings.api_keys is None else Keys(Path(settings.api_keys))


def start_service(
    model: str | Path,
    settings: Settings,
    *,
    threshold: float | None,
    at: str | None,
    backend: str,
    precision: str,
) -> Service:
    """Loads a model for every thread that computes, and puts a server together but for HTTP; its core is at work.

    The arguments and errors are those of :func:`serve`.
    """
    threads = settings.threads or max(1, (environment.cores() - 1) // settings.compute_threads)
    open_one = partial(
        load,
        model,
        backend=backend,
        precision=precision,
        token_budget=settings.token_budget,
        threads=threads,
        few_shapes=True,
    )
    classifiers = [open_one() for _ in range(settings.compute_threads)]
    service = make_service(Path(model).resolve().name, classifiers, settings, threshold=threshold, at=at)
    service.core.warm_up(settings.warm_up_seconds)
    service.core.start()
    logger.info("%s", started_in_words(service, threads))
    return service


def make_service(
    name: str,
    classifiers: Sequence[Classifier],
    settings: Settings,
    *,
    threshold: float | None = None,
    at: str | None = None,
) -> Service:
    """Puts a server together, but for HTTP; its core is not started.

    Args:
        name: of the model.
        classifiers: one for each thread that computes.
        settings: see there.
        threshold, at: as for :func:`serve`.

    Raises:
        OptionError, ModelFolderError: an operating point is not there, or out of date.
    """
    classifier = classifiers[0]
    normal = default_point(classifier, threshold, at)
    degraded, safe = (
        None if wanted is None else named_point(classifier, wanted)
        for wanted in (settings.degrade_to, settings.fall_back_to)
    )
    check_floor(normal, degraded)
    expected = settings.expected_disagreement
    auditor = Auditor(
        classifier.problem,
        len(classifier.labels),
        len(classifier.exits) - 1,
        settings.audit_share,
        expected_disagreement(normal) if expected is None else expected,
    )
    metrics = Metrics(classifier.exits)
    in_force = InForce(normal, degraded, settings.degrade_above_ms / 1000, safe)
    core = Core(classifiers, settings, in_force, auditor, metrics)
    add_gauges(metrics, name, core)
    return Service(name, core, settings, metrics)


class _Server(uvicorn.Server):
    """Uvicorn's server, that besides drains the core, reads keys again and closes connections that say nothing."""

    def __init__(self, service: Service, keys: Keys | None, on_ready: Callable[[str], None] | None) -> None:
        settings = service.settings
        super().__init__(
            uvicorn.Config(
                create_app(service, keys, lambda: len(self.server_state.connections)),
                log_level="warning",
                access_log=False,
                lifespan="off",
                ws="none",
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
                h11_max_incomplete_event_size=64 * 1024,
            )
        )
        self._service = service
        self._keys = keys
        self._on_ready = on_ready
        self._silent: dict[Any, float] = {}

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens, and tells that it does."""
        await super().startup(sockets)
        if hasattr(signal, "SIGHUP"):
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, self._reload)
            loop.add_signal_handler(signal.SIGUSR1, self._forget)
        if self._on_ready is not None:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._on_ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Takes no more requests from now on."""
        self._service.core.draining = True
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Lets open requests end; that is what the signal asked for, and no failure."""
        await super().shutdown(sockets)
        self._captured_signals.clear()

    async def on_tick(self, counter: int) -> bool:
        """Is called ten times a second."""
        if counter % 10 == 0:
            self._close_silent(time.monotonic())
        return await super().on_tick(counter)

    def _close_silent(self, now: float) -> None:
        """Closes connections that have not sent a request's head in the time allowed for a request."""
        silent = {one for one in self.server_state.connections if _is_silent(one)}
        self._silent = {one: self._silent.get(one, now) for one in silent}
        for one, since in self._silent.items():
            if now - since > self._service.settings.body_timeout_ms / 1000:
                one.transport.close()

    def _reload(self) -> None:
        """New keys say nothing about drift: what was found of it stays."""
        logger.info("SIGHUP: API keys are read again")
        if self._keys is not None:
            self._keys.reload()

    def _forget(self) -> None:
        logger.info("SIGUSR1: the drift monitor begins anew")
        self._service.core.desk.auditor.reset()


def _is_silent(connection: Any) -> bool:
    """Whether a connection has no request under way, and no timer of uvicorn's that would close it."""
    cycle = getattr(connection, "cycle", None)
    waiting = cycle is None or cycle.response_complete
    return waiting and getattr(connection, "timeout_keep_alive_task", None) is None


def _bound(host: str, port: int) -> socket.socket:
    """A socket at an address; it does not listen yet, so that nobody is kept waiting while the model is loaded."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        bound = socket.socket(family, kind)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        reason = error.strerror or error
        raise OptionError(f"cannot listen on {host}:{port}: {reason}; name another --host or --port") from None
    return bound


def _allow_files() -> None:
    """Lets the process have as many connections open as the system allows; a thousand are soon used up."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
