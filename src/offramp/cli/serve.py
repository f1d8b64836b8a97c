"""``offramp serve``."""

import logging
import os
import sys

from offramp.cli.options import At, Backend, ModelFolder, Precision, Threshold, expand
from offramp.cli.terminal import quiet_libraries, say
from offramp.serving.settings import Settings


@expand("settings", Settings)
def command(
    model: ModelFolder,
    settings: Settings,
    threshold: Threshold = None,
    at: At = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
) -> None:
    """Serve a model over HTTP: rows leave and join batches while they run, and answers go out as rows leave."""
    # The server computes in threads of its own; tokenising in several more would only be in their way.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    quiet_libraries()
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("offramp.serving").setLevel(logging.INFO)
    from offramp.serving import serve

    serve(
        model,
        settings,
        threshold=threshold,
        at=at,
        backend=backend,
        precision=precision,
        on_ready=lambda address: say(f"serving {model} at {address}; Ctrl+C ends it"),
    )
