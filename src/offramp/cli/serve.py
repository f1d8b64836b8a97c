"""``offramp serve``."""

import logging
import os
import sys

from offramp.backends import Runtime
from offramp.cli.options import RUNTIME_HELP, At, ModelFolder, Threshold, expand, panels
from offramp.cli.terminal import quiet_libraries, say
from offramp.serving.settings import Settings

EXAMPLES = (
    "offramp serve reviews-model --port 8000",
    "offramp serve reviews-model --host 0.0.0.0 --api-keys keys.txt --degrade-to fast",
)


@panels(
    Access=("settings_host", "settings_port", "settings_api_keys", "settings_allow_origin"),
    Setting=("threshold", "at"),
    Runtime=("runtime", "settings_compute_threads", "settings_threads", "settings_token_budget"),
    Limits=(
        *("settings_timeout_ms", "settings_max_queue", "settings_max_queue_ms", "settings_max_texts"),
        *("settings_max_characters", "settings_max_body_bytes", "settings_body_timeout_ms", "settings_max_connections"),
    ),
    Load=("settings_step_ms", "settings_max_wait_ms", "settings_degrade_to", "settings_degrade_above_ms"),
    Drift=("settings_audit_share", "settings_expected_disagreement", "settings_fall_back_to"),
)
@expand("settings", Settings)
@expand("runtime", Runtime, annotations=RUNTIME_HELP, without=["threads"])
def command(
    model: ModelFolder,
    settings: Settings,
    runtime: Runtime,
    threshold: Threshold = None,
    at: At = None,
) -> None:
    """Serve a model over HTTP: rows leave and join batches while they run, and answers go out as rows leave."""
    # The server computes in threads of its own; tokenizing in several more would only be in their way.
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
        backend=runtime.backend,
        precision=runtime.precision,
        on_ready=lambda address: say(f"serving {model} at {address}; Ctrl+C ends it"),
    )
