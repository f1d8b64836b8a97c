"""What all pictures share: formats, colours, and files that are the same for the same figures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from offramp.errors import OptionError
from offramp.extras import check_installed
from offramp.files import replacing

FORMATS = (".svg", ".png")

# Colours that colour-blind people tell apart (Wong, Nature Methods 2011).
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"


def check_picture(path: Path) -> None:
    """Makes sure, before anything is computed, that the picture can be drawn.

    Raises:
        OptionError: no picture format belongs to the name.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise OptionError(f"the picture {path} ends in none of {', '.join(FORMATS)}; choose one of them")
    check_installed("a picture", "report", "matplotlib")


def write_picture(path: Path, draw: Callable[[], Any]) -> None:
    """Writes the figure that ``draw`` makes into an SVG or PNG file.

    Raises:
        OptionError, MissingExtraError: see :func:`check_picture`.
        StorageError: the file cannot be written.
    """
    check_picture(path)
    import matplotlib

    # A fixed salt and no date: the same figures give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "offramp", "font.size": 10}), replacing(path) as new:
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
        draw().savefig(new, format=path.suffix.lower()[1:], dpi=160, metadata=metadata)
