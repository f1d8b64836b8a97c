"""The server as an application of Ray Serve: as many copies as requests ask for, on as many machines."""

from dataclasses import replace

from fastapi import FastAPI
from pydantic import BaseModel

from offramp.backends import AUTO
from offramp.errors import MissingExtraError
from offramp.serving import Settings
from offramp.serving.app import create_app
from offramp.serving.run import start_service
from offramp.serving.starting import open_keys

try:
    from ray import serve
    from ray.serve import Application as RayApplication
except ImportError:
    raise MissingExtraError("offramp on Ray Serve", "ray") from None


class Application(BaseModel, frozen=True, extra="forbid"):
    """What ``serve run offramp.scale:app`` takes, as ``model=/models/news`` or under ``args`` in a configuration file.

    Attributes:
        model: the model folder, at the same path on every machine.
        threshold, at: where texts leave that ask for nothing; as for :func:`offramp.serve`.
        backend, precision: as for :func:`offramp.load`.
        min_replicas, max_replicas: copies of the model.
        target_requests: requests that one copy should have open, waiting ones included; with more there will be
            another copy, with fewer one less.
        threads: processor threads of a copy that compute.
        gpus: GPUs of a copy.
        settings: options of ``offramp serve``; address, connections and all threads are Ray's affair.
    """

    model: str
    threshold: float | None = None
    at: str | None = None
    backend: str = AUTO
    precision: str = AUTO
    min_replicas: int = 1
    max_replicas: int = 4
    target_requests: float = 16.0
    threads: int = 1
    gpus: float = 0.0
    settings: Settings = Settings()


def app(given: Application) -> RayApplication:
    """Makes the application: in every copy the routes, batches and limits of ``offramp serve``.

        serve run offramp.scale:app model=/models/news at=balanced

    Copies come and go with the number of open requests. What one copy cannot take waits in front of it or gets 503.
    """
    settings = given.settings
    deployment = serve.deployment(
        name="offramp",
        max_ongoing_requests=settings.max_queue,
        autoscaling_config={
            "min_replicas": given.min_replicas,
            "max_replicas": given.max_replicas,
            "target_ongoing_requests": given.target_requests,
        },
        ray_actor_options={"num_cpus": given.threads, "num_gpus": given.gpus},
        graceful_shutdown_timeout_s=settings.drain_seconds,
        logging_config={"enable_access_log": settings.log_requests},
    )
    return deployment(serve.ingress()(_Replica)).bind(given)


class _Replica:
    """One copy: a service, whose core computes in threads of its own."""

    def __init__(self, given: Application) -> None:
        settings = replace(given.settings, compute_threads=1, threads=given.threads)
        self._keys = open_keys(settings)
        self._service = start_service(
            given.model,
            settings,
            threshold=given.threshold,
            at=given.at,
            backend=given.backend,
            precision=given.precision,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Is called by Ray Serve for the application that requests go to."""
        return create_app(self._service, self._keys)

    def check_health(self) -> None:
        """Is called by Ray Serve now and then; a copy that raises is replaced."""
        if not self._service.core.alive:
            raise RuntimeError("a thread that computes has ended")

    def __del__(self) -> None:
        self._service.core.stop()
