"""The server as an application of Ray Serve, which scales the number of copies with the load."""

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
    """Arguments of ``serve run offramp.scale:app``, as ``model=/models/news``, or ``args`` in a configuration file.

    Attributes:
        model: the model folder, at the same path on every machine.
        threshold, at: the default setting; as for :func:`offramp.serve`.
        backend, precision: as for :func:`offramp.load`.
        min_replicas, max_replicas: copies of the model.
        target_requests: open requests per copy, including waiting ones; copies are added above it and removed below.
        threads: computing threads of a copy.
        gpus: GPUs of a copy.
        settings: options of ``offramp serve``; Ray takes care of the address, connections and other threads.
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


def app(application: Application) -> RayApplication:
    """Makes the application; every copy has the routes, batches and limits of ``offramp serve``.

        serve run offramp.scale:app model=/models/news at=balanced

    Copies come and go with the number of open requests. Requests that a copy cannot take wait or get 503.
    """
    settings = application.settings
    deployment = serve.deployment(
        name="offramp",
        max_ongoing_requests=settings.max_queue,
        autoscaling_config={
            "min_replicas": application.min_replicas,
            "max_replicas": application.max_replicas,
            "target_ongoing_requests": application.target_requests,
        },
        ray_actor_options={"num_cpus": application.threads, "num_gpus": application.gpus},
        graceful_shutdown_timeout_s=settings.drain_seconds,
        logging_config={"enable_access_log": settings.log_requests},
    )
    return deployment(serve.ingress()(_Replica)).bind(application)


class _Replica:
    """One copy: a service whose core computes in its own threads."""

    def __init__(self, application: Application) -> None:
        settings = replace(application.settings, compute_threads=1, threads=application.threads)
        self._keys = open_keys(settings)
        self._service = start_service(
            application.model,
            settings,
            threshold=application.threshold,
            at=application.at,
            backend=application.backend,
            precision=application.precision,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Called by Ray Serve to get the ASGI application."""
        return create_app(self._service, self._keys)

    def check_health(self) -> None:
        """Called by Ray Serve regularly; a copy that raises is replaced."""
        if not self._service.core.alive:
            raise RuntimeError("a thread that computes has ended")

    def __del__(self) -> None:
        self._service.core.stop()
