"""A model folder becomes an HTTP server, until a signal ends it; the verb is in ``starting.py``."""

import asyncio
import gc
import logging
import signal
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, cast

import torch
import uvicorn

from offramp import environment
from offramp.drift import expected_disagreement
from offramp.engine import Classifier, load
from offramp.engine.watching import watched
from offramp.serving.app import create_app
from offramp.serving.audits import Auditor
from offramp.serving.core import Core
from offramp.serving.information import add_gauges, started_in_words
from offramp.serving.journal import Journal
from offramp.serving.keys import Keys
from offramp.serving.metrics import Metrics
from offramp.serving.operating import InForce, check_floor, default_point, named_point
from offramp.serving.protocol import BoundedProtocol, Peer
from offramp.serving.refusals import Refusal
from offramp.serving.service import Service
from offramp.serving.settings import Settings
from offramp.serving.watching import Watcher

logger = logging.getLogger("offramp.serving")

# Seconds that a connection stays open without a request.
_KEEP_ALIVE = 30
# Seconds in which a client has to take some of an answer.
_STALLED = 30


def run_server(
    service: Service, keys: Keys | None, on_ready: Callable[[str], None] | None, listening: socket.socket
) -> None:
    """Serves over HTTP until a signal ends it.

    Args:
        service: at work; it is stopped in the end.
        keys: of those who may use it.
        on_ready: called with the server's address when it takes requests.
        listening: where.
    """
    # What is loaded stays: looking through it for garbage would stop all requests, and delay the end, by seconds.
    gc.collect()
    gc.freeze()
    try:
        _Server(service, keys, on_ready).run([listening])
    finally:
        service.core.stop()


def start_service(
    model: str | Path | Classifier,
    settings: Settings,
    *,
    threshold: float | None,
    at: str | None,
    backend: str,
    precision: str,
) -> Service:
    """Loads a model for every thread that computes, and puts a server together but for HTTP; its core is at work.

    The arguments and errors are those of :func:`offramp.serve`.
    """
    if isinstance(model, Classifier):
        threads, folder = torch.get_num_threads(), model.folder
        classifiers = [model if settings.token_budget is None else model.with_token_budget(settings.token_budget)]
    else:
        folder = Path(model)
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
    name = classifiers[0].runner.cascade.backbone if folder is None else folder.resolve().name
    service = make_service(name, classifiers, settings, threshold=threshold, at=at)
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
        threshold, at: as for :func:`offramp.serve`.

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
    if expected is None and normal.tuned is not None:
        expected = expected_disagreement(normal.tuned)
    auditor = Auditor(
        classifier.problem,
        len(classifier.exits) - 1,
        settings.audit_share,
        expected,
    )
    metrics = Metrics(classifier.exit_names)
    in_force = InForce(normal, degraded, settings.degrade_above_ms / 1000, safe)
    watcher = Watcher(lambda: None if normal.tuned is None else watched(classifier, normal.tuned))
    core = Core(classifiers, settings, in_force, auditor, watcher, metrics)
    add_gauges(metrics, name, core)
    return Service(name, core, settings, metrics)


class _Server(uvicorn.Server):
    """Uvicorn's server, that besides drains the core, reads keys again and drops clients that take no answers."""

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
                http=cast(Any, partial(BoundedProtocol, settings=settings, refused=self._refused)),
            )
        )
        self._service = service
        self._keys = keys
        self._on_ready = on_ready
        self._journal = Journal()
        # When clients last took some of what is to be sent to them, and how many bytes that left.
        self._taken: dict[BoundedProtocol, tuple[float, int]] = {}

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
        # Not as uvicorn, which in the end lets the signal do what it does to others: ending is no failure.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Is called ten times a second."""
        if counter % 10 == 0:
            self._drop_stalled(time.monotonic())
        return await super().on_tick(counter)

    def _drop_stalled(self, now: float) -> None:
        """Drops the connections of clients that have left what was sent to them unread for long."""
        before, self._taken = self._taken, {}
        for connection in self.server_state.connections:
            assert isinstance(connection, BoundedProtocol)
            if left := connection.transport.get_write_buffer_size():
                since, size = before.get(connection, (now, left))
                self._taken[connection] = (since, size) if left == size else (now, left)
                if now - self._taken[connection][0] > _STALLED:
                    connection.transport.abort()

    def _refused(self, peer: Peer, refusal: Refusal) -> None:
        """Counts and logs what the application never sees."""
        self._service.metrics.request("other", refusal.status, 0.0)
        self._journal.refused({"method": "what", "path": "cannot be read", "client": peer}, refusal)

    def _reload(self) -> None:
        """New keys say nothing about drift: what was found of it stays."""
        logger.info("SIGHUP: API keys are read again")
        if self._keys is not None:
            self._keys.reload()

    def _forget(self) -> None:
        logger.info("SIGUSR1: the drift monitor begins anew")
        self._service.core.desk.auditor.reset()
        self._service.core.watcher.reset()
