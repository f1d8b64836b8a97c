"""Prints a Markdown table of evaluations: the fastest point within 0.3 and within 1 point of full-depth accuracy.

python benchmarks/table.py benchmarks/results/*.json
"""

import json
import sys
from pathlib import Path
from typing import Any

LOSSES = (0.003, 0.01)


def fastest_within(result: dict[str, Any], loss: float) -> dict[str, Any]:
    """The fastest point that was timed and loses at most ``loss`` against full depth."""
    least = result["full"]["accuracy"] - loss - 1e-9
    timed = (point for point in result["points"] if not point.get("computed", False))
    good = [point for point in timed if point["accuracy"] >= least]
    return max(good, key=lambda point: point["speedup"])


def row(path: Path) -> str:
    """One line of the table."""
    result = json.loads(path.read_text(encoding="utf-8"))
    cells = [path.stem, f"{result['full']['accuracy']:.2%}", f"{result['full']['texts_per_second']:.0f}"]
    for loss in LOSSES:
        point = fastest_within(result, loss)
        low, high = point["speedup_spread"]
        cells.append(
            f"**{point['speedup']:.1f}x** ({low:.1f}-{high:.1f}; at most {point['bound_speedup']:.1f}x), "
            f"{point['accuracy']:.2%} at {point['threshold']:g}"
        )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print("| data and encoder | full depth | texts/s | at most 0.3 points lost | at most 1 point lost |")
    print("|---|---|---|---|---|")
    for name in sys.argv[1:]:
        print(row(Path(name)))
