"""The ``serve`` verb: everything is looked at before what serves is imported, and listens before a model is loaded."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from offramp import environment
from offramp.backends import AUTO, Runtime
from offramp.engine import check_model
from offramp.engine.choosing import check_unloaded
from offramp.errors import OptionError
from offramp.extras import check_installed
from offramp.serving.keys import Keys
from offramp.serving.settings import Settings, is_threshold

if TYPE_CHECKING:
    from offramp.engine import Classifier

# Files and connections that a process may have open, if the system allows it.
_FILES = 65_536


def serve(
    model: "str | Path | Classifier",
    settings: Settings | None = None,
    *,
    threshold: float | None = None,
    at: str | None = None,
    backend: str = AUTO,
    precision: str = AUTO,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serves a model over HTTP until SIGTERM or SIGINT, and then lets open requests end.

    Args:
        model: the model folder, or a classifier in memory, which then takes no options of loading and one thread that
            computes.
        settings: see there.
        threshold, at: where texts leave that ask for nothing; as for :meth:`offramp.Classifier.predict`.
        backend, precision: as for :func:`offramp.load`.
        on_ready: called with the server's address when it takes requests.

    Raises:
        OptionError: a value is out of range, the API keys cannot be read, or the address cannot be used.
        ModelFolderError: as :func:`offramp.load`.

    Example::

        from offramp.serving import Settings

        offramp.serve("model", Settings(port=8000), threshold=0.9)
    """
    settings = settings or Settings()
    check_installed("offramp serve", "serve", "fastapi", "prometheus_client", "uvicorn")
    keys = open_keys(settings)
    environment.check_threads(settings.compute_threads, "compute_threads")
    threads = settings.compute_threads if settings.compute_threads > 1 else None
    check_unloaded(model, compute_threads=threads, threads=settings.threads)
    check_model(model, Runtime(backend, precision, settings.threads), threshold=threshold, at=at)
    for name in (settings.degrade_to, settings.fall_back_to):
        if name is not None and not is_threshold(name):
            check_model(model, Runtime(backend, precision), at=name)
    with _bound(settings.host, settings.port) as listening:
        _allow_files()
        from offramp.serving.run import run_server, start_service  # with these comes PyTorch, which takes seconds

        run_server(
            start_service(model, settings, threshold=threshold, at=at, backend=backend, precision=precision),
            keys,
            on_ready,
            listening,
        )


def open_keys(settings: Settings) -> Keys | None:
    """The keys of those who may use a server; None for everybody.

    Raises:
        OptionError: they cannot be read.
    """
    return None if settings.api_keys is None else Keys(Path(settings.api_keys))


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
        raise OptionError(
            f"cannot listen on {host}:{port}: {reason}; name another `host` or `port`", option="port", value=port
        ) from None
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
