"""``offramp demo``."""

from typing import Annotated

import typer

from offramp.cli.evaluate import print_report
from offramp.cli.progress import progress
from offramp.cli.terminal import EpochTable, quiet_libraries, say, show
from offramp.cli.tune import print_tuned

EXAMPLES = (
    "offramp demo",
    "offramp demo --output /tmp/demo",
)


def command(
    output: Annotated[str, typer.Option(help="Folder to work in.")] = "demo-output",
) -> None:
    """Train, calibrate, tune, evaluate and try a small model on real newswires, offline, in up to ten minutes."""
    quiet_libraries()
    from offramp.demonstration import demo

    with progress() as update:
        result = demo(output, say=say, on_epoch=EpochTable(), on_progress=update)
    print_tuned(result.tuned)
    show()
    print_report(result.report)
    show()
    for text, prediction in result.examples:
        show(
            f"{prediction.label:>9} {prediction.confidence:6.1%}, left after {prediction.exit}: {text[:90].strip()}..."
        )
    show()
    show(result.summary)
