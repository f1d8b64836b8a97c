"""``offramp demo``."""

from typing import Annotated

import typer

from offramp.cli.evaluate import print_report
from offramp.cli.progress import progress
from offramp.cli.terminal import EpochTable, quiet_libraries, say, show

EXAMPLES = (
    "offramp demo",
    "offramp demo --output /tmp/demo",
)


def command(
    output: Annotated[str, typer.Option(help="Folder to work in.")] = "demo-output",
) -> None:
    """Make a fast model from real newswires as 'offramp make' does, offline, in up to ten minutes."""
    quiet_libraries()
    from offramp.demonstration import demo
    from offramp.report import make_report

    with progress() as update:
        result = demo(output, say=say, on_epoch=EpochTable(), on_progress=update)
    if result.made.evaluation is not None:
        print_report(make_report(result.made.evaluation))
    show()
    for text, prediction in result.examples:
        show(
            f"{prediction.label:>9} {prediction.confidence:6.1%}, left after {prediction.exit}: {text[:90].strip()}..."
        )
    show()
    show("\n".join(result.made.summary))
